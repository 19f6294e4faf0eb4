"""Header, trailer, footer and name of a pack, against bytes written by hand: spec 40-pack."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vault import limits
from vault.errors import AuthenticationFailed, IntegrityError, LimitExceeded, Malformed, Unsupported
from vault.format import codec, pack
from vault.format.object import encode_record
from vault.ids import KeyId, ObjectId, PackId, RepositoryId
from vault.model import Codec, ObjectRecord, ObjectType, PackClass, PackHeader

HEADER = PackHeader(
    pack_class=PackClass.DATA, key_id=KeyId(b"\x11" * 8), repository=RepositoryId(b"\x22" * 16), salt=b"\x33" * 32
)
HEADER_HEX = b"PGVAULTP".hex() + "01" + "00" + "01" + "00" + "11" * 8 + "22" * 16 + "33" * 32
FIRST = ObjectRecord(
    id=ObjectId(b"\xaa" * 32),
    type=ObjectType.ROW_CHUNK,
    codec=Codec.RAW,
    depth=0,
    base=None,
    ordinal=0,
    offset=68,
    length=26,
    plain_length=10,
)
SECOND = replace(FIRST, id=ObjectId(b"\xbb" * 32), ordinal=1, offset=94, codec=Codec.ZSTD, length=30)
END = 124


def patched(offset: int, data: bytes) -> bytes:
    encoded = bytearray(pack.encode_header(HEADER))
    encoded[offset : offset + len(data)] = data
    return bytes(encoded)


def trailer(*records: ObjectRecord, pad: int = 0) -> bytes:
    """Also one that no writer makes."""
    return codec.encode({"entries": b"".join(map(encode_record, records)), "pad": pad})


def footer(trailer_length: int) -> bytes:
    return trailer_length.to_bytes(4, "big") + b"PGVAULTE"


def test_header_has_the_layout_of_the_spec() -> None:
    assert pack.encode_header(HEADER).hex() == HEADER_HEX
    assert pack.decode_header(bytes.fromhex(HEADER_HEX) + b"what follows") == HEADER


@pytest.mark.parametrize(
    ("fault", "data", "error"),
    [
        ("short", bytes.fromhex(HEADER_HEX)[:-1], Malformed),
        ("magic", patched(0, b"p"), Malformed),
        ("version 2", patched(8, b"\x02"), Unsupported),
        ("version 0", patched(8, b"\x00"), Malformed),
        ("kind", patched(9, b"\x01"), Unsupported),
        ("class", patched(10, b"\x02"), Malformed),
        ("reserved byte", patched(11, b"\x01"), Malformed),
    ],
)
def test_damaged_header_is_refused(fault: str, data: bytes, error: type[IntegrityError]) -> None:
    with pytest.raises(error):
        pack.decode_header(data)


def test_pack_of_another_key_or_repository_is_refused() -> None:
    pack.check_owner(HEADER, key_id=HEADER.key_id, repository=HEADER.repository)
    with pytest.raises(AuthenticationFailed):
        pack.check_owner(HEADER, key_id=KeyId(bytes(8)), repository=HEADER.repository)
    with pytest.raises(AuthenticationFailed):
        pack.check_owner(HEADER, key_id=HEADER.key_id, repository=RepositoryId(bytes(16)))


def test_trailer_has_the_layout_of_the_spec() -> None:
    entries = encode_record(FIRST) + encode_record(SECOND)
    expected = b"\x82" + b"\xa7entries" + b"\xc4\xa8" + entries + b"\xa3pad" + b"\x05"
    assert trailer(FIRST, SECOND, pad=5) == pack.encode_trailer((FIRST, SECOND), header=HEADER, pad=5) == expected
    assert pack.decode_trailer(expected, header=HEADER, trailer_offset=END + 5) == (FIRST, SECOND)


@pytest.mark.parametrize(
    ("fault", "plain", "offset", "error"),
    [
        ("PACK-3: no entries", codec.encode({"entries": b"", "pad": 0}), 68, Malformed),
        ("PACK-3: part of an entry", codec.encode({"entries": bytes(85), "pad": 0}), 68, Malformed),
        ("PACK-4: ordinal from 1", trailer(replace(FIRST, ordinal=1)), 94, Malformed),
        ("PACK-4: ordinal skipped", trailer(FIRST, replace(SECOND, ordinal=2)), END, Malformed),
        ("PACK-5: gap before the first", trailer(replace(FIRST, offset=69)), 94, Malformed),
        ("PACK-5: gap", trailer(FIRST, replace(SECOND, offset=95)), END, Malformed),
        ("PACK-5: overlap", trailer(FIRST, replace(SECOND, offset=93)), END, Malformed),
        ("PACK-6: trailer later", trailer(FIRST, SECOND), END + 1, Malformed),
        ("PACK-6: trailer earlier", trailer(FIRST, SECOND), END - 1, Malformed),
        ("PACK-6: pad too long", trailer(FIRST, SECOND, pad=6), END + 5, Malformed),
        ("PACK-7: other class", trailer(replace(FIRST, type=ObjectType.LEDGER)), 94, Malformed),
        ("unknown field", codec.encode({"entries": encode_record(FIRST), "pad": 0, "x": 1}), 94, Unsupported),
        ("no pad", codec.encode({"entries": encode_record(FIRST)}), 94, Malformed),
        ("negative pad", codec.encode({"entries": encode_record(FIRST), "pad": -1}), 93, Malformed),
    ],
)
def test_trailer_that_does_not_tile_the_pack_is_refused(
    fault: str, plain: bytes, offset: int, error: type[IntegrityError]
) -> None:
    with pytest.raises(error):
        pack.decode_trailer(plain, header=HEADER, trailer_offset=offset)


def test_writer_of_a_trailer_is_held_to_the_same_rules() -> None:
    for records in ((), (SECOND,), (replace(FIRST, type=ObjectType.LEDGER),)):
        with pytest.raises(Malformed):
            pack.encode_trailer(records, header=HEADER)


@pytest.mark.spec("PACK-2")
def test_trailer_aad_has_the_layout_of_the_spec() -> None:
    expected = "cc" * 32 + "ffffffff" + "ff" + "00" + "00" + "00" + "00" * 64 + "00000100" + "00000000"
    assert pack.trailer_aad(b"\xcc" * 32, 256).hex() == expected


def test_footer_has_the_layout_of_the_spec() -> None:
    encoded = pack.encode_footer(0x0102)
    assert encoded == b"\x00\x00\x01\x02PGVAULTE"
    assert pack.decode_footer(b"more of the tail" + encoded, pack_bytes=1000) == 0x0102


@pytest.mark.spec("PACK-8")
@pytest.mark.parametrize(
    ("fault", "tail", "size", "error"),
    [
        ("short tail", footer(100)[1:], 1000, Malformed),
        ("magic", footer(100)[:-1] + b"X", 1000, Malformed),
        ("no trailer", footer(16), 1000, Malformed),
        ("trailer into the header", footer(1000 - 68 - 12 + 1), 1000, Malformed),
        ("trailer longer than the pack", footer(2**32 - 1), 1000, Malformed),
        ("pack shorter than its tail", b"x" * 100 + footer(17), 50, Malformed),
        ("pack too large", footer(100), limits.PACK_BYTES_MAX + 1, LimitExceeded),
    ],
)
def test_footer_that_does_not_fit_is_refused(fault: str, tail: bytes, size: int, error: type[IntegrityError]) -> None:
    with pytest.raises(error):
        pack.decode_footer(tail, pack_bytes=size)


@pytest.mark.spec("PACK-1")
def test_name_is_lower_case_hex_below_packs() -> None:
    name = "packs/" + "ab" * 32
    assert pack.pack_name(PackId(b"\xab" * 32)) == name
    assert pack.parse_pack_name(name) == b"\xab" * 32
    for other in (
        name.upper(),
        name[:-1],
        name + "0",
        name + "\n",
        "ab" * 32,
        "index/" + "ab" * 32,
        "packs/packs/" + "ab" * 32,
    ):
        assert pack.parse_pack_name(other) is None
