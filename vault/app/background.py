"""Jobs: started detached, one at a time for a source in a repository, and joined by whoever wants to wait.

A job holds two locks until its process is gone: that of its source, so that there is no second one, and that of its log, by which
others see that it lives. Its record says how it ended, also on a full disk; a job that was killed leaves a record without an end.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Final

from vault.app import detached, jobs, state
from vault.errors import StateUnusable
from vault.model.jobs import Job, JobError, JobKind

if TYPE_CHECKING:
    from vault.app.state import StateDirectory
    from vault.ports import Clock, Entropy

_SEEN_WITHIN_S: Final = 0.2
_LOOKS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTerms:
    """What a job is about; see vault.model.jobs.Job."""

    source: str
    repository: str
    kind: JobKind
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A job that runs now. `id` is None if another one runs whose record cannot be found (yet); `joined`: it ran already; `log`: to follow it."""

    id: str | None
    log: Path
    joined: bool


class RunningJob:
    """The record of the job that this process is. What it tells of itself is never a reason to stop: `tell` hears what went wrong."""

    def __init__(self, directory: StateDirectory, job: Job, *, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self.job = job
        self.tell: Callable[[str], None] = lambda text: None

    def begin(self) -> None:
        """Raises  StateUnusable"""
        self.job = replace(self.job, pid=os.getpid())
        jobs.save(self._directory, self.job)

    def healthy(self) -> None:
        """The database answered, or none is asked."""
        self._note(replace(self.job, healthy_ms=self._clock.now_ms()))

    def ended(
        self, exit_code: int, *, snapshot: str | None = None, skipped: str = "", error: JobError | None = None
    ) -> None:
        ended = replace(self.job, ended_ms=self._clock.now_ms(), exit_code=exit_code)
        self._note(replace(ended, snapshot=snapshot, skipped=skipped, error=error))

    def _note(self, job: Job) -> None:
        self.job = job
        try:
            jobs.save(self._directory, job)
        except StateUnusable as error:
            self.tell(f"{error.message}: {error.why}")


def begin(
    directory: StateDirectory,
    terms: JobTerms,
    body: Callable[[RunningJob], int],
    *,
    clock: Clock,
    entropy: Entropy,
) -> Begun:
    """Start a detached job unless one of the source is there; return at once.

    body    runs in the job's process and returns its exit code
    Raises  StateUnusable: no job can be recorded, so none was started
    """
    directory.make()
    source = state.take(directory.lock(terms.source, terms.repository))
    if source is None:
        return _found(directory, terms, now_ms=clock.now_ms())
    with ExitStack() as held:  # the job's process has both locks as well: they are free when it is gone
        held.callback(source.release)
        job = new_job(directory, terms, now_ms=clock.now_ms(), entropy=entropy)
        path = Path(job.log)
        own = state.take(path)
        if own is None:
            raise StateUnusable(f"another job has the name {job.id}", why="chance", hint="the same once more")
        held.callback(own.release)
        running = RunningJob(directory, job, clock=clock)

        def run(heard: Callable[[], None]) -> int:
            try:
                running.begin()
            except StateUnusable as error:
                os.write(2, f"{error.message}: {error.why}\n".encode())
                return 1
            heard()
            state.tidy(directory, now_ms=job.started_ms)
            return body(running)

        link = state.point(directory.stable_log(terms.source), path)
        heard = _started(run, path)
    if heard is False:
        raise StateUnusable(
            "the job ended before its record was written",
            why=f"its log may say more: {path}",
            hint="make room, or let PGVAULT_STATE_DIR name another directory",
        )
    return Begun(id=job.id, log=link, joined=False)


def new_job(directory: StateDirectory, terms: JobTerms, *, now_ms: int, entropy: Entropy) -> Job:
    """With an id and the path of a log; nothing is written."""
    name = _name(now_ms, entropy)
    return Job(
        id=name,
        source=terms.source,
        repository=terms.repository,
        kind=terms.kind,
        pid=0,
        started_ms=now_ms,
        command=terms.command,
        log=str(directory.log(name)),
    )


def _found(directory: StateDirectory, terms: JobTerms, *, now_ms: int) -> Begun:
    try:
        return _joined(directory, terms, now_ms=now_ms)
    except StateUnusable:  # it runs all the same
        return Begun(id=None, log=directory.stable_log(terms.source), joined=True)


def refused(
    directory: StateDirectory, terms: JobTerms, error: JobError, *, exit_code: int, clock: Clock, entropy: Entropy
) -> Job:
    """The record, and the log, of a job that could not even be started. Raises  StateUnusable"""
    directory.make()
    now_ms = clock.now_ms()
    name = _name(now_ms, entropy)
    path = directory.log(name)
    job = Job(
        id=name,
        source=terms.source,
        repository=terms.repository,
        kind=terms.kind,
        pid=0,
        started_ms=now_ms,
        ended_ms=now_ms,
        exit_code=exit_code,
        error=error,
        command=terms.command,
        log=str(path),
    )
    own = state.take(path)
    assert own is not None, "a new name is nobody else's"
    try:
        path.write_text(f"{error.message}: {error.why}\n  next: {error.fix}\n", encoding="utf-8", errors="replace")
    except OSError as full:
        raise StateUnusable(f"the log {path} cannot be written", why=full.strerror or "") from full
    finally:
        own.release()
    jobs.save(directory, job)
    state.tidy(directory, now_ms=now_ms)
    return job


def run_apart(body: Callable[[], None], *, log: Path) -> None:
    """In a process of its own, whose output is added to the log; returns at once. Never raises: where none can be had, nothing runs."""

    def run(heard: Callable[[], None]) -> int:
        heard()
        body()
        return 0

    with suppress(StateUnusable):
        _started(run, log)


def _started(run: Callable[[Callable[[], None]], int], path: Path) -> bool | None:
    try:
        # Not the descriptor of the lock: a child that has the log still must not hold that.
        log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    except OSError as error:
        raise StateUnusable(f"the log {path} cannot be written", why=error.strerror or "") from error
    try:
        return detached.detach(run, log=log)
    except OSError as error:
        raise StateUnusable(
            "no process can be started", why=error.strerror or "", hint="end some, then again"
        ) from error
    finally:
        os.close(log)


def _joined(directory: StateDirectory, terms: JobTerms, *, now_ms: int) -> Begun:
    """The job that holds the source's lock; its record comes a moment after."""
    stable = directory.stable_log(terms.source)
    for look in range(_LOOKS):
        job = jobs.alive(directory, terms.source, terms.repository, now_ms=now_ms)
        if job is not None:
            return Begun(id=job.id, log=stable, joined=True)
        sleep(_SEEN_WITHIN_S / _LOOKS if look < _LOOKS - 1 else 0)
    return Begun(id=None, log=stable, joined=True)


def _name(now_ms: int, entropy: Entropy) -> str:
    return f"{jobs.id_time(now_ms)}-{entropy(4).hex()}"
