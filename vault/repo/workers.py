"""The only threads of pgvault: bounded stages, first error wins, clean cancel.

Invariants: whatever happens, no thread outlives the call or context that started it, but for calls that were abandoned. Nobody waits for ever: where memory is short a thread may end without a word, so whoever waits for one looks now and then whether it lives.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from vault.errors import Interrupted

S = TypeVar("S")
T = TypeVar("T")

GRACE_S: Final = 3.0
"""For what is cleared away after an interrupt: a lease is removed in far less, and nobody wants to wait longer."""
LOOK_S: Final = 1.0
"""So often whoever waits for a thread looks whether it lives."""


class _Crew:
    """The threads of a pool."""

    def __init__(self) -> None:
        self.begun: list[threading.Thread] = []
        self.known: AbstractSet[threading.Thread] = frozenset()
        self.may_end = False

    def begin(self) -> None:
        self.begun.append(threading.current_thread())

    def is_whole(self) -> bool:
        """Whether nobody has ended who had more to do."""
        alive = [thread.is_alive() for thread in (*self.begun, *tuple(self.known))]
        return any(alive) if self.may_end else all(alive)


def _lost() -> MemoryError:
    return MemoryError("a thread ended without a word, as one does that has no memory to tell it")


@dataclass(frozen=True, slots=True)
class Pending(Generic[T]):
    """A result that a worker will have. Equal are two of the same."""

    _future: Future[T]
    _crew: _Crew

    def done(self) -> bool:
        return self._future.done()

    def error(self) -> BaseException | None:
        """Of one that is done: the worker's, None if it was dropped."""
        return None if self._future.cancelled() else self._future.exception()

    def when_done(self, tell: Callable[[Pending[T]], None]) -> None:
        """`tell` is called with its equal, on whatever thread, at once if it is done; what that raises is lost."""
        crew = self._crew  # the library keeps what it calls: with `self` in it, it would be a cycle
        self._future.add_done_callback(lambda future: tell(Pending(future, crew)))

    def result(self) -> T:
        """Waits for it. Raises  the worker's error; MemoryError: it ended without one; CancelledError"""
        while True:
            try:
                return self._future.result(LOOK_S)
            except TimeoutError:
                if self._future.done():
                    return self._future.result()
                self.require_alive()

    def require_alive(self) -> None:
        """Raises  MemoryError: nobody is there any more who would have the result"""
        if not self._crew.is_whole() and not self._future.done():
            raise _lost()


class _Pool(ThreadPoolExecutor):
    """Waits for each of its threads. The library does not know of one in whose start an interrupt came, and would leave it.

    No thread holds the pool: one that was left in the middle of its end is dropped, and so ends its threads.
    """

    def __init__(self, threads: int) -> None:
        self.crew = _Crew()
        super().__init__(threads, thread_name_prefix="vault", initializer=self.crew.begin)
        self.crew.known = self._threads

    def begin(self, function: Callable[..., T], *arguments: Any) -> Pending[T]:
        return Pending(self.submit(function, *arguments), self.crew)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.crew.may_end = True
        super().shutdown(wait, cancel_futures=cancel_futures)
        if wait:
            for thread in self.crew.begun:
                thread.join()


def ordered(
    function: Callable[[S], T],
    items: Iterable[S],
    *,
    threads: int,
    ahead: int,
    cancel: Callable[[], None] = lambda: None,
) -> Generator[T, None, None]:
    """`function` of each item, in order, computed by `threads` threads at most `ahead` items in advance.

    Items are pulled lazily by the calling thread. The first error in item order is raised; later results are dropped.
    Close it, or take its last result, before what the functions use goes away.
    cancel   called if the iteration ends early, before the threads are waited for: makes running functions return soon
    """
    source = iter(items)
    with _Pool(threads) as pool:
        pending: deque[Pending[T]] = deque()
        finished = False
        try:
            while True:
                while len(pending) < ahead:
                    try:
                        item = next(source)
                    except StopIteration:
                        break
                    pending.append(pool.begin(function, item))
                if not pending:
                    finished = True
                    return
                yield pending.popleft().result()
        finally:
            if not finished:
                pool.shutdown(wait=False, cancel_futures=True)  # also what an interrupted `submit` left
                cancel()


FETCH_THREADS: Final = 8
"""Small files that are asked for at a time: of a store behind a network all that is waited for is the way there and back."""


@contextmanager
def fetched(function: Callable[[S], T], items: Sequence[S], *, threads: int) -> Iterator[Iterator[T]]:
    """`function` of each item, in order; it asks a store for one small file. A thread alone, or a single item, takes no pool.

    A context: whoever takes the results may fail between two of them, and no thread goes on then.
    """
    threads = min(threads, len(items))
    if threads > 1:
        with closing(ordered(function, items, threads=threads, ahead=2 * threads)) as results:
            yield results
    else:
        yield map(function, items)


def both(first: Callable[[], S], second: Callable[[], T]) -> tuple[S, T]:
    """The results of two functions that run at once. Raises  the first one's error, else the second one's"""
    with _Pool(1) as pool:
        beside = pool.begin(second)
        return first(), beside.result()


class Running(Generic[T]):
    """What runs beside the body of `alongside`: `result` waits for it, `cancel` ends both."""

    def __init__(self, pending: Pending[T], cancel: Callable[[], None]) -> None:
        self._pending = pending
        self._cancel = cancel
        self._body_failed = False
        self.first: BaseException | None = None
        """The function's error, if it was there before the body's."""
        self._over = threading.Lock()  # one of C: an interrupt within `wait` leaves none of the library's behind
        self._over.acquire()
        pending.when_done(self._ended)

    def result(self) -> T:
        """Raises the function's error."""
        return self._pending.result()

    def wait(self) -> None:
        """Until the function has ended, however. Raises  MemoryError: its thread has, without a word"""
        while not self._over.acquire(timeout=LOOK_S):
            if self._pending.done():  # and what tells that here has failed
                return
            self._pending.require_alive()

    def cancel(self) -> None:
        """For the body, and stages within it, to call when they fail: before anything is ended it is noted who failed first."""
        if not self._body_failed:
            self.first = self._pending.error() if self._pending.done() else None
            self._body_failed = True
        self._cancel()

    def _ended(self, done: Pending[T]) -> None:
        try:
            if done.error() is not None and not self._body_failed:
                self._cancel()
        finally:
            self._over.release()


@contextmanager
def alongside(function: Callable[[], T], *, cancel: Callable[[], None]) -> Iterator[Running[T]]:
    """Run `function` on a thread of its own while the body runs; leaving waits for it.

    The error that was first wins: what ends because the other failed has an error too, and it would say nothing.
    cancel   called as soon as one of the two fails: makes the other end soon. What fails in the body calls `Running.cancel`
    """
    with _Pool(1) as pool:
        beside: Running[T] | None = None
        try:
            beside = Running(pool.begin(function), cancel)
            yield beside
        except BaseException:
            if beside is None:  # interrupted before anybody could have cancelled
                cancel()
                raise
            beside.cancel()
            if beside.first is not None:
                raise beside.first from None
            raise
        try:
            beside.wait()
        except BaseException:  # an interrupt: the function is not waited for any longer
            cancel()
            raise


class Threads:
    """Threads that take tasks until `close`, which drops those that have not begun and waits for the others."""

    def __init__(self, threads: int) -> None:
        self._pool = _Pool(threads)

    def submit(self, function: Callable[[], T]) -> Pending[T]:
        return self._pool.begin(function)

    def require_alive(self) -> None:
        """Raises  MemoryError: one has ended and told nothing"""
        if not self._pool.crew.is_whole():
            raise _lost()

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


class BoundedPool:
    """Threads that take tasks of a known size in bytes; `submit` waits while more than `bytes_max` are under way.

    Use as a context manager: a clean exit waits for all tasks, an exception cancels those that have not started.
    """

    def __init__(self, *, threads: int, bytes_max: int) -> None:
        self._pool = _Pool(threads)
        self._bytes_max = bytes_max
        self._bytes = 0
        self._under_way: dict[Pending[Any], int] = {}
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._error: BaseException | None = None

    def submit(self, function: Callable[[], T], *, size: int) -> Pending[T]:
        """Raises the first error of any earlier task, so that a broken stage stops its feeder; MemoryError: a thread ended without one"""
        try:
            with self._lock:
                while self._error is None and self._bytes and self._bytes + size > self._bytes_max:
                    self._wait()
                self.raise_error()
                self._bytes += size
                pending = self._pool.begin(function)
                self._under_way[pending] = size
            pending.when_done(self._ended)
        except BaseException:
            self._end()  # what an interrupt left counted is never given back: nobody is to wait for it
            raise
        return pending

    def _wait(self) -> None:
        """Under the lock. Raises  MemoryError: nobody will say that something changed"""
        if not self._changed.wait(LOOK_S):
            self.require_alive()

    def require_alive(self) -> None:
        """Raises  the first error of any task so far; MemoryError: a thread has ended and told nothing"""
        with self._lock:
            for pending in [pending for pending in self._under_way if pending.done()]:
                self._count_out(pending)
            self._bytes = sum(self._under_way.values())
        self.raise_error()
        if not self._pool.crew.is_whole():
            raise _lost()

    def _end(self) -> None:
        """Whoever waits is told. Not with the error that is on its way: its traceback would be held, and all that hangs on it."""
        with self._lock:
            self._error = self._error or Interrupted("what feeds these tasks ended")
            self._changed.notify_all()

    def _ended(self, done: Pending[Any]) -> None:
        with suppress(MemoryError), self._lock:  # whoever waits looks for what ended and could not be counted
            self._count_out(done)
            self._changed.notify_all()

    def _count_out(self, done: Pending[Any]) -> None:
        """Under the lock; again and again for the same one. Its error is noted before it is forgotten."""
        self._error = self._error or done.error()
        self._bytes -= self._under_way.pop(done, 0)

    def raise_error(self) -> None:
        """Raise the first error of any task so far."""
        if self._error is not None:
            raise self._error

    def drain(self) -> None:
        """Wait until nothing is under way, then raise the first error, if any."""
        with self._lock:
            while self._under_way and self._error is None:
                self._wait()
        self.raise_error()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._end()
        self._pool.shutdown(wait=True, cancel_futures=kind is not None)


class Abandonable:
    """Calls that hear no signal, made so that their callers do not have to wait for them.

    Each runs on a thread of its own. After `abandon` nobody waits for those under way: their callers get Interrupted, and the threads
    are left to what holds them, the one exception from this module's invariant. Calls that come later, to clear away, have `grace_s`
    together.
    """

    def __init__(self, *, grace_s: float = GRACE_S) -> None:
        self._grace_s = grace_s
        self._lock = threading.Lock()
        self._under_way: dict[threading.Event, int] = {}
        self._ends_s: float | None = None

    def run(self, function: Callable[[], T]) -> T:
        """Raises  Interrupted: it was abandoned; the function's error"""
        done, outcome = threading.Event(), Future[T]()

        def call() -> None:
            try:
                outcome.set_result(function())
            except BaseException as error:  # noqa: BLE001 it is raised where it was called
                outcome.set_exception(error)
            finally:
                done.set()

        with self._lock:
            self._under_way[done] = threading.get_ident()
        try:
            ends_s = self._ends_s  # only now: an `abandon` that did not find this call has set it
            left_s = None if ends_s is None else max(0.0, ends_s - time.monotonic())
            if left_s != 0:
                thread = threading.Thread(target=call, name="vault-call", daemon=True)
                thread.start()
                _wait_for(done, thread, left_s)
        finally:
            with self._lock:
                del self._under_way[done]
        if not outcome.done():
            raise Interrupted("interrupted while the storage did not answer")
        return outcome.result()

    def abandon(self) -> None:
        """May be called in the handler of a signal, again and again.

        So it takes no lock that its own thread may hold: the call of that thread is left by what the handler raises.
        """
        if self._ends_s is None:
            self._ends_s = time.monotonic() + self._grace_s
        for done, thread in tuple(self._under_way.items()):
            if thread != threading.get_ident():
                done.set()


def _wait_for(done: threading.Event, thread: threading.Thread, left_s: float | None) -> None:
    """At most so long. Raises  MemoryError: the thread ended without a word"""
    ends_s = None if left_s is None else time.monotonic() + left_s
    while not done.wait(LOOK_S if ends_s is None else max(0.0, min(LOOK_S, ends_s - time.monotonic()))):
        if ends_s is not None and time.monotonic() >= ends_s:
            return
        if not thread.is_alive() and not done.is_set():
            raise _lost()
