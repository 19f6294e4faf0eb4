"""Packs on their way to a store that is far: nobody waits for the line but the commit, and nothing is named before it is there."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.fake_source import FakeCapture, FakeDatabase
from tests.faults import Crashed, Fault, FaultStore
from tests.small_repository import TestClock, contents, new_repository, opened_far, take
from vault.crypto import keyed
from vault.errors import StoreError, Unavailable
from vault.limits import MIB, PACK_BYTES_TARGET
from vault.repo import spool, uploads, writer
from vault.repo.uploads import LinePace, Uploads
from vault.store.memory import MemoryStore


class Slow(MemoryStore):
    """A pack is put when somebody opens the line."""

    def __init__(self, files: dict[str, bytes] | None = None) -> None:
        super().__init__(files)
        self.line = threading.Event()
        self.at_once = self.most_at_once = 0
        self._counted = threading.Lock()

    def put(self, name: str, data: bytes) -> None:
        if name.startswith("packs/"):
            with self._counted:
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
            assert self.line.wait(60)
            with self._counted:
                self.at_once -= 1
        super().put(name, data)


def spooled(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and path.name != "lock"]


def sending(
    store: MemoryStore | FaultStore, directory: Path | None, tell: Callable[[str], None] = lambda _: None
) -> Uploads:
    kept = None if directory is None else spool.opened(directory, os.urandom)
    return Uploads(store, kept, clock_s=TestClock().uptime_s, tell=tell)


@pytest.fixture
def packs() -> Iterator[tuple[str, bytes]]:
    return map(pack, range(10_000))


def pack(number: int) -> tuple[str, bytes]:
    data = number.to_bytes(2, "big") * (MIB // 2)
    return f"packs/{keyed.sha256(data).hex()}", data


def test_who_posts_does_not_wait_for_the_line(tmp_path: Path, packs: Iterator[tuple[str, bytes]]) -> None:
    store, sent = Slow(), list[str]()
    outbox = sending(store, tmp_path)
    posted = [next(packs) for _ in range(60)]
    for name, data in posted:
        outbox.post(name, data, lambda name=name: sent.append(name))  # type: ignore[misc]
    waiting = spooled(tmp_path)
    assert len(waiting) > 20, "what does not fit into memory is on the disk"
    assert {stat.S_IMODE(path.stat().st_mode) for path in waiting} == {0o600}
    assert stat.S_IMODE(waiting[0].parent.stat().st_mode) == 0o700
    assert not store.files
    assert not sent
    store.line.set()
    outbox.drain()
    assert store.files == dict(posted)
    assert sorted(sent) == sorted(name for name, _ in posted)
    assert spooled(tmp_path) == []
    assert 2 <= store.most_at_once <= uploads.AT_ONCE_MAX
    outbox.close()
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_who_posts_waits_where_the_disk_has_no_room(
    tmp_path: Path, packs: Iterator[tuple[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "LEFT_FREE_BYTES", 1 << 60)
    store, told = Slow(), list[str]()

    def tell(text: str) -> None:
        told.append(text)
        assert not store.files
        store.line.set()

    outbox = sending(store, tmp_path, tell)
    for _ in range(60):
        outbox.post(*next(packs), lambda: None)
    outbox.drain()
    assert len(store.files) == 60
    assert spooled(tmp_path) == []
    assert [text for text in told if "no room" in text] == told
    assert len(told) == 1
    outbox.close()


def test_who_has_no_place_on_the_disk_waits_and_hears_nothing_of_it(
    packs: Iterator[tuple[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_WAITING_BYTES_MAX", 0)
    monkeypatch.setattr(uploads, "_PATIENCE_S", 0)
    store, told = Slow(), list[str]()
    outbox = sending(store, None, told.append)
    for _ in range(uploads._AT_ONCE_FIRST + 1):
        outbox.post(*next(packs), lambda: None)
    opens = threading.Timer(0.05, store.line.set)
    opens.start()
    outbox.post(*next(packs), lambda: None)
    assert store.line.is_set(), "it waited for room"
    outbox.drain()
    outbox.close()
    opens.join()
    assert told == []


@pytest.mark.parametrize("lost", [False, True])
def test_what_the_disk_changed_while_it_waited_is_not_sent(
    tmp_path: Path, packs: Iterator[tuple[str, bytes]], lost: bool
) -> None:
    store = Slow()
    outbox = sending(store, tmp_path)
    posted = dict(next(packs) for _ in range(60))
    for name, data in posted.items():
        outbox.post(name, data, lambda: None)
    for path in spooled(tmp_path):
        if lost:
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-1] + b"x")
    store.line.set()
    with pytest.raises(StoreError, match="waited to be sent") as told:
        outbox.drain()
    assert told.value.why == (
        "No such file or directory" if lost else "this machine's disk gave other bytes than were written to it"
    )
    outbox.cancel()
    outbox.close()
    assert all(posted[name] == data for name, data in store.files.items())


def test_first_error_is_told_to_who_posts_next_and_to_who_drains(packs: Iterator[tuple[str, bytes]]) -> None:
    store = FaultStore(MemoryStore(), [Fault(kind="put", at=3, error=Unavailable("gone"))])
    outbox = sending(store, None)

    def post_all() -> None:
        for _ in range(200):
            outbox.post(*next(packs), lambda: None)

    with pytest.raises(Unavailable):
        post_all()
    with pytest.raises(Unavailable):
        outbox.drain()
    outbox.cancel()
    outbox.close()


def test_cancelling_ends_who_waits_and_drops_what_waits(tmp_path: Path, packs: Iterator[tuple[str, bytes]]) -> None:
    store = Slow()
    outbox = sending(store, None)
    raised: list[BaseException] = []

    def post() -> None:
        try:
            for _ in range(60):
                outbox.post(*next(packs), lambda: None)
        except StoreError as error:
            raised.append(error)

    poster = threading.Thread(target=post)
    poster.start()
    outbox.cancel()
    poster.join(60)
    assert raised
    store.line.set()
    outbox.close()
    assert len(store.files) <= uploads.AT_ONCE_MAX


def test_cancelling_wakes_who_waits_for_room_however_patient(
    packs: Iterator[tuple[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_PATIENCE_S", 30)
    monkeypatch.setattr(uploads, "_WAITING_BYTES_MAX", PACK_BYTES_TARGET)
    store, raised = Slow(), list[BaseException]()
    outbox = sending(store, None)
    for _ in range(uploads._AT_ONCE_FIRST + 1):
        outbox.post(*next(packs), lambda: None)
    waits = threading.Event()
    fits = outbox._fits

    def watched() -> bool:
        waits.set()
        return fits()

    monkeypatch.setattr(outbox, "_fits", watched)

    def post() -> None:
        try:
            outbox.post(*next(packs), lambda: None)
        except StoreError as error:
            raised.append(error)

    poster = threading.Thread(target=post)
    poster.start()
    assert waits.wait(60)
    outbox.cancel()
    poster.join(15)
    is_waiting = poster.is_alive()
    store.line.set()
    poster.join()
    outbox.close()
    assert not is_waiting
    assert [str(error) for error in raised] == ["what waited to be sent was dropped"]


def test_spools_of_the_dead_are_removed_and_those_of_the_living_stay(tmp_path: Path) -> None:
    alive = spool.opened(tmp_path, os.urandom)
    assert alive is not None
    kept = alive.put(b"kept")
    child = os.fork()
    if not child:
        dead = spool.opened(tmp_path, os.urandom)
        ok = dead is not None and dead.put(b"left behind") is not None
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert sorted(path.read_bytes() for path in spooled(tmp_path)) == [b"kept", b"left behind"]
    another = spool.opened(tmp_path, os.urandom)
    assert another is not None
    assert spooled(tmp_path) == [kept]
    another.close()
    alive.close()


def test_what_cannot_be_swept_is_in_nobody_s_way(tmp_path: Path) -> None:
    """As a directory of another user: a link to one is never removed as one."""
    elsewhere, above = tmp_path / "elsewhere", tmp_path / "spool"
    for directory in (elsewhere, above):
        directory.mkdir()
    (elsewhere / "file").write_bytes(b"x")
    (above / "link").symlink_to(elsewhere)
    made = spool.opened(above, os.urandom)
    assert made is not None
    kept = made.put(b"kept")
    assert kept is not None
    assert kept.read_bytes() == b"kept"
    made.close()
    assert (elsewhere / "file").read_bytes() == b"x"


def test_without_a_place_for_a_spool_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert spool.opened(tmp_path / "file" / "spool", os.urandom) is None


def rates(carried: Callable[[int], float], rounds: int) -> list[int]:
    """How many at a time, after each pack, over a line that carries so many bytes a second with so many at a time."""
    pace, now_s, seen = LinePace(first=3, most=6), 0.0, []
    for _ in range(rounds):
        began_s, limit = now_s, pace.limit
        now_s += limit * MIB / carried(limit)
        for _ in range(limit):
            pace.ended(MIB, began_s=began_s, now_s=now_s)
        seen.append(pace.limit)
    return seen


def test_more_go_at_a_time_as_long_as_the_line_carries_more() -> None:
    assert rates(lambda limit: limit * MIB, 30) == [4, 5, *[6] * 28]


def test_no_more_go_at_a_time_than_the_line_carries() -> None:
    seen = rates(lambda limit: min(limit, 3) * MIB, 60)
    assert seen[:18] == [4, *[3] * 8, 4, *[3] * 8], "one more is tried again after eight rounds"
    assert max(seen) <= 4
    assert sum(limit == 3 for limit in seen) > 45


def test_one_more_goes_at_a_time_when_as_many_as_may_have_gone(packs: Iterator[tuple[str, bytes]]) -> None:
    store = Slow()
    outbox = sending(store, None)
    first = uploads._AT_ONCE_FIRST
    store.line.set()
    for _ in range(first):
        outbox.post(*next(packs), lambda: None)
    outbox.drain()
    store.line.clear()
    for _ in range(first + 2):
        outbox.post(*next(packs), lambda: None)
    outbox.cancel()  # drops what has not begun
    store.line.set()
    with outbox._changed:
        assert outbox._changed.wait_for(lambda: not outbox._under_way, 60), (
            "a thread may not have come to its first line"
        )
    outbox.close()
    assert len(store.files) == first + (first + 1)


# --- in a backup ------------------------------------------------------------------------------------

MANY = FakeDatabase(tables={"public.t": [b"%d\t" % n + os.urandom(100_000).hex().encode() + b"\n" for n in range(20)]})


@pytest.fixture
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "PACK_BYTES_TARGET", MIB // 4)
    monkeypatch.setattr(uploads, "_WAITING_BYTES_MAX", MIB)


@pytest.mark.usefixtures("small_packs")
def test_the_database_is_let_go_before_the_packs_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Slow()
    new_repository(store)
    at_finish: list[int] = []
    finish = FakeCapture.finish

    def finishing(capture: FakeCapture) -> Sequence[str]:
        at_finish.append(sum(name.startswith("packs/") for name in store.files))
        store.line.set()
        return finish(capture)

    monkeypatch.setattr(FakeCapture, "finish", finishing)
    report = take(opened_far(store, tmp_path), MANY, cache_dir=tmp_path)
    assert at_finish == [0]
    assert contents(opened_far(store), report.id)["table public.t"] == b"".join(MANY.tables["public.t"])


@pytest.mark.usefixtures("small_packs")
@pytest.mark.parametrize("at", [1, 2, 3, 8])
def test_a_pack_that_does_not_arrive_leaves_no_fragment_that_names_it_and_no_snapshot(tmp_path: Path, at: int) -> None:
    store = MemoryStore()
    new_repository(store)
    faulty = FaultStore(store, [Fault(kind="put", prefix="packs/", at=at, crash=True)])
    with pytest.raises(Crashed):
        take(opened_far(faulty, tmp_path), MANY, cache_dir=tmp_path)
    after = opened_far(store)
    assert after.snapshots() == []
    index = after.indexed(None).index
    assert {f"packs/{pack.hex()}" for pack, _ in index.packs()} <= store.files.keys()
    report = take(opened_far(store, tmp_path), MANY, cache_dir=tmp_path)
    assert contents(opened_far(store), report.id)["table public.t"] == b"".join(MANY.tables["public.t"])
    assert spooled(tmp_path / after.config.repository.hex() / "spool") == []
