"""Gather what `pgvault status` shows: from the repository's small files, this machine's jobs, and its schedule.

Of the database nothing is asked; of the repository neither an index nor a pack is read. What can be seen without the repository is
there when that cannot be opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vault.app import jobs, places, wiring
from vault.app.project import find_project
from vault.app.schedule import known, undone
from vault.app.source_here import sources_here, ways_of
from vault.app.state import StateDirectory, state_directory
from vault.errors import Misconfigured, NotThere, StateUnusable
from vault.model.jobs import JobKind, JobState
from vault.model.words import nearest

if TYPE_CHECKING:
    from vault.app.schedule.known import KnownSchedules
    from vault.app.settings import Settings
    from vault.ids import SnapshotId
    from vault.ops.status.seen import Leftover, NextRun, SeenJob, Status
    from vault.repo.lineage import Known
    from vault.repo.remembered import Remembered
    from vault.repo.state import Open

_JOBS_MAX = 100
"""The newest ones; a source whose last job is older has it told by its snapshots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThisMachine:
    """What this machine knows by itself. `jobs`: in this repository, those that run first, then newest first; `notes`: what cannot be
    told, and why.

    `schedules`: what was installed from here; None without a state directory.
    """

    jobs: tuple[SeenJob, ...]
    notes: tuple[str, ...]
    schedules: KnownSchedules | None = None


def this_machine(settings: Settings) -> ThisMachine:
    """Never fails: without a state directory there is less to tell."""
    from vault.ops.status.seen import SeenJob

    found: list[SeenJob] = []
    notes: list[str] = []
    schedules: KnownSchedules | None = None
    try:
        directory = state_directory(settings)
        schedules = known.load(directory)
        if schedules.why:
            notes.append(f"what is scheduled here cannot be told: {schedules.why}")
        named = places.places_of_jobs(settings)
        now_ms = wiring.SystemClock().now_ms()
        for number, recorded in enumerate(jobs.listed(directory, now_ms=now_ms)):
            if number == _JOBS_MAX:
                break
            if recorded.job is None:
                notes.append(f"job {recorded.id}: its record cannot be read: {recorded.why}")
            elif recorded.job.repository in named:
                found.append(SeenJob(job=recorded.job, state=jobs.state_of(directory, recorded.job)))
    except StateUnusable as error:
        notes.append(f"{error.message}: {error.why}; jobs of this machine are not told")
    found.sort(key=lambda seen: seen.state not in jobs.ALIVE)
    return ThisMachine(jobs=tuple(found), notes=tuple(notes), schedules=schedules)


def to_follow(jobs: Iterable[SeenJob], source: str | None) -> SeenJob | None:
    """The newest job that runs, else the newest that has a log of its own."""
    own = [seen for seen in jobs if source in (None, seen.job.source)]
    alive = (seen for seen in own if seen.state in (JobState.WAITING, JobState.RUNNING))
    ended = (seen for seen in own if seen.job.kind is not JobKind.FOREGROUND)
    return next(alive, next(ended, None))


def gather(settings: Settings, *, max_age_ms: int | None, mine: ThisMachine) -> Status:
    """Raises  as wiring.open_repository"""
    opened = wiring.open_repository(settings, load=_load, copies=True)
    from vault.ops.guard.ack import listed
    from vault.ops.schedule.upkeep import OFTEN_MS
    from vault.ops.status.assess import assess
    from vault.ops.status.seen import Seen
    from vault.repo import checks
    from vault.repo.remembered import remembered

    readable, damaged = opened.listing(at_opening=True)
    notes = remembered(opened, at_opening=True)
    wanted = _wanted(settings, readable)
    told: list[str] = []
    heads = wiring.heads(settings, opened, told.append)
    lost = [found for name in wanted if (found := heads.rollback(name, readable)) is not None]
    now_ms = wiring.SystemClock().now_ms()
    checked, verified = checks.newest_of_each(opened)
    seen = Seen(
        known=tuple(readable),
        wanted=wanted,
        unread=tuple(_unread(settings)),
        unreadable=(*damaged, *notes.damaged),
        notes=notes,
        waiting=listed(readable, notes, _forgotten(opened, notes), source=None),
        rollbacks=tuple(lost),
        check=checked,
        verify=verified,
        jobs=mine.jobs,
        leftovers=tuple(_leftovers(opened, now_ms)),
        stored_bytes=sum(stored.size for stored in opened.glanced("") or opened.store.list("")),
        undone=_undone(settings),
        planned=_planned(settings, wanted, mine, now_ms=now_ms),
        ways=ways_of(settings, readable) if notes.open else {},
        max_age_ms=max_age_ms if max_age_ms is not None else settings.schedule.max_age_ms,
        drill_ms=OFTEN_MS.get(settings.schedule.drill),
    )
    return assess(seen, now_ms=now_ms)


def _undone(settings: Settings) -> tuple[tuple[str, str, str], ...]:
    if settings.state_dir is None:
        return ()
    found = undone.load(StateDirectory(settings.state_dir), wiring.repository_place(settings))
    return tuple((one.step, one.why, one.fix) for one in found)


def _load() -> None:
    """While the key is derived."""
    import vault.ops.status.assess  # noqa: F401
    import vault.repo.checks  # noqa: F401
    import vault.repo.state  # noqa: F401
    import vault.repo.sweep  # noqa: F401


def _wanted(settings: Settings, known: Sequence[Known]) -> tuple[str, ...]:
    """--source, else the configuration's, else those of the project around us, else all. Many machines share a repository."""
    there = {manifest.source for _, manifest in known}
    _refuse_slip(settings, there)
    try:
        return tuple(sorted(sources_here(settings, there) or there))
    except Misconfigured:
        return tuple(sorted(there))  # `unread` tells it


def _refuse_slip(settings: Settings, there: set[str]) -> None:
    """A source that nobody knows and that is called nearly as another one. Raises  NotThere"""
    named = settings.source
    if named is None or named in there or named in settings.sources:
        return
    if near := nearest(named, sorted(there | settings.sources.keys())):
        raise NotThere(
            f"no source {named} is configured, and none has a snapshot",
            why=f"there are: {', '.join(sorted(there | settings.sources.keys()))}",
            hint=f"did you mean --source {near}?",
        )


def _unread(settings: Settings) -> list[Misconfigured]:
    """What is wrong with the Supabase projects that the next backup would take. No server is asked."""
    configured = [settings.chosen_source()] if settings.source is not None else list(settings.sources.values())
    folders = {one.folder for one in configured if one.folder is not None} if configured else {Path.cwd()}
    wrong = []
    for folder in sorted(folders):
        try:
            find_project(folder, settings.environment)
        except Misconfigured as error:
            wrong.append(error)
    return wrong


def _forgotten(opened: Open, notes: Remembered) -> frozenset[SnapshotId]:
    """Read only if a finding asks for it."""
    from vault.repo.records import forgotten

    if not notes.open:
        return frozenset()
    return frozenset(one.id for _, record in forgotten(opened).found for one in record.snapshots)


def _leftovers(opened: Open, now_ms: int) -> Iterable[Leftover]:
    """Leases of the dead, their age by this machine's clock: nothing is written to ask for the store's."""
    from vault.app.processes import is_dead
    from vault.ops.status.seen import Leftover
    from vault.repo.sweep import found_leases

    for found in found_leases(opened, opened.glanced("leases/")):
        why = "its process is gone" if found.lease is not None and is_dead(found.lease) else ""
        why = why or ("it is older than a day" if found.is_old(now_ms) else "")
        if why:
            yield Leftover(
                id=found.name.rpartition("/")[2],
                purpose=found.lease.purpose if found.lease is not None else "of a newer program",
                source=found.lease.source if found.lease is not None else "",
                why=why,
            )


def _planned(settings: Settings, sources: Iterable[str], mine: ThisMachine, *, now_ms: int) -> dict[str, NextRun]:
    """What this machine has scheduled for these sources, in this repository."""
    from vault.ops.status.seen import NextRun

    if mine.schedules is None:
        return {}
    place = wiring.repository_place(settings)
    schedules = {name: mine.schedules.of(name, place) for name in sources}
    return {
        name: NextRun(next_ms=one.next_ms(now_ms), overdue_after_ms=one.overdue_after_ms())
        for name, one in schedules.items()
        if one is not None
    }
