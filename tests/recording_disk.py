"""A disk that does what it is told, writes each call down, and fails on request."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

from vault.store.disk import OsDisk


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call that succeeded. `path` is the file's path at the time its descriptor was opened."""

    kind: str
    path: str
    new: str = ""
    data: bytes = b""


class RecordingDisk(OsDisk):
    """`failing(kind, path)` returns an errno to raise instead of the call, or 0. `after` is called after each step, by one thread at a time.

    A write takes half of what it is given, as a kernel may.
    """

    def __init__(
        self,
        failing: Callable[[str, str], int] = lambda kind, path: 0,
        *,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        self.steps: list[Step] = []
        self.failing = failing
        self._after = after
        self._open: dict[int, str] = {}
        self._lock = threading.RLock()

    def _ask(self, kind: str, path: str) -> None:
        number = self.failing(kind, path)
        if number:
            raise OSError(number, os.strerror(number))

    def _step(self, step: Step) -> None:
        self.steps.append(step)
        self._after()

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        with self._lock:
            self._ask("open", path)
            descriptor = super().open(path, flags, mode)
            self._open[descriptor] = path
            if flags & os.O_CREAT:
                self._step(Step(kind="create", path=path))
        return descriptor

    def write(self, descriptor: int, data: memoryview) -> int:
        with self._lock:
            self._ask("write", self._open[descriptor])
            written = super().write(descriptor, data[: max(1, len(data) // 2)])
            self._step(Step(kind="write", path=self._open[descriptor], data=bytes(data[:written])))
        return written

    def fsync(self, descriptor: int) -> None:
        with self._lock:
            self._ask("fsync", self._open[descriptor])
            self._step(Step(kind="fsync", path=self._open[descriptor]))

    def close(self, descriptor: int) -> None:
        with self._lock:
            super().close(descriptor)
            del self._open[descriptor]

    def mkdir(self, path: str, mode: int) -> None:
        with self._lock:
            self._ask("mkdir", path)
            super().mkdir(path, mode)
            self._step(Step(kind="mkdir", path=path))

    def link(self, path: str, new: str) -> None:
        with self._lock:
            self._ask("link", path)
            super().link(path, new)
            self._step(Step(kind="link", path=path, new=new))

    def rename_new(self, path: str, new: str) -> None:
        with self._lock:
            self._ask("rename", path)
            super().rename_new(path, new)
            self._step(Step(kind="rename", path=path, new=new))

    def unlink(self, path: str) -> None:
        with self._lock:
            self._ask("unlink", path)
            super().unlink(path)
            self._step(Step(kind="unlink", path=path))

    def note(self, kind: str, text: str) -> None:
        """Write down what the test did between the calls."""
        self._step(Step(kind=kind, path=text))
