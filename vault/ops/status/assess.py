"""Is it safe, and if not, why? The moment and all that was found are arguments; nothing is read.

Overdue is told by the newest snapshot, never by a timer that may have run for nothing. What is usual for a source stands in where
nobody said how often.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from vault.ids import SnapshotId
from vault.model import Manifest, State
from vault.model.jobs import KILLED, JobState
from vault.model.words import counted, duration
from vault.ops.project.backup_selection import closest, narrowed
from vault.ops.status.findings import of_findings
from vault.ops.status.seen import Change, NextRun, Reason, Seen, SeenJob, SourceStatus, Status, Trouble
from vault.repo import checks
from vault.repo.lineage import Known, is_ahead

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_GROWTH_MS: Final = 30 * _DAY_MS
_USUAL_MS_MIN: Final = 26 * _HOUR_MS
"""Of what is usual: who took five snapshots in an hour does not go on so all night."""
_UNKNOWN_MS: Final = 7 * _DAY_MS
"""Of a source with one or two snapshots."""
_GAPS: Final = 8
"""The last ones, by which is told what is usual."""
_GAPS_MIN: Final = 2
_GRAVEST_FIRST: Final = (
    Trouble.DAMAGE,
    Trouble.FAILED,
    Trouble.OVERDUE,
    Trouble.NO_SNAPSHOT,
    Trouble.FINDINGS,
    Trouble.INCOMPLETE,
)
_AFTER_VERIFY: Final = "pgvault check --read-data; pgvault repair; then pgvault verify --all"
_GAPS_TOLD: Final = frozenset({State.NOT_EXPORTABLE, State.NOT_PERMITTED, State.FAILED})


def assess(seen: Seen, *, now_ms: int) -> Status:
    sources = tuple(_source(seen, name, now_ms=now_ms) for name in seen.wanted)
    why = [reason for one in sources for reason in _of_source(seen, one, now_ms=now_ms)] + list(_of_repository(seen))
    counts = Counter(manifest.source for _, manifest in seen.known)
    read = [pack.read_ms for pack in seen.check.packs] if seen.check is not None else [None]
    return Status(
        why=tuple(sorted(why, key=lambda reason: _GRAVEST_FIRST.index(reason.trouble))),
        sources=sources,
        others={name: counts[name] for name in sorted(counts.keys() - set(seen.wanted))},
        check=None if seen.check is None or seen.check.kind == checks.PART else seen.check,
        verify=seen.verify,
        read_ms=None if None in read else min((time for time in read if time is not None), default=None),
        leftovers=seen.leftovers,
        snapshots=len(seen.known),
        stored_bytes=seen.stored_bytes,
        grown_bytes=sum(
            manifest.effort.new_bytes for _, manifest in seen.known if 0 <= now_ms - manifest.created_ms < _GROWTH_MS
        ),
    )


def _source(seen: Seen, name: str, *, now_ms: int) -> SourceStatus:
    own = [pair for pair in seen.known if pair[1].source == name]
    whole = [pair for pair in own if not narrowed(pair[1].selection)] or own
    last = whole[-1] if whole else None
    planned = seen.planned.get(name)
    due_ms = _due_ms(last, _allowed_ms(seen, whole, planned), now_ms=now_ms)
    closures = () if seen.verify is None else seen.verify.closures
    verified = {closure.snapshot: closure.checked_ms for closure in closures}
    drills = [drill for drill in seen.notes.drills.values() if drill.source == name]
    return SourceStatus(
        source=name,
        last=last,
        change=None if last is None else _change(last, own),
        due_ms=due_ms,
        is_overdue=due_ms is not None and now_ms > due_ms,
        next_run_ms=None if planned is None else planned.next_ms,
        drill=drills[-1] if drills else None,
        verified_ms=max((verified[id] for id, _ in own if id in verified), default=None),
        job=next((one for one in seen.jobs if one.job.source == name), None),
        warnings=tuple(_warnings(last, own, now_ms=now_ms)),
    )


def _due_ms(last: Known | None, allowed_ms: int, *, now_ms: int) -> int | None:
    """One whose time is in the future says nothing about when the next is due: it is due before now."""
    if last is None:
        return None
    return now_ms - 1 if is_ahead(last[1], now_ms) else last[1].created_ms + allowed_ms


def _allowed_ms(seen: Seen, whole: Sequence[Known], planned: NextRun | None) -> int:
    if seen.max_age_ms is not None:
        return seen.max_age_ms
    if planned is not None:
        return planned.overdue_after_ms
    times = [manifest.created_ms for _, manifest in whole[-_GAPS - 1 :]]
    gaps = sorted(max(0, later - earlier) for earlier, later in pairwise(times))
    return max(_USUAL_MS_MIN, 2 * gaps[len(gaps) // 2]) if len(gaps) >= _GAPS_MIN else _UNKNOWN_MS


def _change(last: Known, own: Sequence[Known]) -> Change:
    """Of the last one, next to the one before it that holds the most of the same."""
    manifest = last[1]
    earlier = own[: own.index(last)]
    since = closest(manifest.selection, earlier)
    new_bytes = manifest.effort.new_bytes
    if since is None:
        return Change(since=None, is_next=False, rows=None, tables=None, files=None, new_bytes=new_bytes)
    before = since[1]
    is_alike = narrowed(before.selection) == narrowed(manifest.selection)
    has_database = is_alike and manifest.database is not None and before.database is not None
    shared = manifest.directories.keys() & before.directories.keys()
    files = [sum(one.directories[name].sums.items for name in shared) for one in (before, manifest)]
    return Change(
        since=since[0],
        is_next=since == earlier[-1],
        rows=manifest.counts.records - before.counts.records if has_database else None,
        tables=manifest.counts.tables - before.counts.tables if has_database else None,
        files=files[1] - files[0] if shared else None,
        new_bytes=new_bytes,
    )


def _warnings(last: Known | None, own: Sequence[Known], *, now_ms: int) -> Iterator[str]:
    if last is None:
        return
    if is_ahead(last[1], now_ms):
        yield "its time is in the future: its clock was ahead, or this one is behind"
    if narrowed(last[1].selection):
        yield f"a part of the database only: {', '.join(narrowed(last[1].selection))}"
    yield from _without(last, own, now_ms=now_ms)
    if own[-1][0] != last[0]:
        yield f"{own[-1][0].hex()[:12]} is newer, and holds a part of the database only"


def _without(last: Known, own: Sequence[Known], *, now_ms: int) -> Iterator[str]:
    """What others of the source hold, and the last one was not asked for."""
    newest = {part: pair for pair in own for part in _parts(pair[1])}
    for part in sorted(newest.keys() - _parts(last[1])):
        id, manifest = newest[part]
        yield f"without {part}, which {id.hex()[:12]} has, {duration(max(0, now_ms - manifest.created_ms))} old"


def _parts(manifest: Manifest) -> set[str]:
    database = set() if manifest.database is None else {"the database"}
    return database | {f"directory {name}" for name in manifest.directories}


def _of_source(seen: Seen, one: SourceStatus, *, now_ms: int) -> Iterator[Reason]:
    if one.last is None:
        yield Reason(
            trouble=Trouble.NO_SNAPSHOT,
            source=one.source,
            text="there is no snapshot of it",
            fix=f"pgvault backup --source {one.source}",
        )
    else:
        yield from _of_snapshot(one, *one.last)
    if one.is_overdue and one.last is not None and one.due_ms is not None:
        created_ms = one.last[1].created_ms
        text = f"overdue: the last snapshot is {duration(now_ms - created_ms)} old, more than {duration(one.due_ms - created_ms)}"
        if is_ahead(one.last[1], now_ms):
            text = "overdue, as far as can be told: the time of the last snapshot is in the future"
        yield Reason(
            trouble=Trouble.OVERDUE,
            source=one.source,
            text=text,
            fix=f"pgvault backup --source {one.source}",
        )
    if one.job is not None:
        yield from _of_job(one, one.job)
    yield from _of_failed_drill(seen, one)
    if one.last is not None and seen.drill_ms is not None:
        yield from _of_missing_drill(seen, one.source, 2 * seen.drill_ms, now_ms=now_ms)
    yield from of_findings(seen, one.source, now_ms=now_ms)


def _of_failed_drill(seen: Seen, one: SourceStatus) -> Iterator[Reason]:
    """The last drill, or that of a snapshot that is there still: one of another snapshot that passed says nothing of this one."""
    there = {id for id, _ in seen.known}
    failed = [
        drill
        for drill in seen.notes.drills.values()
        if drill.source == one.source
        and (drill.mismatches or not drill.passed)
        and (drill is one.drill or drill.snapshot in there)
    ]
    if failed:
        newest = failed[-1]
        short = newest.snapshot.hex()[:12]
        which = "the last drill" if newest is one.drill else f"the last drill of {short}"
        yield Reason(
            trouble=Trouble.DAMAGE,
            source=one.source,
            text=f"{which} restored something else than was saved: "
            + (newest.mismatches[0] if newest.mismatches else "it did not pass"),
            fix=f"pgvault show {short}" if newest is one.drill else f"pgvault drill {short}",
        )


def _of_missing_drill(seen: Seen, source: str, allowed_ms: int, *, now_ms: int) -> Iterator[Reason]:
    """A drill is configured, and none passed for longer than that. One of a part proves no more than the part, if there is more."""
    own = {id: manifest for id, manifest in seen.known if manifest.source == source}
    parts = {id for id, manifest in own.items() if narrowed(manifest.selection)}
    if len(parts) == len(own):
        parts = set()
    passed = [
        drill.created_ms
        for drill in seen.notes.drills.values()
        if drill.source == source and drill.passed and drill.snapshot not in parts and drill.created_ms <= now_ms
    ]
    first_ms = min(manifest.created_ms for manifest in own.values())
    if now_ms - max(passed, default=first_ms) > allowed_ms:
        since = f"the last one is {duration(now_ms - max(passed))} old" if passed else "none passed yet"
        yield Reason(
            trouble=Trouble.OVERDUE,
            source=source,
            text=f"a drill is configured, and overdue: {since}",
            fix=f"pgvault drill --source {source}",
        )


def _of_snapshot(one: SourceStatus, snapshot: SnapshotId, manifest: Manifest) -> Iterator[Reason]:
    short = snapshot.hex()[:12]
    if manifest.suspect:
        yield Reason(
            trouble=Trouble.DAMAGE,
            source=one.source,
            text=f"the last snapshot is suspect: {manifest.suspect}",
            fix=f"pgvault backup --source {one.source} --full",
        )
    gaps = [
        f"{name} ({state.value.replace('_', ' ')})"
        for name, (state, _) in manifest.coverage.items()
        if state in _GAPS_TOLD
    ]
    if gaps:
        yield Reason(
            trouble=Trouble.INCOMPLETE,
            source=one.source,
            text=f"the last snapshot lacks something of {', '.join(gaps)}",
            fix=f"pgvault show {short}",
        )


def _of_job(one: SourceStatus, seen: SeenJob) -> Iterator[Reason]:
    """Of the newest one, unless a snapshot came after it. One that saved a snapshot, which says what is wrong, did not fail."""
    job = seen.job
    if one.last is not None and one.last[1].created_ms > (job.ended_ms or job.started_ms):
        return
    if seen.state is JobState.KILLED:
        text = f"the last run was killed: {KILLED}"
    elif seen.state is JobState.ENDED and job.error is not None:
        text = f"the last run failed: {job.error.message}"
        text += f": {job.error.why}" if job.error.why else ""
    elif seen.state is JobState.ENDED and job.exit_code != 0 and job.snapshot is None:
        text = f"the last run ended with exit code {job.exit_code}"
    else:
        return
    fix = job.error.fix if job.error is not None and job.error.fix else f"pgvault backup --source {one.source}"
    yield Reason(trouble=Trouble.FAILED, source=one.source, text=text, fix=fix)


def _of_repository(seen: Seen) -> Iterator[Reason]:
    if not seen.wanted:
        yield Reason(trouble=Trouble.NO_SNAPSHOT, source="", text="there is no snapshot", fix="pgvault backup")
    for wrong in seen.unread:
        why = f": {wrong.why}" if wrong.why else ""
        fix = wrong.hint or "pgvault config validate"
        yield Reason(
            trouble=Trouble.FAILED, source="", text=f"the next backup will fail: {wrong.message}{why}", fix=fix
        )
    yield from _of_unnamed(seen)
    for step, why, fix in seen.undone:
        text = f"the last scheduled run saved, and left its {step} undone: {why}"
        yield Reason(trouble=Trouble.FAILED, source="", text=text, fix=fix or "pgvault schedule run")
    for rollback in seen.rollbacks:
        error = rollback.error()
        yield Reason(
            trouble=Trouble.DAMAGE, source=rollback.source, text=f"{error.message}: {error.why}", fix=error.hint
        )
    if seen.unreadable:
        first = seen.unreadable[0]
        others = f", and {counted(len(seen.unreadable) - 1, 'other file')}" if len(seen.unreadable) > 1 else ""
        text = f"{first.file}: {first.message}{others}"
        yield Reason(trouble=Trouble.DAMAGE, source="", text=text, fix="pgvault check")
    told = ((seen.check, "a check", "pgvault check; then pgvault repair"), (seen.verify, "a verify", _AFTER_VERIFY))
    for record, who, fix in told:
        if record is not None and record.damage:
            others = f", and {len(record.damage) - 1} more" if len(record.damage) > 1 else ""
            text = f"{who} found damage: {record.damage[0]}{others}"
            yield Reason(trouble=Trouble.DAMAGE, source="", text=text, fix=fix)


def _of_unnamed(seen: Seen) -> Iterator[Reason]:
    """Of the newest run that did not come to know its source, until a snapshot or a run of each source came after it."""
    job = next((one.job for one in seen.jobs if not one.job.source), None)
    if job is None or job.error is None:
        return
    later = {one.job.source for one in seen.jobs if one.job.started_ms > job.started_ms}
    later |= {manifest.source for _, manifest in seen.known if manifest.created_ms > job.started_ms}
    if not seen.wanted or not later.issuperset(seen.wanted):
        why = f": {job.error.why}" if job.error.why else ""
        text = f"a run could not begin: {job.error.message}{why}"
        yield Reason(trouble=Trouble.FAILED, source="", text=text, fix=job.error.fix or "pgvault backup")
