"""What `log` tells: one change of one thing, with the first snapshot that has it. Values only; pure."""

from __future__ import annotations

import difflib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol, runtime_checkable

from vault.errors import IntegrityError
from vault.model import TableName
from vault.pipeline.copytext import NULL, unescape
from vault.repo.snapshot import Snapshot
from vault.sql.names import show_name

THERE: Final = "there"
"""In the oldest snapshot already."""
UNREAD: Final = "unread"
CREATED: Final = "created"
CHANGED: Final = "changed"
DROPPED: Final = "dropped"
INSERTED: Final = "inserted"
UPDATED: Final = "updated"
DELETED: Final = "deleted"
APPEARED: Final = "appeared"
WENT: Final = "went"
UNKNOWN: Final = "unknown"
FORESEEN: Final = 16
"""Snapshots whose comparisons are begun together; the first is told when all of them are read."""
GONE: Final = frozenset({DROPPED, DELETED, WENT})
NEW: Final = frozenset({THERE, CREATED, INSERTED, APPEARED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """Of a column, an attribute. None is NULL, or that there is no such side: an insert has nothing before."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a snapshot has otherwise than the one before it, or, if it is the oldest, has already.

    what    row, rows, definition, file, role, setting; `name`: of the thing, where several are asked for
    key     what tells a row from the others: (column, value)
    counts  of rows: inserted, deleted, updated
    patch   lines of a unified diff
    is_whole  False: something of it could not be compared, as `notes` say
    """

    snapshot: Snapshot
    what: str
    change: str
    name: str = ""
    key: tuple[tuple[str, str | None], ...] = ()
    values: tuple[Value, ...] = ()
    counts: tuple[int, int, int] | None = None
    patch: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    is_whole: bool = True


class Differ(Protocol):
    """Compares snapshots of one strand, newest first: each pair once, then the oldest."""

    def between(self, older: Snapshot, newer: Snapshot) -> Iterator[Event]: ...

    def first(self, oldest: Snapshot) -> Iterator[Event]: ...


@runtime_checkable
class Foreseeing(Protocol):
    """A Differ that does better if it knows which comparisons come next."""

    def foresee(self, window: Sequence[Snapshot]) -> None:
        """Of these, newest first, each will be compared with the next one. What cannot be read is left to `between`."""

    def close(self) -> None:
        """Give back what was foreseen and not asked for."""


def history(strand: Iterable[Snapshot], differ: Differ) -> Iterator[Event]:
    """Newest first, as `strand` is. A snapshot that cannot be read is told and passed over; what it told before that is not told again."""
    newer: Snapshot | None = None
    told = array("q")
    snapshots = iter(strand)
    try:
        while window := list(islice(snapshots, FORESEEN)):
            if isinstance(differ, Foreseeing):
                differ.foresee(window if newer is None else [newer, *window])
            for snapshot in window:
                try:
                    if newer is not None:
                        yield from _untold(differ.between(snapshot, newer), told)
                    newer, told = snapshot, array("q")
                except IntegrityError as error:
                    yield unread(snapshot, error)
        if newer is not None:
            try:
                yield from differ.first(newer)
            except IntegrityError as error:
                yield unread(newer, error)
    finally:
        if isinstance(differ, Foreseeing):
            differ.close()


def _untold(events: Iterable[Event], told: array[int]) -> Iterator[Event]:
    """Without what comparisons of the same snapshot that broke off have `told`, by its hash, as often as they did; notes what it tells."""
    known = Counter(told)
    for event in events:
        number = hash(event)
        if known[number]:
            known[number] -= 1
        else:
            told.append(number)
            yield event


class Several:
    """Implements Differ by several of them, in their order."""

    def __init__(self, *differs: Differ) -> None:
        self._differs = differs

    def between(self, older: Snapshot, newer: Snapshot) -> Iterator[Event]:
        for differ in self._differs:
            yield from differ.between(older, newer)

    def first(self, oldest: Snapshot) -> Iterator[Event]:
        for differ in self._differs:
            yield from differ.first(oldest)

    def foresee(self, window: Sequence[Snapshot]) -> None:
        for differ in self._differs:
            if isinstance(differ, Foreseeing):
                differ.foresee(window)

    def close(self) -> None:
        for differ in self._differs:
            if isinstance(differ, Foreseeing):
                differ.close()


def unread(snapshot: Snapshot, error: IntegrityError) -> Event:
    return Event(snapshot=snapshot, what="snapshot", change=UNREAD, notes=(error.message,))


def not_captured(tables: Iterable[TableName]) -> str:
    return f"not compared: rows of {', '.join(map(show_name, tables))} were not captured"


def shown(field: bytes) -> str | None:
    """The value of a field of COPY text in UTF-8."""
    return None if field == NULL else unescape(field).decode("utf-8", "backslashreplace")


def unified(before: str, after: str) -> tuple[str, ...]:
    """Without the lines that name files."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
    return tuple(lines)[2:]
