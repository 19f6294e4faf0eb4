"""What a repository is made of: objects, packs, keys, and the parts that stored lists are made of. Spec 20 to 60."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from vault.ids import KeyId, ObjectId, PackId, RepositoryId, SlotId


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
    PIN = 7
    FINDINGS = 8
    ACK = 9
    DRILL = 10


class LocalKind(IntEnum):
    """What a client keeps of a repository outside of it, each under its own local key."""

    HEADS = 1
    MANIFESTS = 2
    CLOSURES = 3


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
        return Sums(items=self.items + other.items, rows=self.rows + other.rows, bytes=self.bytes + other.bytes)


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
