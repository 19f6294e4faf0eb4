"""Index fragments: where objects are. Spec 50-index.

Invariant: a fragment that `decode_fragment` returns has passed every check of the chapter, entry by entry; so a reader
may use `decode_entry` on any of its entries without looking again.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from vault.errors import LimitExceeded, Malformed
from vault.format import codec
from vault.format.codec import Row, Value
from vault.format.object import NO_ID, RECORD_BYTES, decode_record, encode_record, pack_class, plain_bytes_max
from vault.format.pack import HEADER_BYTES, decode_header
from vault.ids import FragmentId, PackId
from vault.limits import DELTA_DEPTH_MAX, FILE_BYTES_MAX, FRAGMENT_ENTRIES_MAX, PACK_BYTES_MAX, TAG_BYTES
from vault.model import DATA_TYPES, Codec, ObjectRecord, ObjectType, PackEntry

ENTRY_BYTES: Final = RECORD_BYTES + 4
INDEX: Final = "index"
GENERATION_MAX: Final = 2**32 - 1
GENERATION_USUAL_MAX: Final = 2**31
"""Writers count up, and none counts so far: a fragment under a higher one was renamed, or put there. It counts as any does, but feeds
no number; a prune gives its content another name."""

_ENTRY: Final = struct.Struct(">32s32sIIIIII")
_POSITION: Final = struct.Struct(">I")
_NAME: Final = re.compile(r"index/([0-9a-f]{8})-([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRow:
    """A pack as a fragment names it. `size` of the file; `header`: its first 68 bytes."""

    id: PackId
    size: int
    header: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """`packs` ascending by id; `entries`: n x 88 bytes, ascending; `supersedes` ascending."""

    packs: tuple[PackRow, ...]
    entries: bytes
    supersedes: tuple[FragmentId, ...]


def build_fragment(entries: Iterable[PackEntry], supersedes: Iterable[FragmentId] = ()) -> Fragment:
    """Bring packs and entries into the fragment's order. The same pack twice counts once.

    Raises  Malformed: two descriptions of a pack differ; LimitExceeded: more than FRAGMENT_ENTRIES_MAX entries
    """
    packs: dict[PackId, PackEntry] = {}
    for entry in entries:
        if packs.setdefault(entry.pack, entry) != entry:
            raise Malformed(f"index fragment: pack {entry.pack.hex()[:12]} is described in two ways")
    ordered = sorted(packs.values(), key=lambda entry: entry.pack)
    rows = tuple(PackRow(id=entry.pack, size=entry.size, header=entry.header) for entry in ordered)
    encoded = [
        encode_record(record) + _POSITION.pack(position)
        for position, entry in enumerate(ordered)
        for record in entry.records
    ]
    if len(encoded) > FRAGMENT_ENTRIES_MAX:
        raise LimitExceeded(f"index fragment: {len(encoded)} entries, the limit is {FRAGMENT_ENTRIES_MAX}")
    return Fragment(packs=rows, entries=b"".join(sorted(encoded)), supersedes=tuple(sorted(set(supersedes))))


def encode_fragment(fragment: Fragment) -> bytes:
    """Plaintext of the fragment's file. Raises as `decode_fragment`"""
    packs: tuple[Value, ...] = tuple((row.id, row.size, row.header) for row in fragment.packs)
    value: Value = {"entries": fragment.entries, "packs": packs, "supersedes": fragment.supersedes}
    return codec.encode_proven(value, decode_fragment)


def decode_fragment(data: bytes) -> Fragment:
    """Read and check a fragment's plaintext, every entry of it.

    Raises  Malformed; LimitExceeded; Unsupported: an object type or codec that is newer
    """
    what = "index fragment"
    fields = codec.Record.decode(data, what=what, bytes_max=FILE_BYTES_MAX)
    fragment = Fragment(
        packs=tuple(_decode_pack(value) for value in fields.array("packs")),
        entries=fields.blob("entries"),
        supersedes=tuple(FragmentId(codec.blob_of(value, what, length=32)) for value in fields.array("supersedes")),
    )
    fields.finish()
    _check_ascending([row.id for row in fragment.packs], "packs")
    _check_ascending(fragment.supersedes, "superseded fragments")
    if len(fragment.entries) % ENTRY_BYTES:
        raise Malformed(f"{what}: a part of an entry")
    if len(fragment.entries) // ENTRY_BYTES > FRAGMENT_ENTRIES_MAX:
        raise LimitExceeded(f"{what}: more than {FRAGMENT_ENTRIES_MAX} entries")
    check_entries(fragment.packs, fragment.entries)
    return fragment


def decode_entry(data: bytes | memoryview) -> tuple[ObjectRecord, int]:
    """Record and position in `packs` of one entry of 88 bytes. Raises as `decode_record`."""
    if len(data) != ENTRY_BYTES:
        raise Malformed(f"index entry: {len(data)} bytes instead of {ENTRY_BYTES}")
    (position,) = _POSITION.unpack(data[RECORD_BYTES:])
    return decode_record(data[:RECORD_BYTES]), position


def fragment_name(generation: int, fragment: FragmentId) -> str:
    if not 0 <= generation <= GENERATION_MAX:
        raise LimitExceeded(f"index generation {generation} does not fit its name")
    return f"{INDEX}/{generation:08x}-{fragment.hex()}"


def parse_fragment_name(name: str) -> tuple[int, FragmentId] | None:
    """None for a name that is not a fragment's."""
    match = _NAME.fullmatch(name)
    return None if match is None else (int(match[1], 16), FragmentId(bytes.fromhex(match[2])))


def _decode_pack(value: Value) -> PackRow:
    row = Row(value, length=3, what="index fragment: pack")
    result = PackRow(id=PackId(row.blob(32)), size=row.integer(), header=row.blob(HEADER_BYTES))
    if result.size > PACK_BYTES_MAX:
        raise LimitExceeded(f"index fragment: a pack of {result.size} bytes, the limit is {PACK_BYTES_MAX}")
    decode_header(result.header)
    return result


def _check_ascending(ids: Sequence[bytes], what: str) -> None:
    if not codec.ascend(ids):
        raise Malformed(f"index fragment: {what} do not ascend")


# --- the fast path ---------------------------------------------------------------------------------
# A fragment may have 2^17 entries and a repository thousands of fragments: about 0.5 us an entry is what opening can
# afford. Type, codec, depth and the zero byte are one integer, so one look-up replaces most of decode_record. Whatever
# is not plainly right goes to `_refuse`, which finds the words.


def _legal_tags() -> dict[int, tuple[bool, bool, int, int, int]]:
    """(type, codec, depth, 0) as one integer -> (has a base, is raw, plain length from, to, pack class)."""
    tags = {}
    for type_ in ObjectType:
        if type_ is ObjectType.SNAPSHOT:
            continue
        low = 0 if type_ in DATA_TYPES else 1
        high, class_ = plain_bytes_max(type_), int(pack_class(type_))
        for codec_ in (Codec.RAW, Codec.ZSTD):
            tags[type_ << 24 | codec_ << 16] = (False, codec_ is Codec.RAW, low, high, class_)
        if type_ is ObjectType.ROW_CHUNK:
            for depth in range(1, DELTA_DEPTH_MAX + 1):
                tags[type_ << 24 | Codec.ZSTD_DELTA << 16 | depth << 8] = (True, False, low, high, class_)
    return tags


_LEGAL_TAGS: Final = _legal_tags()


def check_entries(packs: Sequence[PackRow], entries: bytes) -> None:
    """Check every entry (30-object, IDX-2, IDX-4 to IDX-6). `entries` is a multiple of 88 bytes.

    Raises  as `decode_fragment`
    """
    places = [(row.size, int(decode_header(row.header).pack_class)) for row in packs]
    place_count = len(places)
    tags = _LEGAL_TAGS
    last: tuple[Any, ...] = ()
    for entry in _ENTRY.iter_unpack(entries):
        _, base, _, offset, length, plain_length, tag, position = entry
        rule = tags.get(tag)
        if rule is None or position >= place_count or entry <= last:
            _refuse(entry, last, places)
        has_base, raw, low, high, class_ = rule
        size, pack_class_ = places[position]
        if (
            (base != NO_ID) is not has_base
            or not low <= plain_length <= high
            or length < TAG_BYTES
            or (raw and length != plain_length + TAG_BYTES)
            or offset < HEADER_BYTES
            or offset + length > size
            or class_ != pack_class_
        ):
            _refuse(entry, last, places)
        last = entry


def _refuse(entry: tuple[Any, ...], last: tuple[Any, ...], places: Sequence[tuple[int, int]]) -> NoReturn:
    """Find what is wrong with `entry`, the slow way, and raise it."""
    record, position = decode_entry(_ENTRY.pack(*entry))
    if entry <= last:
        raise Malformed("index fragment: entries do not ascend")
    if position >= len(places):
        raise Malformed("index fragment: an entry names a pack that is not there")
    size, class_ = places[position]
    if record.offset < HEADER_BYTES or record.offset + record.length > size:
        raise Malformed("index fragment: an entry lies outside its pack")
    if pack_class(record.type) != class_:
        raise Malformed("index fragment: an entry's type belongs to the other class of packs")
    raise AssertionError("the fast and the slow check of an entry disagree")
