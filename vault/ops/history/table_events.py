"""How many rows of a table were inserted, deleted and updated from snapshot to snapshot. A table that did not change costs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vault.errors import NotThere
from vault.model import TableName
from vault.ops.diff.rows import TableChanges, changed_tables
from vault.ops.diff.scratch import Scratch
from vault.ops.history.comparisons import Comparisons
from vault.ops.history.events import CHANGED, CREATED, DROPPED, THERE, Event, not_captured
from vault.repo.leaves import leaves
from vault.repo.snapshot import Snapshot
from vault.sql.names import show_name


class TableDiffer:
    """Implements events.Differ and Foreseeing. Follows a table that was called otherwise earlier. `key`: as `changed_tables` takes it"""

    def __init__(self, name: TableName, *, scratch: Scratch, key: bytes) -> None:
        self._name, self._scratch, self._key = name, scratch, key
        self._comparisons = Comparisons(self._find)

    def foresee(self, window: Sequence[Snapshot]) -> None:
        self._comparisons.foresee(window, self._name)

    def close(self) -> None:
        self._comparisons.close()

    def _find(self, older: Snapshot, newer: Snapshot, name: TableName | None) -> Iterator[TableChanges]:
        assert name is not None, "it has one"
        if not _is_unchanged(older, newer, name):
            yield from changed_tables(
                older, newer, chosen=lambda one: one == name, scratch=self._scratch, key=self._key
            )

    def between(self, older: Snapshot, newer: Snapshot) -> Iterator[Event]:
        for changes in self._comparisons.between(older, newer, self._name):
            with changes:
                counts = changes.counts()
            self._name = changes.before or self._name
            notes = tuple(_notes(changes))
            if counts.total or notes:
                told = (counts.inserted, counts.deleted, counts.updated)
                change = CHANGED if changes.before and changes.after else CREATED if changes.after else DROPPED
                yield Event(
                    snapshot=newer,
                    what="rows",
                    change=change,
                    counts=told,
                    notes=notes,
                    is_whole=not changes.uncaptured,
                )

    def first(self, oldest: Snapshot) -> Iterator[Event]:
        there = leaves(oldest, self._name)
        if there:
            rows = sum(item.sums.rows for item in there)
            yield Event(snapshot=oldest, what="rows", change=THERE, counts=(rows, 0, 0))


def _is_unchanged(older: Snapshot, newer: Snapshot, name: TableName) -> bool:
    """Whether it is a table by itself, and equal in both; the root of a partitioned one has no rows of its own."""
    try:
        return older.table(name) == newer.table(name)
    except NotThere:
        return False


def _notes(changes: TableChanges) -> Iterator[str]:
    if changes.before and changes.after and changes.before != changes.after:
        yield f"called {show_name(changes.before)} before"
    for word, columns in (("new column", changes.only_after), ("column that is gone", changes.only_before)):
        yield from (f"{word}: {column.name}" for column in columns)
    yield from (f"column {new.name}: {old.type} is {new.type} now" for old, new in changes.retyped)
    if changes.uncaptured:
        yield not_captured(changes.uncaptured)
