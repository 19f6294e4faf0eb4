"""Records of background jobs: read, written, listed, followed. What a job does is `app.background`'s and its caller's.

A job is alive as long as its log is locked: a lock goes with the process, and a process number that comes again misleads nobody.
A record that cannot be read is told, and is never the reason that another one is not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vault.app import state
from vault.app.state import StateDirectory
from vault.errors import StateUnusable
from vault.model.jobs import Job, JobError, JobKind, JobState

ALIVE: Final = (JobState.WAITING, JobState.RUNNING)
RECORD_BYTES: Final = 4096
"""What a record takes from its first writing on, so that its end can be told on a full disk."""
_BLOCK_BYTES: Final = 64 * 1024
_PAUSE_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A record, or why it cannot be read."""

    id: str
    job: Job | None
    why: str = ""


def save(directory: StateDirectory, job: Job) -> None:
    """Raises  StateUnusable"""
    state.write_json(directory.record(job.id), encode(job), room_bytes=RECORD_BYTES)


def load(directory: StateDirectory, job: str) -> Recorded | None:
    """None if there is no such job."""
    found = state.read_json(directory.record(job))
    if found is None:
        return None
    if found.value is None:
        return Recorded(id=job, job=None, why=found.why)
    try:
        decoded = decode(found.value)
    except (KeyError, TypeError, ValueError):
        return Recorded(id=job, job=None, why="it is no record of a job, or a newer pgvault wrote it")
    if decoded.id != job:
        return Recorded(id=job, job=None, why=f"it is the record of job {decoded.id}")
    return Recorded(id=job, job=decoded)


def id_time(now_ms: int) -> str:
    """What the id of a job that starts now begins with; ids sort by time."""
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(now_ms // 1000, UTC):%Y%m%d-%H%M%S}.{now_ms % 1000:03}"


def listed(directory: StateDirectory, *, now_ms: int) -> Iterator[Recorded]:
    """All records, the newest first; those of a time after now last: a clock was ahead. Raises  StateUnusable: no directory to read"""
    ahead = id_time(now_ms + 1)
    for name in sorted(directory.jobs(), key=lambda name: name >= ahead):
        record = load(directory, name)
        if record is not None:
            yield record


def alive(directory: StateDirectory, source: str, repository: str, *, now_ms: int) -> Job | None:
    """The job of the source in the repository that runs or waits; what cannot be read is passed over. Raises  StateUnusable"""
    jobs = (record.job for record in listed(directory, now_ms=now_ms) if record.job is not None)
    own = (job for job in jobs if (job.source, job.repository) == (source, repository))
    return next((job for job in own if state_of(directory, job) in ALIVE), None)


def state_of(directory: StateDirectory, job: Job) -> JobState:
    """Raises  StateUnusable"""
    return job.state(alive=job.ended_ms is None and is_alive(directory, job.id))


def is_alive(directory: StateDirectory, job: str) -> bool:
    """Raises  StateUnusable"""
    return state.is_held(directory.log(job))


def follow(directory: StateDirectory, job: str, *, pause: Callable[[float], None]) -> Iterator[str]:
    """The log's text as it is written, from its start until the job has ended or was killed; pieces end anywhere.

    `pause` waits so many seconds. Raises  StateUnusable: there is no log, or it cannot be read
    """
    path = directory.log(job)
    try:
        with path.open(encoding="utf-8", errors="replace") as log:
            while True:
                alive = is_alive(directory, job)
                while piece := log.read(_BLOCK_BYTES):
                    yield piece
                if not alive:
                    return
                pause(_PAUSE_S)
    except OSError as error:
        raise StateUnusable(f"the log {path} cannot be read", why=error.strerror or "") from error


# --- JSON ----------------------------------------------------------------------------------------


def encode(job: Job) -> dict[str, object]:
    return {**dataclasses.asdict(job), "kind": job.kind.value, "command": list(job.command)}


def decode(value: Mapping[str, Any]) -> Job:
    """Fields of a newer program are passed over. Raises  KeyError, TypeError, ValueError: a field is missing or of another type"""
    error = value["error"]
    return Job(
        id=_text(value["id"]),
        source=_text(value["source"]),
        repository=_text(value["repository"]),
        kind=JobKind(value["kind"]),
        pid=_number(value["pid"]),
        started_ms=_number(value["started_ms"]),
        healthy_ms=_number_or_none(value["healthy_ms"]),
        ended_ms=_number_or_none(value["ended_ms"]),
        exit_code=_number_or_none(value["exit_code"]),
        snapshot=None if value["snapshot"] is None else _text(value["snapshot"]),
        skipped=_text(value["skipped"]),
        error=None if error is None else JobError(**{name: _text(error[name]) for name in _ERROR}),
        command=tuple(_text(word) for word in _list(value["command"])),
        log=_text(value["log"]),
    )


_ERROR: Final = tuple(field.name for field in dataclasses.fields(JobError))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _number_or_none(value: object) -> int | None:
    return None if value is None else _number(value)
