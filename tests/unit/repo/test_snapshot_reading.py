"""What one snapshot gives: by name, by path, by block; and what is refused where its lists disagree with what they name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.fake_source import FakeDatabase, FakeDirectory
from tests.small_repository import new_repository, take
from tests.unit.repo.test_snapshot import NAME, ROWS
from vault.errors import Malformed, MissingObject, NotThere
from vault.ids import ObjectId
from vault.model import ChunkRef, ObjectType, Section, TableName
from vault.repo.snapshot import Snapshot, check_entry, check_ledger, check_order, check_rows, ending
from vault.repo.state import Open
from vault.store.memory import MemoryStore

FILES = {b"a": b"1", b"d/one": b"2", b"d/two": b"3", b"d0": b"4", b"e\xff": b"5"}


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


@pytest.fixture
def whole(repo: Open) -> Snapshot:
    database = FakeDatabase(tables={"public.t": ROWS, "public.u": ROWS[:1]}, sequences={"public.s": 3})
    return repo.indexed(None).snapshot(take(repo, database, {"lib": FakeDirectory(FILES), "etc": FakeDirectory({})}).id)


@pytest.fixture
def files_alone(repo: Open) -> Snapshot:
    return repo.indexed(None).snapshot(take(repo, None, {"lib": FakeDirectory(FILES)}).id)


def test_what_a_snapshot_does_not_hold_is_told_with_what_it_does(whole: Snapshot, files_alone: Snapshot) -> None:
    name = whole.id.hex()[:12]
    calls: list[tuple[Callable[[], object], str, str, str]] = [
        (
            lambda: files_alone.table(NAME),
            "the snapshot holds no database",
            "",
            "choose another with: pgvault snapshots",
        ),
        (
            lambda: whole.table(TableName(schema="public", name="x")),
            "no table public.x in the snapshot",
            "",
            "list them with: pgvault show",
        ),
        (
            lambda: whole.directory("libs"),
            "no directory libs in the snapshot",
            "its directories: etc, lib",
            "did you mean lib?",
        ),
        (
            lambda: whole.directory("photographs"),
            "no directory photographs in the snapshot",
            "its directories: etc, lib",
            f"pgvault show {name}",
        ),
        (lambda: whole.file("lib", b"e\xfe"), "no file lib/e\\xfe in the snapshot", "", f"pgvault ls {name}:lib"),
    ]
    for call, message, why, hint in calls:
        with pytest.raises(NotThere) as caught:
            call()
        assert (str(caught.value), caught.value.why, caught.value.hint) == (message, why, hint)
    assert [table.name.name for table in whole.tables()] == ["t", "u"]
    assert list(files_alone.tables()) == []
    assert files_alone.order() == ()
    bare = Snapshot(files_alone.id, replace(files_alone.manifest, directories={}), files_alone._reader)
    with pytest.raises(NotThere) as caught:
        bare.directory("lib")
    assert caught.value.why == "its directories: none"


def test_files_are_found_by_path_and_below_one(whole: Snapshot) -> None:
    assert whole.file("lib", b"d/two").path == b"d/two"
    below = {b"": sorted(FILES), b"d": [b"d/one", b"d/two"], b"a": [], b"e": [], b"nothing": []}
    for path, expected in below.items():
        found = [item.path for item in whole.files_below("lib", path) if item.path in FILES]
        assert found == expected
    assert [whole.has_below("lib", path) for path in (b"d", b"a", b"d0", b"e", b"d/one")] == [
        True,
        False,
        False,
        False,
        False,
    ]
    assert b"".join(whole.file_blocks(whole.file("lib", b"d/two"))) == b"3"


def test_extents_are_found_by_their_start(whole: Snapshot) -> None:
    table, small = whole.table(NAME), whole.table(TableName(schema="public", name="u"))
    starts = [extent.start for extent in whole.extents(table)]
    assert len(starts) == len(ROWS) == 3
    for first, expected in ((0, starts), (1, starts[1:]), (starts[1], starts[1:]), (starts[2] + 1, [])):
        assert [extent.start for extent in whole.extents(table, first=first)] == expected
        assert [extent.start for extent in whole.extents(table, first=first, ahead=False)] == expected
    found = (whole.extent(table, start) for start in (*starts, starts[1] + 1))
    assert [None if one is None else one.start for one in found] == [*starts, None]
    (inline,) = whole.extents(small)
    assert small.inline == inline == whole.extent(small, inline.start)
    assert (whole.extent(small, inline.start + 1), list(whole.extents(small, first=inline.start + 1))) == (None, [])
    assert [item.name for item in whole.tables_near(NAME)].count(NAME) == 1


def test_an_order_and_a_list_of_entries_name_the_same(whole: Snapshot) -> None:
    order, items = whole.order(), list(whole.entry_items())
    assert len(order) == len(items) == 2
    check_order(reversed(order), items)
    first, second = order
    for other in (
        (first,),
        (first, first),
        (replace(first, section=Section.POST_DATA), second),
        (replace(first, entry=second.entry), second),
    ):
        with pytest.raises(Malformed, match="name other entries"):
            check_order(other, items)
    entries = list(whole.entries(order))
    for entry, item in zip(entries, order, strict=True):
        check_entry(entry, item)
        for wrong in (replace(item, section=Section.POST_DATA), order[0] if item is second else second):
            with pytest.raises(Malformed, match="another identity") as caught:
                check_entry(entry, wrong)
            assert caught.value.object_id == wrong.entry.hex()
    with pytest.raises(Malformed, match="another identity"):
        list(whole.entries([replace(first, entry=second.entry)]))


def test_a_ledger_tells_what_its_manifest_does(whole: Snapshot) -> None:
    ledger, manifest = whole.ledger(), whole.manifest
    (name, (state, count)), *_ = manifest.coverage.items()
    others = [dict(list(manifest.coverage.items())[1:]), {**manifest.coverage, name: (state, count + 1)}]
    for coverage in others:
        with pytest.raises(Malformed, match="another coverage") as caught:
            check_ledger(ledger, replace(manifest, coverage=coverage))
        assert caught.value.object_id == manifest.ledger.hex()


def ref(number: int, *, length: int = 1, continues: bool = False) -> ChunkRef:
    return ChunkRef(id=ObjectId(bytes([number]) * 32), length=length, continues=continues)


def test_the_last_chunk_of_an_extent_does_not_continue() -> None:
    for refs in ([], [ref(1)], [ref(1, continues=True), ref(2)]):
        assert list(ending(iter(refs))) == refs
    given: list[ChunkRef] = []
    with pytest.raises(Malformed, match="continues") as caught:
        given.extend(ending(iter([ref(1), ref(2, continues=True)])))
    assert caught.value.object_id == "02" * 32


def test_rows_are_counted() -> None:
    check_rows(3, 3)
    with pytest.raises(Malformed) as caught:
        check_rows(2, 3)
    assert caught.value.why == "2 instead of 3"


def test_a_chunk_that_is_not_as_its_list_says_is_refused(whole: Snapshot) -> None:
    (first, *_) = whole.chunk_refs(next(iter(whole.extents(whole.table(NAME)))).chunks)
    assert b"".join(whole.blocks([first], ObjectType.ROW_CHUNK)).endswith(b"\n")
    for wrong, word in (
        (replace(first, length=first.length + 1), "another length"),
        (replace(first, continues=True), "ends otherwise"),
    ):
        with pytest.raises(Malformed, match=word) as caught:
            list(whole.blocks([wrong], ObjectType.ROW_CHUNK))
        assert caught.value.object_id == first.id.hex()
    whole_file = next(iter(whole.chunk_refs(whole.file("lib", b"a").chunks)))
    with pytest.raises(Malformed, match="ends otherwise"):
        list(whole.blocks([replace(whole_file, continues=True)], ObjectType.FILE_CHUNK))


def test_what_is_taken_over_is_adopted_node_by_node_and_chunk_by_chunk(whole: Snapshot) -> None:
    table = whole.table(NAME)
    adopted: list[ObjectId] = []

    def adopt(one: ObjectId) -> bool:
        adopted.append(one)
        return True

    extents = list(whole.taken_over(table, adopt))
    assert [extent.start for extent in extents] == [extent.start for extent in whole.extents(table)]
    chunks = [ref.id for extent in extents for ref in whole.chunk_refs(extent.chunks)]
    assert set(chunks) < set(adopted)
    assert table.extents.root in adopted
    kept = list(whole.taken_over(table, lambda one: one != chunks[0]))
    assert len(kept) == len(extents) - 1
    with pytest.raises(MissingObject):
        list(whole.taken_over(table, lambda one: one != table.extents.root))
