"""A thread that has no memory to tell how it ended tells nothing: whoever waits for it hears that, and does not wait for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.faults import Fault, FaultStore
from tests.unit.repo.test_uploads import Slow, pack, sending
from vault.errors import Unavailable
from vault.repo import uploads, workers
from vault.repo.workers import Abandonable, BoundedPool, Threads, alongside, both, ordered
from vault.store.memory import MemoryStore

LOST = pytest.raises(MemoryError, match="ended without a word")


@pytest.fixture(autouse=True)
def threads_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thread of a pool takes its task and ends, as the library's does after a second error; nobody waits a second for it."""
    for module in (workers, uploads):
        monkeypatch.setattr(module, "LOOK_S", 0.01)
    monkeypatch.setattr("concurrent.futures.thread._worker", _silent)


def _silent(executor: object, tasks: Any, begin: Callable[[], None], arguments: tuple[()]) -> None:
    begin(*arguments)
    tasks.get()


def nothing() -> None: ...


def test_who_takes_results_in_order() -> None:
    with LOST, closing(ordered(str, range(9), threads=2, ahead=4)) as results:
        next(results)


def test_who_needs_two_things() -> None:
    with LOST:
        both(nothing, nothing)


def test_who_has_something_run_beside() -> None:
    ended: list[str] = []
    with LOST, alongside(nothing, cancel=partial(ended.append, "told")):
        pass
    with LOST, alongside(nothing, cancel=partial(ended.append, "told")) as beside:
        beside.result()
    assert ended == ["told"] * 2, "it would have ended, had it lived"


@pytest.fixture
def nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library drops what a callback raises, as where there is no memory for one more frame; the threads work."""
    monkeypatch.undo()
    for module in (workers, uploads):
        monkeypatch.setattr(module, "LOOK_S", 0.01)
    for waiting in (workers.Running, workers.BoundedPool, uploads.Uploads):
        monkeypatch.setattr(waiting, "_ended", nothing)
    monkeypatch.setattr("concurrent.futures._base.LOGGER.disabled", True)


@pytest.mark.usefixtures("nobody_is_told")
def test_who_has_something_run_beside_looks_whether_it_ended() -> None:
    with alongside(nothing, cancel=nothing):
        pass


@pytest.mark.usefixtures("nobody_is_told")
def test_who_feeds_a_pool_looks_for_what_ended() -> None:
    with BoundedPool(threads=1, bytes_max=1) as pool:
        for _ in range(3):
            pool.submit(nothing, size=1)
        pool.drain()


@pytest.mark.parametrize("waits", ["for room", "for the end"])
@pytest.mark.usefixtures("nobody_is_told")
def test_an_error_is_heard_though_nobody_was_told(waits: str) -> None:
    def fail() -> None:
        raise OSError("of the task")

    def feed(pool: BoundedPool) -> None:
        pool.submit(fail, size=1)
        if waits == "for room":
            pool.submit(nothing, size=1)
        pool.drain()

    with pytest.raises(OSError, match="of the task"), BoundedPool(threads=1, bytes_max=1) as pool:
        feed(pool)


@pytest.mark.usefixtures("nobody_is_told")
def test_who_sends_packs_looks_for_those_that_went(tmp_path: Path) -> None:
    store = Slow()
    store.line.set()
    outbox = sending(store, tmp_path)
    for number in range(20):
        outbox.post(*pack(number), nothing)
    outbox.drain()
    outbox.close()
    assert len(store.files) == 20


@pytest.mark.usefixtures("nobody_is_told")
def test_what_failed_is_told_before_that_its_thread_is_lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def work_once(executor: object, tasks: Any, begin: Callable[[], None], arguments: tuple[()]) -> None:
        begin(*arguments)
        tasks.get().run()

    monkeypatch.setattr("concurrent.futures.thread._worker", work_once)
    outbox = sending(FaultStore(MemoryStore(), [Fault(kind="put", error=Unavailable("no answer"))]), tmp_path)
    outbox.post(*pack(1), nothing)
    with pytest.raises(Unavailable, match="no answer"):
        outbox.drain()
    outbox.cancel()
    outbox.close()


def test_packs_of_which_the_next_one_cannot_begin_end_the_sending(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    store = Slow()
    outbox = sending(store, tmp_path)
    for number in range(20):
        outbox.post(*pack(number), nothing)
    monkeypatch.setattr(outbox._threads, "submit", no_thread)
    store.line.set()
    with pytest.raises(RuntimeError, match="can't start new thread"):
        outbox.drain()
    outbox.cancel()
    outbox.close()


def no_thread(function: Callable[[], object]) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("waits", ["for room", "for the end"])
def test_who_feeds_a_pool(waits: str) -> None:
    with LOST, BoundedPool(threads=1, bytes_max=1) as pool:
        pool.submit(nothing, size=1)
        if waits == "for room":
            pool.submit(nothing, size=1)
        pool.drain()


def test_who_asked_for_one_thing() -> None:
    threads = Threads(1)
    with LOST:
        threads.submit(nothing).result()
    with LOST:
        threads.require_alive()
    threads.close()


def test_who_sends_packs(tmp_path: Path) -> None:
    outbox = sending(Slow(), tmp_path)
    outbox.post(*pack(1), nothing)
    with LOST:
        outbox.drain()
    outbox.cancel()
    outbox.close()


@pytest.mark.parametrize("grace_s", [None, 60.0])
def test_who_waits_for_a_call_that_can_be_left(monkeypatch: pytest.MonkeyPatch, grace_s: float | None) -> None:
    calls = Abandonable(grace_s=grace_s or 0)
    if grace_s is not None:
        calls.abandon()
    monkeypatch.setattr(threading.Thread, "run", lambda _: None)
    with LOST:
        calls.run(nothing)


def test_threads_that_end_because_they_are_to_are_none_that_were_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(workers, "LOOK_S", 0.01)
    gate = threading.Event()
    threads = Threads(3)
    ready = [threads.submit(nothing) for _ in range(2)]
    slow = threads.submit(partial(gate.wait, 60))
    closing_ = threading.Thread(target=threads.close)
    closing_.start()
    for one in ready:
        with suppress(Exception):
            one.result()
    opens = threading.Timer(0.1, gate.set)
    opens.start()
    assert slow.result()
    closing_.join()
    opens.join()


def test_an_error_of_that_name_is_the_function_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    def fail() -> None:
        raise TimeoutError("of the function")

    with pytest.raises(TimeoutError, match="of the function"):
        both(nothing, fail)
