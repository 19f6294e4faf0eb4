"""What a snapshot reads ahead: on which threads, and that whoever reads so gets all of it, in order, and every error in its place."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.fake_source import FakeDatabase, FakeDirectory
from tests.small_repository import new_repository, opened, take
from tests.unit.repo.test_snapshot import NAME
from vault.errors import Malformed
from vault.ids import ObjectId
from vault.limits import MIB
from vault.model import ChunkList, ChunkRef, ObjectType
from vault.repo.snapshot import Snapshot
from vault.store.memory import MemoryStore


class Threads(MemoryStore):
    """Knows which threads read packs."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(files)
        self.seen: set[threading.Thread] = set()

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self.seen.add(threading.current_thread())
        return super().get_range(name, offset, length)


@pytest.fixture(scope="module")
def many() -> tuple[dict[str, bytes], Snapshot]:
    """A table of so many extents that their list has several nodes."""
    store = MemoryStore()
    repo = new_repository(store)
    database = FakeDatabase(tables={"public.t": [b"%d\n" % number for number in range(300)]})
    return store.files, repo.indexed(None).snapshot(take(repo, database, {"lib": FakeDirectory({b"f": b"x"})}).id)


@pytest.mark.parametrize("first", [0, 1])
def test_extents_are_read_on_threads_unless_that_is_not_wanted(
    many: tuple[dict[str, bytes], Snapshot], first: int
) -> None:
    files, snapshot = many
    starts = [extent.start for extent in snapshot.extents(snapshot.table(NAME))]
    assert len(starts) == 300

    def threads(**asked: bool) -> set[threading.Thread]:
        store = Threads(files)
        fresh = opened(store).indexed(None).known(snapshot.id, snapshot.manifest)
        table = fresh.table(NAME)
        store.seen.clear()
        assert [extent.start for extent in fresh.extents(table, first=first, **asked)] == starts[first:]
        return store.seen

    assert threads(ahead=False) == {threading.current_thread()}
    assert threads() - {threading.current_thread()}
    assert threads(ahead=True) - {threading.current_thread()}


@pytest.mark.parametrize("count", [0, 1, 511, 512, 513, 1500, 2048])
def test_what_has_nothing_to_read_comes_all_the_same(many: tuple[dict[str, bytes], Snapshot], count: int) -> None:
    """Empty files, of any number, behind the last one that has bytes too."""
    _, snapshot = many
    assert list(snapshot.to_read(range(count), lambda _: None)) == list(range(count))
    (content,) = (item.chunks for item in snapshot.files("lib") if item.path == b"f")
    assert content is not None
    assert list(snapshot.to_read(range(count), lambda number: None if number else content)) == list(range(count))
    long = ChunkList(inline=(ChunkRef(id=ObjectId(bytes(32)), length=MIB, continues=False),) * 3, more=None)
    assert list(snapshot.to_read(range(count), lambda number: long if number % 2 else None)) == list(range(count))


@pytest.mark.parametrize("before", [0, 1, 512, 1100])
def test_what_the_items_raise_comes_after_the_items_before_it(
    many: tuple[dict[str, bytes], Snapshot], before: int
) -> None:
    def items() -> Iterator[int]:
        yield from range(before)
        raise Malformed("the list is damaged")

    given: list[int] = []
    with pytest.raises(Malformed, match="the list is damaged"):
        given.extend(many[1].to_read(items(), lambda _: None))
    assert given == list(range(before))


def test_chunks_are_kept_only_for_whom_that_is_said(many: tuple[dict[str, bytes], Snapshot]) -> None:
    files, snapshot = many
    fresh = opened(MemoryStore(files)).indexed(None).known(snapshot.id, snapshot.manifest)
    refs = [ref for extent in fresh.extents(fresh.table(NAME)) for ref in fresh.chunk_refs(extent.chunks)][:3]

    def read(**asked: bool) -> int:
        before = fresh._reader.tally.objects
        assert b"".join(fresh.blocks(refs, ObjectType.ROW_CHUNK, **asked)) == b"0\n1\n2\n"
        return fresh._reader.tally.objects - before

    assert [read(), read(), read(keep=True), read(keep=True), read()] == [3, 3, 3, 0, 0]
