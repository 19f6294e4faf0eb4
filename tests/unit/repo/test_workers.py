"""Threads: order, bounds, the first error, and that none survives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import pytest

from vault.errors import Interrupted
from vault.repo.workers import Abandonable, BoundedPool, alongside, fetched, ordered

WAIT_S = 300.0
"""After this long it hangs, however slow the machine."""
"""How long a test waits for what must happen before it fails."""


@pytest.fixture(autouse=True)
def no_thread_survives() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


class Gate:
    """Functions that wait inside until the test lets them go; `inside` counts those that came in."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.changed = threading.Condition()
        self.inside = 0

    def enter(self) -> None:
        with self.changed:
            self.inside += 1
            self.changed.notify_all()
        assert self.open.wait(WAIT_S)

    def wait_for(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.inside >= count, WAIT_S)


def fail(text: str) -> Callable[[], int]:
    def task() -> int:
        raise ValueError(text)

    return task


def test_results_come_in_order_whoever_is_first() -> None:
    gate = Gate()

    def function(number: int) -> int:
        if number == 0:
            gate.enter()
        elif number == 3:
            gate.open.set()
        return number * 10

    assert list(ordered(function, range(20), threads=2, ahead=4)) == [number * 10 for number in range(20)]


def test_items_are_pulled_no_further_ahead_than_allowed() -> None:
    pulled = []

    def items() -> Iterator[int]:
        for number in range(100):
            pulled.append(number)
            yield number

    results = ordered(lambda number: number, items(), threads=2, ahead=5)
    for expected in range(10):
        assert next(results) == expected
        assert len(pulled) <= expected + 5
    results.close()


def test_first_error_in_order_is_raised_and_the_rest_is_cancelled() -> None:
    cancelled = threading.Event()

    def function(number: int) -> int:
        if number in (3, 4):
            raise ValueError(str(number))
        if number > 4:
            assert cancelled.wait(WAIT_S), "running functions are told to return"
        return number

    results = ordered(function, range(100), threads=3, ahead=6, cancel=cancelled.set)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="3"):
        next(results)
    assert cancelled.is_set()


def test_error_of_the_source_of_items_ends_the_threads() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("source")

    with pytest.raises(KeyError):
        list(ordered(lambda number: number, items(), threads=2, ahead=4))


def test_iteration_given_up_cancels() -> None:
    cancelled = threading.Event()
    results = ordered(lambda n: n or cancelled.wait(WAIT_S), range(1, 50), threads=2, ahead=4, cancel=cancelled.set)
    assert next(results) == 1
    results.close()
    assert cancelled.is_set()


def test_whole_iteration_cancels_nothing() -> None:
    cancelled = threading.Event()
    assert list(ordered(lambda n: n, range(9), threads=2, ahead=4, cancel=cancelled.set)) == list(range(9))
    assert list(ordered(lambda n: n, range(0), threads=2, ahead=4, cancel=cancelled.set)) == []
    assert not cancelled.is_set()


def test_pool_holds_back_its_feeder_at_the_bound() -> None:
    gate = Gate()
    fed = threading.Semaphore(0)

    with BoundedPool(threads=4, bytes_max=10) as pool:

        def feed() -> None:
            for _ in range(4):
                pool.submit(gate.enter, size=5)
                fed.release()

        feeder = threading.Thread(target=feed)
        feeder.start()
        gate.wait_for(2)
        assert fed.acquire(timeout=WAIT_S)
        assert fed.acquire(timeout=WAIT_S)
        assert not fed.acquire(timeout=0.2), "the third would be past the bound"
        gate.open.set()
        feeder.join(WAIT_S)
        pool.drain()
        assert gate.inside == 4


def test_task_larger_than_the_bound_goes_alone() -> None:
    with BoundedPool(threads=2, bytes_max=10) as pool:
        assert pool.submit(lambda: 7, size=1_000).result() == 7
        assert pool.submit(lambda: 8, size=1_000).result() == 8
        pool.drain()


def test_blocked_feeder_is_released_by_an_error() -> None:
    gate = Gate()

    def task() -> None:
        gate.enter()
        raise ValueError("broken")

    def feed(pool: BoundedPool) -> None:
        for _ in range(5):
            pool.submit(task, size=10)

    with BoundedPool(threads=1, bytes_max=10) as pool:
        caught: list[BaseException] = []

        def run() -> None:
            try:
                feed(pool)
            except ValueError as error:
                caught.append(error)

        feeder = threading.Thread(target=run)
        feeder.start()
        gate.wait_for(1)
        gate.open.set()
        feeder.join(WAIT_S)
        assert [str(error) for error in caught] == ["broken"]
        with pytest.raises(ValueError, match="broken"):
            pool.drain()


def test_first_error_wins_and_stays() -> None:
    with BoundedPool(threads=1, bytes_max=100) as pool:
        pool.submit(fail("first"), size=1)
        with pytest.raises(ValueError, match="first"):
            pool.drain()
        for _ in range(2):
            with pytest.raises(ValueError, match="first"):
                pool.submit(fail("second"), size=1)


def test_exception_inside_the_context_cancels_what_has_not_started() -> None:
    gate = Gate()
    started: list[int] = []

    def use(pool: BoundedPool) -> None:
        pool.submit(gate.enter, size=1)
        for number in range(10):
            pool.submit(partial(started.append, number), size=1)
        gate.wait_for(1)
        threading.Timer(0.05, gate.open.set).start()
        raise KeyError("outside")

    with pytest.raises(KeyError), BoundedPool(threads=1, bytes_max=1_000) as pool:
        use(pool)
    assert started == []
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join()


class Beside:
    """Two sides that end each other: whoever is cancelled fails with `stopped`."""

    def __init__(self) -> None:
        self.stop = threading.Event()

    def stopped(self) -> int:
        assert self.stop.wait(WAIT_S)
        raise KeyError("stopped")


def test_body_that_fails_first_is_told_though_the_other_is_ended_by_it() -> None:
    sides = Beside()
    with pytest.raises(ValueError, match="first"), alongside(sides.stopped, cancel=sides.stop.set):
        raise ValueError("first")


def test_function_that_fails_first_is_told_though_the_body_is_ended_by_it() -> None:
    sides = Beside()
    with pytest.raises(ValueError, match="first"), alongside(fail("first"), cancel=sides.stop.set):
        sides.stopped()


def test_stage_within_the_body_that_fails_first_is_told() -> None:
    """It ends the other side while its own error is still on the way up, and waits for its threads meanwhile."""
    sides = Beside()
    ended = threading.Event()

    def beside() -> int:
        try:
            return sides.stopped()
        finally:
            ended.set()

    def stage(number: int) -> int:
        if number == 0:
            raise ValueError("first")
        assert ended.wait(WAIT_S)
        return number

    with pytest.raises(ValueError, match="first"), alongside(beside, cancel=sides.stop.set) as other:
        list(ordered(stage, range(2), threads=2, ahead=2, cancel=other.cancel))


def test_function_that_fails_first_is_told_though_a_stage_ends_after_it() -> None:
    sides = Beside()
    with pytest.raises(ValueError, match="first"), alongside(fail("first"), cancel=sides.stop.set) as other:
        list(ordered(lambda _: sides.stopped(), range(2), threads=2, ahead=2, cancel=other.cancel))


def test_body_that_asks_for_the_result_gets_it_or_its_error() -> None:
    with alongside(lambda: 7, cancel=lambda: None) as other:
        assert other.result() == 7
    with pytest.raises(ValueError, match="first"), alongside(fail("first"), cancel=lambda: None) as other:
        other.result()


def test_a_call_that_may_be_abandoned_gives_its_result_and_its_error() -> None:
    calls = Abandonable()
    assert calls.run(lambda: threading.current_thread() is threading.main_thread()) is False

    def fail() -> None:
        raise ValueError("of the call")

    with pytest.raises(ValueError, match="of the call"):
        calls.run(fail)


def test_who_waits_for_a_call_is_told_when_it_is_abandoned() -> None:
    gate, calls = Gate(), Abandonable()
    with BoundedPool(threads=2, bytes_max=100) as pool:
        waiting = [pool.submit(partial(calls.run, gate.enter), size=1) for _ in range(2)]
        gate.wait_for(2)
        calls.abandon()
        for one in waiting:
            with pytest.raises(Interrupted):
                one.result()
        with suppress(Interrupted):
            pool.raise_error()
        gate.open.set()
    _no_call_is_left()


def test_what_clears_away_after_an_interrupt_has_a_while_and_no_more() -> None:
    gate = Gate()
    calls = Abandonable(grace_s=0.2)
    calls.abandon()
    with suppress(Interrupted):
        calls.run(lambda: None)
    with pytest.raises(Interrupted):
        calls.run(gate.enter)
    with pytest.raises(Interrupted):
        calls.run(lambda: None)
    gate.open.set()
    _no_call_is_left()


@pytest.mark.parametrize("count", [1, 20])
def test_what_was_fetched_ahead_ends_with_the_one_who_takes_it(count: int) -> None:
    """Though somebody, an error above all, still refers to the results."""
    before = set(threading.enumerate())
    kept: list[Iterator[str]] = []

    def take() -> None:
        with fetched(str, range(count), threads=4) as results:
            kept.append(results)
            assert next(results) == "0"
            raise ValueError("of the taker")

    with pytest.raises(ValueError, match="of the taker"):
        take()
    assert set(threading.enumerate()) <= before


class Arriving(dict[threading.Event, int]):
    """Abandons, as a signal does that comes just before a call is noted."""

    def __init__(self, calls: Abandonable) -> None:
        super().__init__()
        self._calls = calls

    def __setitem__(self, done: threading.Event, thread: int) -> None:
        self._calls.abandon()
        super().__setitem__(done, thread)


def test_an_interrupt_just_before_a_call_is_noted_is_not_missed() -> None:
    calls = Abandonable(grace_s=0)
    calls._under_way = Arriving(calls)
    with pytest.raises(Interrupted):
        calls.run(lambda: None)


def _no_call_is_left() -> None:
    for thread in threading.enumerate():
        if thread.name == "vault-call":
            thread.join(WAIT_S)
