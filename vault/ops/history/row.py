"""The rows of a table that have certain values, in one snapshot after the other, newest first.

A table is followed by its oid when it was called otherwise earlier, and so are its columns; what is read of it, and in which order, is
`leaf_history`'s. Values are compared as COPY prints them. A row is held whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from vault.errors import IntegrityError, Malformed, UsageError
from vault.model import TableItem, TableName
from vault.ops.diff.columns import matched_columns
from vault.ops.diff.tables import same_database
from vault.ops.history.leaf_history import SIDE_BY_SIDE, HeldRows, LeafThen, Wanted, read_history
from vault.repo.leaves import leaves, uncaptured
from vault.repo.snapshot import Snapshot
from vault.sql.names import one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRow:
    """A row as it is stored: COPY text without its end, in the encoding of its server."""

    item: TableItem
    line: bytes
    codec: str

    def values(self) -> dict[str, bytes]:
        """Column -> COPY text in UTF-8. Raises  Malformed"""
        fields = self.line.split(b"\t") if self.item.columns else []
        if len(fields) != len(self.item.columns):
            raise Malformed("the rows of a table do not have as many fields as the table has columns")
        if self.codec != "utf-8":
            fields = [field.decode(self.codec, "backslashreplace").encode() for field in fields]
        return {column.name: field for column, field in zip(self.item.columns, fields, strict=True)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsThen:
    """The rows that fit in one snapshot.

    items    the table, or its partitions, as they were; none: it is not there
    wanted   the columns that were asked for, as they were called
    lacking  columns that were asked for and that the table does not have; then no row fits
    unread   why the snapshot could not be looked into
    uncaptured   the table, or partitions of it, that are there without their rows: then nothing else is told of the snapshot
    """

    snapshot: Snapshot
    rows: tuple[StoredRow, ...] = ()
    items: tuple[TableItem, ...] = ()
    wanted: frozenset[str] = frozenset()
    lacking: tuple[str, ...] = ()
    uncaptured: tuple[TableName, ...] = ()
    unread: IntegrityError | None = None


def rows_then(strand: Iterable[Snapshot], table: TableName, wanted: Wanted) -> Iterator[RowsThen]:
    """For each snapshot, in the order of `strand`, newest first.

    table   as it is called in the newest snapshot that has it; one that was called otherwise earlier is followed
    wanted  at least one column
    Raises  UsageError: a column has no values of its own, or too many rows fit, when the first such snapshot is told
    """
    past, coming = _Past(table, wanted), iter(strand)
    while window := list(islice(coming, SIDE_BY_SIDE)):
        yield from map(_told, past.read(window))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Then:
    """A snapshot whose rows are not told yet. `items`, `wanted`, `uncaptured` as in RowsThen; `parts`: a leaf for each item; `failure`
    instead of them"""

    snapshot: Snapshot
    parts: tuple[LeafThen, ...] = ()
    items: tuple[TableItem, ...] = ()
    wanted: frozenset[str] = frozenset()
    uncaptured: tuple[TableName, ...] = ()
    failure: IntegrityError | UsageError | None = None


def _told(then: _Then) -> RowsThen:
    """Raises  UsageError"""
    try:
        for failure in (then.failure, *(leaf.unread or leaf.refused for leaf in then.parts)):
            if failure is not None:
                raise failure
        return RowsThen(
            snapshot=then.snapshot,
            rows=tuple(
                StoredRow(item=leaf.item, line=line, codec=leaf.codec) for leaf in then.parts for line in leaf.lines()
            ),
            items=then.items,
            wanted=then.wanted,
            uncaptured=then.uncaptured,
            lacking=tuple(dict.fromkeys(name for leaf in then.parts for name in leaf.lacking)),
        )
    except IntegrityError as error:
        return RowsThen(snapshot=then.snapshot, unread=error)


class _Past:
    """The table and the wanted columns by the names that they had, and the leaves of the last snapshot that has the table."""

    def __init__(self, table: TableName, wanted: Wanted) -> None:
        self._table, self._wanted = table, wanted
        self._newer: Snapshot | None = None
        self._later: Mapping[TableName, LeafThen] = {}
        self._histories: list[tuple[LeafThen | None, list[LeafThen]]] = []
        self._going_on: dict[int, list[LeafThen]] = {}

    def read(self, window: Iterable[Snapshot]) -> Sequence[_Then]:
        """Newest first, as the windows come. Raises  UsageError: far too many rows fit"""
        self._histories, self._going_on = [], {}
        then = [self._prepared(snapshot) for snapshot in window]
        held = HeldRows()
        for known, history in self._histories:
            read_history(history, known=known, held=held)
        return then

    def _prepared(self, snapshot: Snapshot) -> _Then:
        try:
            return self._then(snapshot)
        except (IntegrityError, UsageError) as error:
            return _Then(snapshot=snapshot, failure=error)

    def _then(self, snapshot: Snapshot) -> _Then:
        table, items = self._table, leaves(snapshot, self._table)
        if not items and (renamed := self._renamed(snapshot)) is not None:
            table, items = renamed.name, [renamed]
        is_alone = len(items) == 1 and items[0].name == table
        lacking = () if is_alone else tuple(uncaptured(snapshot, table))
        if lacking or not items:
            return _Then(snapshot=snapshot, uncaptured=lacking)
        wanted = self._names_then(snapshot, items)
        parts = [LeafThen(snapshot, item, wanted) for item in items]
        _refuse_generated(parts, wanted)
        for leaf in parts:
            self._add(leaf)
        self._table, self._wanted, self._newer = table, wanted, snapshot
        self._later = {leaf.item.name: leaf for leaf in parts}
        return _Then(snapshot=snapshot, parts=tuple(parts), items=tuple(items), wanted=frozenset(wanted))

    def _add(self, leaf: LeafThen) -> None:
        """To the history of a leaf one snapshot later, unless another one goes on with it. Whichever it is, equal chunks hold equal rows."""
        only = next(iter(self._later.values())) if len(self._later) == 1 else None
        later = self._later.get(leaf.item.name, only)
        if later is None or not leaf.is_read_as(later):
            later = None
        history = None if later is None else self._going_on.pop(id(later), None)
        if history is None:
            history = []
            self._histories.append((later, history))
        history.append(leaf)
        self._going_on[id(leaf)] = history

    def _renamed(self, snapshot: Snapshot) -> TableItem | None:
        """The table with the oid that it had later, in the same database."""
        if self._newer is None or len(self._later) != 1 or not same_database(snapshot, self._newer):
            return None
        oid = next(iter(self._later.values())).item.oid
        return next((item for item in snapshot.tables() if item.oid == oid), None)

    def _names_then(self, snapshot: Snapshot, items: Sequence[TableItem]) -> Wanted:
        """The same columns by the names that they had."""
        if self._newer is None:
            return self._wanted
        pairs = [(leaf.item, then) for then in items for leaf in self._later.values() if leaf.item.oid == then.oid]
        now, then = pairs[0] if pairs else (next(iter(self._later.values())).item, items[0])
        same_table = bool(pairs) and same_database(snapshot, self._newer)
        names = {new.name: old.name for old, new in matched_columns(then.columns, now.columns, same_table=same_table)}
        return {names.get(name, name): value for name, value in self._wanted.items()}


def _refuse_generated(parts: Sequence[LeafThen], wanted: Wanted) -> None:
    for leaf in parts:
        computed = [column.name for column in leaf.item.generated if column.name in wanted]
        if computed:
            raise UsageError(
                f"{one_line(computed[0])} is a generated column",
                why="the server computes its values, they are no part of a row",
                hint="name the columns that it is computed from",
            )
