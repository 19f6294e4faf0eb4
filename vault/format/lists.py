"""What each stored list holds: how its items are written, keyed and summed. Spec 60-snapshot.

Never walks nodes. Invariant: `decode(encode(item)) == item`, and `key` of an ordered list is unique in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, Generic, TypeVar

from vault.format.chunks import (
    decode_chunk,
    decode_chunk_list,
    decode_list_ref,
    encode_chunk,
    encode_chunk_list,
    encode_list_ref,
)
from vault.format.codec import Value
from vault.format.files import decode_file, encode_file
from vault.format.schema import decode_entry_item, encode_entry_item, identity_key
from vault.format.tables import (
    decode_extent,
    decode_large_object,
    decode_sequence,
    decode_table,
    encode_extent,
    encode_large_object,
    encode_sequence,
    encode_table,
    name_key,
)
from vault.model import (
    ChunkRef,
    EntryItem,
    Extent,
    FileItem,
    LargeObjectItem,
    ObjectType,
    SequenceItem,
    Sums,
    TableItem,
)

__all__ = [
    "CHUNKS",
    "ENTRIES",
    "EXTENTS",
    "FILES",
    "LARGE_OBJECTS",
    "SEQUENCES",
    "TABLES",
    "ListFormat",
    "decode_chunk_list",
    "decode_list_ref",
    "encode_chunk_list",
    "encode_list_ref",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFormat(Generic[T]):
    """`ordered`: keys ascend strictly; otherwise the order is the content's and keys only decide where nodes end."""

    node_type: ObjectType
    encode: Callable[[T], Value]
    decode: Callable[[Value], T]
    key: Callable[[T], bytes]
    sums: Callable[[T], Sums]
    ordered: bool = True


TABLES: Final[ListFormat[TableItem]] = ListFormat(
    node_type=ObjectType.TABLE_NODE,
    encode=encode_table,
    decode=decode_table,
    key=lambda table: name_key(table.name),
    sums=attrgetter("sums"),
)
EXTENTS: Final[ListFormat[Extent]] = ListFormat(
    node_type=ObjectType.EXTENT_NODE,
    encode=encode_extent,
    decode=decode_extent,
    key=lambda extent: extent.start.to_bytes(8, "big"),
    sums=attrgetter("sums"),
)
CHUNKS: Final[ListFormat[ChunkRef]] = ListFormat(
    node_type=ObjectType.CHUNK_NODE,
    encode=encode_chunk,
    decode=decode_chunk,
    key=lambda chunk: chunk.id,
    sums=lambda chunk: Sums(items=1, bytes=chunk.length),
    ordered=False,
)
FILES: Final[ListFormat[FileItem]] = ListFormat(
    node_type=ObjectType.FILE_NODE,
    encode=encode_file,
    decode=decode_file,
    key=lambda item: item.path,
    sums=lambda item: Sums(items=1, bytes=item.size),
)
ENTRIES: Final[ListFormat[EntryItem]] = ListFormat(
    node_type=ObjectType.ENTRY_NODE,
    encode=encode_entry_item,
    decode=decode_entry_item,
    key=lambda item: identity_key(item.identity),
    sums=lambda item: Sums(items=1),
)
SEQUENCES: Final[ListFormat[SequenceItem]] = ListFormat(
    node_type=ObjectType.SEQUENCE_NODE,
    encode=encode_sequence,
    decode=decode_sequence,
    key=lambda item: name_key(item.name),
    sums=lambda item: Sums(items=1),
)
LARGE_OBJECTS: Final[ListFormat[LargeObjectItem]] = ListFormat(
    node_type=ObjectType.LARGE_OBJECT_NODE,
    encode=encode_large_object,
    decode=decode_large_object,
    key=lambda item: item.oid.to_bytes(4, "big"),
    sums=lambda item: Sums(items=1, bytes=item.size),
)
