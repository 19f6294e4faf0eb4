"""When a writer closes a pack and publishes a fragment, what it counts as under way, and how it ends what waits."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from tests.packs import Made, object_id, put_fragment, put_pack
from tests.small_repository import TestClock, new_repository, opened, opened_far
from tests.unit.repo.test_reader import versions
from tests.unit.repo.test_uploads import Slow
from tests.unit.repo.test_workers import Gate
from tests.unit.repo.test_writing import TERMS, Removed, begun, below, commit, rely_on_all
from vault.errors import ContentMismatch, IntegrityError, Locked
from vault.format.index import parse_fragment_name
from vault.format.snapshot import encode_manifest
from vault.limits import CHUNK_BYTES_MAX
from vault.model import Manifest, ObjectRecord, ObjectType
from vault.pipeline.seal import open_object
from vault.repo import writer as writer_module
from vault.repo.deltas import whole
from vault.repo.records import forgotten
from vault.repo.state import Open
from vault.repo.uploads import Uploads
from vault.repo.writing import writing
from vault.store.memory import MemoryStore

FILE = ObjectType.FILE_CHUNK


def counts(store: MemoryStore, repo: Open, directory: str, objects: int) -> list[int]:
    """Files of a directory after each object."""
    found = []
    with repo.indexed(None).writer(entropy=os.urandom) as writing:
        for number in range(objects):
            writing.put(FILE, b"%d" % number)
            found.append(len(below(store, directory)))
        writing.publish()
    return found


def test_a_pack_is_closed_by_the_object_that_fills_it(
    store: MemoryStore, repo: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their number, or by its size."""
    monkeypatch.setattr(writer_module, "_PENDING_ENTRIES_MAX", 3)
    assert counts(store, repo, "packs", 7) == [0, 0, 1, 1, 1, 2, 2]
    index = repo.indexed(None).index
    (pack, _) = next(pair for pair in index.packs() if len(list(index.in_pack(pair[0]))) == 3)
    second = sorted(place.record.offset + place.record.length for place in index.in_pack(pack))[1]
    for target, expected in ((second, [0, 1, 1, 2, 2]), (second + 1, [0, 0, 1, 1, 1])):
        monkeypatch.setattr(writer_module, "PACK_BYTES_TARGET", target)
        fresh = MemoryStore(
            {name: data for name, data in store.files.items() if not name.startswith(("packs", "index"))}
        )
        assert counts(fresh, opened(fresh), "packs", 5) == expected


def test_a_fragment_is_published_by_the_object_that_is_one_of_enough(
    store: MemoryStore, repo: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "PACK_BYTES_TARGET", 1)
    monkeypatch.setattr(writer_module, "_PENDING_ENTRIES_MAX", 3)
    assert counts(store, repo, "index", 7) == [0, 0, 1, 1, 1, 2, 2]
    parsed = [parse_fragment_name(name) for name in below(store, "index")]
    assert sorted(one[0] for one in parsed if one is not None) == [1, 2, 3]


@pytest.mark.parametrize(("one_byte_more", "sizes"), [(0, [3, 4]), (1, [2, 5])])
def test_objects_are_spread_from_the_byte_on_that_is_enough(
    repo: Open, monkeypatch: pytest.MonkeyPatch, one_byte_more: int, sizes: list[int]
) -> None:
    plains = [os.urandom(100) for _ in range(7)]
    length = len(whole(plains[0], FILE).stored) + 16
    monkeypatch.setattr(writer_module, "PACK_SPREAD_BYTES", 2 * length + one_byte_more)
    draws = cycle(range(1, 256))
    with repo.indexed(None).writer(entropy=lambda n: bytes([next(draws)]) if n == 1 else os.urandom(n)) as writing:
        for plain in plains:
            writing.put(FILE, plain)
        writing.publish()
    index = repo.indexed(None).index
    assert sorted(len(list(index.in_pack(pack))) for pack, _ in index.packs()) == sizes


def test_what_is_under_way_counts_with_its_length_and_twice_where_it_is_stored_again(repo: Open) -> None:
    """And one more, so that objects without a byte are bounded too."""
    gate = Gate()

    def entropy(count: int) -> bytes:
        gate.enter()
        return os.urandom(count)

    plain, empty = b"12345", b""
    before = set(threading.enumerate())
    with repo.indexed(None).writer(entropy=entropy, threads=1) as writing:
        counted = []
        for one in (plain, empty):
            writing.submit(FILE, one)
            counted.append(writing._pool._bytes)
        writing.submit_again(object_id(repo, plain, FILE), FILE, plain, whole(plain, FILE))
        counted.append(writing._pool._bytes)
        threads = len(set(threading.enumerate()) - before)
        gate.open.set()
        writing.publish()
        assert counted == [6, 6 + 1, 6 + 1 + 11]
        assert threads == 1, "as was asked for"
        assert writing._pool._bytes == 0


@pytest.mark.spec("PACK-10")
@pytest.mark.parametrize("opens", [True, False])
def test_a_full_pack_waits_for_the_proof_of_each_of_its_objects(
    store: MemoryStore, repo: Open, monkeypatch: pytest.MonkeyPatch, opens: bool
) -> None:
    """The first one's is slow, and the second one fills the pack."""
    monkeypatch.setattr(writer_module, "_PENDING_ENTRIES_MAX", 2)
    gate = Gate()

    def slow(sealed: bytes, record: ObjectRecord, **others: Any) -> bytes:
        if record.ordinal == 0:
            gate.enter()
        return open_object(sealed, record, **others) if opens or record.ordinal else b"another"

    monkeypatch.setattr(writer_module, "open_object", slow)
    with repo.indexed(None).writer(entropy=os.urandom, threads=1) as writing:
        first = writing.submit(FILE, b"first")
        gate.wait_for(1)
        writing.put(FILE, b"second")
        sent_early = below(store, "packs")
        gate.open.set()
        error = first.error()
    assert sent_early == set()
    assert isinstance(error, ContentMismatch) != opens
    assert len(below(store, "packs")) == opens


def test_an_object_of_the_greatest_length_is_stored_and_a_longer_one_is_a_fault_of_the_caller(repo: Open) -> None:
    with repo.indexed(None).writer(entropy=os.urandom) as writing:
        found = writing.put(FILE, bytes(CHUNK_BYTES_MAX))
        with pytest.raises(AssertionError):
            writing.put(FILE, bytes(CHUNK_BYTES_MAX + 1))
        writing.publish()
    assert repo.indexed(None).reader().get(found, FILE) == bytes(CHUNK_BYTES_MAX)


def test_who_stores_a_delta_relies_on_the_pack_of_its_base(repo: Open) -> None:
    one, two = versions(2)
    base = put_pack(repo, [Made(plain=one)])
    put_fragment(repo, [base])
    with repo.indexed(None).writer(entropy=os.urandom) as writing:
        writing.put(ObjectType.ROW_CHUNK, two, base=object_id(repo, one))
        writing.publish()
        assert base.pack in writing.relied_on()
        assert len(writing.relied_on()) == 2


# --- the size that a manifest tells -----------------------------------------------------------------


def test_a_manifest_tells_what_was_sent_its_own_file_included(
    store: MemoryStore, manifest: Manifest, warned: list[str]
) -> None:
    """Or a few bytes less or more, where no number agrees with itself."""

    def at(new_bytes: int) -> Manifest:
        effort = replace(manifest.effort, new_bytes=new_bytes)
        return replace(manifest, sequence=7, tags={"note": "a" * 1_000}, effort=effort)

    before = {name: len(data) for name, data in store.files.items()}
    with begun(store, warned) as under:
        rely_on_all(under)
        under.writer.put(FILE, os.urandom(100))
        done = under.commit(at)
        assert abs(done.manifest.effort.new_bytes - under.writer.new_bytes) <= 8
    new = {name: data for name, data in store.files.items() if name not in before}
    assert {name.partition("/")[0] for name in new} == {"packs", "index", "snapshots"}
    assert under.writer.new_bytes == sum(map(len, new.values()))
    assert done.size == len(store.files[f"snapshots/{done.id.hex()}"])
    assert done.size < len(encode_manifest(done.manifest)), "it is squeezed"


def test_a_number_that_never_agrees_with_itself_is_asked_for_eight_times(
    store: MemoryStore, manifest: Manifest, warned: list[str]
) -> None:
    asked: list[int] = []

    def restless(new_bytes: int) -> Manifest:
        asked.append(new_bytes)
        words = {"x": os.urandom(30 * len(asked)).hex()}
        return replace(manifest, sequence=7, tags=words)

    with begun(store, warned) as under:
        rely_on_all(under)
        under.commit(restless)
    assert len(asked) == 8


# --- how it ends ------------------------------------------------------------------------------------


def test_who_fails_while_packs_wait_for_the_line_drops_them_and_leaves_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Slow()
    new_repository(store)
    monkeypatch.setattr(writer_module, "PACK_BYTES_TARGET", 1)
    before = set(threading.enumerate())
    indexed = opened_far(store, tmp_path).indexed(None, at_opening=True)
    opens = threading.Timer(0.1, store.line.set)

    def fail() -> None:
        with indexed.writer(entropy=os.urandom, clock=TestClock()) as writing:
            for number in range(20):
                writing.put(FILE, b"%d" % number)
            opens.start()
            raise KeyError("of the caller")

    with pytest.raises(KeyError):
        fail()
    opens.join()
    assert len(below(store, "packs")) <= 4, "what had begun"
    assert set(threading.enumerate()) <= before


def test_what_holds_up_the_line_is_told_to_who_writes_by_his_clock(
    store: MemoryStore, repo: Open, warned: list[str], tmp_path: Path
) -> None:
    clock = TestClock()
    far = opened_far(store, tmp_path)
    with writing(far, TERMS, clock=clock, entropy=os.urandom, warn=warned.append, cache_dir=tmp_path) as under:
        outbox = under.writer._outbox
        assert isinstance(outbox, Uploads)
        outbox._tell("no room")
        assert outbox._clock_s() == clock.uptime_s()
    assert warned == ["no room"]


def test_a_writer_that_cannot_begin_leaves_no_lease_and_warns_of_nothing(
    store: MemoryStore, repo: Open, warned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise IntegrityError("a sweep that nobody can read")

    monkeypatch.setattr("vault.repo.lease.found_sweeps", refuse)
    with pytest.raises(IntegrityError, match="nobody can read"), begun(store, warned):
        pass
    assert (below(store, "leases"), warned) == (set(), [])


@pytest.mark.parametrize(("now_ms", "told_ms"), [(-5_000_000, 0), (5_000, 6_000)])
def test_a_record_of_what_was_withdrawn_has_the_time_and_none_before_all_time(
    store: MemoryStore, manifest: Manifest, warned: list[str], now_ms: int, told_ms: int
) -> None:
    clock = TestClock(now_ms)
    with pytest.raises(Locked), begun(Removed(store), warned, clock) as under:
        commit(under, manifest, sequence=7)
    ((_, record),) = forgotten(opened(store)).found
    assert record.created_ms == told_ms


def test_packs_of_nodes_are_kept_by_who_wrote_them_and_packs_of_data_are_not(
    store: MemoryStore, repo: Open, tmp_path: Path
) -> None:
    """The next run reads the lists that this one wrote, and of the data next to nothing."""
    far = opened_far(store, tmp_path)
    indexed = far.indexed(tmp_path, at_opening=True)
    with indexed.writer(entropy=os.urandom) as writing:
        node = writing.put(ObjectType.TABLE_NODE, b"node")
        writing.put(FILE, b"data")
        writing.publish()
    (place,) = indexed.index.locations(node)
    assert far.meta_packs is not None
    assert list(far.meta_packs._held) == [place.pack]
