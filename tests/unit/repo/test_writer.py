"""Writing objects: each once, no key and nonce twice, never more than a fragment can hold."""

from __future__ import annotations

import os
import threading
from collections import Counter
from itertools import cycle

import pytest

from tests.fake_source import FakeDatabase, FakeDirectory
from tests.faults import Fault, FaultStore, RecordingStore
from tests.packs import object_id
from tests.small_repository import contents, damage, new_repository, opened, rows, take
from vault.errors import ContentMismatch, StoreFull, Unavailable
from vault.format.pack import FOOTER_BYTES, HEADER_BYTES, decode_header
from vault.ids import ObjectId
from vault.limits import FRAGMENT_ENTRIES_MAX, KIB
from vault.model import Codec, ObjectType, PackClass
from vault.pipeline.seal import draft_record, open_trailer
from vault.repo import writer as writer_module
from vault.repo.state import Indexed, Open
from vault.repo.writer import Writer
from vault.store.memory import MemoryStore
from vault.store.retry import RetryStore


def write(indexed: Indexed, count: int, size: int = 2_000) -> None:
    with indexed.writer(entropy=os.urandom) as writing:
        for number in range(count):
            writing.submit(ObjectType.FILE_CHUNK, number.to_bytes(4, "big") + os.urandom(size))
        writing.publish()


def packs(store: MemoryStore) -> dict[str, bytes]:
    return {name: data for name, data in store.files.items() if name.startswith("packs/")}


def test_no_key_and_nonce_is_used_twice(store: MemoryStore, repo: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a few backups wrote: a pack's key depends on class, header and salt, a nonce is the ordinal."""
    monkeypatch.setattr(writer_module, "PACK_BYTES_TARGET", 32 * KIB)
    for day in range(3):
        database = FakeDatabase(tables={"public.t": [rows(n, 1_000) for n in range(day + 2)]})
        take(repo, database, {"lib": FakeDirectory({b"f": rows(100 + day, 1_000)})})
    used: Counter[tuple[bytes, int]] = Counter()
    salts: Counter[bytes] = Counter()
    for data in packs(store).values():
        header = decode_header(data[:HEADER_BYTES])
        key = repo.keys.pack_key(header.pack_class, data[:HEADER_BYTES], header.salt)
        salts[header.salt] += 1
        records = open_trailer(data, pack_bytes=len(data), header=header, key=key)
        used.update((key, record.ordinal) for record in records)
        used[key, 2**32 - 1] += 1
        assert len(data) > FOOTER_BYTES
    for name, data in store.files.items():
        if name.startswith(("index/", "snapshots/", "leases/")):
            salts[data[20:44]] += 1
    assert len(packs(store)) > 6
    assert set(used.values()) == {1}
    assert set(salts.values()) == {1}


@pytest.mark.spec("PACK-9")
def test_put_that_is_tried_again_sends_identical_bytes(repo: Open) -> None:
    """The answer of each put is lost once; the store then has the name, and its bytes must be the ones sent again."""
    for at in range(1, 5):
        memory = MemoryStore()
        new_repository(memory)
        recording = RecordingStore(
            FaultStore(memory, [Fault(kind="put", at=at, error=Unavailable("lost"), after=True)])
        )
        retrying = RetryStore(recording, attempts=3, sleep=lambda seconds: None, jitter=lambda: 0.0)
        write(opened(retrying).indexed(None), 20)
        names = [call.name for call in recording.calls if call.kind == "put"]
        assert len(names) > len(set(names)) or at > len(set(names))
        assert damage(opened(memory)) == ()


@pytest.mark.spec("PACK-9")
def test_sealer_never_outlives_its_pack(repo: Open) -> None:
    with repo.indexed(None).writer(entropy=os.urandom) as writing:
        sealer = writing._new_sealer(PackClass.DATA)
        draft = draft_record(ObjectId(b"\1" * 32), ObjectType.ROW_CHUNK, Codec.RAW, plain_length=1)
        sealer.append(draft, b"x")
        sealer.close()
        with pytest.raises(AssertionError):
            sealer.close()


@pytest.mark.parametrize(("spread_bytes", "sizes"), [(0, [4, 4]), (5_000, [3, 5]), (1 << 30, [8])])
def test_objects_are_spread_over_the_open_packs_when_there_are_some(
    store: MemoryStore, repo: Open, monkeypatch: pytest.MonkeyPatch, spread_bytes: int, sizes: list[int]
) -> None:
    """So that sizes of neighbours cannot be read off; a small day makes few files."""
    monkeypatch.setattr(writer_module, "PACK_SPREAD_BYTES", spread_bytes)
    draws = cycle(range(1, 256))
    indexed = repo.indexed(None)
    with indexed.writer(entropy=lambda n: bytes([next(draws)]) if n == 1 else os.urandom(n)) as writing:
        for number in range(8):
            writing.put(ObjectType.FILE_CHUNK, bytes([number]) + os.urandom(2_000))
        writing.publish()
    index = repo.indexed(None).index
    assert sorted(len(list(index.in_pack(pack))) for pack, _ in index.packs()) == sizes


def test_equal_objects_are_stored_once_by_many_threads(store: MemoryStore, repo: Open) -> None:
    indexed = repo.indexed(None)
    with indexed.writer(entropy=os.urandom, threads=4) as writing:
        for number in range(400):
            writing.submit(ObjectType.FILE_CHUNK, b"%d" % (number % 7) * 1_000)
        writing.publish()
    for _ in range(2):
        with repo.indexed(None).writer(entropy=os.urandom) as writing:
            for number in range(7):
                writing.put(ObjectType.FILE_CHUNK, b"%d" % number * 1_000)
            writing.publish()
            assert writing.new_bytes == 0
    index = repo.indexed(None).index
    assert len(index) == 7


@pytest.mark.spec("LEASE-10")
def test_what_is_swept_after_it_was_published_is_stored_anew_by_the_same_writer(store: MemoryStore, repo: Open) -> None:
    indexed = repo.indexed(None)
    with indexed.writer(entropy=os.urandom) as writing:
        found = writing.put(ObjectType.FILE_CHUNK, b"content")
        writing.publish()
        (first,) = writing.relied_on()
        writing.put(ObjectType.FILE_CHUNK, b"content")
        writing.publish()
        assert writing.relied_on() == {first}
        indexed.index.sweep([first])
        writing.put(ObjectType.FILE_CHUNK, b"content")
        writing.publish()
        (second,) = writing.relied_on() - {first}
    assert set(repo.indexed(None).index.packs_of(found)) == {first, second}


@pytest.mark.slow
def test_more_tiny_objects_than_a_fragment_holds_are_stored(store: MemoryStore, repo: Open) -> None:
    """A pack of target size could hold more objects than a fragment, and then nothing could ever be published."""
    count = FRAGMENT_ENTRIES_MAX + 5_000
    with repo.indexed(None).writer(entropy=lambda n: b"\0" if n == 1 else os.urandom(n)) as writing:
        for number in range(count):  # all into the first of the two open packs
            writing.put(ObjectType.FILE_CHUNK, b"%d" % number)
        writing.publish()
    fresh = repo.indexed(None)
    assert fresh.index.damage == []
    assert len(fresh.index) == count
    last = object_id(repo, b"%d" % (count - 1), ObjectType.FILE_CHUNK)
    assert fresh.reader().get(last, ObjectType.FILE_CHUNK) == b"%d" % (count - 1)


@pytest.mark.parametrize("ends", ["published", "committed"])
def test_what_refers_to_others_waits_for_them(ends: str, repo: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packs, barrier, fragment, barrier, snapshot, barrier: a store may lose, in any order, what no barrier followed."""
    monkeypatch.setattr(writer_module, "PACK_BYTES_TARGET", 16 * KIB)
    monkeypatch.setattr(writer_module, "_PENDING_ENTRIES_MAX", 20)
    memory = MemoryStore()
    new_repository(memory)
    recording = RecordingStore(memory)
    indexed = opened(recording).indexed(None)
    if ends == "committed":
        take(
            indexed, FakeDatabase(tables={"public.t": [rows(1, 1_000)]}), {"lib": FakeDirectory({b"f": rows(2, 1_000)})}
        )
    else:
        with indexed.writer(entropy=os.urandom, threads=1) as writing:
            for number in range(100):
                writing.submit(ObjectType.FILE_CHUNK, number.to_bytes(4, "big") + os.urandom(2_000))
            writing.publish()
    unsure: set[str] = set()
    referring = []
    for call in recording.calls:
        folder = call.name.partition("/")[0]
        if call.kind == "barrier":
            unsure.clear()
        elif call.kind == "put":
            if folder in ("index", "snapshots"):
                referring.append(folder)
                assert unsure.isdisjoint({"packs", "index"}), f"{call.name} could outlive what it refers to"
            unsure.add(folder)
    assert unsure.isdisjoint({"packs", "index", "snapshots"}), "said to be done, and not durable"
    assert referring.count("snapshots") == (ends == "committed")
    assert referring.count("index") > (ends == "published")


def test_empty_object_is_stored_and_read(repo: Open) -> None:
    with repo.indexed(None).writer(entropy=os.urandom) as writing:
        found = writing.put(ObjectType.FILE_CHUNK, b"")
        writing.publish()
    assert repo.indexed(None).reader().get(found, ObjectType.FILE_CHUNK) == b""


@pytest.mark.spec("PACK-10")
def test_object_that_does_not_open_again_stops_the_pack(
    store: MemoryStore, repo: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if memory flipped a bit between sealing and sending."""
    monkeypatch.setattr(writer_module, "open_object", lambda *args, **kwargs: b"something else")
    with pytest.raises(ContentMismatch):
        write(repo.indexed(None), 1)
    assert packs(store) == {}


def test_after_an_error_nothing_is_committed(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "PACK_BYTES_TARGET", 16 * KIB)
    new_repository(store)
    broken = FaultStore(store, [Fault(kind="put", prefix="packs/", at=3, error=StoreFull("full"))])

    def fill(writing: Writer) -> None:
        for _ in range(10_000):
            writing.submit(ObjectType.FILE_CHUNK, os.urandom(4_000))

    with pytest.raises(StoreFull), opened(broken).indexed(None).writer(entropy=os.urandom) as writing:
        fill(writing)
    assert [name for name in store.files if name.startswith(("index/", "snapshots/"))] == []


def test_two_writers_at_the_same_time_leave_two_whole_snapshots(repo: Open) -> None:
    directories = [FakeDirectory({b"common": rows(1, 2_000), b"own": rows(n, 2_000)}) for n in (2, 3)]
    database = FakeDatabase(tables={"public.t": [rows(n, 1_000) for n in range(10, 14)]})
    start = threading.Barrier(2)
    taken = []

    def back_up(directory: FakeDirectory) -> None:
        indexed = repo.indexed(None)
        start.wait(300)
        taken.append(take(indexed, database, {"lib": directory}).id)

    running = [threading.Thread(target=back_up, args=(directory,)) for directory in directories]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert len(set(taken)) == 2
    found = [contents(repo, snapshot) for snapshot in taken]
    assert {item["lib/own"] for item in found} == {rows(2, 2_000), rows(3, 2_000)}
    assert all(item["table public.t"] == b"".join(database.tables["public.t"]) for item in found)
    assert damage(repo) == ()
    assert [manifest.sequence for _, manifest in repo.snapshots()] == [1, 1], "a legal fork"
    third = take(repo, database, {"lib": directories[0]})
    assert third.manifest.sequence == 2
    assert damage(repo) == ()
