"""A TOML file as tables that are checked as they are read. What is wrong is collected, so that all of it can be told at once.

Reads files; knows no key of any of them. A problem never repeats a value: it may be a secret in the wrong place.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from vault.app.quantities import age_ms
from vault.app.toml.lines import KeyPath, key_lines
from vault.errors import Misconfigured, UsageError
from vault.model.words import nearest

_T = TypeVar("_T")
_V = TypeVar("_V")
_W = TypeVar("_W", bound=str)
_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_KINDS: Final = {str: "text", bool: "true or false", int: "an integer", list: "a list", dict: "a table"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong in a file. `line` is from 1; None where it is not known for certain."""

    path: Path
    line: int | None
    message: str
    why: str = ""
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.path}{f':{self.line}' if self.line else ''}: {self.message}"

    def error(self, *, others: int = 0) -> Misconfigured:
        """others  how many more there are"""
        more = f"{others} more: pgvault config validate" if others else ""
        return Misconfigured(str(self), why="; ".join(part for part in (self.why, more) if part), hint=self.hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file and what was found wrong with it so far, in the order in which it was looked at."""

    path: Path
    values: Mapping[str, Any]
    lines: Mapping[KeyPath, int] = field(default_factory=dict, repr=False)
    problems: list[Problem] = field(default_factory=list)

    def top(self) -> Table:
        return Table(document=self, keys=(), values=self.values)

    def require(self) -> None:
        """Raises  Misconfigured: something is wrong with it"""
        if self.problems:
            raise self.problems[0].error(others=len(self.problems) - 1)

    def leaves(self) -> Iterator[tuple[KeyPath, int | None]]:
        """Each key whose value is no table, with its line."""
        waiting: list[tuple[KeyPath, object]] = [((), self.values)]
        while waiting:
            keys, value = waiting.pop(0)
            if isinstance(value, Mapping):
                waiting[:0] = [((*keys, key), part) for key, part in value.items()]
            else:
                yield keys, self.lines.get(keys)


def read_document(path: Path) -> Document:
    """What cannot be read or is no TOML has one problem and no values."""
    text = ""
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        values = tomllib.loads(text)
        return Document(path=path, values=values, lines=key_lines(text, values))
    except OSError as error:
        problem = Problem(path=path, line=None, message="it cannot be read", why=error.strerror or "")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problem = Problem(path=path, line=line, message="it is no TOML", why="it is not UTF-8")
    except RecursionError:
        problem = Problem(path=path, line=None, message="it is no TOML", why="its tables are nested too deeply")
    except tomllib.TOMLDecodeError as error:
        problem = _no_toml(path, text, str(error))
    return Document(path=path, values={}, problems=[problem])


def read_json(path: Path) -> Document:
    """The same of a file of JSON; lines are told of syntax alone."""
    try:
        values = json.loads(path.read_bytes().decode("utf-8-sig"))
        if isinstance(values, dict):
            return Document(path=path, values=values)
        problem = Problem(path=path, line=None, message="it is no JSON object")
    except OSError as error:
        problem = Problem(path=path, line=None, message="it cannot be read", why=error.strerror or "")
    except json.JSONDecodeError as error:
        problem = Problem(
            path=path, line=error.lineno, message="it is no JSON", why=error.msg[:1].lower() + error.msg[1:]
        )
    except (UnicodeDecodeError, RecursionError) as error:
        problem = Problem(path=path, line=None, message="it is no JSON", why=type(error).__name__)
    return Document(path=path, values={}, problems=[problem])


def _no_toml(path: Path, text: str, message: str) -> Problem:
    """tomllib says the line in its message alone; the end of the file is where one is half-written."""
    place = _PLACE.search(message)
    why = message[: place.start()] if place else message
    line = None if place is None else int(place[1]) if place[1] else text.rstrip("\n").count("\n") + 1
    hint = "" if place is None or place[1] else "the file ends too early: is it still being written?"
    return Problem(path=path, line=line, message="it is no TOML", why=why[:1].lower() + why[1:], hint=hint)


def dotted(keys: Iterable[str | int]) -> str:
    """`a."b c".d`, as it may be written in a file."""
    return ".".join(key if _BARE.fullmatch(key := str(one)) else json.dumps(key, ensure_ascii=False) for one in keys)


def home_path(text: str) -> Path:
    """With `~` as the home directory. Raises  UsageError: there is none"""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise Misconfigured(f"{text}: there is no such home directory", hint="name the whole path") from error


def parsed(path: Path) -> dict[str, Any]:
    """A file's values alone. Raises  UsageError: it cannot be read, or is no TOML"""
    document = read_document(path)
    document.require()
    return dict(document.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of the file. What is not of the kind that is asked for becomes a problem, and counts as not there."""

    document: Document
    keys: tuple[str, ...]
    values: Mapping[str, Any]

    def full(self, key: str) -> str:
        return dotted((*self.keys, key))

    def refuse(self, key: str | None, message: str, *, why: str = "", hint: str = "") -> None:
        """Collect a problem with the key; None: with the table as a whole."""
        line = self.document.lines.get(self.keys if key is None else (*self.keys, key))
        self.document.problems.append(Problem(path=self.document.path, line=line, message=message, why=why, hint=hint))

    def wrong(self, key: str, wanted: str, *, hint: str = "") -> None:
        self.refuse(key, f"{self.full(key)} must be {wanted}", hint=hint)

    def only(self, *known: str) -> None:
        for key in self.values:
            if key not in known:
                near = nearest(key, known)
                self.refuse(
                    key,
                    f"unknown key {self.full(key)!r}",
                    why=f"known here: {', '.join(known)}",
                    hint=f"did you mean {near!r}?" if near else "remove it",
                )

    def text(self, key: str) -> str | None:
        return self._of(str, key, example='"..."')

    def integer(self, key: str, default: int, *, low: int | None = None, high: int | None = None) -> int:
        value = self._of(int, key, example=str(default))
        if value is None:
            return default
        if (low is not None and value < low) or (high is not None and value > high):
            wanted = f"from {low} to {high}" if high is not None else f"{low} or more"
            self.wrong(key, wanted, hint=f"{key} = {default}")
            return default
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._of(bool, key, example="true")
        return default if value is None else value

    def age_ms(self, key: str) -> int | None:
        """A length of time as `7d`, `12h`, `30m`, `90s`."""
        return self.read(key, self.text(key), lambda text: age_ms(text, option=self.full(key)), hint=f'{key} = "12h"')

    def word(self, key: str, words: tuple[_W, ...]) -> _W | None:
        """One of a closed list."""
        value = self.text(key)
        found = next((word for word in words if word == value), None)
        if value is not None and found is None:
            near = nearest(value, words)
            self.wrong(key, f"one of: {', '.join(words)}", hint=f'{key} = "{near or words[0]}"')
        return found

    def path(self, key: str) -> str | None:
        """Relative to the file; `~` is the home directory."""
        return self.read(key, self.text(key) or None, lambda text: str(self.document.path.parent / home_path(text)))

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.wrong(key, "a list of texts", hint=f'{key} = ["..."]')
            return ()
        return tuple(value)

    def table(self, key: str) -> Table:
        return Table(
            document=self.document, keys=(*self.keys, key), values=self._of(dict, key, example="{ ... }") or {}
        )

    def tables(self) -> list[tuple[str, Table]]:
        """Each key of this table as a table."""
        return [(key, self.table(key)) for key in self.values]

    def read(self, key: str, value: _V | None, reading: Callable[[_V], _T], *, hint: str = "") -> _T | None:
        """What `reading` makes of the value; a UsageError of it becomes a problem of the key, with `hint` for its own."""
        try:
            return None if value is None else reading(value)
        except UsageError as error:
            self.refuse(key, error.message, why=error.why, hint=hint or error.hint)
            return None

    def _of(self, kind: type[_T], key: str, *, example: str) -> _T | None:
        value = self.values.get(key)
        if value is None or (isinstance(value, kind) and isinstance(value, bool) == (kind is bool)):
            return value
        self.wrong(key, _KINDS[kind], hint=f"{key} = {example}")
        return None
