"""A statement over snapshots, answered by a server that has rows of those tables alone that the statement reads.

Which these are the server says: a statement holds a lock on every table that it read until its transaction ends, and on all that it
names as soon as it is planned. So it is planned, what it names is loaded; it is run, and if it read another table (in a function, say),
that is loaded and it is run again. Invariant: no answer is given that was taken while a table it read was empty, or of a table whose rows the snapshot does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from vault.errors import NotThere, UsageError
from vault.model import Column, TableItem, TableName
from vault.ops.datasets.rows import DatasetRows
from vault.pipeline import copytext
from vault.ports import Progress
from vault.repo.snapshot import Snapshot
from vault.sql.names import show_name

_ROUNDS_MAX: Final = 20
"""Each finds a table that only the rows of another one led to."""


Values = Sequence[bytes | None]
"""A row as the server prints it, without escapes."""


class AskedDatabase(Protocol):
    """A session of a login that may read and write nothing."""

    def touched(self, statement: str) -> frozenset[int]:
        """Oids of the relations that a statement names, through views and partitions too. Raises  UsageError: it is none that reads"""

    def run(
        self, statement: str, write: Callable[[Sequence[Values]], object]
    ) -> tuple[Sequence[Column], frozenset[int]]:
        """Hand rows of the answer to `write`, in UTF-8; returns its columns, and what it read. Raises  UsageError"""


class FilledDatabase(Protocol):
    """The same database as its owner."""

    def relations(self) -> Mapping[int, tuple[TableName, str]]:
        """Those of users by oid, with the kind as in pg_class: r, m (materialized view), ..."""

    def load(self, name: TableName, columns: Sequence[str], blocks: Iterator[bytes]) -> None:
        """COPY text in UTF-8. Raises  SourceError: the table does not take a row"""

    def definition(self, oid: int) -> str:
        """The query of a materialized view."""

    def refresh(self, name: TableName) -> None:
        """Fill a materialized view. Raises  SourceError"""


@dataclass(slots=True, kw_only=True)
class QueryDatabase:
    """Tables of the database -> the snapshot and the table that their rows come from. `loaded`: what is filled, with its rows."""

    tables: Mapping[TableName, tuple[Snapshot, TableItem]]
    asked: AskedDatabase
    filled: FilledDatabase
    progress: Progress
    loaded: dict[TableName, int] = field(default_factory=dict)
    _relations: Mapping[int, tuple[TableName, str]] = field(default_factory=dict)

    def answer(self, statement: str, begin: Callable[[], Callable[[bytes], object]]) -> Sequence[Column]:
        """`begin` starts the answer anew and gives what takes its COPY text. Raises  UsageError; SourceError; IntegrityError"""
        self._relations = self.filled.relations()
        self._fill(self.asked.touched(statement))
        for _ in range(_ROUNDS_MAX):
            take = begin()
            columns, read = self.asked.run(statement, lambda rows: take(copy_text(rows)))  # noqa: B023
            if not self._fill(read):
                return columns
        raise UsageError(
            "the statement reads another table each time it is run",
            why="each table's rows lead to one more, and none of its answers was a whole one",
            hint="name the tables in the statement itself",
        )

    def _fill(self, oids: frozenset[int]) -> bool:
        """Whether there was anything to fill."""
        wanted = [(oid, *self._relations[oid]) for oid in sorted(oids) if oid in self._relations]
        empty = [(oid, name, kind) for oid, name, kind in wanted if kind in "rm" and name not in self.loaded]
        for oid, name, kind in empty:
            if name in self.loaded:
                continue  # a view before it needed it
            self.loaded[name] = 0
            if kind == "m":
                self._fill(self.asked.touched(self.filled.definition(oid)))
                self.filled.refresh(name)
            else:
                self._load(name)
        return bool(empty)

    def _load(self, name: TableName) -> None:
        """Raises  NotThere: the snapshot has the table without its rows"""
        if name not in self.tables:
            raise NotThere(
                f"the rows of {show_name(name)} are not in the snapshot",
                why="it has the table's definition alone, so what is asked cannot be answered from it",
                hint="see why: pgvault show SNAP; another snapshot may have them",
            )
        snapshot, item = self.tables[name]
        self.progress.stage(f"rows of {show_name(name)}", item.sums.bytes)
        blocks = DatasetRows(snapshot, item, values=False).blocks()
        self.filled.load(name, [column.name for column in item.columns], self._told(blocks))
        self.loaded[name] = item.sums.rows

    def _told(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.progress.advance(len(block), rows=block.count(b"\n"))
            yield block


def copy_text(rows: Sequence[Values]) -> bytes:
    """Of rows as a server prints them."""
    return b"".join(
        b"\t".join(b"\\N" if value is None else copytext.escape(value) for value in row) + b"\n" for row in rows
    )
