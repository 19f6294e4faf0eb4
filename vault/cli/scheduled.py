"""A scheduled run: a job for each source, as `backup --background` makes them, waited for; then retention, prune and check.

What a job writes goes to its log and is repeated here for the journal, which alone has what follows. The exit code is the gravest of
the backups' and of what follows them; what was saved is told beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from math import inf
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Final

from vault.app import state, wiring
from vault.app.backup_request import BackupOptions, BackupPlan, plan_all, plan_backup
from vault.app.patience import JOB_S, JobPatience
from vault.app.schedule import known, undone
from vault.app.schedule.known import KnownSchedules
from vault.app.schedule.plan import name_of, timetable_of
from vault.app.signals.service_manager import ServiceManager
from vault.cli.background import Work, ended, lines, start
from vault.cli.exit_codes import GOOD, MEANING, ExitCode, exit_code_of_name, gravest
from vault.cli.failures import told
from vault.cli.progress import Silent
from vault.cli.signalling import signalled
from vault.cli.taken import SourceEnd
from vault.errors import Locked, StateUnusable, UsageError, VaultError
from vault.model.jobs import Job, JobKind
from vault.model.words import exactly
from vault.ops.schedule.timetable import last_due_ms, next_due_ms
from vault.ops.schedule.upkeep import Saved, UpkeepStep

if TYPE_CHECKING:
    from vault.app.background import Begun
    from vault.app.schedule.plan import Here
    from vault.app.settings import Settings
    from vault.app.state import StateDirectory
    from vault.cli.background import Take
    from vault.cli.options import Invocation
    from vault.cli.signalling import Signalled

_HOUR_MS: Final = 60 * 60 * 1000
_JOINED_MAX: Final = 3
"""Jobs of others that are waited for before the run's own; with a restless stack it gives up."""
_HIDDEN_PAUSE_S: Final = 1.0
_HIDDEN_TOLD: Final = 2
_HIDDEN_MAX: Final = 3600
"""Looks at a source that a job without a record holds: about an hour, then the run fails and says so."""


class ScheduledRun:
    """One call of `schedule run`. `take` saves a source where no job can be made."""

    def __init__(self, invocation: Invocation, settings: Settings, here: Here, take: Take) -> None:
        self._invocation = invocation
        self._settings = settings
        self._here = here
        self._take = take
        self._out = invocation.renderer()
        self._clock = wiring.SystemClock()
        self._manager = ServiceManager(settings.environment)
        self._began_ms = self._clock.now_ms()
        self.name = name_of(settings, here)
        self._directory = _directory(settings)
        read = KnownSchedules(found={}) if self._directory is None else known.load(self._directory)
        self._memory = read.found.get(self.name)
        self._done = read.done.get(self.name, {})

    def is_due(self) -> bool:
        """Without a memory of earlier runs: within the hour after its time, as those ask who start it every hour."""
        if self._memory is not None:
            return self._memory.is_due(self._began_ms)
        timetable = timetable_of(self._settings, at=None, every=None, here=self._here)
        return self._began_ms - last_due_ms(timetable, self._began_ms) < _HOUR_MS

    def next_ms(self) -> int:
        return self._next_ms(self._began_ms)

    def run(self) -> int:
        self._remember(started_ms=self._began_ms)
        with signalled(self._settings, self._name_for_pings(), tell=self._out.insist) as heard:
            ends = [self._save(source, plan, heard) for source, plan in self._plans().items()]
            heard.log = next((end.log for end in reversed(ends) if end.code and end.log), None)
            steps = list(self._upkeep(ends))
            code = exit_code((end.code for end in ends), steps)
            for step in steps:
                if step.state == "failed":
                    heard.heard(step.name, int(code), step.why)
            heard.code = int(code)
        self._note_undone(steps)
        self._manager.stopping()
        self._show(ends, steps, code)
        return code

    # --- the backups

    def _name_for_pings(self) -> str:
        return self._settings.source_name() or self.name

    def _plans(self) -> Mapping[str, BackupPlan | UsageError]:
        settings = self._settings
        if settings.source is None and len(settings.sources) > 1:
            return plan_all(settings, BackupOptions(every=True))
        try:
            plan = plan_backup(settings, BackupOptions())
        except UsageError as error:
            return {settings.source_name() or self.name: error}
        return {plan.source: plan}

    def _save(self, source: str, plan: BackupPlan | UsageError, heard: Signalled) -> SourceEnd:
        """Never raises for one source, so that the others have their turn."""
        self._manager.at_work(f"saving {source}")
        try:
            if isinstance(plan, UsageError):
                raise plan
            end = self._saved(replace(self._settings, source=source), plan, heard)
        except VaultError as error:
            why = told(error)
            heard.heard(source, int(why.exit_code), f"{why.message}: {why.why}")
            end = SourceEnd(
                source=source, code=why.exit_code, snapshot=None, why=f"{why.message}: {why.why}", fix=why.fix
            )
        return end

    def _saved(self, settings: Settings, plan: BackupPlan, heard: Signalled) -> SourceEnd:
        """By a job; in this process, and told, where none can be started. Raises  VaultError: also when one runs or ran already"""
        work = Work(
            settings=settings,
            plan=plan,
            kind=JobKind.SCHEDULE,
            min_interval_ms=None,
            take=self._take,
            command=("pgvault", *self._invocation.arguments),
        )
        for directory, begun in self._begun(work):
            self._follow(directory, begun, plan.source)
            if not begun.joined:
                end = _end_of(ended(directory, begun.id or ""))
                heard.heard(plan.source, int(end.code), end.why or f"snapshot {(end.snapshot or '')[:12]} saved")
                return end
        return self._saved_here(settings, plan, heard)

    def _saved_here(self, settings: Settings, plan: BackupPlan, heard: Signalled) -> SourceEnd:
        opened = wiring.open_repository(settings)
        with signalled(settings, plan.source, tell=self._out.insist, with_ping=False) as part:
            taken = part.one(
                plan.source,
                lambda: self._take(self._invocation, settings, plan, unlock=lambda: opened, told=Silent()),
            )
        heard.heard(plan.source, int(taken.code), f"snapshot {(taken.snapshot or '')[:12]} saved")
        return SourceEnd(source=plan.source, code=taken.code, snapshot=taken.snapshot, why=taken.why)

    def _begun(self, work: Work) -> Iterator[tuple[StateDirectory, Begun]]:
        """Jobs of the source, each to be followed to its end: those that run already, then the run's own. None if none can start.

        Raises  Locked: the run's own never got its turn
        """
        source, hidden, joined = work.plan.source, 0, 0
        while joined < _JOINED_MAX and hidden < _HIDDEN_MAX:
            try:
                directory, begun = start(self._invocation, work)
            except StateUnusable as error:
                self._out.insist(
                    f"warning: no job can be recorded, so this one has no log: {error.message}: {error.why}"
                )
                return
            if begun.id is not None:
                joined += 1
                yield directory, begun
                continue
            if hidden == _HIDDEN_TOLD:
                self._out.insist(f"a job of {source} runs that has no readable record; waiting for its end")
            self._manager.at_work(f"waiting for another job of {source}")
            hidden += 1
            sleep(_HIDDEN_PAUSE_S)
        raise Locked(
            f"{source} was not saved by this run: its turn never came",
            why="other jobs of the source ran all the time",
            hint="pgvault status, then pgvault backup",
        )

    def _follow(self, directory: StateDirectory, begun: Begun, source: str) -> None:
        """To the end of the run's own job; to that of another's as long as is sensible. Raises  Locked"""
        if begun.joined:
            self._out.talk(
                f"job {begun.id} of {source} runs already; waiting for its end, {exactly(JOB_S * 1000)} at most"
            )
        patience = JobPatience(source, JOB_S if begun.joined else inf)
        try:
            for line in lines(directory, begun.id or "", pause=patience.pause):
                self._out.talk(line)
                self._manager.at_work(line)
        except KeyboardInterrupt:
            self._out.insist(f"job {begun.id} goes on; its log: {begun.log}")
            raise

    # --- what follows

    def _upkeep(self, ends: list[SourceEnd]) -> Iterator[UpkeepStep]:
        from vault.app.schedule.upkeep import Upkeep
        from vault.cli.joblog import Steps

        wrong = [end for end in ends if end.code not in GOOD]
        saved = Saved(clean=not wrong, why="; ".join(f"{end.source}: exit code {int(end.code)}" for end in wrong))
        if all(end.snapshot is None for end in ends):
            return
        try:
            opened = wiring.open_repository(self._settings)
        except VaultError as error:
            why = told(error)
            yield UpkeepStep(name="upkeep", state="failed", why=f"{why.message}: {why.why}", code=why.code, fix=why.fix)
            return
        upkeep = Upkeep(
            repo=opened,
            settings=self._settings,
            sources={end.source for end in ends},
            pruned_ms=self._done.get("pruned_ms", 0) if self._memory is None else self._memory.pruned_ms,
            checked_ms=self._done.get("checked_ms", 0) if self._memory is None else self._memory.checked_ms,
            progress=Steps(self._out),
            now_ms=self._clock.now_ms(),
        )
        for step in upkeep.steps(saved):
            self._tell(step)
            if step.state == "done" and step.name in ("prune", "check"):
                self._remember(**{f"{step.name}{'d' if step.name == 'prune' else 'ed'}_ms": self._clock.now_ms()})
            yield step

    def _tell(self, step: UpkeepStep) -> None:
        line = f"{step.name}: {step.why}" if step.state == "done" else f"{step.name} {step.state}: {step.why}"
        if step.state == "failed":
            self._out.insist(line)
            if step.fix:
                self._out.insist(f"  next: {step.fix}")
        else:
            self._out.talk(line)

    # --- memory and results

    def _remember(self, **times_ms: int) -> None:
        """Losing it costs a run too many, never one too few."""
        if self._directory is None:
            return
        if self._memory is not None:
            self._memory = replace(self._memory, **times_ms)  # type: ignore[arg-type]
        try:
            known.note(self._directory, self.name, times_ms)
        except StateUnusable as error:
            self._out.insist(f"warning: {error.message}: {error.why}")

    def _note_undone(self, steps: Iterable[UpkeepStep]) -> None:
        """Damage that a check found is in its record; another step that met with damage leaves none for sure."""
        if self._directory is None:
            return
        failed = [
            step
            for step in steps
            if step.state == "failed" and not (step.name == "check" and exit_code_of_name(step.code) is ExitCode.DAMAGE)
        ]
        left = [undone.Undone(step=step.name, why=step.why, fix=step.fix) for step in failed]
        try:
            undone.note(self._directory, self.name, repository=wiring.repository_place(self._settings), undone=left)
        except VaultError as error:
            self._out.insist(f"warning: {error.message}: {error.why}")

    def _show(self, ends: list[SourceEnd], steps: list[UpkeepStep], code: int) -> None:
        now_ms = self._clock.now_ms()
        if self._invocation.json:
            from vault.cli.schedules import run_json

            self._out.json_line(run_json(self.name, ends, steps, code=code, next_ms=self._next_ms(now_ms)))
            return
        for end in ends:
            if end.code:
                self._out.insist(f"{end.source}: {end.why} (exit code {int(end.code)})")
                for head, text in (("  next: ", end.fix), ("  its log: ", "" if end.log is None else str(end.log))):
                    if text:
                        self._out.insist(head + text)
        saved = sum(end.snapshot is not None for end in ends)
        self._out.talk(f"{saved} of {len(ends)} saved, exit code {code}")

    def _next_ms(self, now_ms: int) -> int:
        if self._memory is not None:
            return self._memory.next_ms(now_ms)
        return next_due_ms(timetable_of(self._settings, at=None, every=None, here=self._here), now_ms)


def exit_code(backups: Iterable[ExitCode], steps: Iterable[UpkeepStep]) -> ExitCode:
    """Of the whole run, the gravest: a step that failed is something left undone, or damage if it found any."""
    failed = [exit_code_of_name(step.code) for step in steps if step.state == "failed"]
    return gravest(
        [*backups, *(ExitCode.DAMAGE if code is ExitCode.DAMAGE else ExitCode.INCOMPLETE for code in failed)]
    )


def _directory(settings: Settings) -> StateDirectory | None:
    try:
        return state.state_directory(settings)
    except StateUnusable:
        return None


def _end_of(job: Job) -> SourceEnd:
    error = job.error
    why = "" if error is None else f"{error.message}: {error.why}" if error.why else error.message
    code = ExitCode.FAILED if job.exit_code is None else ExitCode(job.exit_code)
    if code and not why:
        why = MEANING[code]
    return SourceEnd(
        source=job.source,
        code=code,
        snapshot=job.snapshot,
        why=why,
        fix="" if error is None else error.fix,
        log=Path(job.log),
    )
