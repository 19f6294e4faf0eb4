"""Rows of a snapshot that are put back into a table that has others: what stands there, what is staged, what becomes of each row.

Three states of a row are compared: S, the snapshot with the good values; E, the evidence of the damage; L, the live row under lock.
Spec 76-selection, "Putting rows back".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from vault.model.address import TableName


class WantedRows(Enum):
    """`--rows`: deleted rows, overwritten ones, or both. Rows that came since are never removed."""

    MISSING = "missing"
    CHANGED = "changed"
    ALL = "all"


class Evidence(Enum):
    """What says that a live value is the damage and no later work: a snapshot, the transaction that wrote the row, or nothing."""

    SNAPSHOT = "snapshot"
    TRANSACTION = "transaction"
    NONE = "none"


class Fate(Enum):
    """What becomes of a staged row. The letter is how the target's tables of decisions know it."""

    INSERTED = "i"
    UPDATED = "u"
    """At least one column is put back; others may be in conflict."""
    DONE = "d"
    """It is there as in the snapshot already."""
    CHANGED_SINCE = "c"
    """Each column that was damaged has a third value now."""
    GONE_SINCE = "g"
    """It was overwritten, and is not there any more."""
    THERE_OTHERWISE = "o"
    """It was deleted, and is there again with other values."""
    KEY_TAKEN = "k"
    """Another row has the value of a unique key by now."""
    PARTNERLESS = "p"
    """It refers to a row that is not there and does not come."""
    OF_OTHERS = "x"
    """Another transaction than the one that was named wrote it last: it stays, and that is no conflict."""


CONFLICTS = (Fate.CHANGED_SINCE, Fate.GONE_SINCE, Fate.THERE_OTHERWISE, Fate.KEY_TAKEN, Fate.PARTNERLESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingColumn:
    """A column of a table of the target. `base`: its type in words, of a domain the type below it.

    computed  the server computes it (generated columns): it is never written
    always    an identity GENERATED ALWAYS: no UPDATE may set it
    missing   text of an array with the one value that rows have which were written before the column was added; empty: NULL
    """

    name: str
    base: str
    computed: bool = False
    always: bool = False
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingTable:
    """A table of the target as it is now. Equal exactly while nothing of it was altered.

    keys       columns of its unique keys, the primary one first
    deferrable whether one of them is
    pages      of all partitions, for choosing how to look rows up
    always     triggers and rules of users that fire in spite of session_replication_role = replica
    others     those that fire without it
    barred     a function of somebody else that looking at the rows would run; empty: none
    lacking    privileges that the session does not have
    """

    name: TableName
    oid: int
    partitioned: bool
    partition: bool
    columns: tuple[StandingColumn, ...]
    keys: tuple[tuple[str, ...], ...]
    deferrable: bool
    pages: int = field(compare=False)
    always: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    barred: str = ""
    lacking: tuple[str, ...] = ()

    @property
    def by_name(self) -> dict[str, StandingColumn]:
        return {column.name: column for column in self.columns}


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingReference:
    """A foreign key of the target. `operators` compare a parent's column (left) with a child's, as SQL.

    cuts_off  SET NULL or SET DEFAULT where a delete of the parent does that to the child; `cascades`: it deletes the child
    unverified  why it is not looked after: rows that violate it may be there (NOT VALID, NOT ENFORCED), or it is no equality (PERIOD)
    of_leaf   it is that of a single partition, so not every row of the root has it
    """

    name: str
    child: TableName
    columns: tuple[str, ...]
    parent: TableName
    parent_columns: tuple[str, ...]
    operators: tuple[str, ...]
    child_partitioned: bool = False
    parent_partitioned: bool = False
    cascades: bool = False
    cuts_off: str = ""
    unverified: str = ""
    of_leaf: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedTable:
    """What of a table is staged: `columns` that both snapshots have, then `extra` ones that the evidence lacks.

    number  tells its temporary tables from those of others
    asked   rows of it were asked for; else it is there for those that refer to them, or that they refer to
    """

    number: int
    standing: StandingTable
    columns: tuple[str, ...]
    key: tuple[str, ...]
    extra: tuple[str, ...] = ()
    asked: bool = False

    @property
    def name(self) -> TableName:
        return self.standing.name

    @property
    def all_columns(self) -> tuple[str, ...]:
        return (*self.columns, *self.extra)


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBackScope:
    """All that one put back is about. `tables`: parents before children, as far as foreign keys allow an order.

    references       foreign keys of the target that start or end at one of `tables`
    with_references  rows that refer to what comes back, and rows that it refers to, come along
    fire             triggers fire, and foreign keys act, as for any other writer
    replica          triggers and foreign keys are off, and what they would have refused is looked for instead
    """

    tables: tuple[StagedTable, ...]
    references: tuple[StandingReference, ...]
    wanted: WantedRows
    evidence: Evidence
    xid: int | None = None
    with_references: bool = False
    fire: bool = False
    replica: bool = True

    def of(self, name: TableName) -> StagedTable | None:
        return next((table for table in self.tables if table.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """How many rows of a table have each fate; `columns`: how often each is put back; `conflicts`: how often each has a third value."""

    table: TableName
    fates: dict[Fate, int] = field(default_factory=dict)
    columns: dict[str, int] = field(default_factory=dict)
    conflicts: dict[str, int] = field(default_factory=dict)

    @property
    def inserted(self) -> int:
        return self.fates.get(Fate.INSERTED, 0)

    @property
    def updated(self) -> int:
        return self.fates.get(Fate.UPDATED, 0)

    @property
    def written(self) -> int:
        return self.inserted + self.updated

    @property
    def in_conflict(self) -> int:
        """Rows that are left wholly as they are although they were asked for."""
        return sum(self.fates.get(fate, 0) for fate in CONFLICTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Rows that refer to what comes back, or that it refers to, and that were not asked for. `why` in words."""

    reference: StandingReference
    gone: int = 0
    cut_off: int = 0
    needed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RowWriter:
    """Live rows that differ from the snapshot and that one transaction wrote last. `committed`: RFC 3339, where the server tracks it."""

    xid: int
    rows: int
    committed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRow:
    """A row as text for people: its key, and of each column that changes the value now (None: NULL, or no row) and then."""

    table: TableName
    fate: Fate
    key: tuple[tuple[str, str | None], ...]
    values: tuple[tuple[str, str | None, str | None], ...]
