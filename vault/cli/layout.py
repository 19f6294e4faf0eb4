"""Text and tables laid out for a width of the terminal. Pure.

Where there is no width, as in a file or a pipe, a row is a line and a text is a line: programs and grep read them. Nothing is cut
off anywhere. What somebody may copy, a command at the end of a sentence or a word without a blank, is never broken.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

GAP: Final = 2
WIDTH_MIN: Final = 40
_WORD: Final = re.compile(
    r"""(?:^|(?<=:[ ])|(?<=as[ ]in[ ]))
        (?:[A-Z_]+=\S+[ ])* (?:pgvault|psql|dropdb|createdb)[ ] (?:'[^']*'|"[^"]*"|[^;,'"])* [;,]?
        | \S+""",
    re.VERBOSE,
)
"""What is to be typed is one word, with the sign that ends it: a line's end in it would be pasted along."""
_WRAPPED_MIN: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Titles of columns, with | between them, that are treated in another way than the rest.

    right  set right. spare: left out where there is no room for all, the first ones first. wrapped: have several lines then
    """

    right: str = ""
    spare: str = ""
    wrapped: str = ""
    right_titles: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "right_titles", frozenset(self.right.split("|")))


def cells(text: str) -> int:
    """Columns of a terminal that it takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)


def wrapped(text: str, width: int | None, *, first: str = "", rest: str = "") -> list[str]:
    """Lines no wider than `width`, as far as words allow; `first` stands before the first, `rest` before each other."""
    if width is None or cells(first) + cells(text) <= width:
        return [first + text]
    lines, line, is_begun = list[str](), first, False
    for word in _WORD.findall(text):
        if is_begun and cells(line) + 1 + cells(word) > width:
            lines.append(line)
            line, is_begun = rest, False
        line, is_begun = line + (" " if is_begun else "") + word, True
    return [*lines, line]


def table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], columns: Columns, *, width: int | None
) -> Iterator[str]:
    """Lines of a table whose columns are as wide as their content, where that fits into `width`."""
    shown = list(range(len(titles)))
    widths = [max(cells(row[index]) for row in (titles, *rows)) for index in shown]
    if width is not None:
        for spare in columns.spare.split("|"):
            if _total(widths, shown) > width and spare in titles:
                shown.remove(list(titles).index(spare))
        flexible = [index for index in shown if titles[index] in columns.wrapped.split("|")]
        _narrow(widths, shown, flexible=flexible, width=width)
    for row in (titles, *rows):
        parts = [wrapped(row[index], widths[index]) for index in shown]
        for at in range(max(map(len, parts))):
            line = [
                _set(part[at] if at < len(part) else "", widths[index], right=titles[index] in columns.right_titles)
                for index, part in zip(shown, parts, strict=True)
            ]
            yield (" " * GAP).join(line).rstrip()


def _total(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[index] for index in shown) + GAP * (len(shown) - 1)


def _narrow(widths: list[int], shown: Sequence[int], *, flexible: Sequence[int], width: int) -> None:
    """Take from the widest of those that may have several lines, until all fits or none can give any more."""
    over = _total(widths, shown) - width
    while over > 0 and flexible:
        widest = max(flexible, key=lambda index: widths[index])
        if widths[widest] <= _WRAPPED_MIN:
            return
        widths[widest] -= 1
        over -= 1


def _set(text: str, width: int, *, right: bool) -> str:
    blanks = " " * max(0, width - cells(text))
    return blanks + text if right else text + blanks
