"""A database to restore into: what it is and allows, and what became of what was brought. Spec 75-restore."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from vault.model.address import TableName
from vault.model.database import Identity, Owned, Roles, SchemaEntry
from vault.model.meaning import Meanings


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSchema:
    """`may_create`: whether the restoring role may create in it."""

    name: str
    owner: str
    may_create: bool


class Cut(Enum):
    """How a row that is there by its key no longer refers as it did: to nothing; in any other way; or to another row, with all others
    that referred to the same one, as ON UPDATE CASCADE makes it."""

    NULL = auto()
    OTHERWISE = auto()
    MOVED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFacts:
    """A target before anything is written to it. `roles` are without their verifiers; tuples of names are sorted.

    verifiers     of roles that have one; None: that may not be read
    in_the_way    objects that an empty database does not have
    extensions    what CREATE EXTENSION could install
    extension_versions  pairs of name and version that CREATE EXTENSION could install
    properties    of the database, as in CatalogFacts, with the versions of all collations
    acts_as       roles whose objects the restoring role may create and alter; empty for a superuser, who may all
    may_replicate whether it may switch triggers and foreign keys off (session_replication_role)
    """

    version_num: int
    version: str
    system_id: str
    database: str
    database_oid: int
    encoding: str
    user: str
    superuser: bool
    roles: Roles
    in_the_way: tuple[str, ...]
    extensions: tuple[str, ...]
    extensions_installed: tuple[str, ...]
    tablespaces: tuple[str, ...]
    extension_versions: tuple[tuple[str, str], ...] = ()
    properties: Mapping[str, str | None] = field(default_factory=dict)
    acts_as: tuple[str, ...] = ()
    schemas: tuple[TargetSchema, ...] = ()
    may_create_schemas: bool = True
    may_create_roles: bool = True
    may_replicate: bool = True
    verifiers: Mapping[str, str] | None = field(default=None, repr=False)

    @property
    def database_key(self) -> tuple[str, int]:
        """As ServerFacts.database_key."""
        return self.system_id, self.database_oid


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """Definitions that a target has; empty for an empty database. `columns`: of every table that can be read.

    `unreadable`: tables of which nothing is known but that they are there; `read_only`: tables and sequences that the
    restoring role may not write; `homes`: schema and name of the relation of each index and statistics object; `acls`: as in
    CatalogFacts; `triggers`: of a table, what fires when rows are inserted, and whether the restoring role can silence it;
    `meanings`: what expressions call there.
    """

    entries: Mapping[Identity, SchemaEntry] = field(default_factory=dict)
    columns: Mapping[TableName, frozenset[str]] = field(default_factory=dict)
    unreadable: frozenset[TableName] = frozenset()
    read_only: frozenset[TableName] = frozenset()
    homes: Mapping[Identity, tuple[str, ...]] = field(default_factory=dict)
    acls: tuple[Owned, ...] = ()
    triggers: Mapping[TableName, tuple[tuple[str, bool], ...]] = field(default_factory=dict)
    meanings: Meanings = field(default_factory=Meanings)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenReference:
    """A foreign key that `rows` violate, or of which that is not known: `unverified` says why."""

    name: str
    table: TableName
    rows: int
    unverified: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedRows:
    """What became of rows in a table that had some. `differing`: same key, other values, left as they are.

    `refused`: rows that did not arrive: a unique key of another row, or a trigger, kept them out; `changed`: rows of
    a key that is there, replaced; `fired`: triggers and rules that could not be switched off; `stranded`: foreseen, what refers to rows that would be gone.
    """

    added: int
    removed: int = 0
    changed: int = 0
    differing: int = 0
    refused: int = 0
    fired: tuple[str, ...] = ()
    stranded: tuple[BrokenReference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendedCheck:
    """A dropped CHECK.

    `add`: statements that bring it back as NOT VALID, none if somebody else dropped it; `validate`: statements that validate it,
    in each of the ways that may find what its functions name, none if it was not valid before
    """

    name: str
    subject: str
    add: tuple[str, ...]
    validate: tuple[tuple[str, ...], ...]
