"""A service and a timer of systemd. Pure.

A missed run is caught up once (Persistent). The hardening is what no backup needs: the sockets in /tmp, the agents of passphrase
commands, home directories and any place of a repository stay within reach. No NoNewPrivileges: a passphrase command may be sudo's, and
a rehearsal outside of systemd would not find out that it fails.
"""

from __future__ import annotations

import re
from typing import Final

from vault.app.schedule.task import Task
from vault.ops.schedule.timetable import WEEKDAYS, clock

_PLAIN: Final = re.compile(r"[A-Za-z0-9_@+=:,./-]+")
_SYSTEM: Final = """\
ProtectSystem=full
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
"""
"""Needs the rights of the system's own manager; a user's would refuse to start with some of it."""


def service(task: Task, *, system: bool) -> str:
    """system  of the system's manager, as root; else of the user's"""
    after = "After=network-online.target postgresql.service docker.service\nWants=network-online.target\n"
    variables = "".join(
        f"Environment={_quoted(f'{name}={value}')}\n" for name, value in sorted(task.environment.items())
    )
    return (
        f"# Written by: pgvault schedule install. Removed by: pgvault schedule remove\n"
        f"[Unit]\nDescription={_literal(task.title)}\n{after if system else ''}\n"
        f"[Service]\nType=oneshot\n"
        f"ExecStart={' '.join((_quoted(task.words[0]), *(_word(word) for word in task.words[1:])))}\n"
        f"WorkingDirectory={_literal(task.folder)}\n"
        f"{variables}"
        f"UMask=0077\nNice=10\nIOSchedulingClass=best-effort\nIOSchedulingPriority=7\nNotifyAccess=main\n"
        f"{_SYSTEM if system else ''}"
    )


def timer(task: Task) -> str:
    return (
        f"# Written by: pgvault schedule install. Removed by: pgvault schedule remove\n"
        f"[Unit]\nDescription={_literal(task.title)}, by the clock\n\n"
        f"[Timer]\n{''.join(f'OnCalendar={when}{chr(10)}' for when in on_calendar(task))}"
        f"Persistent=yes\nRandomizedDelaySec={task.delay_s}\nAccuracySec=30\n\n"
        f"[Install]\nWantedBy=timers.target\n"
    )


def on_calendar(task: Task) -> list[str]:
    """One line of a timer for each time of the day."""
    day = f"{WEEKDAYS[task.timetable.weekday].capitalize()} " if task.timetable.weekday is not None else ""
    return [f"{day}*-*-* {clock(minute)}:00" for minute in task.timetable.minutes]


def _literal(text: str) -> str:
    """Where systemd expands % alone."""
    return text.replace("%", "%%")


def _word(text: str) -> str:
    """An argument of ExecStart, where $ is expanded too."""
    return _quoted(text.replace("$", "$$"))


def _quoted(text: str) -> str:
    """Read back as this very text: systemd unescapes C's way inside double quotes."""
    if _PLAIN.fullmatch(text):
        return text
    escaped = "".join(f"\\x{ord(char):02x}" if char < " " or char == "\x7f" else char for char in _escaped(text))
    return f'"{escaped}"'


def _escaped(text: str) -> str:
    return _literal(text).replace("\\", "\\\\").replace('"', '\\"')
