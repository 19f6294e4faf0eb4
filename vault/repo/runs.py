"""Sorted runs: index entries as flat bytes that are searched in place, from memory or a memory-mapped cache file.

A run holds one fragment's entries, or those of several merged ones. Its file is plain (keyed ids and places only), 0600, and ends with
a digest of itself; on any doubt it is thrown away and rebuilt from the repository. Never a dict of Python objects: a million entries
cost 88 MB of mapped file and no heap.

Layout: magic 8 | counts of packs, entries, covers, supersedes (4 each) | covers, supersedes (32 each) | packs (108 each) |
entries (88 each, as in spec 50-index) | digest 32.
"""

from __future__ import annotations

import heapq
import mmap
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from vault.crypto import keyed
from vault.format.index import ENTRY_BYTES, Fragment, PackRow, decode_entry
from vault.ids import FragmentId, ObjectId, PackId
from vault.model import Location, ObjectRecord

MERGED = "merged-"
_MAGIC = b"PGVRUN1\n"
_COUNTS = struct.Struct(">IIII")
_PACK = struct.Struct(">32sQ68s")
_POSITION = struct.Struct(">I")
_LINK = struct.Struct(">32s32s16xBxBxI")
"""Of an entry: id, base, type, depth, position of the pack."""
_FACTS = struct.Struct(">32s32s4xIIIBxBxI")
"""Of an entry: id, base, offset, length, plain length, type, depth, position of the pack."""
_ID_BYTES = 32
_DIGEST_BYTES = 32
_LENGTH = struct.Struct(">72xI8xI")
_SCANNED_BYTES = ENTRY_BYTES * 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    packs_at: int
    packs: int
    entries_at: int
    entries: int
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
    """Entries ascending by id. Thread-safe for reading."""

    def __init__(self, data: bytes | mmap.mmap) -> None:
        self._data = data
        self._layout = _layout(data)
        self._usable = bytearray(b"\x01" * self._layout.packs)

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
        for position, row in enumerate(self.packs()):
            self._usable[position] = sizes.get(row.id) == row.size

    def packs(self) -> Iterator[PackRow]:
        for position in range(self._layout.packs):
            yield self._pack(position)

    def unusable(self) -> Iterator[PackRow]:
        return (row for position, row in enumerate(self.packs()) if not self._usable[position])

    def _pack(self, position: int) -> PackRow:
        pack, size, header = _PACK.unpack_from(self._data, self._layout.packs_at + position * _PACK.size)
        return PackRow(id=PackId(pack), size=size, header=header)

    def raw_entries(self) -> Iterator[bytes]:
        start = self._layout.entries_at
        for position in range(self._layout.entries):
            yield self._data[start + position * ENTRY_BYTES : start + (position + 1) * ENTRY_BYTES]

    def is_usable(self, position: int) -> bool:
        """Whether the pack at that position is there in the size that is known."""
        return bool(self._usable[position])

    def entry(self, position: int) -> IndexEntry:
        start = self._layout.entries_at + position * ENTRY_BYTES
        identifier, base, offset, length, plain_length, type_, depth, pack = _FACTS.unpack_from(self._data, start)
        return IndexEntry(identifier, None if depth == 0 else base, offset, length, plain_length, type_, depth, pack)

    def lengths(self) -> Iterator[tuple[int, int]]:
        """(position of the pack, sealed length) of every entry, in order."""
        start, end = self._layout.entries_at, self._layout.entries_at + self._layout.entries * ENTRY_BYTES
        for first in range(start, end, _SCANNED_BYTES):
            for length, pack in _LENGTH.iter_unpack(self._data[first : min(first + _SCANNED_BYTES, end)]):
                yield pack, length

    def positions(self, object_id: ObjectId) -> Iterator[int]:
        """Where usable entries of the id are."""
        at, size = self._position(object_id), _POSITION.size
        while at < self._layout.entries:
            start = self._layout.entries_at + at * ENTRY_BYTES
            if self._data[start : start + _ID_BYTES] != object_id:
                return
            (pack,) = _POSITION.unpack_from(self._data, start + ENTRY_BYTES - size)
            if self._usable[pack]:
                yield at
            at += 1

    def _position(self, object_id: ObjectId) -> int:
        """Where the id is, or would be: the first entry that is not less."""
        data, at, low, high = self._data, self._layout.entries_at, 0, self._layout.entries
        while low < high:
            middle = (low + high) // 2
            start = at + middle * ENTRY_BYTES
            if data[start : start + _ID_BYTES] < object_id:
                low = middle + 1
            else:
                high = middle
        return low

    def locations(self, object_id: ObjectId) -> Iterator[Location]:
        """Usable locations of the id."""
        return map(self.location, self.links(object_id))

    def links(self, object_id: ObjectId) -> list[Link]:
        """Usable locations of the id, as the little that a chain is made of."""
        links: list[Link] = []
        position = self._position(object_id)
        while position < self._layout.entries:
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
        start = self._layout.packs_at + position * _PACK.size
        return PackId(self._data[start : start + _ID_BYTES])

    def gone_from(self, object_id: ObjectId) -> Iterator[PackId]:
        """Packs of the locations of the id that are not usable."""
        for _, pack_position in self._entries_of(object_id):
            if not self._usable[pack_position]:
                yield self._pack(pack_position).id

    def in_pack(self, pack: PackId) -> Iterator[Location]:
        """Every location in one usable pack; looks at all entries."""
        positions = {at: row for at, row in enumerate(self.packs()) if row.id == pack and self._usable[at]}
        for entry in self.raw_entries() if positions else ():
            row = positions.get(_POSITION.unpack(entry[-_POSITION.size :])[0])
            if row is not None:
                yield Location(record=decode_entry(entry)[0], pack=row.id, header=row.header)

    def _entries_of(self, object_id: ObjectId) -> Iterator[tuple[ObjectRecord, int]]:
        for position in range(self._position(object_id), self._layout.entries):
            start = self._layout.entries_at + position * ENTRY_BYTES
            entry = self._data[start : start + ENTRY_BYTES]
            if entry[:_ID_BYTES] != object_id:
                return
            yield decode_entry(entry)


def _layout(data: bytes | mmap.mmap) -> _Layout:
    packs, entries, covers, supersedes = _COUNTS.unpack_from(data, len(_MAGIC))
    at = len(_MAGIC) + _COUNTS.size
    names = [FragmentId(data[at + i * 32 : at + (i + 1) * 32]) for i in range(covers + supersedes)]
    packs_at = at + 32 * len(names)
    return _Layout(
        packs_at=packs_at,
        packs=packs,
        entries_at=packs_at + packs * _PACK.size,
        entries=entries,
        covers=tuple(names[:covers]),
        supersedes=tuple(names[covers:]),
    )


def from_fragment(fragment: Fragment, fragment_id: FragmentId) -> bytes:
    """The run of one fragment, as bytes."""
    return _encode([fragment.entries], fragment.packs, [fragment_id], fragment.supersedes)


def merge(runs: Sequence[Run]) -> bytes:
    """One run with the entries of all."""
    rows = sorted({row.id: row for run in runs for row in run.packs()}.values(), key=lambda row: row.id)
    place = {row.id: _POSITION.pack(position) for position, row in enumerate(rows)}
    sources = []
    for run in runs:
        translated = [place[row.id] for row in run.packs()]
        sources.append(_translate(run, translated))
    covers = [cover for run in runs for cover in run.covers]
    supersedes = sorted({old for run in runs for old in run.supersedes})
    return _encode(heapq.merge(*sources), rows, covers, supersedes)


def _translate(run: Run, places: list[bytes]) -> Iterator[bytes]:
    for entry in run.raw_entries():
        yield entry[:-4] + places[_POSITION.unpack(entry[-4:])[0]]


def _encode(
    entries: Iterable[bytes],
    packs: Sequence[PackRow],
    covers: Sequence[FragmentId],
    supersedes: Sequence[FragmentId],
) -> bytes:
    body = b"".join(entries)
    head = _COUNTS.pack(len(packs), len(body) // ENTRY_BYTES, len(covers), len(supersedes))
    table = b"".join(_PACK.pack(row.id, row.size, row.header) for row in packs)
    data = b"".join((_MAGIC, head, *covers, *supersedes, table, body))
    return data + keyed.digest(data)


def name_of(covers: Sequence[FragmentId]) -> str:
    """Name of the cached run that covers those fragments."""
    return covers[0].hex() if len(covers) == 1 else MERGED + keyed.digest(b"".join(sorted(covers))).hex()


class RunCache:
    """Run files in a private directory; without a directory, runs live in memory only."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def load(self, name: str) -> Run | None:
        """The cached run, or None if there is none or it is not intact."""
        if self._directory is None:
            return None
        try:
            with open(self._directory / name, "rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            return None
        if len(data) < len(_MAGIC) + _COUNTS.size + _DIGEST_BYTES or data[: len(_MAGIC)] != _MAGIC:
            return None
        with memoryview(data) as view, view[:-_DIGEST_BYTES] as body:
            intact = keyed.digest(body) == data[-_DIGEST_BYTES:]
        return Run(data) if intact else None

    def names(self, prefix: str) -> list[str]:
        if self._directory is None or not self._directory.is_dir():
            return []
        return sorted(name for name in os.listdir(self._directory) if name.startswith(prefix) and "." not in name)

    def save(self, name: str, data: bytes) -> Run:
        """Keep the run; a cache that cannot be written is no error, the run then stays in memory."""
        if self._directory is None:
            return Run(data)
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary = self._directory / f"{name}.{os.getpid()}"
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            os.replace(temporary, self._directory / name)
        except OSError:
            return Run(data)
        return self.load(name) or Run(data)

    def remove(self, name: str) -> None:
        if self._directory is not None:
            with suppress(OSError):
                (self._directory / name).unlink()
