"""Work that this machine did or does in the background, as its record tells it. Kept in the state directory, never in a repository."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class JobKind(str, Enum):
    """What started it."""

    BACKUP = "backup"
    RUN = "run"
    SCHEDULE = "schedule"
    FOREGROUND = "foreground"  # somebody waits for it; a record stays if it saved a snapshot, or was killed


KILLED: Final = "its process is gone, and it did not say how it ended, as where memory is short or power is lost"


class JobState(str, Enum):
    WAITING = "waiting"  # for the database
    RUNNING = "running"
    ENDED = "ended"
    KILLED = "killed"  # its process is gone, and it never said how it ended


@dataclass(frozen=True, slots=True, kw_only=True)
class JobError:
    """Why it failed, in the three parts of every error; `code` is the error's stable name."""

    code: str
    message: str
    why: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run. Times are milliseconds since 1970 UTC; None: not yet, or never.

    repository  its location as it was named, made absolute; holds no secret
    snapshot    id in hex of what was saved
    skipped     why nothing had to be saved; empty otherwise
    command     words as typed, for people
    log         path of its log
    """

    id: str
    source: str
    repository: str
    kind: JobKind
    pid: int
    started_ms: int
    healthy_ms: int | None = None
    ended_ms: int | None = None
    exit_code: int | None = None
    snapshot: str | None = None
    skipped: str = ""
    error: JobError | None = None
    command: tuple[str, ...] = ()
    log: str = ""

    def state(self, *, alive: bool) -> JobState:
        """`alive`: its process is there."""
        if self.ended_ms is not None:
            return JobState.ENDED
        if not alive:
            return JobState.KILLED
        return JobState.WAITING if self.healthy_ms is None else JobState.RUNNING
