"""One marked line of a crontab, and the crontab around it, which stays byte for byte as it is. Pure.

Cron forgets what it missed. So it starts the command every hour, which ends at once unless a run is due that nobody took: a night
that the machine slept through is caught up once, within the hour.
"""

from __future__ import annotations

import re
from typing import Final

from vault.app.schedule.launchd import IF_DUE
from vault.app.schedule.task import Task
from vault.errors import UnsafeError

LINE_BYTES_MAX: Final = 990
"""Crons of the Vixie family read lines of 1,000 bytes."""
_BEGIN: Final = ">>> pgvault-schedule"
_END: Final = "<<< pgvault-schedule"
_MARK: Final = re.compile(rb"^#[ \t]*(>>>|<<<) (pgvault-[a-z0-9-]+)(?: (\S+))?")


def line(task: Task) -> str:
    """Every hour, at the minute of the first run. Raises  UnsafeError: longer than cron reads, or not read alike by all crons"""
    variables = [f"{name}={_quoted(value)}" for name, value in sorted(task.environment.items())]
    words = [_quoted(word) for word in (*task.words, "-q", IF_DUE)]
    command = f"cd {_quoted(task.folder)} && {' '.join([*variables, *words])}"
    if "\\%" in command or "\\\\" in command:
        raise UnsafeError(
            "a path or variable cannot be written for cron",
            why="it has two backslashes, or one before a percent sign: crons cut or shorten a line there, each in its own way",
            hint="rename it, or choose another scheduler: pgvault schedule install --scheduler systemd-user",
        )
    text = f"{task.timetable.minutes[0] % 60} * * * * {command.replace('%', chr(92) + '%')}"
    if len(text.encode(errors="surrogateescape")) > LINE_BYTES_MAX:
        raise UnsafeError(
            "the line for cron is too long",
            why=f"cron reads {LINE_BYTES_MAX} bytes of a line; it has {len(text)}",
            hint="put what the environment says into pgvault.toml, so that the line need not say it",
        )
    return text


def block(task: Task) -> bytes:
    text = (
        f"# {_BEGIN} {task.name} ({task.timetable}: looked at every hour, so that a missed run is caught up; "
        "pgvault schedule remove takes these three lines away)\n"
        f"{line(task)}\n"
        f"# {_END} {task.name}\n"
    )
    return text.encode(errors="surrogateescape")


def installed(crontab: bytes) -> dict[str, bytes]:
    """Name of each task of ours in it -> what stands there, marks included. Raises  UnsafeError: as `without`"""
    return {name: crontab[start:end] for name, (start, end) in _blocks(crontab).items()}


def within(crontab: bytes, task: Task) -> bytes:
    """The crontab with the task's block in its place, or at the end. Raises  UnsafeError: as `without`"""
    found = _blocks(crontab)
    if task.name in found:
        start, end = found[task.name]
        return crontab[:start] + block(task) + crontab[end:]
    gap = b"\n" if crontab and not crontab.endswith(b"\n") else b""
    return crontab + gap + block(task)


def without(crontab: bytes, name: str) -> bytes:
    """The crontab without the task's block. Raises  UnsafeError: marks that do not pair up, so that nobody can tell what is ours"""
    found = _blocks(crontab)
    if name not in found:
        return crontab
    start, end = found[name]
    return crontab[:start] + crontab[end:]


def _blocks(crontab: bytes) -> dict[str, tuple[int, int]]:
    """Name -> place of its block, from its first mark to the end of the line of its last."""
    blocks: dict[str, tuple[int, int]] = {}
    opened: tuple[str, int] | None = None
    at = 0
    # Not splitlines: cron ends a line at \n alone.
    for number, text in enumerate(crontab.split(b"\n"), 1):
        match = _MARK.match(text)
        if match is not None and match[2] == b"pgvault-schedule":
            name = (match[3] or b"").decode("ascii", "replace")
            if match[1] == b">>>":
                if opened is not None or name in blocks or not name:
                    raise _damaged(number)
                opened = (name, at)
            else:
                if opened is None or opened[0] != name:
                    raise _damaged(number)
                blocks[name] = (opened[1], min(at + len(text) + 1, len(crontab)))
                opened = None
        at += len(text) + 1
    if opened is not None:
        raise _damaged(crontab.count(b"\n", 0, opened[1]) + 1)
    return blocks


def _damaged(number: int) -> UnsafeError:
    return UnsafeError(
        "the marks of pgvault in the crontab are damaged",
        why=f"line {number}: a mark without its partner, twice, or inside another; what is between them cannot be told from yours",
        hint="crontab -e, and remove the lines with `pgvault-schedule` and the command between them; then install again",
    )


def _quoted(text: str) -> str:
    """For sh."""
    if re.fullmatch(r"[A-Za-z0-9_@+=:,./-]+", text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"
