"""A backup in the background: started, joined, waited for; and what the job itself does in its process.

Starting one never holds up or fails the caller, who is starting something else; that no backup runs is said loudly instead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any, Final, Protocol

from vault.app import background, jobs, state
from vault.app.conninfo import redacted
from vault.cli import interrupting
from vault.cli.exit_codes import ExitCode
from vault.cli.output import STDOUT, silence, writing
from vault.cli.signalling import signalled
from vault.cli.taken import Taken
from vault.errors import SecretUnavailable, StateUnusable, Unreachable, VaultError
from vault.model.jobs import KILLED, Job, JobError, JobKind, JobState

if TYPE_CHECKING:
    from vault.app.background import Begun, RunningJob
    from vault.app.backup_request import BackupPlan
    from vault.app.settings import Settings
    from vault.app.state import StateDirectory
    from vault.cli.options import Invocation
    from vault.ports import Progress
    from vault.repo.state import Open


FOLLOW: Final = "pgvault status --follow"


class Take(Protocol):
    def __call__(
        self,
        invocation: Invocation,
        settings: Settings,
        plan: BackupPlan,
        /,
        *,
        unlock: Callable[[], Open],
        told: Progress,
    ) -> Taken: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a job is to do. `min_interval_ms`: since the newest snapshot, below which none is taken; `take`: saves one and shows it

    settles  it was started beside a stack that starts, which it does not hold up
    """

    settings: Settings
    plan: BackupPlan
    kind: JobKind
    min_interval_ms: int | None
    take: Take
    command: tuple[str, ...]
    settles: bool = False


def launch(invocation: Invocation, work: Work, *, wait: bool) -> int:
    """Start the job or join the one that runs, and say how to follow it; with `wait`, to its end. Returns the exit code.

    Raises  StateUnusable: with `wait` only
    """
    settings = work.settings
    try:
        directory, begun = start(invocation, work if wait else _beside_a_start(work))
    except StateUnusable as error:
        if wait:
            raise
        return _no_backup(invocation, work, error)
    if wait:
        return _waited(invocation, directory, begun, work.plan.source)
    try:
        _show(invocation, begun, work.plan.source, None if begun.joined else _what_is_missing(settings))
        with writing(STDOUT):
            sys.stdout.flush()
    except VaultError as error:
        # A full disk under our output is no reason to fail whoever started a stack; the job runs.
        silence(sys.stdout)
        invocation.renderer().insist(f"{error.message}: {error.why}")
    return ExitCode.OK


def _beside_a_start(work: Work) -> Work:
    """The server, whose priority is its own, reads on one connection where nobody asked for more."""
    options = work.plan.options
    return replace(work, settles=True, plan=replace(work.plan, options=replace(options, jobs=options.jobs or 1)))


def start(invocation: Invocation, work: Work) -> tuple[StateDirectory, Begun]:
    """Start the job, or find the one that runs. Raises  StateUnusable"""
    from vault.app import wiring

    place = wiring.repository_place(work.settings)
    terms = background.JobTerms(source=work.plan.source, repository=place, kind=work.kind, command=work.command)
    directory = state.state_directory(work.settings)
    interrupting.hold()  # in the job as well: its record is there before what writes the end into it
    try:
        begun = background.begin(
            directory,
            terms,
            lambda running: _work(invocation, work, running),
            clock=wiring.SystemClock(),
            entropy=wiring.system_entropy,
        )
    finally:
        interrupting.let()
    return directory, begun


def _no_backup(invocation: Invocation, work: Work, error: StateUnusable) -> int:
    out = invocation.renderer()
    out.error(f"NO BACKUP RUNS: {error.message}", why=error.why, fix=error.hint)
    if invocation.json:
        out.json_line(fields(None, None, work.plan.source, started="no", why=redacted(f"{error.message}: {error.why}")))
    return ExitCode.OK


def _what_is_missing(settings: Settings) -> VaultError | None:
    """What the job cannot do without, as far as that is seen at once: whoever starts it waits for no network. A network disk that hangs
    holds it up, as the manual says."""
    from vault.app import secret, wiring

    try:
        if not wiring.is_far(settings):
            wiring.require_repository(wiring.open_store(settings), settings)
    except VaultError as error:
        return error
    if secret.origin(settings).kind is not secret.Kind.TERMINAL:
        return None
    return SecretUnavailable(
        "no passphrase",
        why="a job in the background has no terminal to ask on",
        hint="set PGVAULT_PASSWORD_FILE (a 0600 file), PGVAULT_PASSWORD_COMMAND or PGVAULT_PASSWORD",
    )


def _show(invocation: Invocation, begun: Begun, source: str, missing: VaultError | None) -> None:
    out = invocation.renderer()
    if missing is not None:
        out.error(f"THE BACKUP WILL FAIL: {missing.message}", why=missing.why, fix=missing.hint)
    if invocation.json:
        started = "joined" if begun.joined else "yes"
        why = "" if missing is None else redacted(f"{missing.message}: {missing.why}")
        out.json_line(fields(begun.id, begun.log, source, started=started, why=why))
        return
    if begun.joined:
        out.line(f"a backup of {source} runs already: job {begun.id or '(just being started)'}")
    else:
        out.line(f"backup of {source} in the background: job {begun.id}")
    if not invocation.quiet:
        out.line(f"  its log:    tail -f {_quoted(begun.log)}")
        out.line(f"  to follow:  {FOLLOW}")


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))


def fields(job: str | None, log: Path | None, source: str, *, started: str, why: str = "") -> dict[str, Any]:
    """For programs. `started`: yes, joined or no."""
    return {
        "type": "result",
        "job": job,
        "log": None if log is None else str(log),
        "source": source,
        "started": started,
        "why": why,
    }


# --- waiting -------------------------------------------------------------------------------------


def _waited(invocation: Invocation, directory: StateDirectory, begun: Begun, source: str) -> int:
    out = invocation.renderer()
    if begun.id is None:
        raise StateUnusable(
            f"a job of {source} runs, and cannot be found", why="it has no record", hint="pgvault status, in a moment"
        )
    if begun.joined:
        out.talk(f"a backup of {source} runs already: job {begun.id}")
    for line in lines(directory, begun.id):
        out.talk(line)
    job = ended(directory, begun.id)
    if invocation.json:
        out.json_line(_end(job, begun, source))
    return ExitCode.FAILED if job.exit_code is None else job.exit_code


def lines(directory: StateDirectory, job: str, *, pause: Callable[[float], None] = sleep) -> Any:
    """The log's lines as they are written, until the job is over. Raises  StateUnusable; as `pause`"""
    begun = ""
    for piece in jobs.follow(directory, job, pause=pause):
        *whole, begun = (begun + piece).split("\n")
        yield from whole
    if begun:
        yield begun


def ended(directory: StateDirectory, name: str) -> Job:
    """How a job that is over ended. Raises  VaultError: it was killed; StateUnusable: its record cannot be read"""
    found = jobs.load(directory, name)
    if found is None or found.job is None:
        why = "it is gone" if found is None else found.why
        raise StateUnusable(f"how job {name} ended is not known", why=why, hint="pgvault snapshots")
    if jobs.state_of(directory, found.job) is JobState.KILLED:
        raise VaultError(
            f"job {name} was killed",
            why=KILLED,
            hint="pgvault backup: the next run starts clean",
        )
    return found.job


def _end(job: Job, begun: Begun, source: str) -> dict[str, Any]:
    if (error := job.error) is not None:
        parts = {"code": error.code, "message": error.message, "why": error.why, "fix": error.fix}
        return {"type": "error", **parts, "exit_code": job.exit_code, "job": job.id, "log": str(begun.log)}
    shown = fields(job.id, begun.log, source, started="joined" if begun.joined else "yes", why=job.skipped)
    return {**shown, "exit_code": job.exit_code, "snapshot": job.snapshot}


# --- the job -------------------------------------------------------------------------------------


def _work(caller: Invocation, work: Work, running: RunningJob) -> int:
    """In the job's process, whose output is its log, begun within `interrupting.hold`. Never raises; the record says how it ended."""
    from vault.app import wiring
    from vault.cli import joblog
    from vault.cli.failures import told
    from vault.cli.options import Invocation

    clock = wiring.SystemClock()
    sys.stdout, sys.stderr = joblog.results(), joblog.talk(clock.now_ms)
    invocation = Invocation(verbosity=caller.verbosity, repository=caller.repository, source=caller.source)
    out = invocation.renderer()
    running.tell = out.insist
    out.talk(f"job {running.job.id}: backup of {work.plan.source} into {running.job.repository}")
    source, with_ping = work.plan.source, work.kind is not JobKind.SCHEDULE  # whose whole run has one
    done: list[Taken] = []

    def save() -> Taken:
        done.append(_saved(invocation, work, running))
        return done[0]

    try:
        try:
            interrupting.let()
            with signalled(work.settings, source, tell=out.insist, with_ping=with_ping) as heard:
                heard.log = Path(running.job.log)
                heard.code = int(heard.one(source, save).code)
        finally:
            interrupting.hold()
    except BaseException as failure:
        interrupting.hold()  # one that came as it was to be held
        why = told(failure)
        out.error(why.message, why=why.why, fix=why.fix)
        if done and isinstance(failure, KeyboardInterrupt):  # while others were told of it
            return _ended(running, done[0])
        error = JobError(code=why.code, message=why.message, why=why.why, fix=why.fix)
        running.ended(int(why.exit_code), error=error)
        return int(why.exit_code)
    return _ended(running, done[0])


def _ended(running: RunningJob, saved: Taken) -> int:
    running.ended(int(saved.code), snapshot=saved.snapshot, skipped=saved.skipped)
    return int(saved.code)


def _saved(invocation: Invocation, work: Work, running: RunningJob) -> Taken:
    """What needs no database comes first. Raises  as run_backup"""
    from vault.app import wiring
    from vault.app.interval import young_enough
    from vault.cli.joblog import Steps
    from vault.repo.remembered import unanswered

    out, settings, plan, clock = invocation.renderer(), work.settings, work.plan, wiring.SystemClock()
    opened = wiring.open_repository(settings)
    if work.min_interval_ms is not None:
        now_ms = clock.now_ms()
        notes, interval_ms = unanswered(opened), work.min_interval_ms
        skipped = young_enough(opened.snapshots(), plan, notes, min_interval_ms=interval_ms, now_ms=now_ms)
        if skipped:
            out.talk(f"nothing to do: {skipped}")
            return Taken(code=ExitCode.OK, skipped=skipped)
    if plan.conninfo is not None:
        _wait_for_the_database(settings, plan, plan.conninfo, out.talk)
    running.healthy()
    if plan.conninfo is not None and work.settles:
        _let_the_stack_start(settings, out.talk)
    return work.take(invocation, settings, plan, unlock=lambda: opened, told=Steps(out))


def _let_the_stack_start(settings: Settings, tell: Callable[[str], None]) -> None:
    from vault.app import health, yielding
    from vault.model.words import exactly

    settle_ms = settings.background.settle_ms
    patience_s = health.SETTLE_S if settle_ms is None else settle_ms / 1000
    if patience_s > 0:
        tell(
            f"the database answers; beginning when the machine has time, in {exactly(patience_s * 1000)} at the latest"
        )
        health.settle(patience_s=patience_s, idle_share=yielding.idle_share(), pause=sleep)


def _wait_for_the_database(settings: Settings, plan: BackupPlan, conninfo: str, tell: Callable[[str], None]) -> None:
    from vault.app import health, wiring

    reachable = settings.with_variables(plan.variables)
    cleartext, wait_ms = plan.options.allow_cleartext, settings.background.wait_ms
    try:
        health.wait_until(
            lambda: wiring.ask_whether_it_answers(reachable, conninfo, allow_cleartext=cleartext),
            patience_s=health.WAIT_S if wait_ms is None else wait_ms / 1000,
            uptime_s=wiring.SystemClock().uptime_s,
            pause=sleep,
            tell=tell,
        )
    except Unreachable as error:
        error.advise(plan.advice)
        raise
