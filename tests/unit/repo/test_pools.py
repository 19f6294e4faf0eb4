"""Pools of threads: what they drop at their end, what they run at once, and what they lend."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from functools import partial

import pytest

from tests.unit.repo.test_workers import WAIT_S, Beside, Gate, fail
from vault.repo.idle import Idle
from vault.repo.workers import Abandonable, BoundedPool, Threads, alongside, both, fetched, ordered


class Counted(list[int]):
    """A sequence that tells how many of its items were asked for."""

    asked = 0

    def __iter__(self) -> Iterator[int]:
        for item in super().__iter__():
            self.asked += 1
            yield item


def test_what_has_not_begun_when_an_iteration_ends_never_begins() -> None:
    cancelled = threading.Event()
    begun: list[int] = []

    def function(number: int) -> int:
        begun.append(number)
        assert number == 0 or cancelled.wait(WAIT_S)
        return number

    results = ordered(function, range(9), threads=1, ahead=5, cancel=cancelled.set)
    assert next(results) == 0
    results.close()
    assert begun in ([0], [0, 1])


def test_of_several_files_a_few_are_fetched_at_once_and_a_few_more_are_asked_for() -> None:
    meeting = threading.Barrier(2)
    items = Counted(range(20))
    before = set(threading.enumerate())
    with fetched(lambda _: meeting.wait(WAIT_S), items, threads=2) as results:
        next(results)
        assert items.asked == 4
        assert len(set(threading.enumerate()) - before) == 2
        assert len(list(results)) == 19


@pytest.mark.parametrize(("count", "threads"), [(20, 1), (1, 8), (0, 8)])
def test_who_fetches_one_file_at_a_time_takes_no_thread_for_it(count: int, threads: int) -> None:
    with fetched(lambda _: threading.get_ident(), range(count), threads=threads) as results:
        assert list(results) == [threading.get_ident()] * count


def test_two_functions_run_at_once_and_the_first_ones_error_is_told() -> None:
    meeting = threading.Barrier(2)
    assert sorted(both(partial(meeting.wait, WAIT_S), partial(meeting.wait, WAIT_S))) == [0, 1]
    for first, second in ((fail("first"), fail("second")), (fail("first"), lambda: 1), (lambda: 1, fail("first"))):
        with pytest.raises(ValueError, match="first"):
            both(first, second)


def test_a_function_that_succeeds_beside_the_body_ends_nothing() -> None:
    cancelled: list[str] = []
    with alongside(lambda: 7, cancel=lambda: cancelled.append("once")) as other:
        assert other.result() == 7
    assert cancelled == []


def test_who_is_ended_by_the_body_s_failure_does_not_end_the_body_once_more() -> None:
    sides, cancelled = Beside(), list[str]()

    def cancel() -> None:
        cancelled.append("once")
        sides.stop.set()

    with pytest.raises(ValueError, match="first"), alongside(sides.stopped, cancel=cancel):
        raise ValueError("first")
    assert cancelled == ["once"]


def test_a_thing_that_was_given_back_is_lent_again_and_a_new_one_is_made_only_then() -> None:
    numbers = iter(range(9))
    idle = Idle(partial(next, numbers))
    assert [idle.borrow(), idle.borrow()] == [0, 1]
    idle.give_back(1)
    assert [idle.borrow(), idle.borrow()] == [1, 2]
    for number in range(3):
        idle.give_back(number)
    assert sorted(idle.drain()) == [0, 1, 2]
    assert list(idle.drain()) == []
    assert idle.borrow() == 3, "of what was drained nothing is lent"


def test_threads_that_are_closed_end_what_has_begun_and_drop_the_rest() -> None:
    gate, begun = Gate(), list[int]()
    threads = Threads(1)
    ended = threads.submit(gate.enter)
    dropped = [threads.submit(partial(begun.append, number)) for number in range(3)]
    gate.wait_for(1)
    closing = threading.Thread(target=threads.close)
    closing.start()
    for one in dropped:
        with pytest.raises(CancelledError):
            one.result()
    assert not ended.done(), "it is waited for"
    gate.open.set()
    closing.join(WAIT_S)
    assert ended.done()
    assert begun == []


def pool_of_one(gate: Gate, *tasks: Callable[[], object]) -> BoundedPool:
    """One thread; the tasks wait for their turn until the gate opens."""
    pool = BoundedPool(threads=1, bytes_max=100)
    pool.submit(gate.enter, size=1)
    for task in tasks:
        pool.submit(task, size=1)
    return pool


def test_of_two_tasks_that_fail_the_first_one_s_error_stays() -> None:
    gate = Gate()
    with pool_of_one(gate, fail("first"), fail("second"), lambda: 1) as pool:
        gate.open.set()
    for look in (pool.raise_error, pool.drain):
        with pytest.raises(ValueError, match="first"):
            look()


def test_who_drains_is_told_of_an_error_while_others_are_under_way() -> None:
    """What they wait for may be what the one who drains would end."""
    gate, later = Gate(), Gate()
    with pool_of_one(gate, fail("first"), later.enter) as pool:
        gate.open.set()
        with pytest.raises(ValueError, match="first"):
            pool.drain()
        later.open.set()


def test_tasks_that_have_not_begun_run_to_the_end_where_nothing_failed() -> None:
    gate, ran = Gate(), list[int]()
    with pool_of_one(gate, *(partial(ran.append, number) for number in range(5))) as pool:
        gate.open.set()
    pool.raise_error()
    assert ran == [0, 1, 2, 3, 4]


class Thing: ...


@pytest.mark.parametrize("fails", [False, True])
def test_a_result_that_nobody_has_is_gone_at_once(*, fails: bool) -> None:
    """In a cycle it, and all that hangs on an error's traceback, would stay until Python looks for those."""
    gate = Gate()
    kept: list[weakref.ref[Thing]] = []

    def give() -> Thing:
        gate.enter()
        thing = Thing()
        kept.append(weakref.ref(thing))
        if fails:
            raise ValueError
        return thing

    gc.disable()
    try:
        with BoundedPool(threads=1, bytes_max=100) as pool:
            pool.submit(give, size=1)
            gate.open.set()
        del pool
        assert [thing() for thing in kept] == [None]
    finally:
        gc.enable()


def test_no_thread_of_a_call_that_was_left_holds_up_the_end_of_the_program() -> None:
    assert Abandonable().run(lambda: threading.current_thread().daemon)


def test_what_clears_away_after_an_interrupt_is_done_in_the_while_that_it_has() -> None:
    calls = Abandonable(grace_s=WAIT_S)
    for _ in range(2):
        calls.abandon()
        assert calls.run(lambda: 7) == 7
