"""What a snapshot claims of itself is compared with what is there, by every way of reading it: a lie of a list is told, not restored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from tests.fake_source import FakeDatabase, FakeDirectory
from tests.small_repository import new_repository, take
from tests.unit.repo.test_snapshot import NAME, ROWS, VALUES
from vault.errors import Malformed, MissingObject
from vault.ids import ObjectId
from vault.model import ChunkList, Extent, Manifest, TableItem
from vault.repo.snapshot import Snapshot
from vault.repo.state import Indexed
from vault.store.memory import MemoryStore


@pytest.fixture
def indexed() -> Indexed:
    return new_repository(MemoryStore()).indexed(None)


def taken(indexed: Indexed, rows: list[bytes], values: list[bytes], *, table: str = "public.t") -> Snapshot:
    database = FakeDatabase(tables={table: rows}, generated={table: values})
    snapshot_id = take(indexed, database, {"lib": FakeDirectory({b"f": b"x" * len(rows)})}).id
    return indexed.open.indexed(None).snapshot(snapshot_id)


@pytest.fixture
def small(indexed: Indexed) -> tuple[Snapshot, TableItem, Extent]:
    """A table of one extent, which stands in the table's own item."""
    snapshot = taken(indexed, ROWS[:1], VALUES[:1])
    table = snapshot.table(NAME)
    assert table.inline is not None
    return snapshot, table, table.inline


def under(snapshot: Snapshot, manifest: Manifest) -> Snapshot:
    """The same objects under another manifest."""
    return Snapshot(snapshot.id, manifest, snapshot._reader)


@pytest.mark.spec("TREE-10")
@pytest.mark.parametrize("wrong", [1, -1])
def test_another_number_of_rows_than_an_extent_claims_is_told(
    small: tuple[Snapshot, TableItem, Extent], wrong: int
) -> None:
    snapshot, table, extent = small
    lies = replace(extent, rows=extent.rows + wrong)
    readings: list[Iterable[bytes]] = [
        snapshot.rows(replace(table, inline=lies)),
        snapshot.extent_rows(lies),
        snapshot.rows_of([lies]),
        snapshot.rows_of([extent, lies]),
        snapshot.rows_of([lies, extent]),
        snapshot.extent_values(lies, 1),
        snapshot.values(replace(table, inline=lies)),
    ]
    for reading in readings:
        with pytest.raises(Malformed, match="another number of rows") as caught:
            list(reading)
        assert caught.value.why in {f"{extent.rows} instead of {lies.rows}", f"{lies.rows} instead of {extent.rows}"}


@pytest.mark.spec("TREE-10")
def test_an_extent_without_chunks_that_claims_rows_is_told(small: tuple[Snapshot, TableItem, Extent]) -> None:
    snapshot, table, extent = small
    bare = replace(extent, chunks=ChunkList(inline=(), more=None))
    readings: list[Iterable[bytes]] = [
        snapshot.rows(replace(table, inline=bare)),
        snapshot.extent_rows(bare),
        snapshot.rows_of([bare]),
        snapshot.rows_of([extent, bare]),
        snapshot.rows_of([bare, extent]),
    ]
    for reading in readings:
        with pytest.raises(Malformed, match="another number of rows"):
            list(reading)
    none = replace(bare, rows=0)
    assert b"".join(snapshot.rows_of([none, extent, none, extent, none])) == ROWS[0] * 2


def test_rows_of_an_extent_that_lies_are_told_before_many_others_came(
    small: tuple[Snapshot, TableItem, Extent],
) -> None:
    """Whoever reads on would write what belongs to another extent before he hears of it."""
    snapshot, _, extent = small
    given: list[bytes] = []
    with pytest.raises(Malformed, match="another number of rows"):
        given.extend(snapshot.rows_of([replace(extent, rows=extent.rows + 1), *[extent] * 9]))
    assert len(given) <= 1, "at the latest one block late"
    lies = [extent, replace(extent, rows=0), *[extent] * 9]
    with pytest.raises(Malformed, match="another number of rows") as caught:
        given.extend(snapshot.rows_of(lies))
    assert caught.value.why == f"{extent.rows} instead of 0"
    assert len(given) <= 3


@pytest.mark.spec("SNAP-21")
def test_other_values_than_their_digests_say_are_told(small: tuple[Snapshot, TableItem, Extent]) -> None:
    snapshot, table, extent = small
    for digests in ((bytes(32),), (), extent.digests * 2):
        with pytest.raises(Malformed, match="others than their digests"):
            list(snapshot.extent_values(replace(extent, digests=digests), 1))
    with pytest.raises(Malformed):
        list(snapshot.extent_values(extent, 2))
    with pytest.raises(Malformed):
        list(snapshot.values(replace(table, generated=(*table.generated, *table.generated))))
    own = snapshot.digests(snapshot.extent_values(extent, 1), 1)
    assert (own.rows, own.digests) == (extent.rows, extent.digests)


@pytest.mark.spec("TREE-14")
def test_digests_of_other_columns_than_the_table_has_are_told(indexed: Indexed) -> None:
    snapshot = taken(indexed, ROWS, VALUES)
    table = replace(snapshot.table(NAME), generated=())
    with pytest.raises(Malformed, match="digests"):
        list(snapshot.extents(table))


@pytest.mark.spec("SNAP-3", "SNAP-4")
def test_an_order_or_a_ledger_of_another_snapshot_is_told(indexed: Indexed) -> None:
    one, other = taken(indexed, ROWS, VALUES), taken(indexed, ROWS[:2], VALUES[:2], table="public.u")
    mine, theirs = one.manifest.database, other.manifest.database
    assert mine is not None
    assert theirs is not None
    assert mine.order != theirs.order
    with pytest.raises(Malformed, match="order and entry list"):
        under(other, replace(other.manifest, database=replace(theirs, order=mine.order))).order()
    database_alone = take(indexed, FakeDatabase(tables={"public.t": ROWS})).manifest
    with pytest.raises(Malformed, match="another coverage"):
        indexed.open.indexed(None).known(other.id, replace(other.manifest, ledger=database_alone.ledger)).ledger()


def test_the_last_chunk_does_not_continue_by_any_way_of_reading(small: tuple[Snapshot, TableItem, Extent]) -> None:
    snapshot, table, extent = small
    (ref,) = snapshot.chunk_refs(extent.chunks)
    endless = ChunkList(inline=(replace(ref, continues=True),), more=None)
    lies = replace(extent, chunks=endless)
    readings: list[Iterable[bytes]] = [
        snapshot.rows(replace(table, inline=lies)),
        snapshot.extent_rows(lies),
        snapshot.rows_of([lies]),
        snapshot.extent_values(replace(extent, values=endless), 1),
    ]
    for reading in readings:
        with pytest.raises(Malformed, match=r"continues|otherwise"):
            list(reading)


def test_a_node_that_cannot_be_taken_over_is_named(indexed: Indexed) -> None:
    snapshot = taken(indexed, ROWS, VALUES)
    table = snapshot.table(NAME)
    root = table.extents.root
    assert root is not None
    with pytest.raises(MissingObject) as caught:
        list(snapshot.taken_over(table, lambda one: one != root))
    assert caught.value.object_id == root.hex()


def test_an_extent_is_taken_over_with_its_values_or_not_at_all(indexed: Indexed) -> None:
    snapshot = taken(indexed, ROWS, VALUES)
    table = snapshot.table(NAME)
    extents = list(snapshot.extents(table))
    values = [ref.id for extent in extents if extent.values for ref in snapshot.chunk_refs(extent.values)]
    assert len(values) == len(extents)
    assert list(snapshot.taken_over(table, lambda one: one != values[1])) == [extents[0], extents[2]]


def test_a_chunk_list_is_taken_over_whole_or_not_at_all(indexed: Indexed) -> None:
    snapshot = taken(indexed, ROWS, VALUES)
    first, *others = (next(iter(snapshot.chunk_refs(one.chunks))) for one in snapshot.extents(snapshot.table(NAME)))
    every = ChunkList(inline=(first, *others), more=None)
    asked: list[ObjectId] = []

    def adopt(one: ObjectId) -> bool:
        asked.append(one)
        return True

    assert snapshot.adopts(every, adopt)
    assert asked == [ref.id for ref in every.inline]
    for lacking in every.inline:
        assert not snapshot.adopts(every, lambda one, lacking=lacking: one != lacking.id)  # type: ignore[misc]


def test_an_empty_table_has_values_only_if_it_has_columns_for_them(indexed: Indexed) -> None:
    snapshot = taken(indexed, [], [])
    table = snapshot.table(NAME)
    assert table.generated
    assert snapshot.has_values(table)
    assert not snapshot.has_values(replace(table, generated=()))
    full = taken(indexed, ROWS[:1], VALUES[:1]).table(NAME)
    assert full.inline is not None
    for count, has in ((0, True), (1, False)):
        lacking = replace(full, inline=replace(full.inline, rows=count, values=None))
        assert snapshot.has_values(lacking) == has, "nothing has its values"


def test_snapshots_of_one_opening_find_each_other_s_objects_and_those_of_one_repository_are_named_alike(
    indexed: Indexed,
) -> None:
    one, other = taken(indexed, ROWS, VALUES), taken(indexed, ROWS[:2], VALUES[:2])
    opened = indexed.open.indexed(None)
    first, second = (opened.snapshot(snapshot.id) for snapshot in (one, other))
    assert first.can_read(second)
    assert not first.can_read(other), "opened once more: what was found since is not found from here"
    assert first.names_alike(other)
