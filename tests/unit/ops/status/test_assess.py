"""Is it safe, and if not, why: decided from values (vault/ops/status)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fake_source import FakeDatabase
from tests.small_repository import new_repository, rows, take
from vault.ids import FindingId, PackId, SnapshotId
from vault.model import CheckedPack, CheckRecord, DrillRecord, Finding, State
from vault.model.jobs import Job, JobError, JobKind, JobState
from vault.ops.guard.ack import Waiting
from vault.ops.guard.way_back import Way
from vault.ops.project import backup_selection as selection
from vault.ops.status.assess import assess
from vault.ops.status.seen import NextRun, Seen, SeenJob, SourceStatus, Status, Trouble
from vault.repo.lineage import Known
from vault.repo.remembered import Remembered
from vault.store.memory import MemoryStore

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NOW_MS = 1_800_000_000_000
WHOLE = selection.encode(True, [], {})
PART = selection.encode(True, [], {"include_tables": ["t"]})
_TEMPLATE = replace(
    take(new_repository(MemoryStore()), FakeDatabase(tables={"public.t": [rows(1, 3)]})).manifest, selection=WHOLE
)


def snapshot(number: int, hours_ago: float, **changes: object) -> Known:
    """One of source `app` that is whole, and holds `number` rows."""
    values: dict[str, object] = {
        "source": "app",
        "sequence": number,
        "created_ms": NOW_MS - round(hours_ago * HOUR_MS),
        "counts": replace(_TEMPLATE.counts, records=number),
        "coverage": {"schema": (State.CAPTURED, 1), "data": (State.EMPTY, 0), "users": (State.NOT_SELECTED, 0)},
    }
    return SnapshotId(number.to_bytes(32, "big")), replace(_TEMPLATE, **{**values, **changes})  # type: ignore[arg-type]


def days(*hours_ago: float) -> tuple[Known, ...]:
    return tuple(snapshot(number, ago) for number, ago in enumerate(hours_ago, 1))


def seen(*known: Known, **others: object) -> Seen:
    return Seen(**{"known": known, "wanted": ("app",), **others})  # type: ignore[arg-type]


def troubles(status: Status) -> list[Trouble]:
    assert status.is_safe is (not status.why)
    assert all(reason.text and reason.fix for reason in status.why)
    return [reason.trouble for reason in status.why]


def of(found: Seen) -> list[Trouble]:
    return troubles(assess(found, now_ms=NOW_MS))


def app(found: Seen) -> SourceStatus:
    (one,) = assess(found, now_ms=NOW_MS).sources
    return one


@pytest.mark.parametrize(
    ("hours_ago", "limit_h", "interval_h", "overdue"),
    [
        ((25,), 26, None, False),
        ((27,), 26, None, True),
        ((27,), 26, 1, True),
        ((23,), None, 24, False),
        ((24.5,), None, 24, True),
        ((100, 76, 52), None, None, True),
        ((100, 76, 52, 28), None, None, False),
        ((101, 100.9, 100.8, 100.7), None, None, True),
        ((21, 20.9, 20.8, 20.7), None, None, False),
        ((60, 50), None, None, False),
        ((200, 180), None, None, True),
        ((500, 332, 164), None, None, False),
    ],
    ids=str,
)
def test_overdue_by_what_is_asked_what_is_scheduled_or_what_is_usual(
    hours_ago: tuple[float, ...], limit_h: int | None, interval_h: int | None, overdue: bool
) -> None:
    limits = {
        "max_age_ms": None if limit_h is None else limit_h * HOUR_MS,
        "planned": {}
        if interval_h is None
        else {"app": NextRun(next_ms=NOW_MS, overdue_after_ms=interval_h * HOUR_MS)},
    }
    found = seen(*days(*hours_ago), **limits)
    assert app(found).is_overdue is overdue
    assert of(found) == [Trouble.OVERDUE] * overdue


def test_no_snapshot_of_a_source_or_at_all() -> None:
    assert of(seen()) == [Trouble.NO_SNAPSHOT]
    assert of(seen(wanted=())) == [Trouble.NO_SNAPSHOT]
    other = seen(snapshot(1, 1, source="other"))
    assert of(other) == [Trouble.NO_SNAPSHOT]
    assert assess(other, now_ms=NOW_MS).others == {"other": 1}


def test_a_part_at_noon_does_not_stand_in_for_the_whole_of_the_night() -> None:
    found = seen(snapshot(1, 50), snapshot(2, 1, selection=PART), max_age_ms=DAY_MS)
    assert of(found) == [Trouble.OVERDUE]
    assert any("newer" in text for text in app(found).warnings)
    assert any("a part" in text for text in app(seen(snapshot(2, 1, selection=PART))).warnings)


@pytest.mark.parametrize("max_age_ms", [None, DAY_MS, 10_000 * DAY_MS])
def test_a_snapshot_from_the_future_is_not_safe_until_another_one_is_there(max_age_ms: int | None) -> None:
    ahead = snapshot(1, -500)
    found = seen(ahead, max_age_ms=max_age_ms)
    assert of(found) == [Trouble.OVERDUE]
    assert any("future" in text for text in app(found).warnings)
    assert of(seen(ahead, snapshot(2, 0), max_age_ms=max_age_ms)) == []
    assert of(seen(snapshot(1, 30), snapshot(2, -0.01), max_age_ms=max_age_ms)) == [], "clocks differ by as much"


def test_what_changed_is_told_next_to_the_one_of_the_same_kind() -> None:
    one = app(seen(snapshot(1, 50), snapshot(5, 30), snapshot(7, 20, selection=PART), snapshot(9, 1)))
    assert one.change is not None
    assert (one.change.rows, one.change.tables, one.change.files) == (4, 0, None)
    assert (one.change.since, one.change.is_next) == (snapshot(5, 30)[0], False), "the part lies between them"
    first = app(seen(snapshot(1, 1))).change
    assert first is not None
    assert (first.rows, first.since) == (None, None)


def test_one_that_holds_less_is_no_first_one() -> None:
    """As `backup -d` in a project: without its directories, and with the same database."""
    listed = _TEMPLATE.database
    assert listed is not None
    whole = {
        "selection": selection.encode(True, ["a", "b"], {}),
        "directories": {"a": listed.tables, "b": listed.tables},
    }
    less = app(seen(snapshot(3, 9, **whole), snapshot(5, 1))).change
    assert less is not None
    assert (less.since, less.is_next, less.rows, less.files) == (snapshot(3, 9)[0], True, 2, None)
    back = app(seen(snapshot(3, 9, **whole), snapshot(5, 5), snapshot(9, 1, **whole))).change
    assert back is not None
    assert (back.since, back.is_next, back.rows, back.files) == (snapshot(3, 9)[0], False, 6, 0)
    files = {"selection": selection.encode(False, ["a"], {}), "directories": {"a": listed.tables}, "database": None}
    other = app(seen(snapshot(1, 5, selection=PART), snapshot(2, 1, **files))).change
    assert other is not None
    assert (other.since, other.rows, other.files) == (snapshot(1, 5)[0], None, None)


@pytest.mark.parametrize("state", [State.FAILED, State.NOT_PERMITTED, State.NOT_EXPORTABLE])
def test_what_was_selected_and_is_not_there(state: State) -> None:
    assert of(seen(snapshot(1, 1, coverage={"data": (state, 1)}))) == [Trouble.INCOMPLETE]


def test_a_suspect_snapshot_and_a_file_that_does_not_open_are_damage() -> None:
    from vault.errors import Malformed

    assert of(seen(snapshot(1, 1, suspect="reuse was unsound"))) == [Trouble.DAMAGE]
    assert of(seen(snapshot(1, 1), unreadable=(Malformed("no", file="snapshots/x"),))) == [Trouble.DAMAGE]


def check(*read_hours_ago: float | None, damage: tuple[str, ...] = ()) -> CheckRecord:
    packs = tuple(
        CheckedPack(
            id=PackId(number.to_bytes(32, "big")),
            size=1,
            read_ms=None if ago is None else NOW_MS - round(ago * HOUR_MS),
        )
        for number, ago in enumerate(read_hours_ago)
    )
    return CheckRecord(
        created_ms=NOW_MS - HOUR_MS, kind="check", host="h", objects=1, read_bytes=1, damage=damage, packs=packs
    )


def test_damage_of_the_last_check_and_since_when_all_data_was_read() -> None:
    assert of(seen(snapshot(1, 1), check=check(damage=("packs/x: gone",)))) == [Trouble.DAMAGE]
    status = assess(seen(snapshot(1, 1), check=check(5, 9)), now_ms=NOW_MS)
    assert (status.is_safe, status.read_ms) == (True, NOW_MS - 9 * HOUR_MS)
    assert assess(seen(snapshot(1, 1), check=check(5, None)), now_ms=NOW_MS).read_ms is None
    assert assess(seen(snapshot(1, 1)), now_ms=NOW_MS).read_ms is None


def drilled(hours_ago: float, *, passed: bool) -> Remembered:
    drill = DrillRecord(
        created_ms=NOW_MS - round(hours_ago * HOUR_MS),
        duration_ms=1,
        host="h",
        mismatches=() if passed else ("public.t: 3 rows differ",),
        not_checked=(),
        passed=passed,
        rows=1,
        server="18",
        snapshot=SnapshotId(bytes(32)),
        source="app",
        tables=1,
    )
    return Remembered(drills={drill.snapshot: drill})


def test_the_last_drill() -> None:
    assert app(seen(snapshot(1, 1))).drill is None
    assert of(seen(snapshot(1, 1), notes=drilled(2, passed=True))) == []
    assert of(seen(snapshot(1, 1), notes=drilled(2, passed=False))) == [Trouble.DAMAGE]


def test_a_finding_that_waits() -> None:
    waiting = Waiting(
        id=FindingId(bytes(32)),
        finding=Finding(code="rows_lost", subject="public.t", text="100 rows before, 3 after"),
        snapshot=SnapshotId(bytes(32)),
        source="app",
        sequence=1,
        there=False,
    )
    assert of(seen(snapshot(2, 1), waiting=(waiting,))) == [Trouble.FINDINGS]
    assert of(seen(snapshot(2, 1), waiting=(replace(waiting, source="other"),))) == []


def test_a_finding_is_of_its_snapshot_and_says_what_leads_back_until_a_later_one_is_sound() -> None:
    good, ruin, later = snapshot(1, 50), snapshot(2, 20), snapshot(3, 1)
    lost = Finding(code="rows_lost", subject="public.t", text="100 rows before, 3 after")
    number = FindingId(bytes(32))
    row = Waiting(id=number, finding=lost, snapshot=ruin[0], source="app", sequence=2, there=True)
    notes = Remembered(open={ruin[0]: ((number, lost),)}, places={ruin[0]: ("app", 2)})
    names = {"notes": notes, "waiting": (row,), "ways": {"app": Way(database="--local")}}

    def told(*known: Known) -> tuple[str, str]:
        (reason,) = assess(seen(*known, **names), now_ms=NOW_MS).why
        return reason.text, f"{reason.fix} | {reason.meant}"

    a, b, c = (pair[0].hex()[:12] for pair in (good, ruin, later))
    text, fix = told(good, ruin)
    assert text.startswith(f"snapshot {b}, 20 h old, looks like damage: rows_lost public.t: 100 rows before, 3 after")
    assert fix.startswith(f"pgvault restore {a} --local --into-source --only public.t --dry-run | ")
    assert fix.endswith(f'pgvault ack {b} --reason "..."')
    text, fix = told(good, ruin, later)
    assert f"in the later {c} nothing was found" in text
    assert fix == f'pgvault ack {b} --reason "mended before {c}" | '
    other = snapshot(3, 1, selection=PART)
    assert told(good, ruin, other)[1].startswith("pgvault restore"), "a part says nothing of the rest"
    assert told(ruin)[1] == f'pgvault ack {b} --reason "..." | ', "nothing good is there any more"


def job(
    started_hours_ago: float,
    ended_hours_ago: float | None,
    state: JobState,
    code: int | None = None,
    *,
    saved: bool = False,
) -> SeenJob:
    error = JobError(code="X", message="it did not work", why="", fix="") if code == 6 else None
    ended_ms = None if ended_hours_ago is None else NOW_MS - round(ended_hours_ago * HOUR_MS)
    made = Job(
        id="j",
        source="app",
        repository="/r",
        kind=JobKind.BACKUP,
        pid=1,
        started_ms=NOW_MS - round(started_hours_ago * HOUR_MS),
        ended_ms=ended_ms,
        exit_code=code,
        snapshot="ab" * 32 if saved else None,
        error=error,
    )
    return SeenJob(job=made, state=state)


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        (job(3, 2, JobState.ENDED, 6), [Trouble.FAILED]),
        (job(3, 2, JobState.ENDED, 1), [Trouble.FAILED]),
        (job(3, None, JobState.KILLED), [Trouble.FAILED]),
        (job(3, 2, JobState.ENDED, 0), []),
        (job(3, 2, JobState.ENDED, 3, saved=True), []),
        (job(3, 2, JobState.ENDED, 5, saved=True), []),
        (job(3, 2, JobState.ENDED, 4, saved=True), []),
        (job(3, 2, JobState.ENDED, 4), [Trouble.FAILED]),
        (job(3, None, JobState.RUNNING), []),
        (job(3, None, JobState.WAITING), []),
        (job(20, 19, JobState.ENDED, 6), []),
        (job(20, None, JobState.KILLED), []),
    ],
    ids=lambda value: "" if isinstance(value, list) else f"{value.state.value} {value.job.exit_code}",
)
def test_the_last_run_counts_until_a_snapshot_came_after_it(newest: SeenJob, expected: list[Trouble]) -> None:
    older = job(40, 39, JobState.ENDED, 6)
    assert of(seen(snapshot(1, 10), jobs=(newest, older))) == expected


def test_the_gravest_is_told_first_and_growth_counts_thirty_days() -> None:
    found = seen(
        snapshot(1, 24 * 40),
        snapshot(2, 50, coverage={"data": (State.FAILED, 1)}),
        max_age_ms=DAY_MS,
        check=check(damage=("x",)),
    )
    status = assess(found, now_ms=NOW_MS)
    assert troubles(status) == [Trouble.DAMAGE, Trouble.OVERDUE, Trouble.INCOMPLETE]
    assert status.grown_bytes == found.known[1][1].effort.new_bytes


def test_a_failed_drill_of_a_snapshot_that_is_there_counts_until_that_one_passes() -> None:
    (failed,) = drilled(9, passed=False).drills.values()
    (passed,) = drilled(2, passed=True).drills.values()
    known = [snapshot(1, 20), snapshot(2, 3)]
    failed, passed = replace(failed, snapshot=known[0][0]), replace(passed, snapshot=known[1][0])
    notes = Remembered(drills={failed.snapshot: failed, passed.snapshot: passed})
    assert of(seen(*known, notes=notes)) == [Trouble.DAMAGE]
    assert of(seen(known[1], notes=notes)) == [], "it is forgotten"
    again = replace(passed, snapshot=failed.snapshot)
    assert of(seen(*known, notes=Remembered(drills={passed.snapshot: passed, failed.snapshot: again}))) == []


def test_a_drill_that_is_configured_and_does_not_pass_in_time_is_told() -> None:
    def drill(number: int, hours_ago: float, **changes: object) -> DrillRecord:
        record = DrillRecord(
            created_ms=NOW_MS - round(hours_ago * HOUR_MS),
            duration_ms=1,
            host="h",
            mismatches=(),
            not_checked=(),
            passed=True,
            rows=1,
            server="18",
            snapshot=SnapshotId(number.to_bytes(32, "big")),
            source="app",
            tables=1,
        )
        return replace(record, **changes)  # type: ignore[arg-type]

    def told(*drills: DrillRecord, known: tuple[Known, ...], drill_ms: int | None = DAY_MS) -> list[Trouble]:
        notes = Remembered(drills={one.snapshot: one for one in drills})
        return of(seen(*known, notes=notes, drill_ms=drill_ms))

    known = days(100, 76, 52, 28, 4)
    assert told(known=known) == [Trouble.OVERDUE]
    assert told(known=known, drill_ms=None) == []
    assert told(known=days(40, 16)) == [], "there was no time for one"
    assert told(drill(4, 47), known=known) == []
    assert told(drill(4, 49), known=known) == [Trouble.OVERDUE]
    assert told(drill(4, 1, source="other"), known=known) == [Trouble.OVERDUE]
    part = (*known, snapshot(6, 3, selection=PART))
    assert told(drill(6, 1), known=part) == [Trouble.OVERDUE], "a part proves the part"


def test_a_snapshot_without_what_an_earlier_one_has_says_so() -> None:
    listed = take(new_repository(MemoryStore()), FakeDatabase(tables={"public.t": [rows(1, 3)]})).manifest.database
    assert listed is not None
    documents = {"documents": listed.tables}
    known = (
        snapshot(1, 50, directories=documents),
        snapshot(2, 49, directories=documents, database=None),
        snapshot(3, 1),
    )
    assert app(seen(*known)).warnings == (f"without directory documents, which {known[1][0].hex()[:12]} has, 2 d old",)
    only_files = (snapshot(1, 50), snapshot(2, 1, directories=documents, database=None))
    assert app(seen(*only_files)).warnings == (
        f"without the database, which {only_files[0][0].hex()[:12]} has, 2 d old",
    )
    assert app(seen(snapshot(1, 50), snapshot(2, 1, directories=documents))).warnings == ()
