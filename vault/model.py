"""Frozen values that travel between layers. No byte layout (that is `vault.format`), no behaviour beyond validation.

Spec: 01-glossary for the words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum

from vault.ids import KeyId, ListKey, ObjectId, PackId, RepositoryId, SlotId, SnapshotId

# --- repository ----------------------------------------------------------------------------------


class ObjectType(IntEnum):
    """Closed table of spec 30-object. The type is part of an object's id."""

    ROW_CHUNK = 1
    FILE_CHUNK = 2
    LARGE_OBJECT_CHUNK = 3
    SCHEMA_ENTRY = 4
    SCHEMA_ORDER = 5
    ROLES = 6
    CATALOG = 7
    LEDGER = 8
    TABLE_NODE = 16
    EXTENT_NODE = 17
    CHUNK_NODE = 18
    FILE_NODE = 19
    ENTRY_NODE = 20
    SEQUENCE_NODE = 21
    LARGE_OBJECT_NODE = 22
    SNAPSHOT = 32
    """Only for the id of a manifest; never stored in a pack."""


class Codec(IntEnum):
    RAW = 0
    ZSTD = 1
    ZSTD_DELTA = 2


class PackClass(IntEnum):
    META = 0
    DATA = 1


class FileKind(IntEnum):
    """Enveloped files, each under its own purpose key."""

    INDEX = 1
    SNAPSHOT = 2
    LEASE = 3
    SWEEP = 4
    FORGOTTEN = 5
    CHECK = 6


DATA_TYPES = frozenset({ObjectType.ROW_CHUNK, ObjectType.FILE_CHUNK, ObjectType.LARGE_OBJECT_CHUNK})
"""Types that go to packs of class DATA and are bounded by CHUNK_BYTES_MAX; all others are META."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyBundle:
    """What a key slot wraps; drawn once by `init`."""

    id_key: bytes = field(repr=False)
    root: bytes = field(repr=False)
    cut_seed: int = field(repr=False)
    kind: str = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kdf:
    passes: int
    memory_kib: int
    lanes: int
    salt: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySlot:
    """`ancillary`: encoded record of fields that this version does not know, those of `kdf` below it; the AAD covers them."""

    repository: RepositoryId
    kdf: Kdf
    label: str
    created_ms: int
    wrapped: bytes
    ancillary: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotInfo:
    id: SlotId
    label: str
    created_ms: int
    kdf: Kdf


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryConfig:
    repository: RepositoryId
    version: int
    features: tuple[str, ...]
    created_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackHeader:
    pack_class: PackClass
    key_id: KeyId
    repository: RepositoryId
    salt: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRecord:
    """One object in a pack. `base` is None exactly when `codec` is not ZSTD_DELTA, and then `depth` is 0."""

    id: ObjectId
    type: ObjectType
    codec: Codec
    depth: int
    base: ObjectId | None
    ordinal: int
    offset: int
    length: int
    plain_length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a reader finds an object: its record, and the pack that holds it."""

    record: ObjectRecord
    pack: PackId
    header: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PackEntry:
    """A pack as an index fragment describes it. Records by ascending ordinal."""

    pack: PackId
    size: int
    header: bytes
    records: tuple[ObjectRecord, ...]


# --- lists ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What a list or a part of it holds in total. `items` counts list items, `rows` table rows, `bytes` plain bytes."""

    items: int = 0
    rows: int = 0
    bytes: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            items=self.items + other.items, rows=self.rows + other.rows, bytes=self.bytes + other.bytes
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRef:
    """Root of a stored list; `root` is None exactly when it is empty."""

    root: ObjectId | None = None
    sums: Sums = field(default_factory=Sums)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRef:
    """A chunk in content order. `continues`: its last row goes on in the next chunk (one row above a chunk's bound)."""

    id: ObjectId
    length: int
    continues: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkList:
    """At most INLINE_CHUNKS_MAX chunks inline, else a list. Exactly one of the two is used."""

    inline: tuple[ChunkRef, ...] = ()
    more: ListRef | None = None


# --- directories ---------------------------------------------------------------------------------


class FileType(str, Enum):
    FILE = "f"
    DIRECTORY = "d"
    SYMLINK = "l"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileItem:
    """One path of a directory, relative, `/`-separated bytes, sorted bytewise. Times in ns since the epoch.

    `ctime_ns`, `inode` and `device` only serve to recognise an unchanged file. `racy` forbids that: the file's ctime
    was within two seconds of its reading.
    """

    path: bytes
    type: FileType
    mode: int
    mtime_ns: int
    size: int = 0
    ctime_ns: int = 0
    inode: int = 0
    racy: bool = False
    target: bytes = b""
    chunks: ChunkList = field(default_factory=ChunkList)


# --- database ------------------------------------------------------------------------------------


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


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TableName:
    schema: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """Rows of heap blocks [start, start+blocks), or of the whole table when `blocks` is 0. `bytes` of COPY text."""

    start: int
    blocks: int
    rows: int
    bytes: int
    chunks: ChunkList


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


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogFacts:
    """Raw catalog facts beside the entries: what entries do not name. Tuples sorted.

    acls       (identity text, owner, acl items or None): every object that has an owner or an ACL
    edges      (dependent identity text, referenced identity text, deptype) of pg_depend and pg_shdepend, users' objects only
    policies   (schema, table, policy, roles)
    extensions (name, version, schema)
    database   properties of the database itself: encoding, collate, ctype, provider, owner, acl, ...
    functions  (schema, name, identity arguments, is trigger function, is extension's) for counting
    """

    acls: tuple[tuple[str, str, tuple[str, ...] | None], ...] = ()
    edges: tuple[tuple[str, str, str], ...] = ()
    policies: tuple[tuple[str, str, str, tuple[str, ...]], ...] = ()
    extensions: tuple[tuple[str, str, str], ...] = ()
    database: Mapping[str, str | None] = field(default_factory=dict)
    functions: tuple[tuple[str, str, str, bool, bool], ...] = ()


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


# --- snapshot ------------------------------------------------------------------------------------


class State(str, Enum):
    """Of an item in the coverage ledger, best first."""

    CAPTURED = "captured"
    EMPTY = "empty"
    NOT_SELECTED = "not_selected"
    NOT_EXPORTABLE = "not_exportable"
    NOT_PERMITTED = "not_permitted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    item: str
    state: State
    why: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """One component of the ledger. `count` = captured items; `missing` = all others."""

    state: State
    count: int
    missing: tuple[Missing, ...] = ()


Ledger = Mapping[str, Coverage]
"""Component name of contract.md -> coverage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabasePart:
    server: ServerFacts
    tables: ListRef
    entries: ListRef
    order: ObjectId
    roles: ObjectId
    catalog: ObjectId
    sequences: ListRef
    large_objects: ListRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The nine lines of the summary."""

    tables: int = 0
    records: int = 0
    users: int = 0
    user_roles: int = 0
    rls_policies: int = 0
    rpc_functions: int = 0
    migrations: int = 0
    edge_functions: int = 0
    encryption_functions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What the backup did."""

    read_bytes: int = 0
    new_bytes: int = 0
    extents: int = 0
    extents_reused: int = 0
    duration_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One snapshot. `sequence` counts a source's snapshots from 1; equal numbers are legal forks."""

    source: str
    created_ms: int
    sequence: int
    parent: SnapshotId | None
    selection: str
    tags: Mapping[str, str]
    program: str
    database: DatabasePart | None
    directories: Mapping[str, ListRef]
    ledger: ObjectId
    coverage: Mapping[str, tuple[State, int]]
    counts: Counts
    effort: Effort
    suspect: str = ""


# --- upkeep ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A running writer: pins its parent and the packs it names. `packs` ascending, each once."""

    created_ms: int
    host: str
    pid: int
    purpose: str
    source: str
    parent: SnapshotId | None
    packs: tuple[PackId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Packs that prune is about to delete, ascending, each once."""

    created_ms: int
    packs: tuple[PackId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgottenSnapshot:
    id: SnapshotId
    source: str
    sequence: int
    created_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """Snapshots that were removed on purpose."""

    created_ms: int
    snapshots: tuple[ForgottenSnapshot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRecord:
    """Result of a check, verify or drill (`kind`). `damage`: one line of text each."""

    created_ms: int
    kind: str
    objects: int
    read_bytes: int
    damage: tuple[str, ...] = ()
