"""Drawing for people: results on stdout, talk on stderr, progress as bars on a terminal and as a line a minute elsewhere.

Never draws a control character that came from data, not even the end of a line, by which a name could pass for a line of
ours; and never a password that came inside a message.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from time import sleep
from typing import TYPE_CHECKING, Final, TextIO

from vault.app.conninfo import redacted
from vault.cli import layout
from vault.cli.output import STDOUT, silence, writing
from vault.model.snapshot import SUMMARY_COMPONENTS
from vault.model.words import duration
from vault.model.words import size as size

if TYPE_CHECKING:
    from vault.model import Counts, Ledger


_MOMENT_S: Final = 0.2


class Renderer:
    """Where a command's words go. One per invocation; `progress` may be told by several threads.

    to_type  makes what is to be typed next such that it works here: of every line on stderr; results ask for it, as they hold data too
    """

    def __init__(
        self, *, json: bool, quiet: bool, verbosity: int, to_type: Callable[[str], str] = lambda fix: fix
    ) -> None:
        self.to_type = to_type
        self.json = json
        self.quiet = quiet
        self.verbosity = verbosity

    # --- results: stdout

    def json_line(self, value: Mapping[str, object], *, stream: TextIO | None = None) -> None:
        """One line, ASCII, with no line separator inside."""
        with writing(STDOUT):
            print(json.dumps(value, separators=(",", ":")), file=stream or sys.stdout, flush=True)

    def line(self, text: str = "") -> None:
        with writing(STDOUT):
            print(encodable(printable(text), sys.stdout))

    def verdict(self, text: str, *, colour: int | None) -> None:
        """A line of ours above a screen. `colour`: of ANSI, 31 red, 32 green; None without (`coloured`)."""
        with writing(STDOUT):
            print(text if colour is None else f"\x1b[1;{colour}m{text}\x1b[0m")

    def block(self, text: str) -> None:
        """A text of ours that has several lines, and tabs."""
        with writing(STDOUT):
            for line in text.splitlines():
                print(encodable("\t".join(map(printable, line.split("\t"))), sys.stdout))

    def verbatim(self, text: str) -> None:
        """One line of a text that is not ours: tabs stay, and any other control character is shown as an escape."""
        with writing(STDOUT):
            print(encodable("\t".join(map(printable, text.split("\t"))), sys.stdout))

    def table(
        self,
        titles: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        right: str = "",
        spare: str = "",
        wrapped: str = "",
    ) -> None:
        """Columns as wide as their content. On a terminal that is too narrow `spare` ones go, and `wrapped` ones get several lines."""
        clean = [[printable(cell) for cell in row] for row in rows]
        columns = layout.Columns(right=right, spare=spare, wrapped=wrapped)
        with writing(STDOUT):
            for line in layout.table(titles, clean, columns, width=width_of(sys.stdout)):
                print(encodable(line, sys.stdout))

    def text(self, text: str, *, first: str = "", rest: str = "") -> None:
        """A sentence, as wide as the terminal at most; `first` stands before its first line, `rest` before each other."""
        for line in layout.wrapped(printable(text), width_of(sys.stdout), first=first, rest=rest):
            self.line(line)

    def summary(
        self, counts: Counts, states: Mapping[str, str], *, every_line: bool = True, before: Counts | None = None
    ) -> None:
        """The nine lines, whose words are fixed; a component that is not wholly there has another mark, and so has a 0 that was none `before`.

        Without `every_line`, for a snapshot of directories, what was not selected is left out.
        """
        from vault.ops.project.summary import lost_lines, nine_lines

        lost = frozenset[str]() if before is None else lost_lines(counts, before)
        for component, words in zip(SUMMARY_COMPONENTS, nine_lines(counts), strict=True):
            state = states.get(component, "captured")
            if component in lost and state in ("captured", "empty"):
                state = "lost"
            if every_line or state != "not_selected":
                self.line(f"{mark(state)} {words}")

    def missing(self, ledger: Ledger) -> None:
        """What was selected and is not there, with the reason and the way to mend it; what nobody asked for with -v."""
        from vault.model import State

        for component, coverage in sorted(ledger.items()):
            for item in coverage.missing:
                wanted = item.state not in (State.EMPTY, State.NOT_SELECTED)
                if wanted or self.verbosity:
                    tell = self.insist if wanted else self.talk
                    tell(f"{component}: {item.item}: {item.state.value.replace('_', ' ')}: {item.why}")
                    if item.fix:
                        tell(f"  next: {item.fix}")

    # --- talk: stderr

    def talk(self, text: str) -> None:
        if not self.quiet:
            self.insist(text)

    def insist(self, text: str) -> None:
        """Shown even when quiet: why the exit code is not 0."""
        shown = printable(redacted(self.to_type(text)))
        margin = shown[: len(shown) - len(shown.lstrip(" "))]
        _say(shown.lstrip(" "), first=margin, rest=margin + "  ")

    def error(self, message: str, *, why: str, fix: str) -> None:
        """Shown even when quiet."""
        for head, text in (("pgvault: ", message), ("  why:  ", why), ("  next: ", self.to_type(fix))):
            if text:
                _say(printable(redacted(text)), first=head, rest="        ")

    def can_ask(self) -> bool:
        return sys.stdin.isatty() and sys.stderr.isatty()

    def ask(self, question: str) -> bool:
        """Only a typed yes is one. What was shown before it stands before it, wherever stdout goes."""
        out_first()
        print(printable(question) + " [y/N] ", end="", file=sys.stderr, flush=True)
        typed = sys.stdin.readline()
        if not typed:
            print(file=sys.stderr)
        return typed.strip().lower() in ("y", "yes")


def out_first() -> None:
    """What stands before a question is out, and whoever reads it through a pipe (`| less`, `| tee`) had a moment to show it."""
    with writing(STDOUT):
        sys.stdout.flush()
    if not sys.stdout.isatty():
        sleep(_MOMENT_S)


def _say(text: str, *, first: str, rest: str) -> None:
    """To nobody, if stderr is full or nobody reads it: what a command does is not undone by that."""
    try:
        for line in layout.wrapped(text, width_of(sys.stderr), first=first, rest=rest):
            print(encodable(line, sys.stderr), file=sys.stderr, flush=True)
    except OSError:
        silence(sys.stderr)


def width_of(stream: TextIO) -> int | None:
    """Columns of the terminal that it is; None of a file or a pipe, and of a terminal that does not say it."""
    if not stream.isatty():
        return None
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except OSError:
        return None
    return max(layout.WIDTH_MIN, columns) if columns else None


# --- text ----------------------------------------------------------------------------------------


def printable(text: str) -> str:
    """Control characters, line ends and lone surrogates as escapes: names in a database may hold terminal commands."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    code = ord(char)
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def encodable(text: str, stream: TextIO) -> str:
    encoding = stream.encoding or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def fancy(stream: TextIO) -> bool:
    """Whether it takes more than ASCII. A file does as well as a terminal: a log is read by people too."""
    return (stream.encoding or "").lower().replace("-", "") == "utf8"


def coloured(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether it is a terminal that wants colours."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM", "dumb") != "dumb"


def mark(state: str) -> str:
    """Of a line in a list of what is there."""
    if state in ("captured", "empty"):
        return "✅" if fancy(sys.stdout) else "[ok]"
    if state == "lost":
        return health("warn")
    if state == "not_selected":
        return "➖" if fancy(sys.stdout) else "[--]"
    return "❌" if fancy(sys.stdout) else "[!!]"


_HEALTH: Final = {
    "ok": ("✅", "[ok]"),
    "warn": ("❗", "[ !]"),
    "fail": ("❌", "[!!]"),
    "skipped": ("➖", "[--]"),
}


def health(state: str) -> str:
    """Mark of a finding; each of them takes two columns."""
    wide, plain = _HEALTH[state]
    return wide if fancy(sys.stdout) else plain


def age(then_ms: int, now_ms: int) -> str:
    """How long ago: `12 s`, `5 min`, `3 h`, `9 d`; what is still to come as `in 9 d`."""
    length_ms = abs(now_ms - then_ms)
    return f"{'in ' if then_ms > now_ms and length_ms >= 1000 else ''}{duration(length_ms)}"


def when(then_ms: int, now_ms: int) -> str:
    """In a sentence: `9 d ago`, `in 9 d`."""
    shown = age(then_ms, now_ms)
    return shown if shown.startswith("in ") else f"{shown} ago"
