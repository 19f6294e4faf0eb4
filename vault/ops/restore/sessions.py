"""What the steps of a restore share: its connections, and how tasks run over them.

Threads come from repo/workers. Invariant: after an error or Ctrl-C no statement of ours goes on in the target.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from threading import Event
from types import TracebackType
from typing import Self

from vault.model.meaning import Meanings
from vault.ports import Progress, Target, TargetSession
from vault.repo.workers import BoundedPool, alongside


@contextmanager
def watched(target: Target, progress: Progress) -> Iterator[None]:
    """Meanwhile it is told whose locks are waited for."""
    ended = Event()
    watching = partial(target.watch, partial(progress.event, "waiting"), ended=ended.wait)
    with alongside(watching, cancel=ended.set):
        try:
            yield
        finally:
            ended.set()


class Sessions:
    """At most `jobs` connections, opened when first needed, each used by one thread at a time."""

    def __init__(
        self,
        target: Target,
        *,
        encoding: str,
        jobs: int,
        search_paths: Mapping[str, str],
        meanings: Meanings,
        stopping: Callable[[], None],
    ) -> None:
        """`stopping` hears, before a statement is canceled, that all of it ends."""
        self._target = target
        self._stopping = stopping
        self._meanings = meanings
        self._search_paths = search_paths
        self._encoding = encoding
        self._jobs = jobs
        self._idle: queue.SimpleQueue[TargetSession] = queue.SimpleQueue()

    @contextmanager
    def borrow(self) -> Iterator[TargetSession]:
        try:
            session = self._idle.get_nowait()
        except queue.Empty:
            session = self._target.session(self._encoding, search_paths=self._search_paths, meanings=self._meanings)
        try:
            yield session
        finally:
            self._idle.put(session)

    def parallel(self, tasks: Iterable[Callable[[], None] | None]) -> None:
        """Run all, at most `jobs` at a time; the first error cancels what runs in the target and is raised.

        tasks   None among them: nothing has become ready for a while, perhaps because a thread has ended without a word
        """
        with BoundedPool(threads=self._jobs, bytes_max=self._jobs) as pool:
            try:
                for task in tasks:
                    if task is None:
                        pool.require_alive()
                    else:
                        pool.submit(task, size=1)
                pool.drain()
            except BaseException:
                self._stopping()
                self._target.cancel()
                raise

    def flush(self) -> None:
        """Wait for the disk, once for all that any session committed."""
        with self.borrow() as session:
            session.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while not self._idle.empty():
            self._idle.get().close()
