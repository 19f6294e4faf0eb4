"""Object records, AAD and nonce, against bytes written by hand: spec 30-object."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vault import limits
from vault.errors import IntegrityError, LimitExceeded, Malformed, Unsupported
from vault.format import object as object_format
from vault.ids import ObjectId
from vault.model import Codec, ObjectRecord, ObjectType, PackClass

ID, BASE = ObjectId(b"\xaa" * 32), ObjectId(b"\xbb" * 32)
DELTA = ObjectRecord(
    id=ID,
    type=ObjectType.ROW_CHUNK,
    codec=Codec.ZSTD_DELTA,
    depth=3,
    base=BASE,
    ordinal=0x01020304,
    offset=0x05060708,
    length=0x090A0B0C,
    plain_length=0x000D0E0F,
)
RAW = replace(DELTA, codec=Codec.RAW, depth=0, base=None, length=0x000D0E0F + 16)
DELTA_HEX = "aa" * 32 + "bb" * 32 + "01020304" + "05060708" + "090a0b0c" + "000d0e0f" + "01" + "02" + "03" + "00"


def patched(offset: int, data: bytes, *, of: ObjectRecord = DELTA) -> bytes:
    encoded = bytearray(object_format.encode_record(of))
    encoded[offset : offset + len(data)] = data
    return bytes(encoded)


def test_record_has_the_layout_of_the_spec() -> None:
    assert object_format.encode_record(DELTA).hex() == DELTA_HEX
    assert object_format.decode_record(bytes.fromhex(DELTA_HEX)) == DELTA
    raw = object_format.encode_record(RAW)
    assert len(raw) == object_format.RECORD_BYTES == 84
    assert raw[32:64] == bytes(32)
    assert object_format.decode_record(memoryview(raw)) == RAW


@pytest.mark.spec("OBJ-15")
def test_aad_has_the_layout_of_the_spec() -> None:
    expected = "cc" * 32 + "01020304" + "01" + "02" + "03" + "00" + "aa" * 32 + "bb" * 32 + "000d0e0f" + "00000000"
    assert object_format.aad(b"\xcc" * 32, DELTA).hex() == expected
    expected = "cc" * 32 + "01020304" + "01" + "00" + "00" + "00" + "aa" * 32 + "00" * 32 + "000d0e0f" + "00000000"
    assert object_format.aad(b"\xcc" * 32, RAW).hex() == expected
    assert len(object_format.aad(b"\xcc" * 32, RAW)) == 112


def test_nonce_is_eight_zero_bytes_and_the_ordinal() -> None:
    assert object_format.nonce(0x01020304).hex() == "0000000000000000" + "01020304"
    assert object_format.nonce(limits.TRAILER_ORDINAL).hex() == "0000000000000000" + "ffffffff"


@pytest.mark.spec("OBJ-14")
@pytest.mark.parametrize(
    ("fault", "data", "error"),
    [
        ("short", bytes.fromhex(DELTA_HEX)[:-1], Malformed),
        ("long", bytes.fromhex(DELTA_HEX) + b"\0", Malformed),
        ("last byte set", patched(83, b"\x01"), Malformed),
        ("unknown type", patched(80, b"\x09"), Unsupported),
        ("manifest in a pack", patched(80, b"\x20", of=RAW), Unsupported),
        ("unknown codec", patched(81, b"\x03"), Unsupported),
        ("delta without base", patched(32, bytes(32)), Malformed),
        ("delta without depth", patched(82, b"\x00"), Malformed),
        ("delta of a file chunk", patched(80, b"\x02"), Malformed),
        ("delta too deep", patched(82, b"\x41"), LimitExceeded),
        ("raw with base", patched(32, b"\x01", of=RAW), Malformed),
        ("raw with depth", patched(82, b"\x01", of=RAW), Malformed),
        ("shorter than a tag", patched(72, (15).to_bytes(4, "big")), Malformed),
        ("raw length off by one", patched(75, b"\x20", of=RAW), Malformed),
        ("chunk too large", patched(76, (limits.CHUNK_BYTES_MAX + 1).to_bytes(4, "big")), LimitExceeded),
    ],
)
def test_record_whose_fields_disagree_is_refused(fault: str, data: bytes, error: type[IntegrityError]) -> None:
    with pytest.raises(error):
        object_format.decode_record(data)


@pytest.mark.spec("OBJ-2")
def test_plain_length_is_bounded_by_type() -> None:
    meta = replace(RAW, type=ObjectType.SCHEMA_ENTRY, codec=Codec.ZSTD, plain_length=limits.META_BYTES_MAX)
    assert object_format.decode_record(object_format.encode_record(meta)) == meta
    with pytest.raises(LimitExceeded):
        object_format.encode_record(replace(meta, plain_length=limits.META_BYTES_MAX + 1))
    with pytest.raises(Malformed):
        object_format.encode_record(replace(meta, plain_length=0))
    empty = replace(RAW, plain_length=0, length=16)
    assert object_format.decode_record(object_format.encode_record(empty)) == empty


def test_writer_is_held_to_the_same_rules() -> None:
    for record in (replace(DELTA, base=None), replace(RAW, depth=1), replace(DELTA, type=ObjectType.FILE_CHUNK)):
        with pytest.raises(Malformed):
            object_format.encode_record(record)


def test_types_have_their_class_and_bound() -> None:
    data = {ObjectType.ROW_CHUNK, ObjectType.FILE_CHUNK, ObjectType.LARGE_OBJECT_CHUNK}
    for kind in ObjectType:
        expected = (PackClass.DATA, 1 << 20) if kind in data else (PackClass.META, 64 << 20)
        assert (object_format.pack_class(kind), object_format.plain_bytes_max(kind)) == expected
    with pytest.raises(Unsupported):
        object_format.object_type(9)
