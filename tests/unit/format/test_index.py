"""Index fragments: order, every check of every entry, names: spec 50-index."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import pack_entries
from vault import limits
from vault.errors import IntegrityError, LimitExceeded, Malformed, Unsupported
from vault.format import codec, index
from vault.format.index import Fragment, PackRow
from vault.format.object import encode_record
from vault.format.pack import encode_header
from vault.ids import FragmentId, KeyId, ObjectId, PackId, RepositoryId
from vault.model import Codec, ObjectRecord, ObjectType, PackClass, PackEntry, PackHeader


def header(pack_class: PackClass) -> bytes:
    return encode_header(
        PackHeader(pack_class=pack_class, key_id=KeyId(bytes(8)), repository=RepositoryId(bytes(16)), salt=bytes(32))
    )


RECORD = ObjectRecord(
    id=ObjectId(b"\xaa" * 32),
    type=ObjectType.ROW_CHUNK,
    codec=Codec.ZSTD,
    depth=0,
    base=None,
    ordinal=0,
    offset=68,
    length=32,
    plain_length=10,
)
OTHER = replace(RECORD, id=ObjectId(b"\xab" * 32), ordinal=1, offset=100)
ROW = PackRow(id=PackId(b"\x01" * 32), size=1000, header=header(PackClass.DATA))
META_ROW = PackRow(id=PackId(b"\x02" * 32), size=1000, header=header(PackClass.META))


def entry(record: ObjectRecord, position: int = 0) -> bytes:
    return encode_record(record) + position.to_bytes(4, "big")


def fragment(*entries: bytes, packs: tuple[PackRow, ...] = (ROW,), supersedes: tuple[bytes, ...] = ()) -> bytes:
    """Also one that no writer makes."""
    rows = tuple((row.id, row.size, row.header) for row in packs)
    return codec.encode({"entries": b"".join(entries), "packs": rows, "supersedes": supersedes})


def patched(offset: int, data: bytes) -> bytes:
    encoded = bytearray(entry(RECORD))
    encoded[offset : offset + len(data)] = data
    return bytes(encoded)


DEEPEST = entry(replace(RECORD, codec=Codec.ZSTD_DELTA, depth=64, base=OTHER.id))


def test_deepest_delta_is_accepted() -> None:
    assert index.decode_fragment(fragment(DEEPEST)).entries == DEEPEST


def test_fragment_has_the_layout_of_the_spec() -> None:
    expected = codec.encode(
        {
            "entries": entry(RECORD) + entry(OTHER),
            "packs": ((ROW.id, 1000, ROW.header),),
            "supersedes": (b"\x07" * 32,),
        }
    )
    made = Fragment(packs=(ROW,), entries=entry(RECORD) + entry(OTHER), supersedes=(FragmentId(b"\x07" * 32),))
    assert index.encode_fragment(made) == expected
    decoded = index.decode_fragment(expected)
    assert decoded.packs == (ROW,)
    assert index.decode_entry(memoryview(decoded.entries)[88:]) == (OTHER, 0)


def test_build_sorts_packs_entries_and_superseded_fragments() -> None:
    second = PackEntry(pack=META_ROW.id, size=1000, header=META_ROW.header, records=())
    first = PackEntry(pack=ROW.id, size=1000, header=ROW.header, records=(OTHER, RECORD))
    ids = (FragmentId(b"\x09" * 32), FragmentId(b"\x08" * 32), FragmentId(b"\x09" * 32))
    built = index.build_fragment([second, first, second], ids)
    assert built.packs == (ROW, META_ROW)
    assert built.entries == entry(RECORD) + entry(OTHER)
    assert built.supersedes == (ids[1], ids[0])
    assert index.decode_fragment(index.encode_fragment(built)) == built


def test_build_refuses_two_descriptions_of_a_pack() -> None:
    first = PackEntry(pack=ROW.id, size=1000, header=ROW.header, records=(RECORD,))
    with pytest.raises(Malformed):
        index.build_fragment([first, replace(first, size=1001)])


@pytest.mark.parametrize(
    ("fault", "data", "error"),
    [
        ("IDX-2: part of an entry", fragment(entry(RECORD)[:-1]), Malformed),
        ("IDX-2: descending", fragment(entry(OTHER), entry(RECORD)), Malformed),
        ("IDX-2: twice", fragment(entry(RECORD), entry(RECORD)), Malformed),
        ("IDX-3: packs descend", fragment(packs=(META_ROW, ROW)), Malformed),
        ("IDX-3: pack twice", fragment(packs=(ROW, ROW)), Malformed),
        ("superseded twice", fragment(supersedes=(bytes(32), bytes(32))), Malformed),
        ("superseded id is short", fragment(supersedes=(bytes(31),)), Malformed),
        ("IDX-4: no such pack", fragment(entry(RECORD, 1)), Malformed),
        ("IDX-5: past the end", fragment(entry(replace(RECORD, offset=969))), Malformed),
        ("IDX-5: in the header", fragment(entry(replace(RECORD, offset=67))), Malformed),
        ("IDX-5: wraps around", fragment(entry(replace(RECORD, offset=2**32 - 1))), Malformed),
        ("IDX-6: other class", fragment(entry(RECORD), packs=(replace(META_ROW),)), Malformed),
        ("pack too large", fragment(packs=(replace(ROW, size=limits.PACK_BYTES_MAX + 1),)), LimitExceeded),
        ("pack header damaged", fragment(packs=(replace(ROW, header=b"p" + ROW.header[1:]),)), Malformed),
        ("pack header is short", fragment(packs=(replace(ROW, header=ROW.header[1:]),)), Malformed),
        ("unknown type", fragment(patched(80, b"\x09")), Unsupported),
        ("manifest in a pack", fragment(patched(80, b"\x20")), Unsupported),
        ("unknown codec", fragment(patched(81, b"\x03")), Unsupported),
        ("delta without base", fragment(patched(81, b"\x02\x01")), Malformed),
        ("depth without delta", fragment(patched(82, b"\x01")), Malformed),
        ("base without delta", fragment(patched(32, b"\x01")), Malformed),
        ("delta too deep", fragment(DEEPEST[:82] + b"\x41" + DEEPEST[83:]), LimitExceeded),
        ("last byte set", fragment(patched(83, b"\x01")), Malformed),
        ("raw length differs", fragment(patched(81, b"\x00")), Malformed),
        ("shorter than a tag", fragment(patched(72, (15).to_bytes(4, "big"))), Malformed),
        ("chunk too large", fragment(patched(76, b"\x7f")), LimitExceeded),
        ("empty metadata", fragment(patched(76, bytes(4) + b"\x04"), packs=(META_ROW,)), Malformed),
    ],
)
def test_fragment_with_one_fault_is_refused(fault: str, data: bytes, error: type[IntegrityError]) -> None:
    with pytest.raises(error):
        index.decode_fragment(data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (fragment(entry(OTHER), entry(RECORD)), "do not ascend"),
        (fragment(entry(RECORD), entry(RECORD)), "do not ascend"),
        (fragment(entry(RECORD, 1)), "names a pack that is not there"),
        (fragment(entry(replace(RECORD, offset=67))), "lies outside its pack"),
        (fragment(entry(replace(RECORD, offset=969))), "lies outside its pack"),
        (fragment(entry(replace(RECORD, offset=68)), packs=(META_ROW,)), "belongs to the other class"),
        (fragment(entry(replace(RECORD, offset=968)), packs=(META_ROW,)), "belongs to the other class"),
    ],
)
def test_refusal_of_an_entry_names_the_fault_it_has(data: bytes, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        index.decode_fragment(data)


def test_fragment_with_too_many_entries_is_refused() -> None:
    entries = b"".join(entry(replace(RECORD, id=ObjectId(number.to_bytes(32, "big")))) for number in range(3)) * (
        (limits.FRAGMENT_ENTRIES_MAX // 3) + 1
    )
    with pytest.raises(LimitExceeded):
        index.decode_fragment(fragment(entries))


@given(entries=st.lists(pack_entries(), min_size=1, max_size=2, unique_by=lambda drawn: drawn.pack), data=st.data())
def test_fast_check_of_entries_agrees_with_the_plain_one(entries: list[PackEntry], data: st.DataObject) -> None:
    """Entry by entry: what the fast path accepts, decode_entry accepts, and the other way round."""
    built = index.build_fragment(entries)
    changed = bytearray(built.entries[: index.ENTRY_BYTES])
    at = data.draw(st.integers(64, index.ENTRY_BYTES - 1))
    changed[at] = data.draw(st.integers(0, 255))
    assert _accepts(lambda: index.check_entries(built.packs, bytes(changed))) == _accepts(
        lambda: _plain_check(built.packs, bytes(changed))
    )


def _plain_check(packs: tuple[PackRow, ...], data: bytes) -> None:
    record, position = index.decode_entry(data)
    if position >= len(packs):
        raise Malformed("position")
    row = packs[position]
    meta = row.header[10] == PackClass.META
    chunk = record.type in (ObjectType.ROW_CHUNK, ObjectType.FILE_CHUNK, ObjectType.LARGE_OBJECT_CHUNK)
    if record.offset < 68 or record.offset + record.length > row.size or meta == chunk:
        raise Malformed("place")


def _accepts(check: object) -> bool:
    assert callable(check)
    try:
        check()
    except IntegrityError:
        return False
    return True


@pytest.mark.spec("IDX-1")
def test_name_is_generation_and_id() -> None:
    name = "index/0000002a-" + "ab" * 32
    assert index.fragment_name(42, FragmentId(b"\xab" * 32)) == name
    assert index.parse_fragment_name(name) == (42, b"\xab" * 32)
    for other in ("index/" + "ab" * 32, name.replace("2a", "2A"), name + "0", name + "\n", name.replace("-", "_")):
        assert index.parse_fragment_name(other) is None
    with pytest.raises(LimitExceeded):
        index.fragment_name(2**32, FragmentId(bytes(32)))
