"""What is captured of a database: definitions, tables, cluster-wide objects, the server at its moment. Spec 60-snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from vault.ids import ObjectId
from vault.model.address import Address, TableName
from vault.model.objects import ChunkList, ListRef, Sums


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Identity:
    """Name of a schema entry that survives a dump: never an oid, never a tag.

    `desc` is pg_dump's word (TABLE, ACL, ...). `kind`, `names`, `args` are pg_identify_object_as_address of the object,
    or of its subject for entries without a catalog id; `sub` then tells siblings apart (a tag, a column).
    """

    desc: str
    kind: str
    names: tuple[str, ...]
    args: tuple[str, ...] = ()
    sub: str = ""

    @property
    def address(self) -> Address:
        """Of the object that the entry is, or is about. Where pg_dump does not tell it, the tag stands for it."""
        return Address(kind=self.kind, names=self.names if self.kind else (self.sub,), args=self.args)

    @property
    def relation(self) -> TableName:
        """Schema and name with which the address of a relation, or of a part of one, starts. `names` has at least two."""
        return TableName(schema=self.names[0], name=self.names[1])


class Section(IntEnum):
    """Sections of a pg_dump archive, with its numbers."""

    NONE = 1
    PRE_DATA = 2
    DATA = 3
    POST_DATA = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaEntry:
    """One entry of the archive's table of contents, free of dump ids and oids. Text is byte-exact, in UTF-8.

    `function_definition` is pg_get_functiondef for functions and procedures, else empty.
    """

    identity: Identity
    section: Section
    tag: str
    namespace: str
    owner: str
    definition: str
    drop: str
    tablespace: str
    table_access_method: str
    function_definition: str = ""

    @property
    def label(self) -> str:
        """What messages call it: what kind of entry, and pg_dump's tag."""
        return f"{self.identity.desc} {self.tag}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryItem:
    """An item of the entry list."""

    identity: Identity
    section: Section
    entry: ObjectId


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderItem:
    """An entry's place in pg_dump's order; `needs` are positions of earlier or later items."""

    identity: Identity
    section: Section
    entry: ObjectId
    needs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column that COPY delivers, in attnum order. `type` is format_type's text."""

    name: str
    type: str
    attnum: int
    not_null: bool = False


Digest = bytes
"""Of the values of one generated column: 32 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """Rows of heap blocks [start, start+blocks), or of the whole table when `blocks` is 0. `bytes` of COPY text.

    `digests`: one for each of the table's generated columns (pipeline.generated); empty if they were not read.
    `values`: COPY text of these columns, a row for each row, in the same order; None if it was not kept.
    """

    start: int
    blocks: int
    rows: int
    bytes: int
    chunks: ChunkList
    digests: tuple[Digest, ...] = ()
    values: ChunkList | None = None

    @property
    def chunk_lists(self) -> tuple[ChunkList, ...]:
        """Of the rows, and of the values where there are some: all that the extent needs."""
        return (self.chunks,) if self.values is None else (self.chunks, self.values)

    @property
    def sums(self) -> Sums:
        """One extent, its rows, and their bytes."""
        return Sums(items=1, rows=self.rows, bytes=self.bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableItem:
    """A table and its rows. What is in it stays equal while the table stays equal (times and LSNs live in the manifest)."""

    name: TableName
    oid: int
    filenode: int
    kind: str
    access_method: str
    columns: tuple[Column, ...]
    key_columns: tuple[str, ...]
    fingerprint: bytes
    load_via_root: TableName | None
    condition: str
    extents: ListRef
    inline: Extent | None
    generated: tuple[Column, ...] = ()
    """Stored generated columns, which `columns` leaves out: they are computed again, compared by the extents' digests, and shown from their values."""

    @property
    def told_by(self) -> tuple[str, ...]:
        """Columns by whose values a row is known: those of its key, unless the server computes one of them."""
        known = {column.name for column in self.columns}
        return self.key_columns if known.issuperset(self.key_columns) else ()

    @property
    def sums(self) -> Sums:
        """One table, its rows, and the bytes of their text."""
        of_extents = self.extents.sums if self.inline is None else self.inline.sums
        return Sums(items=1, rows=of_extents.rows, bytes=of_extents.bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceItem:
    name: TableName
    last_value: int
    is_called: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeObjectItem:
    """`acl` as PostgreSQL prints each item; empty and None differ (no grants against the default)."""

    oid: int
    owner: str
    acl: tuple[str, ...] | None
    comment: str | None
    size: int
    chunks: ChunkList


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    name: str
    superuser: bool
    inherit: bool
    create_role: bool
    create_db: bool
    can_login: bool
    replication: bool
    bypass_rls: bool
    connection_limit: int
    valid_until: str | None
    verifier: str | None
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    role: str
    member: str
    grantor: str
    admin: bool
    inherit: bool | None
    set: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSetting:
    """ALTER ROLE / ALTER DATABASE ... SET. Empty `role` = all roles; `here`: only in the database of the snapshot."""

    role: str
    here: bool
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tablespace:
    name: str
    owner: str
    location: str
    acl: tuple[str, ...] | None
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterAcl:
    name: str
    acl: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Cluster-wide objects, read in the snapshot. `verifiers_read` is False when pg_authid was not readable."""

    roles: tuple[Role, ...] = ()
    memberships: tuple[Membership, ...] = ()
    settings: tuple[RoleSetting, ...] = ()
    tablespaces: tuple[Tablespace, ...] = ()
    parameter_acls: tuple[ParameterAcl, ...] = ()
    verifiers_read: bool = True


Owned = tuple[Address, str, tuple[str, ...] | None]
"""An object, its owner (empty for a column), and its ACL where it has one."""
Edge = tuple[Address, Address, str]
"""What depends, on what, and pg_depend's letter for how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogFacts:
    """Raw catalog facts beside the entries: what entries do not name. Tuples sorted, objects by the text that names them.

    acls       every object that has an owner or an ACL
    edges      of pg_depend and pg_shdepend, users' objects only
    policies   (schema, table, policy, roles)
    extensions (name, version, schema)
    database   properties of the database itself: encoding, collate, ctype, provider, owner, acl, ...
    functions  (schema, name, identity arguments, is trigger function, is extension's) for counting
    operators  (object, operator of a user, how often the object's stored expressions call it)
    """

    acls: tuple[Owned, ...] = ()
    edges: tuple[Edge, ...] = ()
    policies: tuple[tuple[str, str, str, tuple[str, ...]], ...] = ()
    extensions: tuple[tuple[str, str, str], ...] = ()
    database: Mapping[str, str | None] = field(default_factory=dict)
    functions: tuple[tuple[str, str, str, bool, bool], ...] = ()
    operators: tuple[tuple[Address, Address, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """State of the server at the snapshot; the only place of values that change every day. LSNs are 64-bit integers."""

    version_num: int
    version: str
    system_id: str
    database: str
    database_oid: int
    encoding: str
    in_recovery: bool
    timeline: int
    postmaster_start: str
    snapshot: str
    horizon: int
    next_xid: int
    insert_lsn: int
    flush_lsn: int
    insert_lsn_before: int

    @property
    def database_key(self) -> tuple[str, int]:
        """System identifier and oid: what a database is told by, whatever its name."""
        return self.system_id, self.database_oid
