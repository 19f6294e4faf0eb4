"""A property list of macOS's launchd. Pure.

After sleep launchd starts once for all that was missed; for what was missed while the machine was off, it starts at every login
too, and the run ends at once if none is due.
"""

from __future__ import annotations

import plistlib
from typing import Final

from vault.app.schedule.task import Task

LABEL: Final = "dev.pgvault."
IF_DUE: Final = "--if-due"


def label(task_name: str) -> str:
    return LABEL + task_name


def plist(task: Task, *, log: str) -> str:
    """log  file for what the run says before it has a log of its own"""
    # launchd counts Sunday as 0.
    day = {} if task.timetable.weekday is None else {"Weekday": (task.timetable.weekday + 1) % 7}
    times = [{**day, "Hour": minute // 60, "Minute": minute % 60} for minute in task.timetable.minutes]
    value: dict[str, object] = {
        "Label": label(task.name),
        "ProgramArguments": [*task.words, IF_DUE],
        "WorkingDirectory": task.folder,
        "EnvironmentVariables": dict(sorted(task.environment.items())),
        "StartCalendarInterval": times,
        "RunAtLoad": True,
        "ProcessType": "Background",
        "LowPriorityIO": True,
        "Nice": 10,
        "Umask": 0o077,
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    return plistlib.dumps(value, sort_keys=False).decode()
