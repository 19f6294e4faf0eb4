"""What a guard looks at: facts of two snapshots, without a row or a byte of a file. Values only.

Of what both have in common as little as is needed: a fact that is not there on either side tells nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from vault.model import Address, Sums, TableName
from vault.ops.project import supabase
from vault.sql.names import show_name

ROWS_LOST_MIN: Final = 10
"""Fewer rows of a table are no warning, be it half of them."""
BYTES_LOST_MIN: Final = 1 << 20
"""Fewer bytes are none either."""
REWRITTEN_BYTES_MIN: Final = 32 << 20
"""A smaller project is written anew by one migration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """`[guard]`. `rows_lost_percent`: a table that lost more is told; `ignore`: tables whose rows may go, and views that may go themselves, `*` for any text."""

    rows_lost_percent: int = 50
    ignore: tuple[str, ...] = ()
    users_table: TableName = supabase.USERS_TABLE
    platform_schemas: frozenset[str] = supabase.PLATFORM_SCHEMAS
    churning: frozenset[TableName] = supabase.CHURNING_TABLES

    def ignores(self, name: TableName) -> bool:
        return name in self.churning or any(fnmatchcase(show_name(name), pattern) for pattern in self.ignore)

    def is_lost(self, before: int, after: int, *, at_least: int) -> bool:
        """Whether more than the share is gone, and at least so many."""
        lost = before - after
        return lost >= at_least and lost * 100 > self.rows_lost_percent * before


DEFAULTS: Final = Terms()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFact:
    """`bytes`: of the text of its rows."""

    oid: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSecurity:
    enabled: bool
    forced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFacts:
    """Of one of two snapshots. What both have and have alike may be left out of both, but never of one.

    key           system identifier and oid of the database
    lacks_large_objects   some that are there are not captured
    tables        all, as soon as one of them shrank, is gone, or has nothing granted on it any more
    parents       a partition, or a table that inherits, and the one above it
    undescribed   of the tables that are gone, those whose definition is there: only their rows are missing
    schemas       those that the other one has not
    described     tables and views that the other one has no definition of, partitioned ones too
    policies      (table, name) -> its definition without the name; of those that the other has not, or not so
    row_security  of tables where it is not as in the other one
    functions     (schema, name), of the project's own
    routines      (schema, name) -> what each function of that name is, without its name; of those that the other has not
    views         name -> what it selects; of those that the other has not
    triggers      (table, name) -> what it runs; of those that the other has not
    granted       object -> what is granted on it; of those on which the other has nothing granted, but of none that the other has not
    powers        role -> what it may do like a superuser
    """

    key: tuple[str, int]
    rows: int
    large_objects: Sums = field(default_factory=Sums)
    lacks_large_objects: bool = False
    tables: Mapping[TableName, TableFact] = field(default_factory=dict)
    parents: Mapping[TableName, TableName] = field(default_factory=dict)
    undescribed: frozenset[TableName] = frozenset()
    schemas: frozenset[str] = frozenset()
    described: frozenset[TableName] = frozenset()
    policies: Mapping[tuple[TableName, str], str] = field(default_factory=dict)
    row_security: Mapping[TableName, RowSecurity] = field(default_factory=dict)
    functions: frozenset[tuple[str, str]] = frozenset()
    routines: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    views: Mapping[TableName, str] = field(default_factory=dict)
    triggers: Mapping[tuple[TableName, str], str] = field(default_factory=dict)
    granted: Mapping[Address, str] = field(default_factory=dict)
    powers: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`database`: None where there is none, or where the two are of other parts of it. `directories`: those that both were asked for.

    `bytes`: of all rows and files; `new_bytes`: what the snapshot added to the repository.
    """

    database: DatabaseFacts | None = None
    directories: Mapping[str, Sums] = field(default_factory=dict)
    bytes: int = 0
    new_bytes: int = 0
