"""Who is told when somebody interrupts the program, before the interrupt is raised in the main thread.

The main thread may wait for workers then, and these for calls that hear no signal: they would hold it until those return.
"""

from __future__ import annotations

import signal
import threading
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Final, Protocol

_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP")


class Leavable(Protocol):
    def abandon(self) -> None: ...


class _Telling:
    """A handler that tells those who still live, then does what the one before it did."""

    def __init__(self, before: Callable[[int, FrameType | None], object]) -> None:
        self._before = before
        self.told: weakref.WeakSet[Leavable] = weakref.WeakSet()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        for one in list(self.told):
            one.abandon()
        self._before(number, frame)


def tell(told: Leavable) -> None:
    """Of every interrupt from now on, as long as it lives. Signals that are ignored, or end the program as they are, stay so.

    Only the main thread can ask for signals; from another one nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for name in _NAMES:
        number = getattr(signal, name, None)
        handler = signal.getsignal(number) if number is not None else None
        if isinstance(handler, _Telling):
            handler.told.add(told)
        elif number is not None and callable(handler):
            telling = _Telling(handler)
            telling.told.add(told)
            signal.signal(number, telling)
