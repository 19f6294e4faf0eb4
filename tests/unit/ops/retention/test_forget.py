"""Snapshots go after a record says so, pinned ones never, and what dies in between is finished (spec 80-leases, 82-retention)."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from tests.faults import Crashed, Fault, FaultStore
from tests.small_repository import CLOCK, TestClock, damage, new_repository, opened, put_manifest, take
from vault.errors import AuthenticationFailed, IntegrityError, NotThere, UnsafeError, UsageError
from vault.format.notes import encode_ack, encode_drill, encode_findings, finding_id
from vault.format.snapshot import snapshot_name
from vault.format.upkeep import decode_forgotten
from vault.ids import SnapshotId
from vault.model import Ack, DrillRecord, FileKind, Finding, Findings, State
from vault.ops.retention import forget, pins
from vault.ops.retention.policy import Policy
from vault.ops.retention.time_zone import named_zone
from vault.ports import ObjectStore
from vault.repo.records import load, save
from vault.repo.state import Open
from vault.store.memory import MemoryStore

DAY_MS = 86_400_000
NOW_MS = 1_900_000_000_000
_BASE = MemoryStore()
_TEMPLATE = take(new_repository(_BASE)).manifest
_FILES = {name: data for name, data in _BASE.files.items() if not name.startswith("snapshots/")}
ONE = Policy(last=1)


def repository(*sources: str, days: int = 4) -> MemoryStore:
    """Snapshots of so many days of each source, of nothing."""
    store = MemoryStore(dict(_FILES))
    repo = opened(store)
    for source in sources or ("app",):
        for day in range(days):
            add(repo, source, day)
    return store


def add(repo: Open, source: str, day: int, **changes: object) -> SnapshotId:
    values = {"source": source, "sequence": day + 1, "created_ms": 1_700_000_000_000 + day * DAY_MS, "parent": None}
    return put_manifest(repo, _TEMPLATE, **{**values, **changes})


def plan(store: ObjectStore, policy: Policy = ONE, sources: set[str] | None = None) -> forget.ForgetPlan:
    inventory = forget.take_stock(opened(store))
    return forget.plan_policy(inventory, policy, sources=sources, calendar=named_zone("UTC"), now_ms=NOW_MS)


def run(store: ObjectStore, planned: forget.ForgetPlan) -> forget.ForgetReport:
    return forget.run(opened(store), planned, clock=CLOCK, entropy=os.urandom)


def numbers(store: ObjectStore) -> list[int]:
    return [manifest.sequence for _, manifest in opened(store).snapshots()]


def recorded(store: ObjectStore) -> set[int]:
    records = load(opened(store), FileKind.FORGOTTEN, decode_forgotten)
    return {one.sequence for _, record in records.found for one in record.snapshots}


def pin(store: ObjectStore, snapshot: SnapshotId, reason: str = "why") -> None:
    pins.pin(opened(store), snapshot, reason=reason, host="h", clock=CLOCK, entropy=os.urandom)


def test_what_no_rule_keeps_goes_and_a_record_stays() -> None:
    store = repository()
    report = run(store, plan(store))
    assert numbers(store) == [4]
    assert recorded(store) == {1, 2, 3}
    assert len(report.removed) == 3
    assert damage(opened(store)) == ()


def test_nothing_to_do_writes_nothing() -> None:
    store = repository()
    before = dict(store.files)
    assert run(store, plan(store, Policy(last=9))).removed == ()
    assert store.files == before


@pytest.mark.spec("RET-1")
def test_sources_that_nobody_named_are_left_alone() -> None:
    store = repository("app", "other")
    run(store, plan(store, sources={"app", "absent"}))
    left = [(manifest.source, manifest.sequence) for _, manifest in opened(store).snapshots()]
    assert sorted(left) == [("app", 4), *(("other", number) for number in range(1, 5))]


@pytest.mark.spec("RET-7")
def test_an_empty_policy_is_refused() -> None:
    with pytest.raises(UsageError, match="policy is empty"):
        plan(repository(), Policy())


@pytest.mark.spec("RET-9", "RET-11")
@pytest.mark.parametrize("after", [False, True], ids=["not done", "done"])
def test_a_forget_that_dies_at_any_call_loses_nothing_and_the_next_finishes_it(after: bool) -> None:
    """Whatever it was asked for itself: even one that would keep all of them."""
    deaths = 0
    for kind in ("put", "barrier", "delete"):
        for at in range(1, 9):
            store = repository()
            faulty = FaultStore(store, [Fault(kind=kind, at=at, after=after, crash=True)])
            try:
                run(faulty, plan(faulty))
                continue
            except Crashed:
                deaths += 1
            left = numbers(store)
            assert 4 in left
            assert set(range(1, 5)) - set(left) <= recorded(store), "a snapshot went before its record"
            run(store, plan(store, Policy(last=9)))
            assert numbers(store) == sorted(set(range(1, 5)) - recorded(store))
            assert damage(opened(store)) == ()
    assert deaths >= 6


@pytest.mark.spec("RET-9")
def test_a_pin_that_comes_while_a_forget_runs_is_seen_by_one_of_them() -> None:
    store = repository()
    planned = plan(store)
    going = min(planned.going())
    pin(store, going)
    report = run(store, planned)
    assert report.spared == (going,)
    assert len(numbers(store)) == 2
    assert plan(store).inventory.unfinished == frozenset(), "what is pinned is not finished"
    run(store, plan(store))
    assert len(numbers(store)) == 2
    pins.unpin(opened(store), going)
    run(store, plan(store))
    assert numbers(store) == [4]


@pytest.mark.spec("RET-10")
def test_a_pin_that_comes_too_late_says_so_and_is_taken_back() -> None:
    store = repository()
    first = opened(store).snapshots()[0][0]
    faulty = FaultStore(store, [Fault(kind="delete", prefix="snapshots/", crash=True)])
    with pytest.raises(Crashed):
        run(faulty, plan(faulty))
    with pytest.raises(NotThere, match="forgotten meanwhile"):
        pin(store, first)
    assert not [name for name in store.files if name.startswith("pins/")]


def test_pins_keep_against_policy_and_name() -> None:
    store = repository()
    first = opened(store).snapshots()[0][0]
    pin(store, first, "the audit")
    pin(store, first, "the audit")
    pin(store, first, "the move")
    assert len([name for name in store.files if name.startswith("pins/")]) == 2, "the same reason once"
    run(store, plan(store))
    assert numbers(store) == [1, 4]
    with pytest.raises(UnsafeError, match="is pinned") as refused:
        forget.plan_named(forget.take_stock(opened(store)), [first], remove_all=True)
    assert refused.value.why == "the audit; the move"
    assert len(pins.unpin(opened(store), first)) == 2
    assert pins.unpin(opened(store), first) == ()
    run(store, plan(store))
    assert numbers(store) == [4]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 4097])
def test_a_pin_has_a_reason_that_fits(reason: str) -> None:
    store = repository()
    with pytest.raises(UsageError):
        pin(store, opened(store).snapshots()[0][0], reason)


@pytest.mark.spec("RET-12")
def test_a_pin_that_cannot_be_read_stops_every_forget() -> None:
    """It may be one that the disk spoiled; and names which file that is."""
    store = repository()
    store.put("pins/" + "ab" * 32, b"junk")
    with pytest.raises(AuthenticationFailed) as refused:
        plan(store)
    assert refused.value.file == "pins/" + "ab" * 32


@pytest.mark.spec("RET-14")
@pytest.mark.parametrize("directory", ["findings", "drills", "forgotten"])
def test_what_may_hold_a_snapshot_and_cannot_be_read_stops_a_policy(directory: str) -> None:
    """Before anything goes, also what a forget that died left; and by name only if that is said."""
    store = repository()
    dying = FaultStore(store, [Fault(kind="delete", prefix="snapshots/", crash=True)])
    with pytest.raises(Crashed):
        run(dying, plan(dying))
    store.put(f"{directory}/" + "ab" * 32, b"junk")
    with pytest.raises(IntegrityError, match="nothing is forgotten") as refused:
        plan(store)
    assert refused.value.file == f"{directory}/" + "ab" * 32
    assert refused.value.hint
    inventory = forget.take_stock(opened(store))
    with pytest.raises(IntegrityError):
        forget.plan_named(inventory, [inventory.known[-1][0]], remove_all=False)
    assert numbers(store) == [1, 2, 3, 4]
    run(store, forget.plan_named(inventory, [], remove_all=True))
    assert numbers(store) == [4]


@pytest.mark.spec("RET-15")
def test_a_ruin_whose_file_does_not_open_holds_what_was_good() -> None:
    store = repository(days=2)
    repo = opened(store)
    ruin = add(repo, "app", 2)
    told = Findings(
        created_ms=1,
        findings=(Finding(code="ROWS_GONE", subject="public.t", text="1000 rows became 3"),),
        snapshot=ruin,
        source="app",
        sequence=3,
    )
    save(repo, FileKind.FINDINGS, encode_findings(told), entropy=os.urandom)
    store.files[snapshot_name(ruin)] = b"junk"
    add(opened(store), "app", 3)
    run(store, plan(store))
    assert numbers(store) == [2, 4]


def test_damaged_manifests_are_named_and_stop_nothing() -> None:
    store = repository()
    store.put("snapshots/" + "ab" * 32, b"junk")
    planned = plan(store)
    assert [error.file for error in planned.inventory.damaged] == ["snapshots/" + "ab" * 32]
    run(store, planned)
    assert numbers(store) == [4]


@pytest.mark.spec("RET-8")
def test_named_ones_go_but_not_the_last_of_a_source() -> None:
    store = repository("app", "other", days=2)
    inventory = forget.take_stock(opened(store))
    mine = [snapshot for snapshot, manifest in inventory.known if manifest.source == "app"]
    with pytest.raises(UnsafeError, match="without a snapshot"):
        forget.plan_named(inventory, mine, remove_all=False)
    run(store, forget.plan_named(inventory, mine[:1], remove_all=False))
    run(store, forget.plan_named(forget.take_stock(opened(store)), mine[1:], remove_all=True))
    assert {manifest.source for _, manifest in opened(store).snapshots()} == {"other"}


@pytest.mark.spec("RET-8")
@pytest.mark.parametrize("lesser", [{"suspect": "why"}, {"coverage": {"data": (State.FAILED, 1)}}])
def test_the_last_sound_one_does_not_go_by_name_while_only_lesser_ones_are_left(lesser: dict[str, object]) -> None:
    store = repository(days=1)
    good = opened(store).snapshots()[0][0]
    ruin = add(opened(store), "app", 5, **lesser)
    inventory = forget.take_stock(opened(store))
    with pytest.raises(UnsafeError, match="whole and sound"):
        forget.plan_named(inventory, [good], remove_all=False)
    assert forget.plan_named(inventory, [ruin], remove_all=False).going() == {ruin}
    assert {verdict.candidate.id for verdict in plan(store, Policy(last=1)).kept()} == {good, ruin}


@pytest.mark.spec("RET-2")
def test_a_finding_that_nobody_acknowledged_pushes_nothing_out() -> None:
    store = repository(days=2)
    repo = opened(store)
    (_, good), (ruin, manifest) = [(0, repo.snapshots()[0][0]), repo.snapshots()[1]]
    told = Findings(
        created_ms=1,
        findings=(Finding(code="ROWS_GONE", subject="public.t", text="1000 rows became 3"),),
        snapshot=ruin,
        source="app",
        sequence=manifest.sequence,
    )
    save(repo, FileKind.FINDINGS, encode_findings(told), entropy=os.urandom)
    assert plan(store).going() == set()
    number = finding_id(ruin, "ROWS_GONE", "public.t")
    save(
        repo, FileKind.ACK, encode_ack(Ack(created_ms=2, finding=number, host="h", reason="meant")), entropy=os.urandom
    )
    assert plan(store).going() == {good}


def test_the_newest_that_a_drill_restored_stays() -> None:
    store = repository()
    repo = opened(store)
    known = repo.snapshots()
    for place, passed in ((0, True), (1, True), (2, False)):
        drill = DrillRecord(
            created_ms=place, duration_ms=1, host="h", mismatches=(), not_checked=(), passed=passed, rows=0,
            server="18.1", snapshot=known[place][0], source="app", tables=0,
        )  # fmt: skip
        save(repo, FileKind.DRILL, encode_drill(drill), entropy=os.urandom)
    assert plan(store).going() == {known[0][0], known[2][0]}


def test_a_clock_that_is_behind_by_less_than_a_minute_misplaces_nothing() -> None:
    store = repository(days=1)
    created_ms = opened(store).snapshots()[0][1].created_ms
    inventory = forget.take_stock(opened(store))
    for behind_ms, misplaced in ((59_000, False), (61_000, True)):
        planned = forget.plan_policy(
            inventory, ONE, sources=None, calendar=named_zone("UTC"), now_ms=created_ms - behind_ms
        )
        assert planned.verdicts[0].misplaced is misplaced


def test_forgetting_never_asks_the_clock_for_the_time_before_1970() -> None:
    store = repository()
    report = forget.run(opened(store), plan(store), clock=TestClock(-(10**12)), entropy=os.urandom)
    assert len(report.removed) == 3
    assert recorded(store) == {1, 2, 3}
    assert snapshot_name(report.removed[0]) not in store.files
    assert replace(plan(store), verdicts=()).going() == set()
