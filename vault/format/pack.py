"""Layout of a pack: header, trailer, footer, name. Spec 40-pack.

Never seals or hashes. Invariant: records that `decode_trailer` returns tile the pack from its header to its pad.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from vault.errors import AuthenticationFailed, LimitExceeded, Malformed, Unsupported
from vault.format import codec
from vault.format.names import hex_name, parse_hex_name
from vault.format.object import RECORD_BYTES, bare_aad, decode_record, encode_record, pack_class
from vault.ids import KeyId, PackId, RepositoryId
from vault.limits import (
    FORMAT_VERSION,
    PACK_BYTES_MAX,
    PACK_OBJECTS_MAX,
    TAG_BYTES,
    TRAILER_ORDINAL,
)
from vault.model import ObjectRecord, PackClass, PackHeader

HEADER_BYTES: Final = 68
FOOTER_BYTES: Final = 12
PACKS: Final = "packs"

_HEADER: Final = struct.Struct(">8sBBBB8s16s32s")
_HEADER_MAGIC: Final = b"PGVAULTP"
_KIND_CLASS_KEY: Final = 0
_FOOTER: Final = struct.Struct(">I8s")
_FOOTER_MAGIC: Final = b"PGVAULTE"
_TRAILER_TYPE: Final = 255
_TRAILER_BYTES_MAX: Final = PACK_OBJECTS_MAX * RECORD_BYTES + 64
"""Entries, and what the record around them may take."""


def encode_header(header: PackHeader) -> bytes:
    """Raises  Malformed: a field of another length"""
    data = _HEADER.pack(
        _HEADER_MAGIC,
        FORMAT_VERSION,
        _KIND_CLASS_KEY,
        header.pack_class,
        0,
        header.key_id,
        header.repository,
        header.salt,
    )
    if decode_header(data) != header:
        raise Malformed("pack header: a field has another length")
    return data


def decode_header(data: bytes | memoryview) -> PackHeader:
    """Read the first 68 bytes of a pack. `check_owner` is still to be called.

    Raises  Unsupported: newer version or another kind; Malformed
    """
    if len(data) < HEADER_BYTES:
        raise Malformed(f"pack header: {len(data)} bytes instead of {HEADER_BYTES}")
    magic, version, kind, class_, zero, key_id, repository, salt = _HEADER.unpack(bytes(data[:HEADER_BYTES]))
    if magic != _HEADER_MAGIC:
        raise Malformed("pack header: not a pack")
    if version > FORMAT_VERSION:
        raise Unsupported(f"pack header: version {version}", hint="a newer pgvault wrote it: update this one")
    if version == 0:
        raise Malformed("pack header: version 0")
    if kind != _KIND_CLASS_KEY:
        raise Unsupported(f"pack header: kind {kind}", hint="a newer pgvault wrote it: update this one")
    if class_ not in (PackClass.META, PackClass.DATA):
        raise Malformed(f"pack header: class {class_}")
    if zero != 0:
        raise Malformed("pack header: a reserved byte is not zero")
    return PackHeader(
        pack_class=PackClass(class_), key_id=KeyId(key_id), repository=RepositoryId(repository), salt=salt
    )


def check_owner(header: PackHeader, *, key_id: KeyId, repository: RepositoryId) -> None:
    """Raises  AuthenticationFailed: the pack belongs to another repository or key"""
    if header.key_id != key_id:
        raise AuthenticationFailed("pack header: sealed under another key")
    if header.repository != repository:
        raise AuthenticationFailed("pack header: belongs to another repository")


def encode_trailer(records: Sequence[ObjectRecord], *, header: PackHeader, pad: int = 0) -> bytes:
    """Plaintext of the trailer. `records` by ordinal; `pad`: bytes between the last object and the trailer.

    Raises as `decode_trailer`
    """
    entries = b"".join(encode_record(record) for record in records)
    end = records[-1].offset + records[-1].length if records else HEADER_BYTES
    return codec.encode_proven(
        {"entries": entries, "pad": pad},
        lambda plain: decode_trailer(plain, header=header, trailer_offset=end + pad),
    )


def decode_trailer(plain: bytes, *, header: PackHeader, trailer_offset: int) -> tuple[ObjectRecord, ...]:
    """Read a trailer's plaintext; `trailer_offset`: where the sealed trailer begins in the pack. Ascending ordinals.

    Raises  Malformed: the records do not tile the pack, or are of another class; LimitExceeded; Unsupported
    """
    fields = codec.Record.decode(plain, what="pack trailer", bytes_max=_TRAILER_BYTES_MAX)
    entries = fields.blob("entries")
    pad = fields.integer("pad", 0, PACK_BYTES_MAX)
    fields.finish()
    if not entries or len(entries) % RECORD_BYTES:
        raise Malformed("pack trailer: not one or more whole entries")
    if len(entries) // RECORD_BYTES > PACK_OBJECTS_MAX:
        raise LimitExceeded(f"pack trailer: more than {PACK_OBJECTS_MAX} objects")
    records: list[ObjectRecord] = []
    end = HEADER_BYTES
    for start in range(0, len(entries), RECORD_BYTES):
        record = decode_record(entries[start : start + RECORD_BYTES])
        if record.ordinal != len(records):
            raise Malformed(f"pack trailer: entry {len(records)} has ordinal {record.ordinal}")
        if record.offset != end:
            raise Malformed(f"pack trailer: object {record.ordinal} does not begin where the one before ends")
        if pack_class(record.type) is not header.pack_class:
            raise Malformed(f"pack trailer: object {record.ordinal} belongs to the other class of packs")
        end += record.length
        records.append(record)
    if end + pad != trailer_offset:
        raise Malformed("pack trailer: objects and pad do not end where the trailer begins")
    return tuple(records)


def trailer_aad(header_digest: bytes, length: int) -> bytes:
    """`length` of the trailer's plaintext; its nonce is that of TRAILER_ORDINAL."""
    return bare_aad(header_digest, ordinal=TRAILER_ORDINAL, type_byte=_TRAILER_TYPE, length=length)


def encode_footer(trailer_length: int) -> bytes:
    """`trailer_length` of the sealed trailer, tag included. Raises  Malformed: no pack has such a one"""
    if not TAG_BYTES < trailer_length <= PACK_BYTES_MAX - HEADER_BYTES - FOOTER_BYTES:
        raise Malformed("pack footer: the trailer does not fit into any pack")
    return _FOOTER.pack(trailer_length, _FOOTER_MAGIC)


def decode_footer(tail: bytes | memoryview, *, pack_bytes: int) -> int:
    """Length of the sealed trailer. `tail`: the last bytes of the pack, 12 or more; `pack_bytes`: its whole size.

    Raises  LimitExceeded: the pack is too large; Malformed: no footer, or the trailer does not fit
    """
    if pack_bytes > PACK_BYTES_MAX:
        raise LimitExceeded(f"pack: {pack_bytes} bytes, the limit is {PACK_BYTES_MAX}")
    if len(tail) < FOOTER_BYTES or pack_bytes < len(tail):
        raise Malformed("pack footer: the pack is too short")
    length, magic = _FOOTER.unpack(bytes(tail[-FOOTER_BYTES:]))
    if magic != _FOOTER_MAGIC:
        raise Malformed("pack footer: no end mark, the pack is cut off or damaged")
    if not TAG_BYTES < length <= pack_bytes - HEADER_BYTES - FOOTER_BYTES:
        raise Malformed("pack footer: the trailer does not fit into the pack")
    return int(length)


def pack_name(pack: PackId) -> str:
    return hex_name(PACKS, pack)


def parse_pack_name(name: str) -> PackId | None:
    """None for a name that is not a pack's."""
    identifier = parse_hex_name(PACKS, name)
    return None if identifier is None else PackId(identifier)
