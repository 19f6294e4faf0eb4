"""An interrupt at each moment at which it may come: nothing waits for ever."""

from __future__ import annotations

import concurrent.futures.thread
import gc
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType

import pytest

from tests.unit.repo.test_workers import WAIT_S
from vault.errors import Interrupted
from vault.repo import workers
from vault.repo.workers import BoundedPool, alongside


class Interrupting:
    """Raises KeyboardInterrupt once, at the moment number `at` at which the interpreter would look for a signal.

    It looks when a function begins and when one of C has returned; of the main thread's these are tried in this module and the library's pools.
    """

    FILES = (workers.__file__, concurrent.futures.thread.__file__)

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if frame.f_code.co_filename in self.FILES and event in ("call", "c_return"):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

    def run(self, function: Callable[[], None]) -> bool:
        """Whether it was interrupted."""
        sys.setprofile(self)
        try:
            function()
        except KeyboardInterrupt:
            return True
        finally:
            sys.setprofile(None)
        return False


def watched(waited: list[bool]) -> None:
    """A function that only the end of the body ends, or a cancel."""
    ended = threading.Event()

    def watch() -> None:
        waited.append(ended.wait(WAIT_S))

    with alongside(watch, cancel=ended.set):
        ended.set()


def two_feeders(waited: list[bool]) -> None:
    """One waits for room that the other one takes."""
    failed: list[BaseException] = []
    with BoundedPool(threads=1, bytes_max=1) as pool:

        def feed() -> None:
            try:
                for _ in range(3):
                    pool.submit(lambda: None, size=1)
            except BaseException as error:
                failed.append(error)
                raise

        with alongside(feed, cancel=lambda: None):
            pool.submit(lambda: None, size=1)
    waited.append(True)


@pytest.mark.parametrize("work", [watched, two_feeders])
def test_whoever_is_interrupted_at_any_moment_does_not_wait_for_ever(work: Callable[[list[bool]], None]) -> None:
    moment = 0
    while True:
        moment += 1
        waited: list[bool] = []
        if not Interrupting(moment).run(partial(work, waited)):
            break
        gc.collect()
        for thread in threading.enumerate():
            if thread.name.startswith("vault"):
                thread.join(WAIT_S)
        assert all(waited), f"the function was left waiting by an interrupt at moment {moment}"
    assert moment > 5


class Thing: ...


def test_a_pool_that_was_left_holds_nothing_of_what_failed() -> None:
    """What hangs on a traceback would be closed at the very end of the program, after what it stands on."""

    def work(pool: BoundedPool, thing: Thing) -> None:
        with pool:
            raise KeyboardInterrupt(id(thing))

    pool, thing = BoundedPool(threads=1, bytes_max=1), Thing()
    kept = weakref.ref(thing)
    gc.disable()
    try:
        with suppress(KeyboardInterrupt):
            work(pool, thing)
        del thing
        assert kept() is None
    finally:
        gc.enable()
    with pytest.raises(Interrupted):
        pool.submit(lambda: None, size=1)
