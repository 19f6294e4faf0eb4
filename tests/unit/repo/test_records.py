"""Sealed records: put durably or taken back, and read with what is wrong told beside what is right."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.faults import Fault, FaultStore, RecordingStore
from tests.small_repository import opened
from vault.errors import Interrupted, LimitExceeded, StoreDenied, StoreError, StoreFull, Unavailable, Unreadable
from vault.format.notes import decode_pin, encode_pin
from vault.format.upkeep import DIRECTORIES, encode_forgotten
from vault.ids import SnapshotId
from vault.limits import FILE_BYTES_MAX
from vault.model import FileKind, Forgotten, Pin
from vault.ports import ObjectStore, StoredFile
from vault.repo.records import Records, forgotten, load, save, save_all
from vault.repo.state import Open
from vault.store.memory import MemoryStore


def pin(number: int) -> Pin:
    return Pin(created_ms=number, host="h", reason="r", snapshot=SnapshotId(bytes(32)), source="app", sequence=1)


def put(repo: Open, number: int) -> str:
    return save(repo, FileKind.PIN, encode_pin(pin(number)), entropy=os.urandom)


def pins(store: ObjectStore, files: list[StoredFile] | None = None) -> Records[Pin]:
    return load(opened(store), FileKind.PIN, decode_pin, files=files)


def test_a_record_is_durable_before_its_name_is_told(repo: Open, store: MemoryStore) -> None:
    recording = RecordingStore(store)
    name = put(opened(recording), 1)
    assert [(call.kind, call.name) for call in recording.calls] == [("put", name), ("barrier", "")]
    assert pins(store) == Records(found=((name, pin(1)),), damaged=())


def test_what_a_check_leaves_is_compressed_and_no_other_record(repo: Open, store: MemoryStore) -> None:
    """It names every pack, and others are too short to gain anything."""
    plain = b"much the same " * 100
    for kind in DIRECTORIES:
        names = (save(repo, kind, plain, entropy=os.urandom), *save_all(repo, kind, [plain], entropy=os.urandom))
        for name in names:
            assert (len(store.files[name]) < len(plain)) == (kind is FileKind.CHECK)
        assert [told for _, told in load(repo, kind, bytes).found] == [plain] * 2


@pytest.mark.parametrize("kind", ["put", "barrier"])
@pytest.mark.parametrize("error", [StoreFull("full"), KeyboardInterrupt()])
def test_a_record_that_was_not_made_durable_is_taken_back(
    repo: Open, store: MemoryStore, kind: str, error: BaseException
) -> None:
    with pytest.raises(type(error)):
        put(opened(FaultStore(store, [Fault(kind=kind, error=error, after=True)])), 1)
    assert pins(store).found == ()


@pytest.mark.parametrize("second", [Unavailable("busy"), Interrupted("ended")])
def test_how_the_put_ended_is_told_where_it_cannot_be_taken_back_either(
    repo: Open, store: MemoryStore, second: Exception
) -> None:
    faults = [Fault(kind="barrier", error=StoreError("the first")), Fault(kind="delete", error=second)]
    with pytest.raises(StoreError, match="the first"):
        put(opened(FaultStore(store, faults)), 1)
    assert len(pins(store).found) == 1


def test_many_records_are_made_durable_at_once_and_stay_where_one_fails(repo: Open, store: MemoryStore) -> None:
    recording = RecordingStore(store)
    plains = [encode_pin(pin(number)) for number in (1, 2, 3)]
    names = save_all(opened(recording), FileKind.PIN, plains, entropy=os.urandom)
    assert [(call.kind, call.name) for call in recording.calls] == [*(("put", name) for name in names), ("barrier", "")]
    assert {name: one.created_ms for name, one in pins(store).found} == dict(zip(names, (1, 2, 3), strict=True))
    with pytest.raises(StoreFull):
        save_all(
            opened(FaultStore(store, [Fault(kind="put", at=3, error=StoreFull("full"))])),
            FileKind.PIN,
            plains,
            entropy=os.urandom,
        )
    assert len(pins(store).found) == 5
    assert save_all(repo, FileKind.PIN, (), entropy=os.urandom) == ()


def test_what_is_no_record_is_told_with_its_file_and_what_has_no_name_of_one_is_passed_over(
    repo: Open, store: MemoryStore
) -> None:
    own = put(repo, 1)
    junk, of_another_kind = f"pins/{'0' * 64}", f"pins/{'1' * 64}"
    store.files[junk] = b"junk"
    store.files[of_another_kind] = store.files[save(repo, FileKind.LEASE, b"x", entropy=os.urandom)]
    store.files["pins/readme"] = b"x"
    found = pins(store)
    assert found.found == ((own, pin(1)),)
    assert sorted(error.file for error in found.damaged) == [junk, of_another_kind]
    for size, kinds in ((FILE_BYTES_MAX, []), (FILE_BYTES_MAX + 1, [LimitExceeded])):
        listed = [StoredFile(name=own, size=size, modified_ms=0)]
        assert [type(error) for error in pins(store, listed).damaged] == kinds
        assert len(pins(store, listed).found) == 1 - len(kinds)


@pytest.mark.parametrize("kind", list(DIRECTORIES))
def test_a_record_that_may_not_be_read_stops_whoever_relies_on_there_being_none(
    repo: Open, store: MemoryStore, kind: FileKind
) -> None:
    name = save(repo, kind, b"x", entropy=os.urandom)
    denied = StoreDenied("cannot read it", why="Permission denied", hint="ask the owner")
    faulty = opened(FaultStore(store, [Fault(kind="get", error=denied)]))
    if kind in (FileKind.FINDINGS, FileKind.ACK, FileKind.DRILL, FileKind.CHECK):
        (told,) = load(faulty, kind, bytes).damaged
        assert isinstance(told, Unreadable)
        assert (told.message, told.why, told.hint, told.file) == (denied.message, denied.why, denied.hint, name)
    else:
        with pytest.raises(StoreDenied):
            load(faulty, kind, bytes)


class Merging(MemoryStore):
    """As a prune: what was listed is one file by the time that it is read, `times` times."""

    def __init__(self, repo_files: dict[str, bytes], merged: list[dict[str, bytes]]) -> None:
        super().__init__(repo_files)
        self.merged = merged
        self.listings = 0

    def list(self, prefix: str) -> Iterator[StoredFile]:
        found = [*super().list(prefix)]
        self.listings += 1
        if self.merged:
            for file in found:
                del self.files[file.name]
            self.files.update(self.merged.pop(0))
        return iter(found)


@pytest.mark.parametrize(("merges", "listings", "there"), [(0, 1, True), (1, 2, True), (2, 3, True), (3, 3, False)])
def test_a_record_that_was_merged_meanwhile_is_looked_for_again(
    repo: Open, store: MemoryStore, merges: int, listings: int, there: bool
) -> None:
    others = []
    for number in range(merges + 1):
        name = put(repo, number)
        others.append({name: store.files.pop(name)})
    store.files.update(others[0])
    merging = Merging(store.files, others[1:])
    assert [one.created_ms for _, one in pins(merging).found] == [merges] * there
    assert merging.listings == listings
    assert pins(merging).damaged == ()


def test_files_that_were_listed_already_are_not_listed_unless_one_went_away(repo: Open, store: MemoryStore) -> None:
    first, second = put(repo, 1), put(repo, 2)
    listed = list(store.list("pins/"))
    recording = RecordingStore(store)
    assert len(pins(recording, listed).found) == 2
    assert recording.requests() == ["get pins"] * 2
    store.delete(first)
    recording.calls.clear()
    assert [name for name, _ in pins(recording, listed).found] == [second]
    assert recording.requests().count("list pins") == 1


def test_what_was_forgotten_is_read_apart_from_other_records(repo: Open) -> None:
    put(repo, 1)
    one = Forgotten(created_ms=2, snapshots=())
    name = save(repo, FileKind.FORGOTTEN, encode_forgotten(one), entropy=os.urandom)
    assert forgotten(repo) == Records(found=((name, one),), damaged=())
