"""Object records, and what authenticates an object in its pack: AAD and nonce. Spec 30-object.

Never sees plaintext or keys. Invariant: a record that this module returns satisfies OBJ-2 and OBJ-14.
"""

from __future__ import annotations

import struct
from typing import Final

from vault.errors import LimitExceeded, Malformed, Unsupported
from vault.ids import ObjectId
from vault.limits import CHUNK_BYTES_MAX, DELTA_DEPTH_MAX, META_BYTES_MAX, TAG_BYTES
from vault.model import DATA_TYPES, Codec, ObjectRecord, ObjectType, PackClass

RECORD_BYTES: Final = 84
NO_ID: Final = bytes(32)

_RECORD: Final = struct.Struct(">32s32sIIIIBBBB")
_AAD: Final = struct.Struct(">32sIBBBB32s32sII")
_STORED_TYPES: Final = frozenset(ObjectType) - {ObjectType.SNAPSHOT}


def object_type(value: int) -> ObjectType:
    """Raises  Unsupported: not in the table of types"""
    try:
        return ObjectType(value)
    except ValueError:
        raise Unsupported(f"object type {value} is unknown", hint="a newer pgvault wrote it: update this one") from None


def pack_class(type: ObjectType) -> PackClass:
    return PackClass.DATA if type in DATA_TYPES else PackClass.META


def plain_bytes_max(type: ObjectType) -> int:
    return CHUNK_BYTES_MAX if type in DATA_TYPES else META_BYTES_MAX


def encode_record(record: ObjectRecord) -> bytes:
    """84 bytes. Raises as `decode_record`."""
    check_record(record)
    base = NO_ID if record.base is None else record.base
    if len(record.id) != len(NO_ID) or len(base) != len(NO_ID) or (base == NO_ID) != (record.base is None):
        raise Malformed("object record: an id of another length, or the id that means no base")
    numbers = (record.ordinal, record.offset, record.length, record.plain_length)
    try:
        return _RECORD.pack(record.id, base, *numbers, record.type, record.codec, record.depth, 0)
    except struct.error as error:
        raise Malformed("object record: a number that does not fit its field") from error


def decode_record(data: bytes | memoryview) -> ObjectRecord:
    """Read the 84 bytes of a record.

    Raises  Unsupported: unknown type or codec; LimitExceeded: plain length or depth past the bound;
            Malformed: fields that disagree (OBJ-14)
    """
    if len(data) != RECORD_BYTES:
        raise Malformed(f"object record: {len(data)} bytes instead of {RECORD_BYTES}")
    identifier, base, ordinal, offset, length, plain_length, type_, codec, depth, zero = _RECORD.unpack(data)
    if zero != 0:
        raise Malformed("object record: its last byte is not zero")
    record = ObjectRecord(
        id=ObjectId(identifier),
        type=object_type(type_),
        codec=_codec(codec),
        depth=depth,
        base=None if base == NO_ID else ObjectId(base),
        ordinal=ordinal,
        offset=offset,
        length=length,
        plain_length=plain_length,
    )
    check_record(record)
    return record


def check_record(record: ObjectRecord) -> None:
    """Refuse a record whose fields disagree. Raises as `decode_record`."""
    if record.type not in _STORED_TYPES:
        raise Unsupported("object record: an object of its type is never in a pack")
    delta = record.codec is Codec.ZSTD_DELTA
    if delta != (record.base is not None) or delta != (record.depth > 0):
        raise Malformed("object record: base, depth and codec disagree")
    if delta and record.type is not ObjectType.ROW_CHUNK:
        raise Malformed("object record: only row chunks may be deltas")
    if record.depth > DELTA_DEPTH_MAX:
        raise LimitExceeded(f"object record: delta depth {record.depth}, the limit is {DELTA_DEPTH_MAX}")
    if record.plain_length > plain_bytes_max(record.type):
        raise LimitExceeded(
            f"object record: plain length {record.plain_length}, the limit is {plain_bytes_max(record.type)}"
        )
    if record.plain_length == 0 and record.type not in DATA_TYPES:
        raise Malformed("object record: an object of its type cannot be empty")
    if record.length < TAG_BYTES:
        raise Malformed("object record: sealed bytes shorter than a tag")
    if record.codec is Codec.RAW and record.length != record.plain_length + TAG_BYTES:
        raise Malformed("object record: raw length and plain length disagree")


def aad(header_digest: bytes, record: ObjectRecord) -> bytes:
    """What a seal binds, 112 bytes. `header_digest`: BLAKE3 of the pack's header."""
    base = record.base or NO_ID
    return _AAD.pack(
        header_digest,
        record.ordinal,
        record.type,
        record.codec,
        record.depth,
        0,
        record.id,
        base,
        record.plain_length,
        0,
    )


def bare_aad(header_digest: bytes, *, ordinal: int, type_byte: int, length: int) -> bytes:
    """AAD of what is sealed like an object but has no id (a trailer)."""
    return _AAD.pack(header_digest, ordinal, type_byte, 0, 0, 0, NO_ID, NO_ID, length, 0)


def nonce(ordinal: int) -> bytes:
    """12 bytes."""
    return bytes(8) + ordinal.to_bytes(4, "big")


def _codec(value: int) -> Codec:
    try:
        return Codec(value)
    except ValueError:
        raise Unsupported(f"codec {value} is unknown", hint="a newer pgvault wrote it: update this one") from None
