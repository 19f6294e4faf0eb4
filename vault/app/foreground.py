"""A backup that somebody waits for: one at a time for a source, as jobs are, by the same lock.

While it works it has a record, so that others can say who holds the source. Afterwards the record stays if a snapshot was saved: by it
this machine knows that a repository was in that place. How it failed was seen by who waited, and is not kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vault.app import background, jobs, state
from vault.app.patience import JOB_S, JobPatience
from vault.errors import StateUnusable

if TYPE_CHECKING:
    from vault.app.background import JobTerms, RunningJob
    from vault.app.state import Lock, StateDirectory
    from vault.model.jobs import Job
    from vault.ports import Clock, Entropy

_PAUSE_S: Final = 0.3


@contextmanager
def alone(
    directory: StateDirectory,
    terms: JobTerms,
    *,
    clock: Clock,
    entropy: Entropy,
    waiting: Callable[[str], None],
    patience_s: float = JOB_S,
) -> Iterator[RunningJob]:
    """The source's turn; its end is to be told to what is given. `waiting` hears once which job is waited for, `patience_s` at most.

    Raises  StateUnusable: no lock can be had, for a reason that does not pass; Locked: the turn never came
    """
    directory.make()
    with ExitStack() as held:
        patience = JobPatience(terms.source, patience_s)
        held.callback(_turn(directory, terms, clock=clock, waiting=waiting, patience=patience).release)
        job = background.new_job(directory, terms, now_ms=clock.now_ms(), entropy=entropy)
        own = state.take(Path(job.log))
        assert own is not None, "a new name is nobody else's"
        held.callback(own.release)
        running = background.RunningJob(directory, job, clock=clock)
        held.callback(_forget_unless_saved, directory, running)
        _log(job)
        running.begin()
        running.healthy()
        state.point(directory.stable_log(terms.source), Path(job.log))
        state.tidy(directory, now_ms=job.started_ms)
        yield running


def _turn(
    directory: StateDirectory,
    terms: JobTerms,
    *,
    clock: Clock,
    waiting: Callable[[str], None],
    patience: JobPatience,
) -> Lock:
    is_told = False
    while (lock := state.take(directory.lock(terms.source, terms.repository))) is None:
        if not is_told:
            is_told = True
            job = jobs.alive(directory, terms.source, terms.repository, now_ms=clock.now_ms())
            waiting("" if job is None else job.id)
        patience.pause(_PAUSE_S)
    return lock


def _log(job: Job) -> None:
    try:
        Path(job.log).write_text(
            f"backup of {job.source} in the foreground, process {os.getpid()}; what it says is told there\n",
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise StateUnusable(f"the log {job.log} cannot be written", why=error.strerror or "") from error


def _forget_unless_saved(directory: StateDirectory, running: RunningJob) -> None:
    if running.job.snapshot is None:
        for path in (directory.record(running.job.id), directory.log(running.job.id)):
            with suppress(OSError):
                path.unlink()
