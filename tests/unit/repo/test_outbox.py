"""What waits to be sent: how much of it in memory, how long who posts waits for room, and what an error leaves of it."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults import Fault, FaultStore
from tests.small_repository import TestClock
from tests.unit.repo.test_uploads import Slow, pack, sending, spooled
from vault.errors import StoreError, Unavailable
from vault.limits import MIB, PACK_BYTES_TARGET
from vault.repo import spool, uploads
from vault.repo.uploads import LinePace, Uploads
from vault.store.memory import MemoryStore

AT_ONCE = 4
"""So many are under way at first."""
IN_MEMORY = 3
"""So many may wait in memory in these tests."""


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PACK_BYTES_TARGET", MIB)
    monkeypatch.setattr(uploads, "_WAITING_BYTES_MAX", IN_MEMORY * MIB)
    monkeypatch.setattr(uploads, "_PATIENCE_S", 0)


def nothing() -> None: ...


def post(outbox: Uploads, *numbers: int) -> None:
    for number in numbers:
        outbox.post(*pack(number), nothing)


def beside(function: Callable[[], None], raised: list[BaseException]) -> threading.Thread:
    def run() -> None:
        try:
            function()
        except StoreError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.fixture
def store() -> Slow:
    return Slow()


@pytest.fixture
def outbox(store: Slow, tmp_path: Path) -> Iterator[Uploads]:
    made = sending(store, tmp_path)
    yield made
    store.line.set()
    made.cancel()
    made.close()


def test_packs_on_their_way_hold_no_more_memory_than_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six of the usual size while they are sent, and two that wait."""
    monkeypatch.undo()
    assert uploads.AT_ONCE_MAX * PACK_BYTES_TARGET == 96 * MIB
    assert uploads._WAITING_BYTES_MAX == 2 * PACK_BYTES_TARGET


def test_as_many_wait_in_memory_as_there_is_room_for_and_the_next_ones_on_the_disk(
    outbox: Uploads, store: Slow, tmp_path: Path
) -> None:
    post(outbox, *range(AT_ONCE + IN_MEMORY))
    assert spooled(tmp_path) == []
    post(outbox, 7, 8)
    assert len(spooled(tmp_path)) == 2
    store.line.set()
    outbox.drain()
    assert store.files == dict(map(pack, range(9)))
    assert (spooled(tmp_path), outbox._in_memory, outbox._under_way) == ([], 0, {})
    store.line.clear()
    post(outbox, *range(10, 10 + AT_ONCE))
    with outbox._changed:
        limit = outbox._pace.limit
    post(outbox, *range(20, 20 + limit - AT_ONCE + IN_MEMORY))
    assert spooled(tmp_path) == [], "as much room as at first"


def test_a_pack_larger_than_all_the_room_waits_in_memory_where_nothing_else_does(
    outbox: Uploads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_WAITING_BYTES_MAX", 1)
    post(outbox, *range(AT_ONCE + 1))
    assert spooled(tmp_path) == []
    post(outbox, 9)
    assert len(spooled(tmp_path)) == 1


@pytest.mark.parametrize("frees", ["a place", "an error", "who gives up"])
def test_who_waits_for_a_place_in_memory_goes_on_as_soon_as_there_is_one_or_an_error(
    outbox: Uploads, store: Slow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frees: str
) -> None:
    monkeypatch.setattr(uploads, "_PATIENCE_S", 60)
    post(outbox, *range(AT_ONCE + IN_MEMORY))
    raised: list[BaseException] = []
    poster = beside(lambda: post(outbox, 7), raised)
    poster.join(0.05)
    assert poster.is_alive()
    if frees == "a place":
        store.line.set()
    elif frees == "an error":
        with outbox._changed:
            outbox._error = Unavailable("of a pack")
            outbox._start()
    else:
        outbox.cancel()
    poster.join(20)
    assert not poster.is_alive()
    assert spooled(tmp_path) == []
    told = {"a place": [], "an error": ["of a pack"], "who gives up": ["what waited to be sent was dropped"]}[frees]
    assert [str(error) for error in raised] == told


def test_who_waits_because_the_disk_has_no_room_is_told_once_and_hears_an_error(
    store: Slow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "LEFT_FREE_BYTES", 1 << 60)
    told: list[str] = []
    waits = threading.Semaphore(0)

    def tell(text: str) -> None:
        told.append(text)
        waits.release()

    outbox = sending(store, tmp_path, tell)
    post(outbox, *range(AT_ONCE + IN_MEMORY))
    first = beside(lambda: post(outbox, 7), [])
    assert waits.acquire(timeout=60)
    store.line.set()
    first.join(60)
    outbox.drain()
    store.line.clear()
    with outbox._changed:
        limit = outbox._pace.limit
    post(outbox, *range(10, 10 + limit + IN_MEMORY))
    raised: list[BaseException] = []
    second = beside(lambda: post(outbox, 50), raised)
    second.join(0.05)
    assert second.is_alive()
    outbox.cancel()
    second.join(20)
    assert [str(error) for error in raised] == ["what waited to be sent was dropped"]
    assert len(told) == 1
    store.line.set()
    outbox.close()


class Failing(Slow):
    """Each pack fails, when the line is opened, with an error of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.tried = 0

    def put(self, name: str, data: bytes) -> None:
        self.tried += 1
        assert self.line.wait(60)
        raise Unavailable(name)


def test_after_an_error_nothing_more_begins_and_the_first_one_is_told_to_everybody() -> None:
    store = Failing()
    outbox = sending(store, None)
    post(outbox, *range(AT_ONCE + IN_MEMORY))
    store.line.set()
    told = set()
    for act in (outbox.drain, lambda: post(outbox, 7), outbox.drain, outbox.cancel, lambda: post(outbox, 8)):
        if act == outbox.cancel:
            act()
            continue
        with pytest.raises(Unavailable) as caught:
            act()
        told.add(str(caught.value))
    outbox.close()
    with pytest.raises(Unavailable) as caught:
        outbox.drain()
    assert told == {str(caught.value)}
    assert store.tried == AT_ONCE


def test_who_drains_hears_an_error_though_others_are_still_under_way(store: Slow) -> None:
    outbox = sending(FaultStore(store, [Fault(kind="put", at=2, error=Unavailable("of one"))]), None)
    try:
        post(outbox, 0, 1)
        with pytest.raises(Unavailable, match="of one"):
            outbox.drain()
        assert not store.line.is_set()
    finally:
        store.line.set()
        outbox.close()


def test_nothing_is_held_of_what_was_dropped(outbox: Uploads) -> None:
    class Sent:
        def __call__(self) -> None: ...

    post(outbox, *range(AT_ONCE))
    waiting = Sent()
    kept = weakref.ref(waiting)
    outbox.post(*pack(9), waiting)
    del waiting
    assert kept() is not None
    outbox.cancel()
    assert kept() is None


def test_an_outbox_of_a_repository_has_its_spool_in_the_cache_and_needs_no_clock(store: Slow, tmp_path: Path) -> None:
    told: list[str] = []
    for first, cache_dir, clock in ((0, tmp_path, None), (6, None, TestClock())):
        outbox = uploads.begin(store, cache_dir, entropy=os.urandom, clock=clock, tell=told.append)
        assert (tmp_path / "spool").exists()
        assert (len([path for path in (tmp_path / "spool").iterdir() if path.is_dir()]) == 1) == (clock is None)
        store.line.set()
        post(outbox, *range(first, first + 6))
        outbox.drain()
        outbox.close()
    assert store.files == dict(map(pack, range(12)))
    assert told == []


def test_a_pack_at_hand_is_there_before_it_is_said_to_be_sent() -> None:
    store, there = MemoryStore(), list[bool]()
    name, data = pack(1)
    uploads.AtHand(store).post(name, data, lambda: there.append(name in store.files))
    assert there == [True]


# --- the pace ---------------------------------------------------------------------------------------


def limits(first: int, most: int, *rounds: tuple[int, int, float]) -> list[int]:
    """How many at a time after each round of so many packs of so many bytes, all begun at its start, that took so long."""
    pace, now_s, seen = LinePace(first=first, most=most), 100.0, []
    for packs, size, seconds in rounds:
        began_s, now_s = now_s, now_s + seconds
        for _ in range(packs):
            pace.ended(size, began_s=began_s, now_s=now_s)
        seen.append(pace.limit)
    return seen


def test_one_more_is_kept_where_it_carries_a_tenth_more_and_taken_back_where_it_does_not() -> None:
    """Of packs so small that one byte more or less in a round would decide otherwise."""
    at_first = (3, 1, 3.0)
    assert limits(3, 4, at_first, (4, 1, 3.4)) == [4, 4], "1.18 bytes a second after 1"
    assert limits(3, 4, at_first, (4, 1, 3.8)) == [4, 3], "1.05"
    assert limits(3, 4, (3, 1, 3.0), (4, 1, 3.4), (4, 1, 9.0)) == [4, 4, 4], "nothing was tried"
    assert limits(3, 9, at_first, (4, 1, 3.4), (5, 1, 4.0)) == [4, 5, 4]
    assert limits(3, 9, (3, 20, 3.0), (4, 22, 4.0), (5, 22, 5.0)) == [4, 5, 4], "just a tenth more is enough"


def test_a_round_has_as_many_packs_as_go_at_a_time_and_three_at_least() -> None:
    pace = LinePace(first=2, most=9)
    seen = []
    for number in range(12):
        pace.ended(1 << number, began_s=float(number), now_s=number + 1.0)
        seen.append(pace.limit)
    assert seen == [2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5]


def test_a_round_begins_with_the_first_of_its_packs_whichever_ends_first() -> None:
    pace = LinePace(first=3, most=4)
    for began_s in (2.0, 0.0, 1.0):
        pace.ended(1, began_s=began_s, now_s=3.0)  # one byte a second
    for began_s in (3.0, 3.5, 3.2, 3.1):
        pace.ended(1, began_s=began_s, now_s=6.8)  # and 1.05
    assert pace.limit == 3
