"""A database that gets back single rows: the Protocols beside those of `ports`. Spec 76-selection, "Putting rows back"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from vault.model import TableName, TargetFacts
from vault.model.put_back import (
    Decided,
    LeftOut,
    PutBackScope,
    RowWriter,
    SampleRow,
    StagedTable,
    StandingReference,
    StandingTable,
    WantedRows,
)


class PutBackSession(Protocol):
    """One connection with fixed settings, used by one thread. Until `writing` it changes nothing but temporary tables of its own."""

    def references(self) -> Sequence[StandingReference]:
        """Every foreign key of the database, between roots of partitioned tables. Raises SourceError; Unreachable"""

    def look(self, tables: Iterable[TableName]) -> Mapping[TableName, StandingTable]:
        """Those that are there. Raises  SourceError; Unreachable"""

    def stage(self, table: StagedTable, blocks: Iterable[bytes], *, wanted: WantedRows) -> int:
        """Rows as `ops.put_back.staged_rows` writes them, in UTF-8; returns how many. Raises SourceError; Unreachable"""

    def stage_extra(self, table: StagedTable, blocks: Iterable[bytes], *, wanted: WantedRows) -> None:
        """Values of `table.extra` for every row of the snapshot, key columns first; after `stage`. Raises as `stage`"""

    def mark(self, scope: PutBackScope) -> Sequence[LeftOut]:
        """Mark what was asked for, and what comes along; what was found and does not come is told. Raises as `stage`"""

    def decide(self, scope: PutBackScope) -> Sequence[Decided]:
        """What would become of the marked rows, in the order of `scope.tables`; under `writing` of locked rows. Raises as `stage`

        Raises   Locked: somebody else has held a row for longer than we wait
        """

    def writers(self, table: StagedTable) -> Sequence[RowWriter]:
        """Who wrote the live rows that differ, most rows first; after `decide`."""

    def sample(self, table: StagedTable, rows: int) -> Sequence[SampleRow]:
        """The first rows that are written, then of those in conflict, `rows` of each at most; after `decide`."""

    def writing(self, scope: PutBackScope) -> AbstractContextManager[None]:
        """One transaction, READ COMMITTED, that waits for locks a bounded time; what stands there has to be what was planned for.

        Triggers and foreign keys are off if `scope.replica`. Everything is undone if it is left by an exception.
        Raises  Incoherent: a table was altered since; Locked; SourceError; Unreachable
        """

    def undo(self, scope: PutBackScope) -> Iterator[bytes]:
        """A script for psql that brings back what `write` will overwrite, from the decided rows. Raises as `stage`"""

    def write(self, scope: PutBackScope) -> None:
        """Write the decided rows; verify how many arrived, what they are, and their foreign keys.

        Raises   SourceError: it is not as decided, leave `writing` by it; Locked; Unreachable
        """


class PutBackTarget(Protocol):
    """A database that gets rows back, from connecting to `close`."""

    @property
    def facts(self) -> TargetFacts: ...
    def put_back(self) -> PutBackSession:
        """A new connection. Raises  Unreachable; SourceError"""

    def close(self) -> None:
        """Close every connection. Never raises."""
