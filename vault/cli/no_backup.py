"""A backup that a starting stack asked for, and that could not begin because a file, a project or the environment makes no sense.

It is said loudly and recorded as a failed job, which `status` tells until a snapshot comes after it. Never the reason that a start fails.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vault.app import background, places, state, wiring
from vault.cli.background import fields
from vault.cli.exit_codes import ExitCode
from vault.cli.failures import told
from vault.cli.output import STDOUT, silence, writing
from vault.cli.signalling import tell_of_refusal
from vault.errors import StateUnusable, UsageError, VaultError
from vault.model.jobs import Job, JobError, JobKind

if TYPE_CHECKING:
    from vault.app.settings import Settings
    from vault.cli.options import Invocation
    from vault.errors import Misconfigured


def refuse(
    invocation: Invocation, settings: Settings | None, error: Misconfigured, *, kind: JobKind, command: tuple[str, ...]
) -> int:
    """Say why there is none and record it. `settings` is None where they could not be read. Returns the exit code: of the caller"""
    out = invocation.renderer()
    try:
        job = _recorded(invocation, settings, error, kind=kind, command=command)
        out.error(f"NO BACKUP RUNS: {error.message}", why=error.why, fix=error.hint or "pgvault config validate")
        if invocation.json:
            name, log, source = (None, None, "") if job is None else (job.id, Path(job.log), job.source)
            out.json_line(fields(name, log, source, started="no", why=f"{error.message}: {error.why}"))
        with writing(STDOUT):
            sys.stdout.flush()
        _tell_others(settings or invocation.settings_as_far_as_they_go(), job, error)
    except VaultError as full:
        # A full disk under our output is no reason to fail whoever started a stack.
        silence(sys.stdout)
        out.insist(f"{full.message}: {full.why}")
    return ExitCode.OK


def _tell_others(settings: Settings | None, job: Job | None, error: Misconfigured) -> None:
    """By a process of its own: the caller starts a stack, and waits for no answer. What cannot be told is in the job's log."""
    if settings is None or job is None or settings.signals == type(settings.signals)():
        return
    path = Path(job.log)
    name = job.source or "start"
    tell = partial(tell_of_refusal, settings, name, error, tell=partial(print, flush=True), log=path)
    background.run_apart(tell, log=path)


def _recorded(
    invocation: Invocation, settings: Settings | None, error: Misconfigured, *, kind: JobKind, command: tuple[str, ...]
) -> Job | None:
    failure = told(error)
    why = JobError(code=failure.code, message=failure.message, why=failure.why, fix=failure.fix)
    try:
        known = settings or invocation.settings_without_files()
        place = places.places_of_jobs(known)[0]
        terms = background.JobTerms(source=known.source_name() or "", repository=place, kind=kind, command=command)
        return background.refused(
            state.state_directory(known),
            terms,
            why,
            exit_code=int(failure.exit_code),
            clock=wiring.SystemClock(),
            entropy=wiring.system_entropy,
        )
    except (StateUnusable, UsageError) as unusable:
        invocation.renderer().insist(f"and that is not recorded: {unusable.message}: {unusable.why}")
        return None
