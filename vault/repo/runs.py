"""Sorted runs: index entries as flat bytes that are searched in place, from memory or a memory-mapped cache file.

A run holds one fragment's entries, or those of several merged ones. Its file is plain (keyed ids and places only), 0600, and ends with
digests of itself; on any doubt it is thrown away and rebuilt from the repository. Never a dict of Python objects: a million entries
cost 88 MB of mapped file and no heap. Entries of a large run are checked block by block, when one is first looked at: to read a gigabyte
at each opening would be all that a small backup does.

Layout: magic 8 | counts of packs, entries, covers, supersedes (4 each) | covers, supersedes (32 each) | packs (108 each) |
entries (88 each, as in spec 50-index) | a digest for each block of entries (32 each) | digest of all but the entries 32.
"""

from __future__ import annotations

import heapq
import mmap
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from vault.crypto import keyed
from vault.errors import Malformed
from vault.format.index import ENTRY_BYTES, Fragment, PackRow, decode_entry
from vault.ids import FragmentId, ObjectId, PackId
from vault.limits import MIB
from vault.model import Location, ObjectRecord

MERGED = "merged-"
MAGIC = b"PGVRUN2\n"
COUNTS = struct.Struct(">IIII")
PACK = struct.Struct(">32sQ68s")
_POSITION = struct.Struct(">I")
_BASE = struct.Struct(">32x32s18xBxI")
"""Of an entry: base, depth, position of the pack."""
_LINK = struct.Struct(">32s32s16xBxBxI")
"""Of an entry: id, base, type, depth, position of the pack."""
_FACTS = struct.Struct(">32s32s4xIIIBxBxI")
"""Of an entry: id, base, offset, length, plain length, type, depth, position of the pack."""
_ID_BYTES = 32
DIGEST_BYTES = 32
_SEALED = struct.Struct(">32s36xII8xI")
"""Of an entry: id, offset, length, position of the pack."""
_BEGINNING = struct.Struct(f">H{ENTRY_BYTES - 2}x")
"""Of an entry: the first two bytes of its id."""
_FEW_ENTRIES = 16_000
"""Of so few entries most beginnings are no entry's: one look tells that an id is not among them, where bisecting takes a dozen."""
_SCANNED_BYTES = ENTRY_BYTES * 4096
BLOCK_ENTRIES = 12_000
"""About a MiB: a look-up looks at two dozen places."""
CHECKED_AT_ONCE_BYTES = 32 * MIB
"""Hashing so much takes 20 ms; a run of more entries is checked as it is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    packs_at: int
    packs: int
    entries_at: int
    entries: int
    digests_at: int
    covers: tuple[FragmentId, ...]
    supersedes: tuple[FragmentId, ...]


class Link(NamedTuple):
    """A location reduced to its place in a chain: a backup asks this of every chunk that it takes over, so it must be quick."""

    depth: int
    base: ObjectId | None
    type: int
    run: Run
    start: int


class IndexEntry(NamedTuple):
    """An entry as far as a pruner reckons with it. `pack`: the pack's position in its run."""

    id: ObjectId
    base: ObjectId | None
    offset: int
    length: int
    plain_length: int
    type: int
    depth: int
    pack: int


class Run:
    """Entries ascending by id. Thread-safe for reading.

    unchecked  the entries' bytes come from a cache and were not compared with their digests; `damaged` is called if they differ
    """

    def __init__(
        self, data: bytes | mmap.mmap, *, unchecked: bool = False, damaged: Callable[[], None] = lambda: None
    ) -> None:
        self._data = data
        self._layout = _layout(data)
        self._usable = bytearray(b"\x01" * self._layout.packs)
        blocks = -(-self._layout.entries // BLOCK_ENTRIES)
        self._unchecked = bytearray((b"\x01" if unchecked else b"\x00") * blocks)
        self._damaged = damaged
        self._beginnings = b""

    @property
    def covers(self) -> tuple[FragmentId, ...]:
        return self._layout.covers

    @property
    def supersedes(self) -> tuple[FragmentId, ...]:
        return self._layout.supersedes

    def __len__(self) -> int:
        return self._layout.entries

    def restrict(self, sizes: dict[PackId, int]) -> None:
        """Entries of packs that are absent from `sizes` or of another size there do not exist from now on (IDX-7)."""
        start = self._layout.packs_at
        with memoryview(self._data) as view, view[start : start + self._layout.packs * PACK.size] as rows:
            self._usable[:] = bytearray(sizes.get(PackId(row[0])) == row[1] for row in PACK.iter_unpack(rows))

    def packs(self) -> Iterator[PackRow]:
        for position in range(self._layout.packs):
            yield self._pack(position)

    def unusable(self) -> Iterator[PackRow]:
        return (row for position, row in enumerate(self.packs()) if not self._usable[position])

    def _pack(self, position: int) -> PackRow:
        pack, size, header = PACK.unpack_from(self._data, self._layout.packs_at + position * PACK.size)
        return PackRow(id=PackId(pack), size=size, header=header)

    def raw_entries(self) -> Iterator[bytes]:
        start = self._layout.entries_at
        self.check()
        for position in range(self._layout.entries):
            yield self._data[start + position * ENTRY_BYTES : start + (position + 1) * ENTRY_BYTES]

    def is_usable(self, position: int) -> bool:
        """Whether the pack at that position is there in the size that is known."""
        return bool(self._usable[position])

    def entry(self, position: int) -> IndexEntry:
        self._touch(position)
        start = self._layout.entries_at + position * ENTRY_BYTES
        identifier, base, offset, length, plain_length, type_, depth, pack = _FACTS.unpack_from(self._data, start)
        return IndexEntry(identifier, None if depth == 0 else base, offset, length, plain_length, type_, depth, pack)

    def sealed(self) -> Iterator[tuple[bytes, int, int, int]]:
        """(id, offset, sealed length, position of the pack) of every entry, in order."""
        self.check()
        start, end = self._layout.entries_at, self._layout.entries_at + self._layout.entries * ENTRY_BYTES
        for first in range(start, end, _SCANNED_BYTES):
            yield from _SEALED.iter_unpack(self._data[first : min(first + _SCANNED_BYTES, end)])

    def bases(self) -> Iterator[tuple[int, bytes, int]]:
        """(position, id of the base, position of the pack) of every delta, in order."""
        self.check()
        start, end = self._layout.entries_at, self._layout.entries_at + self._layout.entries * ENTRY_BYTES
        position = 0
        for first in range(start, end, _SCANNED_BYTES):
            for base, depth, pack in _BASE.iter_unpack(self._data[first : min(first + _SCANNED_BYTES, end)]):
                if depth:
                    yield position, base, pack
                position += 1

    def positions(self, object_id: ObjectId) -> Iterator[int]:
        """Where usable entries of the id are."""
        at, size = self._position(object_id), _POSITION.size
        while at < self._layout.entries:
            self._touch(at)
            start = self._layout.entries_at + at * ENTRY_BYTES
            if self._data[start : start + _ID_BYTES] != object_id:
                return
            (pack,) = _POSITION.unpack_from(self._data, start + ENTRY_BYTES - size)
            if self._usable[pack]:
                yield at
            at += 1

    def check(self) -> None:
        """Compare every entry with its digest. Raises  Malformed: the cache was damaged; it is gone now"""
        for block, unchecked in enumerate(self._unchecked):
            if unchecked:
                self._check(block)

    def _touch(self, position: int) -> None:
        """Before an entry is read. Raises  as `check`"""
        if self._unchecked[position // BLOCK_ENTRIES]:
            self._check(position // BLOCK_ENTRIES)

    def _check(self, block: int) -> None:
        layout = self._layout
        start = layout.entries_at + block * BLOCK_ENTRIES * ENTRY_BYTES
        stop = min(start + BLOCK_ENTRIES * ENTRY_BYTES, layout.digests_at)
        at = layout.digests_at + block * DIGEST_BYTES
        with memoryview(self._data) as view, view[start:stop] as entries:
            intact = keyed.digest(entries) == self._data[at : at + DIGEST_BYTES]
        if not intact:
            self._damaged()
            raise Malformed(
                "the local cache of the index is damaged",
                why="a part of it is not what was written; the repository is not touched by this",
                hint="the damaged file is removed: run the command again",
            )
        self._unchecked[block] = 0

    def _position(self, object_id: ObjectId) -> int:
        """Where the id is: the first entry that is not less; the end if it is surely not here."""
        if self._layout.entries <= _FEW_ENTRIES:
            known = self._beginnings or self._note_beginnings()
            if not known[object_id[0] << 8 | object_id[1]]:
                return self._layout.entries
        data, at, low, high = self._data, self._layout.entries_at, 0, self._layout.entries
        unchecked = self._unchecked
        while low < high:
            middle = (low + high) // 2
            if unchecked[middle // BLOCK_ENTRIES]:
                self._check(middle // BLOCK_ENTRIES)
            start = at + middle * ENTRY_BYTES
            if data[start : start + _ID_BYTES] < object_id:
                low = middle + 1
            else:
                high = middle
        return low

    def _note_beginnings(self) -> bytes:
        """Which of the 65,536 beginnings of an id there are. Raises  as `check`"""
        self.check()
        known = bytearray(1 << 16)
        start = self._layout.entries_at
        with memoryview(self._data) as view, view[start : start + self._layout.entries * ENTRY_BYTES] as entries:
            for (beginning,) in _BEGINNING.iter_unpack(entries):
                known[beginning] = 1
        self._beginnings = bytes(known)
        return self._beginnings

    def locations(self, object_id: ObjectId) -> Iterator[Location]:
        """Usable locations of the id."""
        return map(self.location, self.links(object_id))

    def links(self, object_id: ObjectId) -> list[Link]:
        """Usable locations of the id, as the little that a chain is made of."""
        links: list[Link] = []
        position = self._position(object_id)
        while position < self._layout.entries:
            self._touch(position)
            start = self._layout.entries_at + position * ENTRY_BYTES
            identifier, base, type_, depth, pack = _LINK.unpack_from(self._data, start)
            if identifier != object_id:
                break
            if self._usable[pack]:
                links.append(Link(depth, None if depth == 0 else ObjectId(base), type_, self, start))
            position += 1
        return links

    def location(self, link: Link) -> Location:
        return self._location(link.start)

    def location_at(self, position: int) -> Location:
        return self._location(self._layout.entries_at + position * ENTRY_BYTES)

    def _location(self, start: int) -> Location:
        record, position = decode_entry(self._data[start : start + ENTRY_BYTES])
        row = self._pack(position)
        return Location(record=record, pack=row.id, header=row.header)

    def pack_of(self, link: Link) -> PackId:
        (position,) = _POSITION.unpack_from(self._data, link.start + ENTRY_BYTES - _POSITION.size)
        start = self._layout.packs_at + position * PACK.size
        return PackId(self._data[start : start + _ID_BYTES])

    def gone_from(self, object_id: ObjectId) -> Iterator[PackId]:
        """Packs of the locations of the id that are not usable."""
        for _, pack_position in self._entries_of(object_id):
            if not self._usable[pack_position]:
                yield self._pack(pack_position).id

    def in_pack(self, pack: PackId, *, usable: bool = True) -> Iterator[Location]:
        """Every location in one pack, if it is there in its size, or whether it is or not; looks at all entries."""
        positions = {
            at: row for at, row in enumerate(self.packs()) if row.id == pack and (self._usable[at] or not usable)
        }
        for entry in self.raw_entries() if positions else ():
            row = positions.get(_POSITION.unpack(entry[-_POSITION.size :])[0])
            if row is not None:
                yield Location(record=decode_entry(entry)[0], pack=row.id, header=row.header)

    def _entries_of(self, object_id: ObjectId) -> Iterator[tuple[ObjectRecord, int]]:
        for position in range(self._position(object_id), self._layout.entries):
            self._touch(position)
            start = self._layout.entries_at + position * ENTRY_BYTES
            entry = self._data[start : start + ENTRY_BYTES]
            if entry[:_ID_BYTES] != object_id:
                return
            yield decode_entry(entry)


def _layout(data: bytes | mmap.mmap) -> _Layout:
    packs, entries, covers, supersedes = COUNTS.unpack_from(data, len(MAGIC))
    at = len(MAGIC) + COUNTS.size
    names = [FragmentId(data[at + i * 32 : at + (i + 1) * 32]) for i in range(covers + supersedes)]
    packs_at = at + 32 * len(names)
    entries_at = packs_at + packs * PACK.size
    return _Layout(
        packs_at=packs_at,
        packs=packs,
        entries_at=entries_at,
        entries=entries,
        digests_at=entries_at + entries * ENTRY_BYTES,
        covers=tuple(names[:covers]),
        supersedes=tuple(names[covers:]),
    )


def from_fragment(fragment: Fragment, fragment_id: FragmentId) -> Iterator[bytes]:
    """The run of one fragment, in pieces."""
    step = BLOCK_ENTRIES * ENTRY_BYTES
    blocks = (fragment.entries[start : start + step] for start in range(0, len(fragment.entries), step))
    count = len(fragment.entries) // ENTRY_BYTES
    return _pieces(blocks, count, fragment.packs, covers=[fragment_id], supersedes=fragment.supersedes)


def merge(runs: Sequence[Run]) -> Iterator[bytes]:
    """One run with the entries of all, in pieces: it may be larger than memory.

    A pack that they tell different sizes of stands in it with each, so that an entry counts as it did before (IDX-7).
    """
    rows = list(dict.fromkeys(row for run in runs for row in run.packs()))
    place = {row: _POSITION.pack(position) for position, row in enumerate(rows)}
    entries = heapq.merge(*(_translate(run, [place[row] for row in run.packs()]) for run in runs))
    blocks = iter(lambda: b"".join(islice(entries, BLOCK_ENTRIES)), b"")
    covers = [cover for run in runs for cover in run.covers]
    supersedes = sorted({old for run in runs for old in run.supersedes})
    return _pieces(blocks, sum(map(len, runs)), rows, covers=covers, supersedes=supersedes)


def _translate(run: Run, places: list[bytes]) -> Iterator[bytes]:
    for entry in run.raw_entries():
        yield entry[:-4] + places[_POSITION.unpack(entry[-4:])[0]]


def _pieces(
    blocks: Iterable[bytes],
    count: int,
    packs: Sequence[PackRow],
    *,
    covers: Sequence[FragmentId],
    supersedes: Sequence[FragmentId],
) -> Iterator[bytes]:
    table = b"".join(PACK.pack(row.id, row.size, row.header) for row in packs)
    head = b"".join((MAGIC, COUNTS.pack(len(packs), count, len(covers), len(supersedes)), *covers, *supersedes, table))
    yield head
    digests = []
    for block in blocks:
        digests.append(keyed.digest(block))
        yield block
    yield b"".join(digests)
    yield keyed.digest(b"".join((head, *digests)))


def name_of(covers: Sequence[FragmentId]) -> str:
    """Name of the cached run that covers those fragments."""
    return covers[0].hex() if len(covers) == 1 else MERGED + keyed.digest(b"".join(sorted(covers))).hex()
