"""Tasks that schedulers are told of: an ordinary one, and one with every character that some scheduler gives a meaning."""

from __future__ import annotations

from vault.app.schedule.task import Task, task_name
from vault.ops.schedule.timetable import read_timetable

PLAIN = Task(
    name=task_name("/srv/shop/pgvault.toml", "app"),
    title="pgvault backup of app (/srv/shop/pgvault.toml)",
    words=("/opt/pgvault/bin/pgvault", "schedule", "run", "--source", "app"),
    folder="/srv/shop",
    timetable=read_timetable("03:10", "12h", spread=""),
    environment={"HOME": "/home/ada", "PATH": "/usr/bin:/bin", "PGVAULT_CONFIG": "/srv/shop/pgvault.toml"},
    delay_s=600,
)
ODD_TEXTS = (
    "a b",
    "100%",
    "%h",
    "$HOME",
    "${HOME}",
    '"quoted"',
    "it's",
    "back\\slash",
    "tab\there",
    "ünï",
    "a;b",
    "#c",
    "*",
)
ODD = Task(
    name=task_name("/srv/o d d", None),
    title="pgvault backup of 100% $odd",
    words=("/opt/o d d/pgvault", "schedule", "run", *ODD_TEXTS),
    folder="/srv/o d d/100%",
    timetable=read_timetable("sun 03:10", None, spread=""),
    environment={"HOME": "/home/ada l", "PATH": "/usr/bin:/opt/100%/bin", "PGVAULT_PASSWORD_FILE": "/home/'\"$x\\y"},
)
