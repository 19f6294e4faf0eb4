"""What one thread at a time uses, and then leaves to the next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Idle(Generic[T]):
    """Things that one thread at a time uses (connections): borrowed, made anew if none waits, and given back."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._waiting: list[T] = []

    def borrow(self) -> T:
        with self._lock:
            if self._waiting:
                return self._waiting.pop()
        return self._make()

    def give_back(self, thing: T) -> None:
        with self._lock:
            self._waiting.append(thing)

    def drain(self) -> Iterator[T]:
        """Whatever waits; afterwards nothing does."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        yield from waiting
