"""What differs between two snapshots, of one repository or of two, and where the rows of a partitioned table are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from tests.conformance.store_suite import StoreSuite
from tests.fake_source import FakeDatabase, FakeDirectory
from tests.faults import RecordingStore
from tests.small_repository import new_repository, opened, rows, take
from vault.errors import NotThere
from vault.model import TableName
from vault.ports import ObjectStore
from vault.repo import differing, leaves
from vault.repo.interruptible import InterruptibleStore
from vault.repo.snapshot import Snapshot
from vault.repo.workers import Abandonable
from vault.store.memory import MemoryStore

MANY = [rows(number, 30) for number in range(4)]
THEN = FakeDatabase(
    tables={"public.same": MANY, "public.gone": MANY[:1], "public.edited": MANY},
    sequences={"public.same": 1, "public.n": 5, "public.gone": 3},
    large_objects={1: b"same", 2: b"old", 3: b"gone"},
)
NOW = replace(
    THEN,
    tables={"public.same": MANY, "public.new": MANY[:1], "public.edited": [*MANY[:2], rows(9, 30), *MANY[3:]]},
    sequences={"public.same": 1, "public.n": 6, "public.new": 3},
    large_objects={1: b"same", 2: b"new", 4: b"come"},
)
FILES = {b"same": b"1", b"edited": b"2", b"gone": b"3"}, {b"same": b"1", b"edited": b"longer", b"new": b"4"}


@pytest.fixture(params=["one repository", "two"])
def both(request: pytest.FixtureRequest) -> tuple[Snapshot, Snapshot]:
    first = new_repository(MemoryStore())
    second = first if request.param == "one repository" else new_repository(MemoryStore())
    then = take(first, THEN, {"lib": FakeDirectory(FILES[0])}).id
    now = take(second, NOW, {"lib": FakeDirectory(FILES[1])}).id
    if second is first:
        indexed = opened(first.store).indexed(None)
        return indexed.snapshot(then), indexed.snapshot(now)
    return first.indexed(None).snapshot(then), second.indexed(None).snapshot(now)


def told(pairs: Iterable[tuple[Any, Any]], attribute: str) -> dict[str, tuple[bool, bool]]:
    found = {}
    for then, now in pairs:
        (key,) = {str(getattr(one, attribute)) for one in (then, now) if one is not None}
        found[key] = (then is not None, now is not None)
    return found


CHANGED, GONE, NEW = (True, True), (True, False), (False, True)


def test_what_differs_is_given_with_both_sides_and_nothing_else(both: tuple[Snapshot, Snapshot]) -> None:
    assert both[1].can_read(both[0]) == (both[0]._reader.index is both[1]._reader.index)
    assert told(differing.tables(*both), "name") == {
        "public.edited": CHANGED,
        "public.gone": GONE,
        "public.new": NEW,
    }
    entries = told(differing.entries(*both), "identity")
    assert sorted(entries.values()) == [NEW, GONE]
    assert told(differing.sequences(*both), "name") == {"public.gone": GONE, "public.n": CHANGED, "public.new": NEW}
    assert told(differing.large_objects(*both), "oid") == {"2": CHANGED, "3": GONE, "4": NEW}
    assert told(differing.files(*both, "lib"), "path") == {"b'edited'": CHANGED, "b'gone'": GONE, "b'new'": NEW}
    assert list(differing.tables(both[0], both[0])) == []
    assert [pair[::-1] for pair in differing.tables(*both)] == list(differing.tables(*both[::-1]))


def test_extents_that_differ_are_given_by_their_start(both: tuple[Snapshot, Snapshot]) -> None:
    then, now = ((one, one.table(TableName(schema="public", name="edited"))) for one in both)
    starts = [extent.start for extent in both[0].extents(then[1])]
    ((before, after),) = differing.extents(then, now)
    assert before is not None
    assert after is not None
    assert before.start == after.start == starts[2]
    small = both[1], both[1].table(TableName(schema="public", name="new"))
    assert (small[1].inline is None, now[1].inline is None) == (False, True)
    in_itself = told(differing.extents(small, now), "start")
    assert in_itself == {str(start): NEW for start in starts[1:]}, "the first is the same, in the list and without one"


def test_a_snapshot_or_a_directory_that_is_not_in_both_is_told() -> None:
    repo = new_repository(MemoryStore())
    files_alone = repo.indexed(None).snapshot(take(repo, None, {"lib": FakeDirectory({})}).id)
    whole = repo.indexed(None).snapshot(take(repo, THEN).id)
    for pair in ((files_alone, whole), (whole, files_alone)):
        with pytest.raises(NotThere, match=f"{files_alone.id.hex()[:12]} holds no database"):
            differing.tables(*pair)
        with pytest.raises(NotThere, match="no directory lib"):
            differing.files(*pair, "lib")


# --- partitions -------------------------------------------------------------------------------------


def name(word: str) -> TableName:
    return TableName(schema="public", name=word)


@pytest.fixture
def partitioned() -> Snapshot:
    """`all` of `y1`, itself of `m1` and `m2`, and of `y2`; `alone` beside it."""
    tables = {f"public.{word}": MANY[:1] for word in ("m1", "m2", "y2", "alone")}
    above = {"m1": "y1", "m2": "y1", "y1": "all", "y2": "all"}
    partitions = {f"public.{child}": f"public.{parent}" for child, parent in above.items()}
    repo = new_repository(MemoryStore())
    return repo.indexed(None).snapshot(take(repo, FakeDatabase(tables=tables, partitions=partitions)).id)


@pytest.mark.parametrize(
    ("table", "below"),
    [
        ("all", ["m1", "m2", "y2"]),
        ("y1", ["m1", "m2"]),
        ("m1", ["m1"]),
        ("alone", ["alone"]),
        ("none", []),
    ],
)
def test_rows_are_in_the_table_or_in_partitions_at_any_depth(
    partitioned: Snapshot, table: str, below: list[str]
) -> None:
    assert [item.name for item in leaves.leaves(partitioned, name(table))] == [name(word) for word in below]


@pytest.mark.parametrize(("table", "above"), [("m1", ["y1", "all"]), ("y2", ["all"]), ("all", []), ("none", [])])
def test_a_partition_is_below_each_table_on_its_way_up(partitioned: Snapshot, table: str, above: list[str]) -> None:
    assert leaves.roots(partitioned, name(table)) == [name(word) for word in above]


# --- calls that can be left -------------------------------------------------------------------------


class TestInterruptibleStore(StoreSuite):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return InterruptibleStore(MemoryStore(), Abandonable())


def test_a_store_whose_calls_can_be_left_lists_a_page_at_a_time_and_says_where_it_is() -> None:
    behind = RecordingStore(MemoryStore({f"packs/{number:04}": b"" for number in range(2001)}))
    store = InterruptibleStore(behind, Abandonable())
    assert (store.url, store.network, store.behind) == (behind.url, "", behind)
    assert len(list(store.list("packs/"))) == 2001
    assert len({file.name for file in store.list("packs/")}) == 2001
