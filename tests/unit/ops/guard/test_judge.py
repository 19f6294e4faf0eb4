"""A ruin has its warning before it is there; what was good stays until somebody answers (spec 60-snapshot, 82-retention)."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from tests.fake_source import FakeDatabase, FakeDirectory
from tests.faults import Crashed, Fault, FaultStore
from tests.small_repository import CLOCK, damage, new_repository, opened, put_manifest, rows, take
from vault.errors import NotThere, StoreError, UnsafeError, UsageError
from vault.format.notes import decode_findings
from vault.ids import SnapshotId
from vault.model import FileKind, State
from vault.ops.backup.run import BackupReport
from vault.ops.guard import codes
from vault.ops.guard.ack import Waiting, acknowledge, chosen, waiting
from vault.ops.guard.compare import FINDINGS_MAX
from vault.ops.guard.way_back import ways_back
from vault.ops.project import backup_selection
from vault.ops.retention import forget
from vault.ops.retention.policy import Policy
from vault.ops.retention.time_zone import named_zone
from vault.repo.lineage import Known, in_order
from vault.repo.records import load
from vault.repo.remembered import unanswered
from vault.repo.state import Open
from vault.store.memory import MemoryStore

GOOD = FakeDatabase(tables={"public.t": [rows(1, 100)], "public.u": [rows(2, 100)]})
RUIN = FakeDatabase(tables={"public.t": [b""], "public.u": [rows(2, 100)]})
WORSE = FakeDatabase(tables={"public.t": [b""], "public.u": [rows(2, 3)]})
NOW_MS = 1_900_000_000_000


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def found(report: BackupReport) -> list[tuple[str, str]]:
    return [(one.code, one.subject) for one in report.findings]


def answer(repo: Open, rows: Sequence[Waiting]) -> None:
    acknowledge(repo, rows, reason="meant", host="h", clock=CLOCK, entropy=os.urandom)


def kept(repo: Open) -> dict[SnapshotId, tuple[str, ...]]:
    inventory = forget.take_stock(repo)
    plan = forget.plan_policy(inventory, Policy(last=1), sources=None, calendar=named_zone("UTC"), now_ms=NOW_MS)
    return {one.candidate.id: one.reasons for one in plan.kept()}


def test_first_and_unchanged_snapshots_have_no_findings_and_no_records(repo: Open) -> None:
    assert isinstance(repo.store, MemoryStore)
    assert found(take(repo, GOOD)) == []
    assert found(take(repo, GOOD)) == []
    assert [name for name in repo.store.files if name.startswith("findings/")] == []


@pytest.mark.spec("NOTE-6")
def test_a_ruin_is_told_again_each_day_next_to_what_was_good_and_not_next_to_yesterdays_ruin(repo: Open) -> None:
    take(repo, GOOD)
    for _ in range(3):
        ruin = take(repo, RUIN)
        assert found(ruin) == [(codes.TABLE_EMPTIED, "public.t")]
    assert found(take(repo, WORSE)) == [(codes.ROWS_LOST, "public.u"), (codes.TABLE_EMPTIED, "public.t")]
    assert found(take(repo, GOOD)) == []
    assert found(take(repo, RUIN)) == [(codes.TABLE_EMPTIED, "public.t")]
    assert damage(repo) == ()


MORE_ROWS = rows(3, 500)


def with_new(t: bytes, new: bytes) -> FakeDatabase:
    return FakeDatabase(tables={"public.t": [t], "public.u": [rows(2, 100)], "public.new": [new]})


@pytest.mark.spec("NOTE-6", "RET-13")
def test_what_only_a_ruin_holds_is_guarded_as_well(repo: Open) -> None:
    """A table came after the last good snapshot, and went while nobody had answered for what was wrong with that day."""
    good = take(repo, GOOD).id
    assert found(take(repo, with_new(b"", MORE_ROWS))) == [(codes.TABLE_EMPTIED, "public.t")]
    holder = take(repo, with_new(b"", MORE_ROWS)).id
    for _ in range(2):
        lost = take(repo, with_new(rows(1, 100), b""))
        assert found(lost) == [(codes.TABLE_EMPTIED, "public.new")]
        assert holder.hex()[:12] in lost.findings[0].text
        assert lost.good is not None
        assert (lost.good[0], lost.lost) == (holder, lost.findings)
    assert {good, holder} <= kept(repo).keys()
    known = in_order(repo.snapshots())
    ways = ways_back(waiting(repo, None), known, unanswered(repo), {})
    assert holder.hex()[:12] in ways[lost.id]
    assert "--only public.new" in ways[lost.id]
    assert found(take(repo, with_new(rows(1, 100), MORE_ROWS))) == []
    assert found(take(repo, with_new(rows(1, 100), b""))) == [(codes.TABLE_EMPTIED, "public.new")]
    answer(repo, waiting(repo, None))
    assert found(take(repo, with_new(rows(1, 100), b""))) == []
    assert holder not in kept(repo)


@pytest.mark.spec("NOTE-2", "RET-13")
def test_what_is_lost_twice_is_guarded_twice(repo: Open) -> None:
    """A table came with an open finding, and lost most of its rows two times: each time with the same code and subject."""
    take(repo, GOOD)
    days = [take(repo, with_new(b"", rows(3, count))).id for count in (900, 900, 400, 150, 150, 150)]
    assert {days[1], days[2]} <= kept(repo).keys()
    assert not {days[0], days[3], days[4]} & kept(repo).keys()
    again = take(repo, with_new(rows(1, 100), rows(3, 150)))
    assert found(again) == [(codes.ROWS_LOST, "public.new")]
    answer(repo, waiting(repo, None))
    assert set(kept(repo)) == {again.id}


@pytest.mark.spec("RET-13")
def test_what_came_between_two_losses_is_guarded(repo: Open) -> None:
    """The sound one has most, and not what came after the first loss."""
    good = take(repo, with_new(rows(1, 100), rows(3, 1000))).id
    days = [take(repo, with_new(rows(1, 100), rows(seed, count))).id for seed, count in ((3, 300), (4, 450), (4, 100))]
    assert set(kept(repo)) == {good, days[1], days[2]}


def test_a_lasting_ruin_holds_one_snapshot_alone(repo: Open) -> None:
    good = take(repo, GOOD).id
    ruins = [take(repo, RUIN).id for _ in range(4)]
    assert set(kept(repo)) == {good, ruins[-1]}


@pytest.mark.spec("NOTE-6")
def test_the_record_is_there_before_the_snapshot_whenever_the_backup_dies() -> None:
    base = MemoryStore()
    take(new_repository(base), GOOD)
    deaths = 0
    for at in range(1, 14):
        for after in (False, True):
            store = MemoryStore(dict(base.files))
            faulty = FaultStore(store, [Fault(kind="put", at=at, after=after, crash=True)])
            try:
                take(opened(faulty), RUIN)
            except Crashed:
                deaths += 1
            repo = opened(store)
            told = {record.snapshot for _, record in load(repo, FileKind.FINDINGS, decode_findings).found}
            assert {snapshot for snapshot, _ in repo.snapshots()[1:]} <= told
            assert len(repo.snapshots()) > 1 or waiting(repo, None) == (), "what never came warns of nothing"
            assert found(take(repo, RUIN)) == [(codes.TABLE_EMPTIED, "public.t")]
    assert deaths > 6


@pytest.mark.spec("NOTE-6")
def test_without_its_record_there_is_no_ruin_either() -> None:
    store = MemoryStore()
    take(new_repository(store), GOOD)
    names = set(store.files)
    stopped = 0
    for at in range(1, 9):
        left = MemoryStore(dict(store.files))
        try:
            take(opened(FaultStore(left, [Fault(kind="put", at=at)])), RUIN)
        except StoreError:
            stopped += 1
            assert {name for name in left.files if name.startswith("snapshots/")} <= names
    assert stopped > 3


def picked(repo: Open, rows: Sequence[Waiting], word: str) -> tuple[Waiting, ...]:
    def named(word: str) -> Known:
        snapshot = repo.resolve(word)
        return snapshot, repo.manifest(snapshot)

    return chosen(rows, word, snapshot_named=named)


def test_an_answer_makes_the_snapshot_what_the_next_is_compared_with(repo: Open) -> None:
    take(repo, GOOD)
    first, second = take(repo, RUIN), take(repo, RUIN)
    (one, two) = waiting(repo, None)
    assert [one.snapshot, two.snapshot] == [first.id, second.id]
    answer(repo, picked(repo, [one, two], two.id.hex()[:12]))
    assert waiting(repo, None) == (), "the same fault of an earlier day is answered with it"
    assert found(take(repo, RUIN)) == []
    assert found(take(repo, WORSE)) == [(codes.ROWS_LOST, "public.u")]


def test_a_snapshots_id_answers_for_all_up_to_it_and_a_findings_for_that_fault(repo: Open) -> None:
    take(repo, GOOD)
    first, second, third = take(repo, WORSE), take(repo, RUIN), take(repo, WORSE)
    rows = waiting(repo, "project")
    assert waiting(repo, "other") == ()
    by_snapshot = picked(repo, rows, second.id.hex())
    assert [row.snapshot for row in by_snapshot] == [first.id, first.id, second.id]
    lost = next(row for row in rows if row.snapshot == third.id and row.finding.code == codes.ROWS_LOST)
    assert [row.snapshot for row in picked(repo, rows, lost.id.hex())] == [first.id, third.id]
    early = next(row for row in rows if row.snapshot == first.id and row.finding.code == codes.ROWS_LOST)
    assert picked(repo, rows, early.id.hex()) == (early,), "what was found again later waits"
    with pytest.raises(NotThere):
        picked(repo, rows, "0" * 12)
    with pytest.raises(NotThere):
        picked(repo, rows, "abc")
    assert picked(repo, rows, "latest~1") == by_snapshot
    with pytest.raises(UsageError):
        acknowledge(repo, rows, reason=" ", host="h", clock=CLOCK, entropy=os.urandom)


@pytest.mark.spec("RET-13")
def test_what_was_good_stays_until_somebody_answers_and_the_words_say_so(repo: Open) -> None:
    take(repo, GOOD)
    good = take(repo, GOOD)
    ruin = take(repo, RUIN)
    better = take(repo, FakeDatabase(tables={"public.t": [rows(1, 60)], "public.u": [rows(2, 100)]}))
    assert found(better) == []
    assert any(ruin.id.hex()[:12] in reason for reason in kept(repo)[good.id])
    with pytest.raises(UnsafeError, match="last good one"):
        forget.plan_named(forget.take_stock(repo), [good.id], remove_all=False)
    forget.plan_named(forget.take_stock(repo), [good.id], remove_all=True)
    answer(repo, waiting(repo, None))
    assert good.id not in kept(repo)
    forget.plan_named(forget.take_stock(repo), [good.id], remove_all=False)


@pytest.mark.spec("RET-13")
def test_it_stays_too_when_the_ruin_was_forgotten(repo: Open) -> None:
    good, ruin = take(repo, GOOD), take(repo, RUIN)
    take(repo, GOOD)
    inventory = forget.take_stock(repo)
    forget.run(repo, forget.plan_named(inventory, [ruin.id], remove_all=False), clock=CLOCK, entropy=os.urandom)
    assert good.id in kept(repo)
    (row,) = waiting(repo, None)
    assert not row.there
    answer(repo, [row])
    assert good.id not in kept(repo)


def test_a_suspect_or_failed_snapshot_is_nothing_to_compare_with(repo: Open) -> None:
    good = take(repo, GOOD)
    for changes in ({"suspect": "reuse"}, {"coverage": {**good.manifest.coverage, "data": (State.FAILED, 1)}}):
        empty = take(new_repository(MemoryStore()), RUIN).manifest
        put_manifest(repo, good.manifest, sequence=good.manifest.sequence + 1, counts=empty.counts, **changes)
        assert found(take(repo, RUIN)) == [(codes.TABLE_EMPTIED, "public.t")]


def test_what_cannot_be_compared_is_a_finding(repo: Open) -> None:
    good = take(repo, GOOD)
    assert good.manifest.database is not None
    lost = type(good.manifest.database)(
        **{name: getattr(good.manifest.database, name) for name in good.manifest.database.__slots__}
        | {
            "tables": type(good.manifest.database.tables)(
                root=good.manifest.ledger, sums=good.manifest.database.tables.sums
            )
        }
    )
    put_manifest(repo, good.manifest, sequence=2, database=lost)
    assert found(take(repo, GOOD)) == [(codes.NOT_COMPARED, "")]


def test_a_snapshot_of_other_things_is_compared_in_what_both_have(repo: Open) -> None:
    def of(directories: Sequence[str], **narrowing: Sequence[str]) -> str:
        return backup_selection.encode(True, directories, narrowing)

    lib = FakeDirectory({b"%d" % number: b"x" for number in range(30)})
    take(repo, GOOD, {"lib": lib}, selection=of(["lib"]))
    more = take(repo, RUIN, {"lib": lib, "more": lib}, selection=of(["lib", "more"]))
    assert found(more) == [(codes.TABLE_EMPTIED, "public.t")]
    part = take(repo, RUIN, {"lib": FakeDirectory({})}, selection=of(["lib"], include_tables=["t"]))
    assert found(part) == [(codes.FILES_LOST, "lib")], "another part of the database is not compared"


def test_sources_and_switched_off_guards_are_left_alone(repo: Open) -> None:
    take(repo, GOOD)
    assert found(take(repo, RUIN, source="other")) == []
    assert found(take(repo, RUIN, guard=None)) == []


def test_large_objects_are_looked_at(repo: Open) -> None:
    take(repo, FakeDatabase(tables=GOOD.tables, large_objects={1: b"x"}))
    assert found(take(repo, GOOD)) == [(codes.LARGE_OBJECTS_LOST, "")]


def test_while_a_finding_does_not_open_the_base_may_be_a_ruin_and_that_is_found(repo: Open) -> None:
    take(repo, GOOD)
    take(repo, RUIN)
    assert isinstance(repo.store, MemoryStore)
    (name,) = [name for name in repo.store.files if name.startswith("findings/")]
    repo.store.files[name] = repo.store.files[name][:-1]
    again = take(repo, RUIN)
    assert found(again) == [(codes.NOT_COMPARED, "")]
    assert name in again.findings[0].text


def test_more_than_can_be_told_next_to_each_of_several_snapshots_is_told_once(repo: Open) -> None:
    """Sixty tables went, sixty others came, and these went too while nobody had answered: each loss alone is too much to be told."""
    others = {f"public.{letter}{number}": [rows(1, 5)] for letter in "ab" for number in range(60)}

    def having(letters: str) -> FakeDatabase:
        there = {name: text for name, text in others.items() if name.removeprefix("public.")[0] in letters}
        return FakeDatabase(tables={**GOOD.tables, **there})

    take(repo, having("a"))
    take(repo, having("b"))
    lost = take(repo, having(""))
    assert len(lost.findings) == FINDINGS_MAX
    (more,) = [one for one in lost.findings if one.code == codes.MORE]
    assert more.text.startswith("71 more findings")


def test_that_a_finding_does_not_open_is_told_beside_more_than_can_be_told(repo: Open) -> None:
    take(repo, FakeDatabase(tables={**GOOD.tables, **{f"public.a{number}": [rows(1, 5)] for number in range(60)}}))
    take(repo, GOOD, source="other")
    take(repo, RUIN, source="other")
    assert isinstance(repo.store, MemoryStore)
    (name,) = [name for name in repo.store.files if name.startswith("findings/")]
    repo.store.files[name] = repo.store.files[name][:-1]
    told = found(take(repo, GOOD))
    assert (len(told), [code for code, _ in told if code != codes.TABLE_GONE]) == (
        FINDINGS_MAX,
        [codes.MORE, codes.NOT_COMPARED],
    )


def test_text_that_is_lost_a_little_in_each_of_many_partitions_is_lost(repo: Open) -> None:
    names = [f"public.events_{number}" for number in range(4)]

    def of(characters: int) -> FakeDatabase:
        text = b"".join(b"%d\t%s\n" % (number, b"x" * characters) for number in range(100))
        return FakeDatabase(tables={name: [text] for name in names}, partitions=dict.fromkeys(names, "public.events"))

    take(repo, of(5_000))
    assert found(take(repo, of(1_000))) == [(codes.CONTENT_LOST, "public.events")]
