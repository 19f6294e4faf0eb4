"""After the backup of a scheduled run: retention, prune, check and drill, as configured. Each is told in a line; none undoes the backup."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vault.app import upkeep, wiring
from vault.app.conninfo import redacted
from vault.errors import IntegrityError, Interrupted, Locked, SourceError, StoreError, VaultError
from vault.model.words import counted, size
from vault.ops.schedule.upkeep import Saved, UpkeepStep, why_not_at_all, why_not_yet

if TYPE_CHECKING:
    from vault.app.settings import Settings
    from vault.ports import Progress
    from vault.repo.state import Open


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """What the steps work on. `sources`: whose snapshots this run saved; `pruned_ms`, `checked_ms`: when that was done last, 0: never known."""

    repo: Open
    settings: Settings
    sources: Collection[str]
    pruned_ms: int
    checked_ms: int
    progress: Progress
    now_ms: int

    def steps(self, saved: Saved) -> Iterator[UpkeepStep]:
        """One after the other, each as it ends. Raises  Interrupted"""
        schedule = self.settings.schedule
        try:
            not_at_all = self._not_at_all(saved)
            retention = self._step("retention", not_at_all or self._no_policy(), self._forget)
        except VaultError as error:
            not_at_all, retention = "", _failed("retention", error)
        yield retention
        failed = "retention failed, so everything that is there stays" if retention.state == "failed" else ""
        due = self._not_yet(schedule.prune, self.pruned_ms)
        yield self._step("prune", not_at_all or failed or due, self._prune)
        yield self._step("check", self._not_yet(schedule.check, self._checked_ms()), self._check)
        if schedule.drill != "never":
            yield self._step("drill", "", self._drill)

    def _not_at_all(self, saved: Saved) -> str:
        """Raises  VaultError: nobody can tell whether a finding waits, so nothing may go"""
        from vault.repo.remembered import remembered

        if not saved.clean:
            return why_not_at_all(saved, answered=True)
        waiting = remembered(self.repo).open
        known = self.repo.snapshots() if waiting else ()
        answered = not any(manifest.source in self.sources for snapshot, manifest in known if snapshot in waiting)
        return why_not_at_all(saved, answered=answered)

    def _no_policy(self) -> str:
        return "" if self.settings.retention is not None else "no [retention] in pgvault.toml says what to keep"

    def _not_yet(self, often: str, last_ms: int) -> str:
        return why_not_yet(often, last_ms=last_ms, now_ms=self.now_ms)

    def _checked_ms(self) -> int:
        """By this machine or another one; what was found damaged is looked at again."""
        from vault.repo import checks

        own = self.checked_ms
        try:
            newest = checks.newest(self.repo)
        except VaultError:
            return own  # a check says it better
        if newest is None or newest.kind != checks.CHECK or newest.damage:
            return own
        return max(own, newest.created_ms)

    def _step(self, name: str, why_not: str, do: Callable[[], str]) -> UpkeepStep:
        if why_not:
            return UpkeepStep(name=name, state="skipped", why=why_not)
        try:
            return UpkeepStep(name=name, state="done", why=do())
        except Interrupted:
            raise
        except _Skipped as skipped:
            return UpkeepStep(name=name, state="skipped", why=str(skipped))
        except Locked as error:
            return UpkeepStep(name=name, state="skipped", why=redacted(f"{error.message}: {error.why}"))
        except VaultError as error:
            return _failed(name, error)
        except OSError as error:  # a full disk, a directory that went: the run ends as it should all the same
            return _failed(name, SourceError(f"{name} met an error of this machine", why=str(error)))

    def _forget(self) -> str:
        from vault.ops.retention import forget
        from vault.ops.retention.time_zone import named_zone

        assert self.settings.retention is not None
        inventory = forget.take_stock(self.repo)
        if inventory.damaged:
            first = inventory.damaged[0]
            raise type(first)(
                "files of the repository do not open, so nothing is forgotten",
                why=f"{first.message}; {counted(len(inventory.damaged), 'such file')}",
                hint="pgvault check names them; pgvault forget says whether they are in its way",
                file=first.file,
            ) from first
        plan = forget.plan_policy(
            inventory,
            self.settings.retention,
            sources=self.sources,
            calendar=named_zone(self.settings.timezone or "UTC"),
            now_ms=self.now_ms,
        )
        done = forget.run(self.repo, plan, clock=wiring.SystemClock(), entropy=wiring.system_entropy)
        return f"{counted(len(done.removed), 'snapshot')} forgotten, {len(plan.kept()) + len(done.spared)} kept"

    def _prune(self) -> str:
        from vault.ops.retention.prune_plan import PruneOptions

        report = upkeep.prune(self.repo, self.settings, PruneOptions(), tell=lambda plan: None, progress=self.progress)
        done = report.reclaimed
        if done.denied:
            raise _Skipped(f"this machine may not delete in the repository ({done.denied[0].why})")
        freed = max(0, done.deleted_bytes - report.repacked_bytes)
        return f"{counted(done.deleted, 'pack')} deleted, {size(freed)} freed"

    def _drill(self) -> str:
        from vault.app.drill.scheduled import CannotDrill, drill_source, next_source, of_whole
        from vault.repo.remembered import remembered

        drills = of_whole(remembered(self.repo).drills.values(), dict(self.repo.snapshots()))
        often = self.settings.schedule.drill
        source, why = next_source(drills, self.sources, often=often, now_ms=self.now_ms)
        if source is None:
            raise _Skipped(why)
        try:
            return drill_source(self.repo, self.settings, source, progress=self.progress)
        except CannotDrill as error:
            raise _Skipped(str(error)) from error

    def _check(self) -> str:
        indexed = self.repo.indexed(self.settings.cache_dir)
        report = upkeep.check(
            indexed, self.settings, read_data=None, now_ms=self.now_ms, progress=self.progress, unrecorded=_raised
        )
        if report.damage:
            first = report.damage[0]
            raise IntegrityError(
                f"{counted(len(report.damage), 'fault')} found",
                why=f"{first.file or first.object}: {first.why}",
                hint="pgvault check --read-data, then pgvault help errors",
            )
        return f"{counted(report.snapshots, 'snapshot')} whole"


def _raised(error: StoreError) -> None:
    raise error


def _failed(name: str, error: VaultError) -> UpkeepStep:
    file = error.file if isinstance(error, IntegrityError) else ""
    why = ": ".join(part for part in (file, error.message, error.why) if part)
    return UpkeepStep(name=name, state="failed", why=redacted(why), code=error.code, fix=redacted(error.hint))


class _Skipped(Exception):
    """Nothing failed, and nothing could be done."""
