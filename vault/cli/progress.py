"""The Progress port, drawn: bars on a terminal, a line a minute elsewhere, JSON Lines for programs."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from vault.cli.pace import Pace
from vault.cli.render import printable

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from vault.cli.render import Renderer
    from vault.ports import Progress

LINE_EVERY_S: Final = 60.0
JSON_EVERY_S: Final = 1.0


@contextmanager
def shown(renderer: Renderer) -> Iterator[Progress]:
    """The port that suits where stderr goes and what was asked for."""
    if renderer.quiet:
        yield Silent()
    elif renderer.json:
        yield JsonLines(renderer)
    elif sys.stderr.isatty():
        with bars() as drawn:
            yield drawn
    else:
        yield MinuteLines(renderer)


class Silent:
    """Draws nothing."""

    def stage(self, name: str, total_bytes: int | None = None) -> None:
        pass

    def advance(self, done_bytes: int) -> None:
        pass

    def event(self, kind: str, text: str) -> None:
        pass


class Paced:
    """Counts the bytes of a stage and speaks at most once in `every_s`."""

    def __init__(self, renderer: Renderer, every_s: float) -> None:
        self.renderer = renderer
        self._every_s = every_s
        self._lock = threading.Lock()
        self.name = ""
        self._spoken_at = time.monotonic()
        self.pace = Pace(None, self._spoken_at)

    def stage(self, name: str, total_bytes: int | None = None) -> None:
        with self._lock:
            self.name, self.pace = name, Pace(total_bytes, time.monotonic())

    def advance(self, done_bytes: int) -> None:
        with self._lock:
            now = time.monotonic()
            self.pace.advance(done_bytes, now)
            if now - self._spoken_at >= self._every_s:
                self._spoken_at = now
                self._speak(now)

    def _speak(self, now: float) -> None:
        raise AssertionError("a subclass speaks")


class MinuteLines(Paced):
    """For logs: one line a minute on stderr, and every event."""

    def __init__(self, renderer: Renderer) -> None:
        super().__init__(renderer, LINE_EVERY_S)

    def event(self, kind: str, text: str) -> None:
        self.renderer.talk(text)

    def _speak(self, now: float) -> None:
        self.renderer.talk(f"{self.name}: {self.pace.words(now)}")


class JsonLines(Paced):
    """For programs: at most one progress line a second on stdout, and every event."""

    def __init__(self, renderer: Renderer) -> None:
        super().__init__(renderer, JSON_EVERY_S)

    def event(self, kind: str, text: str) -> None:
        self.renderer.json_line({"type": "event", "kind": kind, "text": text})

    def _speak(self, now: float) -> None:
        rate, left_s = self.pace.rate(now), self.pace.left_s(now)
        line = {"type": "progress", "stage": self.name, "done_bytes": self.pace.done, "total_bytes": self.pace.total}
        self.renderer.json_line(line | {"bytes_per_s": None if rate is None else round(rate), "left_s": left_s})


class Bars:
    """One bar, of the stage that runs."""

    def __init__(self, drawn: RichProgress) -> None:
        self._drawn = drawn
        self._lock = threading.Lock()
        self._task = drawn.add_task("", total=None, visible=False)

    def stage(self, name: str, total_bytes: int | None = None) -> None:
        with self._lock:
            self._drawn.remove_task(self._task)
            self._task = self._drawn.add_task(printable(name), total=total_bytes)

    def advance(self, done_bytes: int) -> None:
        with self._lock:
            self._drawn.advance(self._task, done_bytes)

    def event(self, kind: str, text: str) -> None:
        self._drawn.console.print(printable(text), markup=False, highlight=False)


@contextmanager
def bars() -> Iterator[Bars]:
    """Bars on stderr, gone when done. rich honours NO_COLOR and TERM=dumb itself."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Drawn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Drawn(*columns, console=Console(stderr=True), transient=True) as drawn:
        yield Bars(drawn)
