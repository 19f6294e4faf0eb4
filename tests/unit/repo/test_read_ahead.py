"""What is announced comes in few requests, and nothing else changes: not the bytes, not the errors, not the order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.fake_source import FakeDatabase, FakeDirectory
from tests.faults import RecordingStore
from tests.packs import Made, object_id, put_fragment, put_pack
from tests.small_repository import contents, new_repository, opened_far, rows, take
from vault.errors import IntegrityError, Malformed, MissingObject
from vault.ids import ObjectId, PackId
from vault.limits import MIB
from vault.model import ChunkList, Codec, FileItem, Location, ObjectRecord, ObjectType
from vault.ops.backup.run import BackupReport
from vault.repo.read_ahead import ReadAhead, Shared, spans
from vault.repo.reader import Reader
from vault.repo.snapshot import Snapshot
from vault.store.memory import MemoryStore

FILES = {b"f%03d" % number: os.urandom(300) for number in range(200)}
TABLE = FakeDatabase(tables={"public.t": [rows(n, 4000) for n in range(30)]})
EDITED = FakeDatabase(tables={"public.t": [rows(n, 4000).replace(b"9\t", b"8\t", 1) for n in range(30)]}, earlier=TABLE)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def far(store: MemoryStore, report: BackupReport) -> tuple[Snapshot, RecordingStore]:
    recording = RecordingStore(store)
    indexed = opened_far(recording).indexed(None, at_opening=True)
    return indexed.snapshot(report.id), recording


def ranges(recording: RecordingStore) -> int:
    return list(recording.requests()).count("get_range packs")


def test_many_small_files_are_few_requests(store: MemoryStore) -> None:
    new_repository(store)
    report = take(opened_far(store), None, {"lib": FakeDirectory(dict(FILES))})
    snapshot, recording = far(store, report)
    items = snapshot.to_read(snapshot.files("lib"), lambda item: item.chunks)
    read = {item.path: b"".join(snapshot.file_blocks(item)) for item in items}
    assert read == FILES
    assert ranges(recording) <= 2


def test_a_table_with_its_deltas_is_few_requests(store: MemoryStore) -> None:
    new_repository(store)
    take(opened_far(store), TABLE)
    report = take(opened_far(store), EDITED)
    snapshot, recording = far(store, report)
    (table,) = snapshot.tables()
    assert b"".join(snapshot.rows_of(snapshot.extents(table))) == b"".join(EDITED.tables["public.t"])
    assert ranges(recording) <= 12, "30 chunks and their bases, in two days' packs"


def test_what_was_announced_and_is_damaged_is_told_as_ever(store: MemoryStore) -> None:
    new_repository(store)
    report = take(opened_far(store), TABLE)
    for name in [name for name in store.files if name.startswith("packs/")]:
        data = bytearray(store.files[name])
        data[len(data) // 2] ^= 1
        store.files[name] = bytes(data)
    snapshot, _ = far(store, report)
    (table,) = snapshot.tables()
    with pytest.raises(IntegrityError) as caught:
        list(snapshot.rows(table))
    assert caught.value.file.startswith("packs/")
    assert caught.value.object_id


def few_objects(store: MemoryStore) -> tuple[Reader, RecordingStore, list[ObjectId], list[bytes]]:
    """A reader far away, what it asks, and eight objects of one pack."""
    repo = new_repository(store)
    plains = [b"%d" % number * 100 for number in range(8)]
    put_fragment(repo, [put_pack(repo, [Made(plain=plain) for plain in plains])])
    recording = RecordingStore(store)
    reader = opened_far(recording).indexed(None, at_opening=True).reader()
    return reader, recording, [object_id(repo, plain) for plain in plains], plains


def test_reading_ahead_goes_on_when_another_one_has_ended(store: MemoryStore) -> None:
    reader, recording, ids, plains = few_objects(store)
    with reader.reading_ahead(iter(ids)):
        with reader.reading_ahead(iter(ids)):
            pass
        assert [reader.get(one, ObjectType.ROW_CHUNK) for one in ids] == plains
        assert ranges(recording) == 1
    assert [reader.get(one, ObjectType.ROW_CHUNK) for one in ids] == plains
    assert ranges(recording) == 1 + len(ids), "it is asked for nothing when it has ended"


def test_what_is_read_ahead_already_is_held_once(store: MemoryStore) -> None:
    reader, _, ids, plains = few_objects(store)
    for at, others in ((0, 0), (5, 0), (6, 1)):  # announced is what comes before the sixth
        with reader.reading_ahead(iter(ids[:6])):
            given = reader.get_many(ids[at:], ObjectType.ROW_CHUNK)
            assert next(given) == plains[at]
            assert len(reader._aheads) == 1 + others
            assert list(given) == plains[at + 1 :]
    absent = [ObjectId(bytes([number]) * 32) for number in range(3)]
    with reader.reading_ahead(iter(ids)), pytest.raises(MissingObject):
        list(reader.get_many(absent, ObjectType.ROW_CHUNK))


def test_who_stops_in_the_middle_leaves_nothing_behind(store: MemoryStore) -> None:
    new_repository(store)
    report = take(opened_far(store), TABLE)
    snapshot, _ = far(store, report)
    (table,) = snapshot.tables()
    some = snapshot.rows(table)
    next(some)
    del some
    assert contents(opened_far(store), report.id)["table public.t"] == b"".join(TABLE.tables["public.t"])


def test_what_ends_a_list_early_is_raised_after_the_items_before_it(store: MemoryStore) -> None:
    new_repository(store)
    snapshot, _ = far(store, take(opened_far(store), None, {"lib": FakeDirectory(dict(FILES))}))

    def broken() -> Iterator[FileItem]:
        yield from islice(snapshot.files("lib"), 50)
        raise Malformed("a later node of the list is damaged")

    read: list[bytes] = []
    items = snapshot.to_read(broken(), lambda item: item.chunks)
    with pytest.raises(Malformed, match="a later node"):
        read.extend(b"".join(snapshot.file_blocks(item)) for item in items)
    assert read == [FILES[path] for path in sorted(FILES)[:50]]


def test_a_list_of_chunks_that_cannot_be_read_is_told_to_who_reads_that_item(store: MemoryStore) -> None:
    new_repository(store)
    snapshot, _ = far(store, take(opened_far(store), None, {"lib": FakeDirectory(dict(FILES))}))

    def chunks(item: FileItem) -> ChunkList | None:
        if item.path == b"f007":
            raise Malformed("its chunks")
        return item.chunks

    items = snapshot.to_read(snapshot.files("lib"), chunks)
    assert {item.path: b"".join(snapshot.file_blocks(item)) for item in items} == FILES


def test_who_reads_nothing_of_what_was_announced_holds_a_few_windows(store: MemoryStore) -> None:
    new_repository(store)
    files = {b"f%03d" % number: os.urandom(300_000) for number in range(100)}
    snapshot, _ = far(store, take(opened_far(store), None, {"lib": FakeDirectory(files)}))
    held = []
    for _ in snapshot.to_read(snapshot.files("lib"), lambda item: item.chunks):
        (ahead,) = snapshot._reader._aheads  # what it holds is told nowhere else
        held.append(sum(len(window.objects) for window in ahead._windows))
    assert max(held) <= 60


def test_small_objects_far_apart_make_a_window_of_what_is_read_for_them(store: MemoryStore) -> None:
    places = [place(1, number * 60_000, 1000) for number in range(500)]

    class OfPlaces:
        """As an index of objects without deltas."""

        def chain(self, object_id: ObjectId) -> list[Location]:
            return [next(one for one in places if one.record.id == object_id)]

    store.files[f"packs/{bytes([1] * 32).hex()}"] = bytes(31 * MIB)
    ids = iter([one.record.id for one in places])
    with ReadAhead(store, OfPlaces(), ids, is_far=True) as ahead:  # type: ignore[arg-type]
        while ahead.next_window():
            assert len(ahead._windows) <= 3
            assert len(ahead._windows[-1].objects) <= 80


def test_a_repository_far_away_reads_as_one_at_hand(store: MemoryStore, tmp_path: Path) -> None:
    new_repository(store)
    directories = {"lib": FakeDirectory(dict(FILES))}
    report = take(opened_far(store, tmp_path), TABLE, directories, cache_dir=tmp_path)
    assert contents(opened_far(store, tmp_path), report.id) == contents(opened_far(store), report.id)


def place(pack: int, offset: int, length: int) -> Location:
    record = ObjectRecord(
        id=ObjectId(os.urandom(32)),
        ordinal=0,
        type=ObjectType.ROW_CHUNK,
        codec=Codec.RAW,
        depth=0,
        base=None,
        offset=offset,
        length=length,
        plain_length=length,
    )
    return Location(record=record, pack=PackId(bytes([pack]) * 32), header=b"")


def test_neighbours_are_read_together_and_what_lies_apart_is_not() -> None:
    wanted = [place(1, 500, 100), place(2, 0, 10), place(1, 100, 400), place(1, 700, 10), place(1, 9 * MIB, 5)]
    found = [(span.pack[0], span.offset, span.length, len(span.places)) for span in spans(wanted)]
    assert sorted(found) == [(1, 100, 610, 3), (1, 9 * MIB, 5, 1), (2, 0, 10, 1)]


def test_no_request_is_longer_than_memory_allows() -> None:
    found = spans(place(1, number * MIB, MIB) for number in range(20))
    assert {span.length for span in found} == {4 * MIB}
    assert sum(len(span.places) for span in found) == 20


def test_one_place_that_is_wanted_twice_is_read_once() -> None:
    wanted = place(1, 0, 10)
    assert [len(span.places) for span in spans([wanted, wanted])] == [1]


def test_both_see_every_item_and_the_consumer_alone_the_error() -> None:
    def source() -> Iterator[int]:
        yield from range(5)
        raise ValueError("broken")

    shared = Shared(source())
    announced, consumed = shared.announced(), shared.consumed()
    assert [next(consumed), next(announced), next(announced)] == [0, 1, 2]
    assert [next(consumed) for _ in range(3)] == [1, 2, 3]
    assert list(announced) == [4]
    assert next(consumed) == 4
    with pytest.raises(ValueError, match="broken"):
        next(consumed)
