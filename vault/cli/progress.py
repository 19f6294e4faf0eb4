"""The Progress port, drawn: bars on a terminal, a line a minute elsewhere, JSON Lines for programs."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from vault.cli.layout import cells
from vault.cli.pace import Pace
from vault.cli.render import encodable, fancy, printable
from vault.model.words import counted

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.live import Live
    from rich.text import Text

    from vault.cli.render import Renderer
    from vault.ports import Progress

_T = TypeVar("_T")
LINE_EVERY_S: Final = 60.0
JSON_EVERY_S: Final = 1.0
_BAR_MAX: Final = 40
_BAR_MIN: Final = 8


@contextmanager
def shown(renderer: Renderer) -> Iterator[Progress]:
    """The port that suits where stderr goes and what was asked for."""
    if renderer.quiet:
        yield Silent()
    elif renderer.json:
        yield JsonLines(renderer)
    elif sys.stderr.isatty() and _has_cursor():
        with bars() as drawn:
            yield drawn
    else:
        yield MinuteLines(renderer)


def _has_cursor() -> bool:
    from rich.console import Console

    return not Console(stderr=True).is_dumb_terminal


class Silent:
    """Draws nothing."""

    def stage(self, name: str, total_bytes: int | None = None) -> None:
        pass

    def advance(self, done_bytes: int, *, rows: int = 0, tables: int = 0) -> None:
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
        self.pace = Pace(None)

    def stage(self, name: str, total_bytes: int | None = None) -> None:
        with self._lock:
            self.name, self.pace = name, Pace(total_bytes)

    def advance(self, done_bytes: int, *, rows: int = 0, tables: int = 0) -> None:
        with self._lock:
            now = time.monotonic()
            self.pace.advance(done_bytes, now, rows=rows, tables=tables)
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
        line |= {"rows": self.pace.rows, "tables": self.pace.tables}
        self.renderer.json_line(line | {"bytes_per_s": None if rate is None else round(rate), "left_s": left_s})


class Bars:
    """One line, of the stage that runs: its name, a bar where its end is known, and what the lines of a log say too."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._stderr = sys.stderr  # while it is live, rich puts something of its own there
        self._lock = threading.Lock()
        self._name, self._pace = "", Pace(None)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        from rich.text import Text

        with self._lock:
            name, now = self._name, time.monotonic()
            yield Text(bar_line(name, self._pace, now, width=options.max_width, plain=not fancy(self._stderr)), end="")

    def stage(self, name: str, total_bytes: int | None = None) -> None:
        with self._lock:
            self._name, self._pace = printable(name), Pace(total_bytes)

    def advance(self, done_bytes: int, *, rows: int = 0, tables: int = 0) -> None:
        with self._lock:
            self._pace.advance(done_bytes, time.monotonic(), rows=rows, tables=tables)

    def event(self, kind: str, text: str) -> None:
        self._live.console.print(encodable(printable(text), self._stderr), markup=False, highlight=False)

    @contextmanager
    def away(self) -> Iterator[None]:
        """While somebody else writes on the terminal."""
        self._live.stop()
        try:
            yield
        finally:
            self._live.start()


def apart(progress: Progress, found: Iterable[_T]) -> Iterator[_T]:
    """Each of them, as it is found, with nothing drawn while the caller has it."""
    for one in found:
        with away(progress):
            yield one


@contextmanager
def away(progress: Progress) -> Iterator[None]:
    """Nothing is drawn meanwhile: a question, or a plan, stands there."""
    if isinstance(progress, Bars):
        with progress.away():
            yield
    else:
        yield


def bar_line(name: str, pace: Pace, now: float, *, width: int, plain: bool) -> str:
    """No wider than `width`: the bar gives way first, then the end of the text."""
    words, share = pace.words(now), pace.share()
    room = min(_BAR_MAX, width - cells(name) - cells(words) - 4)
    full, empty = ("#", "-") if plain else ("━", "┄")
    drawn = (
        "" if share is None or room < _BAR_MIN else full * round(share * room) + empty * (room - round(share * room))
    )
    text = "  ".join(part for part in (name, drawn, words) if part)
    while cells(text) > width:
        text = text[:-1]
    return text


@contextmanager
def bars() -> Iterator[Bars]:
    """On stderr, gone when done. No colours, so that NO_COLOR has nothing to say."""
    from rich.console import Console
    from rich.live import Live

    live = Live(console=Console(stderr=True), transient=True, refresh_per_second=8)
    drawn = Bars(live)
    with live:
        live.update(drawn)
        yield drawn


class Heard:
    """A Progress that remembers how far a restore came, for whoever stops it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._stage = ""
        self._rows = 0

    def stage(self, name: str, total_bytes: int | None = None) -> None:
        self._stage = name
        self._progress.stage(name, total_bytes)

    def advance(self, done_bytes: int, *, rows: int = 0, tables: int = 0) -> None:
        with self._lock:
            self._rows += rows
        self._progress.advance(done_bytes, rows=rows, tables=tables)

    def event(self, kind: str, text: str) -> None:
        self._progress.event(kind, text)

    def was_at(self) -> str:
        """Empty if nothing had begun. Rows that were sent are not there before their table is whole."""
        if not self._stage:
            return ""
        rows = f", after {counted(self._rows, 'row')} had been sent" if self._rows else ""
        return f"the restore was at its step: {self._stage}{rows}"
