"""The log of a background job: lines with their time, steps as they begin, and the summary at the end as it always is.

A log that cannot be written any more, as on a full disk, ends; the job does not.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from vault.cli.progress import Paced
from vault.cli.render import size

if TYPE_CHECKING:
    from vault.cli.render import Renderer

_EVERY_S: Final = 10.0


class _Whole(io.TextIOBase):
    """Writes whole lines, each with one call, so that two streams into one file do not mix theirs."""

    encoding = "utf-8"

    def __init__(self, descriptor: int, stamp: Callable[[], str]) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._stamp = stamp
        self._begun = ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        self._put("".join(f"{self._stamp() if line else ''}{line}\n" for line in lines))
        return len(text)

    def flush(self) -> None:
        pass

    def finish(self) -> None:
        """Write what no end of line came after."""
        self._put(self._begun)
        self._begun = ""

    def fileno(self) -> int:
        return self._descriptor

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def _put(self, text: str) -> None:
        data = text.encode("utf-8", "backslashreplace")
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            pass


def results() -> _Whole:
    """For sys.stdout: as they are."""
    return _Whole(1, lambda: "")


def talk(now_ms: Callable[[], int]) -> _Whole:
    """For sys.stderr: each line with its time."""
    return _Whole(2, lambda: f"{datetime.fromtimestamp(now_ms() // 1000, UTC):%Y-%m-%dT%H:%M:%SZ} ")


class Steps(Paced):
    """A line for each step that begins, one every ten seconds of a long one, and every event."""

    def __init__(self, renderer: Renderer) -> None:
        super().__init__(renderer, _EVERY_S)

    def stage(self, name: str, total_bytes: int | None = None) -> None:
        super().stage(name, total_bytes)
        self.renderer.talk(f"{name}{f': about {size(total_bytes)}' if total_bytes else ''}")

    def event(self, kind: str, text: str) -> None:
        self.renderer.talk(f"warning: {text}" if kind == "warning" and not text.startswith("warning") else text)

    def _speak(self, now: float) -> None:
        self.renderer.talk(f"{self.name}: {self.pace.words(now)}")
