"""What an opened repository asks its store for: the glance of the opening for whom it will do, each snapshot's file once, the cache else."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fake_source import FakeDirectory
from tests.faults import Fault, FaultStore, RecordingStore
from tests.small_repository import opened, opened_far, take
from vault.errors import NotFound
from vault.format.snapshot import snapshot_name
from vault.ids import ObjectId, PackId, SnapshotId
from vault.model import ObjectType
from vault.repo import writer as writer_module
from vault.repo.glance import Glance
from vault.repo.state import Open
from vault.repo.workers import FETCH_THREADS
from vault.store.memory import MemoryStore


@pytest.fixture
def ids(repo: Open) -> list[SnapshotId]:
    """Three snapshots, oldest first."""
    return [take(repo, None, {"lib": FakeDirectory({b"f": b"%d" % number})}).id for number in range(3)]


def requests(recording: RecordingStore, act: Callable[[], object]) -> list[str]:
    recording.calls.clear()
    act()
    return [request for request in recording.requests() if "snapshots" in request or "index" in request]


LISTED, READ = "list snapshots", "get snapshots"


def test_a_repository_at_hand_and_one_far_away(store: MemoryStore, repo: Open, tmp_path: Path) -> None:
    own = tmp_path / repo.config.repository.hex()
    near, far = opened(store, tmp_path), opened_far(store, tmp_path)
    assert (near.own_cache, near.fetch_threads, near.meta_packs) == (own, 1, None)
    assert (far.own_cache, far.fetch_threads) == (own, FETCH_THREADS)
    assert far.meta_packs is not None
    assert opened(store).own_cache is None


def test_snapshots_are_listed_at_each_look_but_where_the_opening_will_do(
    store: MemoryStore, ids: list[SnapshotId]
) -> None:
    recording = RecordingStore(store)

    def told(repo: Open, *, at_opening: bool) -> Callable[[], object]:
        return lambda: [one for one, _ in repo.snapshots(at_opening=at_opening)] == ids or pytest.fail("others")

    near = opened(recording)
    assert requests(recording, told(near, at_opening=False)) == [LISTED, *[READ] * 3]
    assert requests(recording, told(near, at_opening=True)) == [LISTED, *[READ] * 3]
    far = opened_far(recording)
    assert requests(recording, told(far, at_opening=True)) == [READ] * 3
    assert requests(recording, told(far, at_opening=True)) == [LISTED, *[READ] * 3], "it was taken"
    late = opened_far(recording)
    assert requests(recording, told(late, at_opening=False)) == [LISTED, *[READ] * 3]
    assert requests(recording, told(late, at_opening=True)) == [LISTED, *[READ] * 3], "the glance is older than that"
    assert requests(recording, lambda: opened_far(recording).listing()) == [LISTED, *[READ] * 3]
    assert requests(recording, lambda: list(opened_far(recording).scan())) == [LISTED, *[READ] * 3]
    assert requests(recording, lambda: opened_far(recording).resolve("latest")) == [READ] * 3


def test_what_is_no_snapshot_s_name_is_none(store: MemoryStore, ids: list[SnapshotId]) -> None:
    store.files["snapshots/readme"] = b"x"
    store.files[f"snapshots/{'a' * 63}"] = b"x"
    assert sorted(one for one, _ in opened(store).scan()) == sorted(ids)
    assert opened(store).listing()[1] == []


def test_one_that_is_forgotten_meanwhile_is_left_out_and_the_others_are_there(
    store: MemoryStore, ids: list[SnapshotId]
) -> None:
    gone = FaultStore(store, [Fault(kind="get", prefix="snapshots/", at=2, error=NotFound("forgotten"))])
    readable, damaged = opened(gone).listing()
    first, _, last = sorted(ids)
    assert ({one for one, _ in readable}, damaged) == ({first, last}, [])


def test_what_the_cache_tells_is_read_where_that_is_wanted(
    store: MemoryStore, ids: list[SnapshotId], tmp_path: Path
) -> None:
    recording = RecordingStore(store)
    assert requests(recording, lambda: list(opened(recording, tmp_path).scan())) == [LISTED, *[READ] * 3]
    repo = opened(recording, tmp_path)
    assert requests(recording, lambda: list(repo.scan())) == [LISTED]
    assert requests(recording, lambda: repo.opens(ids[0])) == [READ], "the cache tells nothing of its file"
    assert requests(recording, lambda: repo.opens(ids[0])) == []
    assert requests(recording, lambda: list(repo.scan(read=True))) == [LISTED, *[READ] * 3]
    assert requests(recording, lambda: [repo.opens(one) for one in ids]) == [], "each was read just now"
    assert requests(recording, lambda: list(repo.scan())) == [LISTED]
    assert requests(recording, lambda: repo.opens(ids[1])) == [READ], "since the last look nobody read it"
    assert requests(recording, lambda: repo.manifest(ids[1])) == [READ]


def test_a_snapshot_that_was_just_put_is_remembered(store: MemoryStore, ids: list[SnapshotId], tmp_path: Path) -> None:
    repo = opened(store, tmp_path)
    name = snapshot_name(ids[0])
    repo.keep(ids[0], len(store.files[name]), repo.manifest(ids[0]))
    recording = RecordingStore(store)
    assert requests(recording, opened(recording, tmp_path).snapshots) == [LISTED, READ, READ]


def test_other_files_of_the_glance_are_had_once_and_only_if_each_snapshot_was_known(
    store: MemoryStore, ids: list[SnapshotId], tmp_path: Path
) -> None:
    assert opened(store, tmp_path).glanced("pins/") is None
    for known in (False, True):
        repo = opened_far(store, tmp_path)
        assert repo.listed_at_opening("pins/") is None, "nobody has looked at the snapshots"
        assert len(repo.snapshots(at_opening=True)) == len(ids)
        assert (repo.listed_at_opening("pins/") == ()) == known
        assert repo.glanced("acks/") == ()
        assert repo.glanced("acks/") is None, "it was taken"
    repo.snapshots()
    assert repo.listed_at_opening("leases/") is None, "what is listed from here on is newer"


def test_the_index_of_the_opening_will_do_once_for_who_only_reads(store: MemoryStore, ids: list[SnapshotId]) -> None:
    recording = RecordingStore(store)

    def listings(repo: Open, *, at_opening: bool) -> int:
        found = requests(recording, lambda: repo.indexed(None, at_opening=at_opening))
        return found.count("list index")

    far = opened_far(recording)
    assert [listings(far, at_opening=True), listings(far, at_opening=True)] == [0, 1]
    late = opened_far(recording)
    assert [listings(late, at_opening=False), listings(late, at_opening=True)] == [1, 1]
    assert listings(opened(recording), at_opening=True) == 1
    unsaid = opened_far(recording)
    assert requests(recording, lambda: unsaid.indexed(None)).count("list index") == 1


@pytest.mark.usefixtures("ids")
def test_an_index_that_was_kept_is_not_read_again(store: MemoryStore, tmp_path: Path) -> None:
    recording = RecordingStore(store)

    def read(cache: Path | None) -> int:
        repo = opened(recording)
        return requests(recording, lambda: repo.indexed(cache)).count("get index")

    every = read(None)
    assert every > 0
    assert [read(tmp_path), read(tmp_path), read(None)] == [every, 0, every]
    assert [path.name for path in tmp_path.iterdir()] == [opened(store).config.repository.hex()]


class Together(MemoryStore):
    """Gives a piece of a pack once so many threads ask for one; the first time not before others could ask as well."""

    def __init__(self, files: dict[str, bytes], count: int) -> None:
        super().__init__(files)
        self.asked: set[threading.Thread] = set()
        self._all = threading.Barrier(count)
        self._others_came = threading.Event()

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self.asked.add(threading.current_thread())
        self._all.wait(timeout=30)
        self._others_came.wait(timeout=0.1)
        self._others_came.set()
        return super().get_range(name, offset, length)


@pytest.mark.parametrize(("asked", "threads"), [({}, 2), ({"threads": 1}, 1), ({"threads": 3}, 3)])
def test_objects_are_read_by_two_threads_unless_by_another_number(
    repo: Open, store: MemoryStore, asked: dict[str, int], threads: int
) -> None:
    """By a reader, and by a snapshot as well."""
    kind = ObjectType.FILE_CHUNK
    with repo.indexed(None).writer(entropy=os.urandom) as writer:
        objects = [writer.put(kind, b"%d" % number) for number in range(6)]
        writer.publish()
    snapshot = take(repo, None, {"lib": FakeDirectory({})})

    def reading(load: Callable[[Open], Callable[[list[ObjectId], ObjectType], object]]) -> None:
        together = Together(store.files, threads)
        assert list(load(opened(together))(objects, kind)) == [b"%d" % number for number in range(6)]  # type: ignore[call-overload]
        assert len(together.asked) == threads

    reading(lambda there: there.indexed(None).reader(**asked).get_many)
    reading(lambda there: there.indexed(None).snapshot(snapshot.id, **asked).load)
    reading(lambda there: there.indexed(None).known(snapshot.id, snapshot.manifest, **asked).load)


def test_a_writer_tells_of_the_packs_that_it_relies_on(repo: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_PENDING_ENTRIES_MAX", 1)
    told: list[frozenset[PackId]] = []
    with repo.indexed(None).writer(entropy=os.urandom, published=told.append) as writer:
        stored = writer.put(ObjectType.FILE_CHUNK, b"x")
        writer.publish()
    (place,) = repo.indexed(None).index.locations(stored)
    assert told == [frozenset({place.pack})]


@pytest.mark.parametrize(("copies", "cached"), [(None, True), (False, True), (True, True), (True, False)])
def test_packs_of_metadata_are_kept_for_whom_that_will_do_alone(
    store: MemoryStore, ids: list[SnapshotId], tmp_path: Path, copies: bool | None, cached: bool
) -> None:
    """Who must see what the store holds says nothing of copies, and gets none."""
    near = opened(store)
    asked = {} if copies is None else {"copies": copies}
    cache = tmp_path if cached else None
    far = Open(store, near.config, near.keys, near.bundle, cache_dir=cache, glance=Glance(store), **asked)
    snapshot = far.indexed(cache).snapshot(ids[0])
    assert b"f" in {item.path for item in snapshot.files("lib")}
    assert (tmp_path / near.config.repository.hex() / "packs").exists() == bool(copies and cached)


@pytest.mark.usefixtures("ids")
def test_far_away_a_list_of_small_objects_is_one_request_and_at_hand_one_each(store: MemoryStore, repo: Open) -> None:
    with repo.indexed(None).writer(entropy=os.urandom) as writer:
        nodes = [writer.put(ObjectType.TABLE_NODE, b"%d" % number) for number in range(9)]
        writer.publish()
    for opening, count in ((opened, 9), (opened_far, 1)):
        recording = RecordingStore(store)
        reader = opening(recording).indexed(None).reader()
        recording.calls.clear()
        assert [reader.get(node, ObjectType.TABLE_NODE) for node in nodes] == [b"%d" % number for number in range(9)]
        assert len(recording.requests()) == count
