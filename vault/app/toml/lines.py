"""On which line each key of a TOML file stands: tomllib tells values alone. Pure.

Invariant: a line is told only if the walk over the text met exactly the keys that tomllib found; else none is, because a
wrong line is worse than none. The text must be one that tomllib takes: nothing is judged here, only walked over.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

KeyPath = tuple[str | int, ...]
"""Keys from the top; an element of an array of tables is its index."""

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_GAP: Final = re.compile(r"[ \t]*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_STRINGS: Final = (
    re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}', re.DOTALL),
    re.compile(r"'''(?:[^']|'(?!''))*'{3,5}"),
    re.compile(r'"(?:[^"\\]|\\.)*"'),
    re.compile(r"'[^']*'"),
)
"""Those of three marks first; one may end with two marks more, which are its text."""
_SCALAR: Final = re.compile(r"[^,\]}#\n]+")


def key_lines(text: str, values: Mapping[str, Any]) -> dict[KeyPath, int]:
    """Path of each key of `values`, as tomllib made them of `text` -> its line from 1; empty if the two do not agree.

    Of a table that is named several times, the line where it stands first.
    """
    try:
        lines = _Walk(text).lines()
    except _LostTheWay:
        return {}
    return lines if set(lines) == set(_paths(values, ())) else {}


class _LostTheWay(Exception):
    """The text is not as the walk expects it."""


def _paths(value: object, above: KeyPath) -> Iterator[KeyPath]:
    """Of tables and what is in them; values in plain arrays have none, tables in them do."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield (*above, key)
            yield from _paths(part, (*above, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            if isinstance(part, dict):
                yield (*above, index)
            yield from _paths(part, (*above, index))


class _Walk:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines: dict[KeyPath, int] = {}
        self._elements: dict[KeyPath, int] = {}
        """Arrays of tables -> how many elements they have so far."""

    def lines(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._pass(_BLANK)
        while self._at < len(self._text):
            if self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)
            self._pass(_BLANK)
        return self._lines

    def _header(self) -> KeyPath:
        mark = "[[" if self._text.startswith("[[", self._at) else "["
        line = self._line()
        self._at += len(mark)
        keys = self._keys()
        self._expect("]" * len(mark))
        table = self._named((), keys[:-1], line)
        table = (*table, keys[-1])
        self._lines.setdefault(table, line)
        if mark == "[[":
            table = (*table, self._elements.setdefault(table, 0))
            self._elements[table[:-1]] += 1
            self._lines[table] = line
        return table

    def _named(self, above: KeyPath, keys: list[str], line: int) -> KeyPath:
        """The table that the keys name: of an array of tables its newest element."""
        for key in keys:
            above = (*above, key)
            self._lines.setdefault(above, line)
            if above in self._elements:
                above = (*above, self._elements[above] - 1)
        return above

    def _pair(self, table: KeyPath) -> None:
        line = self._line()
        keys = self._keys()
        self._expect("=")
        path = (*self._named(table, keys[:-1], line), keys[-1])
        self._lines[path] = line
        self._pass(_GAP)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        sign = self._text[self._at : self._at + 1]
        if sign == "[":
            self._array(path)
        elif sign == "{":
            self._inline(path)
        elif sign in ('"', "'"):
            self._string()
        else:
            self._pass(_SCALAR, some=True)

    def _array(self, path: KeyPath) -> None:
        self._expect("[")
        self._pass(_BLANK)
        index = 0
        while not self._text.startswith("]", self._at):
            if self._text.startswith("{", self._at):
                self._lines[*path, index] = self._line()
            self._value((*path, index))
            index += 1
            self._pass(_BLANK)
            if not self._text.startswith("]", self._at):
                self._expect(",")
                self._pass(_BLANK)
        self._expect("]")

    def _inline(self, path: KeyPath) -> None:
        self._expect("{")
        self._pass(_BLANK)
        while not self._text.startswith("}", self._at):
            self._pair(path)
            self._pass(_BLANK)
            if not self._text.startswith("}", self._at):
                self._expect(",")
                self._pass(_BLANK)
        self._expect("}")

    def _keys(self) -> list[str]:
        """`a."b c".d` as its parts."""
        keys = [self._key()]
        while True:
            self._pass(_GAP)
            if not self._text.startswith(".", self._at):
                return keys
            self._at += 1
            keys.append(self._key())

    def _key(self) -> str:
        self._pass(_GAP)
        if self._text[self._at : self._at + 1] in ('"', "'"):
            decoded = tomllib.loads(f"key = {self._string()}")["key"]
            assert isinstance(decoded, str)
            return decoded
        return self._pass(_BARE_KEY, some=True)

    def _string(self) -> str:
        for pattern in _STRINGS:
            if match := pattern.match(self._text, self._at):
                self._at = match.end()
                return match[0]
        raise _LostTheWay

    def _pass(self, pattern: re.Pattern[str], *, some: bool = False) -> str:
        match = pattern.match(self._text, self._at)
        if match is None or (some and not match[0]):
            raise _LostTheWay
        self._at = match.end()
        return match[0]

    def _expect(self, mark: str) -> None:
        self._pass(_GAP)
        if not self._text.startswith(mark, self._at):
            raise _LostTheWay
        self._at += len(mark)

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1
