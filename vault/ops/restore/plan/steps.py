"""What a restore will do, as one value: parts by what they are about, each in the order of its steps. Pure.

`plan` makes it, `show` prints it, `restore/run` executes it. Spec 75-restore.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from vault.model import Identity, SchemaEntry, TableItem, TableName, TargetFacts
from vault.ops.project.components import COMPONENTS, SUPABASE, Selectors
from vault.ops.restore.plan.comes_along import Picked
from vault.ops.restore.plan.contents import Contents, bytes_of, rows_of
from vault.ops.restore.plan.decision import Action, Decision, Exchange, RowMode, TableRows
from vault.ops.restore.plan.only_words import Wanted
from vault.ops.restore.plan.referring_tables import Reference
from vault.ops.restore.plan.roles import RoleSteps

_OF_SCHEMA: Final = frozenset({"schema", "rls_policies", "rpc_functions", "encryption"})
_OF_DATA: Final = frozenset({"data", "users", "user_roles"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    """`replace`: what differs becomes as recorded, rows too (-c). `into_source`: a source may be the target.

    `sources`: key of each database that the repository has snapshots of -> name of its source.
    """

    wanted: Wanted = field(default_factory=Wanted)
    replace: bool = False
    into_source: bool = False
    sources: Mapping[tuple[str, int], str] = field(default_factory=dict)
    selectors: Selectors = SUPABASE


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeSteps:
    """An exchange in the order of its steps; `then`: indexes, constraints, ..., privileges and what comes last."""

    exchange: Exchange
    definitions: tuple[int, ...]
    row_security: Mapping[int, tuple[int, ...]]
    tables: tuple[TableItem, ...]
    sequences: frozenset[TableName]
    then: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionSteps:
    """Positions of entries that are created or replaced, outside of exchanges; a position is in one of them.

    before_rows  serial
    row_security position of a TABLE -> positions of ROW SECURITY entries that belong in its transaction
    after_rows   indexes, constraints, triggers, rules, policies ...: in parallel as `needs` allow
    attachments  of partitions to tables that were there, and of their indexes: after all that makes the partition whole
    last         event triggers, refreshes of materialized views, and comments and labels of event triggers
    left_out     what is never executed
    """

    before_rows: tuple[int, ...]
    row_security: Mapping[int, tuple[int, ...]]
    after_rows: tuple[int, ...]
    attachments: tuple[int, ...]
    last: tuple[int, ...]
    left_out: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSteps:
    """What is brought of rows and values, outside of exchanges, and what has to be known for it.

    tables            members of extensions, then largest first
    late              after everything else: rows that start jobs
    owner_of_sequence of serial and identity columns
    read_only         tables and sequences that the restoring role may not write
    references        foreign keys to tables whose rows come into a target that is not empty
    """

    tables: tuple[TableRows, ...]
    late: tuple[TableRows, ...]
    owner_of_sequence: Mapping[TableName, TableName]
    read_only: frozenset[TableName]
    references: tuple[Reference, ...]

    @property
    def all(self) -> tuple[TableRows, ...]:
        return (*self.tables, *self.late)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessSteps:
    """Who may do what afterwards.

    privileges  positions of ACL and DEFAULT ACL entries
    resets      objects whose privileges become the built-in ones
    drops       policies that the target has alone
    """

    privileges: tuple[int, ...]
    resets: tuple[Identity, ...]
    drops: tuple[SchemaEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePlan:
    """What a restore does, in the order in which it is done, and what it is told from; numbers are positions in `contents.items`.

    decisions  for every entry that was picked; what is created or replaced is in one of the steps
    exchanges  what is dropped and created anew, after the definitions before the rows, and before the other rows
    refused    (name, why): what was asked for and will not be done
    fresh      the target is empty
    """

    contents: Contents
    target: TargetFacts
    options: RestoreOptions
    picked: Picked
    decisions: Mapping[int, Decision]
    roles: RoleSteps
    definitions: DefinitionSteps
    exchanges: tuple[ExchangeSteps, ...]
    row_steps: RowSteps
    access: AccessSteps
    refused: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    fresh: bool

    @property
    def whole(self) -> bool:
        """Everything of the snapshot, into a database that had nothing: both count the same afterwards."""
        return self.fresh and self.options.wanted.everything and self.options.wanted.definitions

    @property
    def tables(self) -> tuple[TableItem, ...]:
        exchanged = (item for steps in self.exchanges for item in steps.tables)
        return (*(item for rows in self.row_steps.all for item in rows.items), *exchanged)

    @property
    def counted(self) -> frozenset[str]:
        """Components that come whole, so that the target has at least what the snapshot counts of them."""
        wanted = self.options.wanted
        named = wanted.components | (frozenset(COMPONENTS) if wanted.everything else frozenset())
        whole = (
            named | (_OF_SCHEMA if "schema" in named else frozenset()) | (_OF_DATA if "data" in named else frozenset())
        )
        if not wanted.definitions:
            whole -= _OF_SCHEMA
        return whole if wanted.data else whole - _OF_DATA

    def tables_by(self, mode: RowMode) -> list[TableItem]:
        return [item for rows in self.row_steps.all if rows.mode is mode for item in rows.items]

    @property
    def rows(self) -> int:
        return sum(rows_of(table) for table in self.tables)

    @property
    def bytes(self) -> int:
        return sum(bytes_of(table) for table in self.tables)

    @property
    def created_empty(self) -> list[TableName]:
        """Tables that only come because something needs them."""
        coming = {item.name for item in self.picked.tables}
        created = self.created_tables
        names = (item.name for item in self.contents.tables if rows_of(item) and item.name not in coming)
        return [name for name in names if name in created and self.options.wanted.data]

    @property
    def created_tables(self) -> frozenset[TableName]:
        identities = (self.contents.items[at].identity for at in self.positions(Action.CREATE))
        return frozenset(identity.relation for identity in identities if identity.desc == "TABLE")

    def positions(self, *actions: Action) -> list[int]:
        left_out = self.definitions.left_out
        return sorted(at for at, done in self.decisions.items() if done.action in actions and at not in left_out)
