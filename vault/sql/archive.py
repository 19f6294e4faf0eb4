"""Codec of pg_dump's custom-format archives: header and table of contents, versions 1.12 to 1.16. Pure.

Data blocks follow the table of contents and are not read here. Text stays bytes: only the caller knows the encoding. Decoding
is strict, every length is bounded by what is there, and `encode(decode(x))` is `x` for every archive up to its data.
Layout: pg_backup_archiver.c (WriteHead, WriteToc, WriteInt, WriteStr, WriteOffset).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vault.errors import Malformed, Unsupported

MAGIC: Final = b"PGDMP"
CUSTOM: Final = 1
"""Format byte of custom archives; directory archives carry 3 (tar)."""
VERSION_MIN: Final = (1, 12)
VERSION_MAX: Final = (1, 16)
TABLE_ACCESS_METHOD_SINCE: Final = (1, 14)
COMPRESSION_BYTE_SINCE: Final = (1, 15)
RELATION_KIND_SINCE: Final = (1, 16)
INT_BYTES: Final = 4
OFFSET_BYTES: Final = 8
OFFSET_SET: Final = 2
NO_DATA: Final = 3
_NO_STRING: Final = -1
"""Length of one that is not there, which is another than the empty one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """`created`: seconds minutes hours day month year-1900 dst, as struct tm. `compression` 0: none, -1: default of zlib."""

    version: tuple[int, int]
    revision: int
    format: int
    compression: int
    created: tuple[int, ...]
    database: bytes | None
    server_version: bytes | None
    dump_version: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the table of contents. None and empty differ, as in the archive. `offset` None: flag without a place."""

    dump_id: int
    had_dumper: bool
    table_oid: bytes | None
    oid: bytes | None
    tag: bytes | None
    desc: bytes | None
    section: int
    definition: bytes | None
    drop: bytes | None
    copy: bytes | None
    namespace: bytes | None
    tablespace: bytes | None
    access_method: bytes | None
    relation_kind: int
    owner: bytes | None
    needs: tuple[bytes, ...]
    offset_flag: int = NO_DATA
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    header: Header
    entries: tuple[Entry, ...]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.int_bytes = INT_BYTES
        self.offset_bytes = OFFSET_BYTES

    def take(self, length: int) -> bytes:
        part = self.data[self.at : self.at + length]
        if length < 0 or len(part) != length:
            raise Malformed("the archive of pg_dump ends in the middle of its table of contents")
        self.at += length
        return part

    def byte(self) -> int:
        return self.take(1)[0]

    def int(self) -> int:
        sign = self.byte()
        value = int.from_bytes(self.take(self.int_bytes), "little")
        if sign > 1 or (sign and not value):
            raise Malformed("a sign in the archive of pg_dump is neither 0 nor 1")
        return -value if sign else value

    def flag(self) -> bool:
        value = self.int()
        if value not in (0, 1):
            raise Malformed("a flag in the archive of pg_dump is neither 0 nor 1")
        return value == 1

    def string(self) -> bytes | None:
        length = self.int()
        return None if length == _NO_STRING else self.take(length)


def decode(data: bytes) -> Archive:
    """Parse header and table of contents. Raises Malformed, Unsupported"""
    reader = _Reader(data)
    header = _decode_header(reader)
    count = reader.int()
    if count < 0 or count > len(data):
        raise Malformed("the archive of pg_dump declares an impossible number of entries")
    return Archive(header=header, entries=tuple(_decode_entry(reader, header) for _ in range(count)))


def _decode_header(reader: _Reader) -> Header:
    if reader.take(len(MAGIC)) != MAGIC:
        raise Malformed("not an archive of pg_dump")
    version = (reader.byte(), reader.byte())
    revision = reader.byte()
    if not VERSION_MIN <= version <= VERSION_MAX:
        raise Unsupported(f"archives of pg_dump in version {version[0]}.{version[1]} are not supported")
    reader.int_bytes = reader.byte()
    reader.offset_bytes = reader.byte()
    if reader.int_bytes != INT_BYTES or reader.offset_bytes != OFFSET_BYTES:
        raise Unsupported("the archive of pg_dump has integers of an unknown width")
    kind = reader.byte()
    compression = reader.byte() if version >= COMPRESSION_BYTE_SINCE else reader.int()
    return Header(
        version=version,
        revision=revision,
        format=kind,
        compression=compression,
        created=tuple(reader.int() for _ in range(7)),
        database=reader.string(),
        server_version=reader.string(),
        dump_version=reader.string(),
    )


def _decode_entry(reader: _Reader, header: Header) -> Entry:
    dump_id = reader.int()
    had_dumper = reader.flag()
    table_oid, oid, tag, desc = (reader.string() for _ in range(4))
    section = reader.int()
    definition, drop, copy, namespace, tablespace = (reader.string() for _ in range(5))
    method = reader.string() if header.version >= TABLE_ACCESS_METHOD_SINCE else None
    kind = reader.int() if header.version >= RELATION_KIND_SINCE else 0
    owner = reader.string()
    if reader.string() != b"false":
        raise Malformed("an entry in the archive of pg_dump has OIDs")
    needs = []
    while (need := reader.string()) is not None:
        needs.append(need)
    flag, offset = NO_DATA, 0
    if header.format == CUSTOM:
        flag = reader.byte()
        offset = int.from_bytes(reader.take(reader.offset_bytes), "little")
    else:
        reader.string()
    return Entry(
        dump_id=dump_id,
        had_dumper=had_dumper,
        table_oid=table_oid,
        oid=oid,
        tag=tag,
        desc=desc,
        section=section,
        definition=definition,
        drop=drop,
        copy=copy,
        namespace=namespace,
        tablespace=tablespace,
        access_method=method,
        relation_kind=kind,
        owner=owner,
        needs=tuple(needs),
        offset_flag=flag,
        offset=offset,
    )


def encode(archive: Archive) -> bytes:
    """Header and table of contents of a custom archive; data blocks may follow."""
    header = archive.header
    compression = (
        bytes([header.compression]) if header.version >= COMPRESSION_BYTE_SINCE else encode_int(header.compression)
    )
    parts = [
        MAGIC,
        bytes([*header.version, header.revision, INT_BYTES, OFFSET_BYTES, header.format]),
        compression,
        *(encode_int(number) for number in header.created),
        *(encode_string(text) for text in (header.database, header.server_version, header.dump_version)),
        encode_int(len(archive.entries)),
        *(_encode_entry(entry, header.version) for entry in archive.entries),
    ]
    return b"".join(parts)


def _encode_entry(entry: Entry, version: tuple[int, int]) -> bytes:
    first = (entry.table_oid, entry.oid, entry.tag, entry.desc)
    second = (entry.definition, entry.drop, entry.copy, entry.namespace, entry.tablespace)
    parts = [
        encode_int(entry.dump_id),
        encode_int(int(entry.had_dumper)),
        *(encode_string(text) for text in first),
        encode_int(entry.section),
        *(encode_string(text) for text in second),
        encode_string(entry.access_method) if version >= TABLE_ACCESS_METHOD_SINCE else b"",
        encode_int(entry.relation_kind) if version >= RELATION_KIND_SINCE else b"",
        encode_string(entry.owner),
        encode_string(b"false"),
        *(encode_string(need) for need in entry.needs),
        encode_string(None),
        bytes([entry.offset_flag]) + entry.offset.to_bytes(OFFSET_BYTES, "little"),
    ]
    return b"".join(parts)


def encode_int(value: int) -> bytes:
    """Sign byte and absolute value."""
    return bytes([value < 0]) + abs(value).to_bytes(INT_BYTES, "little")


def encode_string(text: bytes | None) -> bytes:
    """Length and bytes; None is length -1."""
    return encode_int(_NO_STRING) if text is None else encode_int(len(text)) + text
