"""The rows that fit in a table as many snapshots have it, reading each chunk once, however many of them share it.

All snapshots are walked side by side, extent by extent: of one extent the chunks that it ever had, oldest first. A later one is stored as
a delta against its predecessor, which is then still known; read snapshot by snapshot, every chunk would cost the whole chain behind it.
Equal chunks that begin and end at row ends hold equal rows, as long as the values stand at the same places of a row.
Memory: what fits, the ids of the chunks of the extents that are being read, and a node of each list. Spec 60-snapshot.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Final

from vault.errors import IntegrityError, Malformed, UsageError
from vault.ids import ObjectId
from vault.model import ChunkList, ChunkRef, Extent, ObjectType, TableItem
from vault.pipeline.copytext import NULL, escape
from vault.repo.snapshot import Snapshot
from vault.sql.encoding import codec_of

ROWS_MAX: Final = 10_000
"""That fit in one snapshot: they are held."""
SIDE_BY_SIDE: Final = 64
"""Snapshots that are walked at once."""
_CHUNKS_HELD_MAX: Final = 1 << 17
"""Of one extent in all snapshots, as ids: some 30 MB. An extent of 1,024 blocks has 16 to 40."""
_ROWS_HELD_MAX: Final = 32 << 20
"""Bytes of rows that fit; of more the places alone are held, and they are read again when they are told."""

Wanted = Mapping[str, str | None]
"""Column -> its value as text; None: NULL."""
Unit = tuple[ObjectId, ...]
"""Ids of chunks that begin at a row's start and end at a row's end."""
Places = tuple[tuple[int, bytes], ...]
"""Place of a field in a row, and what it has to be."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A unit that holds what fits: so many rows; `lines` None: they are not held."""

    refs: tuple[ChunkRef, ...]
    rows: int
    lines: tuple[bytes, ...] | None

    @property
    def bytes(self) -> int:
        """Of rows that are held."""
        return sum(map(len, self.lines or ()))


class LeafThen:
    """A table with rows, or a partition, as one snapshot has it.

    found   by start of an extent, what fits there, in the order of its chunks
    unread  why it could not be read
    refused why it may not be told
    """

    def __init__(self, snapshot: Snapshot, item: TableItem, wanted: Wanted) -> None:
        self.snapshot, self.item = snapshot, item
        database = snapshot.manifest.database
        assert database is not None, "a strand of databases"
        self.codec = codec_of(database.server.encoding)
        self.found: dict[int, list[Hit]] = {}
        self.unread: IntegrityError | None = None
        self.refused: UsageError | None = None
        places = {column.name: at for at, column in enumerate(item.columns)}
        self.lacking = tuple(name for name in wanted if name not in places)
        self.places: Places = ()
        if not self.lacking:
            self.places = tuple((places[name], _field(value, self.codec)) for name, value in wanted.items())

    def is_read_as(self, other: LeafThen) -> bool:
        """Whether what fits in equal chunks is the same."""
        return (
            bool(self.places)
            and self.places == other.places
            and len(self.item.columns) == len(other.item.columns)
            and self.snapshot.can_read(other.snapshot)
        )

    def has_rows_of(self, other: LeafThen) -> bool:
        return self.item.extents == other.item.extents and self.item.inline == other.item.inline

    def lines(self) -> Iterator[bytes]:
        """Raises  IntegrityError"""
        for start in sorted(self.found):
            for hit in self.found[start]:
                if hit.lines is None:
                    text = b"".join((b"\n", *self.snapshot.blocks(hit.refs, ObjectType.ROW_CHUNK)))
                    yield from fitting(text, self.places, len(self.item.columns))
                else:
                    yield from hit.lines


@dataclass(slots=True)
class HeldRows:
    """How many bytes of rows are held, of all that is read at once."""

    bytes: int = 0


def read_history(history: Sequence[LeafThen], *, known: LeafThen | None, held: HeldRows) -> None:
    """Fill in `found`, `unread` or `refused` of each. `known`: one that was read; of its chunks nothing is read again.

    history   newest first, each read as the one before it; at most SIDE_BY_SIDE
    Raises  UsageError: far more than ROWS_MAX rows fit
    """
    if not history[0].places:
        return
    if known is not None and (known.unread or known.refused):
        known = None
    versions = _versions(history, known)
    bad: dict[Unit, IntegrityError] = {}
    start = 0
    while True:
        reading = _Reading(versions, bad, through=history[0], held=held)
        try:
            reading.read(start)
            return
        except IntegrityError as error:
            failed = reading.failed()
            if failed is None:
                raise
            # Who has the chunk is broken, and the others are read on from there.
            start = failed.group.start
            bad[failed.unit] = error.bare()
            for version in versions:
                version.forget_from(start)
            held.bytes = sum({id(hit): hit.bytes for version in versions for hit in version.hits()}.values())


@dataclass(slots=True, kw_only=True)
class _Version:
    """Leaves with equal rows; of one that `is_known` nothing is read."""

    leaves: list[LeafThen]
    is_known: bool = False
    rows: int = 0

    @property
    def leaf(self) -> LeafThen:
        return self.leaves[0]

    @property
    def is_broken(self) -> bool:
        return self.leaf.unread is not None or self.leaf.refused is not None

    def hits(self) -> Iterator[Hit]:
        for hits in self.leaf.found.values():
            yield from hits

    def breaks(self, error: IntegrityError) -> None:
        for leaf in [] if self.is_known else self.leaves:
            leaf.unread = error

    def holds(self, start: int, hits: Sequence[Hit]) -> None:
        for leaf in self.leaves:
            leaf.found.setdefault(start, []).extend(hits)
        self.rows += sum(hit.rows for hit in hits)
        if self.rows > ROWS_MAX:
            for leaf in self.leaves:
                leaf.found, leaf.refused = {}, _too_many()

    def forget_from(self, start: int) -> None:
        for leaf in [] if self.is_known else self.leaves:
            leaf.found = {at: hits for at, hits in leaf.found.items() if at < start}
        self.rows = sum(hit.rows for hit in self.hits())


@dataclass(slots=True, kw_only=True)
class _Group:
    """One extent in all versions.

    units    of each version that has it, all that it has
    lists    the same by their list, which several versions may share
    awaited  those that are being read; what is `known` is not
    hits     those that hold what fits, and `rows` of those that were read
    """

    start: int
    units: list[tuple[_Version, Sequence[Unit]]] = field(default_factory=list)
    lists: dict[ChunkList, list[Unit]] = field(default_factory=dict)
    awaited: set[Unit] = field(default_factory=set)
    known: set[Unit] = field(default_factory=set)
    hits: dict[Unit, Hit] = field(default_factory=dict)
    rows: int = 0

    def settle(self) -> bool:
        """Whether anything is to be told once all is read; nothing else of it is held until then."""
        self.units = [
            (version, needed)
            for version, units in self.units
            if (needed := [unit for unit in units if unit in self.awaited or unit in self.hits])
        ]
        self.lists.clear()
        self.known.clear()
        return bool(self.units)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Awaited:
    """A unit that is being read; without `refs` the end of its group. `alone`: of a version that has too many to hold them all."""

    group: _Group
    refs: tuple[ChunkRef, ...] = ()
    alone: _Version | None = None

    @property
    def unit(self) -> Unit:
        return tuple(ref.id for ref in self.refs)


def _versions(window: Sequence[LeafThen], known: LeafThen | None) -> list[_Version]:
    """Newest first."""
    versions = [] if known is None else [_Version(leaves=[known], is_known=True)]
    for leaf in window:
        if versions and versions[-1].is_known and leaf.has_rows_of(versions[-1].leaf):
            leaf.found = versions[-1].leaf.found
        elif versions and leaf.has_rows_of(versions[-1].leaf):
            versions[-1].leaves.append(leaf)
        else:
            versions.append(_Version(leaves=[leaf]))
    return versions


class _Reading:
    def __init__(
        self, versions: Sequence[_Version], bad: Mapping[Unit, IntegrityError], *, through: LeafThen, held: HeldRows
    ) -> None:
        """`bad`: units that are not to be read; `through`: one whose snapshot all chunks are found from."""
        self._versions, self._bad, self._through, self._held = versions, bad, through, held
        self._awaited: deque[_Awaited] = deque()

    def read(self, first: int) -> None:
        """From the extent that starts at block `first`. Raises  IntegrityError: of what `failed` tells"""
        blocks: list[bytes] = []
        snapshot = self._through.snapshot
        with closing(snapshot.blocks(self._refs(first), ObjectType.ROW_CHUNK, keep=True)) as chunks:
            for block in chunks:
                self._close_groups()
                blocks.append(block)
                if len(blocks) == len(self._awaited[0].refs):
                    self._look(self._awaited[0], b"".join((b"\n", *blocks)))
                    self._awaited.popleft()
                    blocks = []
        self._close_groups()

    def failed(self) -> _Awaited | None:
        """The unit that could not be read, which all before it were."""
        self._close_groups()
        return next((one for one in self._awaited if one.refs), None)

    def _refs(self, first: int) -> Iterator[ChunkRef]:
        places = enumerate(reversed(self._versions))
        walks = [self._walk(place, version, first) for place, version in places if not version.is_broken]
        merged = heapq.merge(*walks, key=itemgetter(0, 1))
        for start, extents in groupby(merged, key=itemgetter(0)):
            group, chunks = _Group(start=start), 0
            for _, _, version, extent in extents:
                chunks += _chunk_count(extent)
                alone = chunks > _CHUNKS_HELD_MAX
                if not version.is_known:
                    yield from self._units(group, version, extent, alone=alone)
                elif not alone:
                    _recall(group, version.leaf, extent)
            if group.settle():
                self._awaited.append(_Awaited(group=group))

    def _walk(self, place: int, version: _Version, first: int) -> Iterator[tuple[int, int, _Version, Extent]]:
        """(start, place, version, extent). What is known comes first, then the oldest."""
        try:
            for extent in version.leaf.snapshot.extents(version.leaf.item, ahead=False, first=first):
                yield extent.start, -1 if version.is_known else place, version, extent
        except IntegrityError as error:
            version.breaks(error.bare())

    def _units(self, group: _Group, version: _Version, extent: Extent, *, alone: bool) -> Iterator[ChunkRef]:
        """What has to be read of one version."""
        units = group.lists.get(extent.chunks)
        if units is not None and not alone:
            group.units.append((version, units))
            return
        units = []
        try:
            for refs in _in_units(version.leaf.snapshot, extent):
                awaited = _Awaited(group=group, refs=refs, alone=version if alone else None)
                unit = awaited.unit
                if unit in self._bad:
                    version.breaks(self._bad[unit])
                    return
                if not alone:
                    units.append(unit)
                    if unit in group.awaited or unit in group.known:
                        continue
                    group.awaited.add(unit)
                self._awaited.append(awaited)
                yield from refs
        except IntegrityError as error:
            version.breaks(error.bare())
            return
        if not alone:
            group.units.append((version, units))
            group.lists[extent.chunks] = units

    def _look(self, read: _Awaited, text: bytes) -> None:
        leaf, group = self._through, read.group
        lines = fitting(text, leaf.places, len(leaf.item.columns))
        if not lines:
            return
        size = sum(map(len, lines))
        is_held = self._held.bytes + size <= _ROWS_HELD_MAX
        self._held.bytes += size if is_held else 0
        hit = Hit(read.refs, len(lines), tuple(lines) if is_held else None)
        if read.alone is not None:
            read.alone.holds(group.start, [hit])
        else:
            group.rows += len(lines)
            if group.rows // len(self._versions) > ROWS_MAX:
                raise _too_many()
            group.hits[read.unit] = hit

    def _close_groups(self) -> None:
        while self._awaited and not self._awaited[0].refs:
            group = self._awaited.popleft().group
            for version, units in group.units:
                hits = [group.hits[unit] for unit in units if unit in group.hits]
                if hits and not version.is_broken:
                    version.holds(group.start, hits)


def _recall(group: _Group, known: LeafThen, extent: Extent) -> None:
    """What is known of an extent need not be read again; what cannot be recalled is read."""
    for hit in known.found.get(extent.start, ()):
        group.hits[tuple(ref.id for ref in hit.refs)] = hit
    with suppress(IntegrityError):
        units = [tuple(ref.id for ref in refs) for refs in _in_units(known.snapshot, extent)]
        group.known.update(units)
        group.lists[extent.chunks] = units


def _too_many() -> UsageError:
    return UsageError(f"more than {ROWS_MAX} rows fit", hint="name a row by the columns of its key")


def _chunk_count(extent: Extent) -> int:
    more = extent.chunks.more
    return len(extent.chunks.inline) if more is None else more.sums.items


def _in_units(snapshot: Snapshot, extent: Extent) -> Iterator[tuple[ChunkRef, ...]]:
    refs: list[ChunkRef] = []
    for ref in snapshot.chunk_refs(extent.chunks, ahead=False):
        refs.append(ref)
        if not ref.continues:
            yield tuple(refs)
            refs = []
    if refs:
        raise Malformed("the last chunk of an extent continues", object_id=refs[-1].id.hex())


def _field(value: str | None, codec: str) -> bytes:
    """As COPY writes it; what the encoding does not have is in no row, and is written so that it is found in none."""
    try:
        return NULL if value is None else escape(value.encode(codec))
    except UnicodeEncodeError:
        return b"\n"


def fitting(text: bytes, places: Places, columns: int) -> list[bytes]:
    """Lines with these fields. `text`: a line end, then whole rows of so many columns.

    The longest of the fields is looked for with what parts it from its neighbours, which few other places of a chunk have.
    """
    at, field = max(places, key=lambda place: len(place[1]))
    if b"\n" in field:
        return []
    needle = (b"\n" if at == 0 else b"\t") + field + (b"\n" if at == columns - 1 else b"\t")
    lines: list[bytes] = []
    found = text.find(needle)
    while found >= 0:
        start = text.rfind(b"\n", 0, found + 1) + 1
        end = text.find(b"\n", start)
        fields = text[start:end].split(b"\t")
        if len(fields) != columns:
            raise Malformed("the rows of a table do not have as many fields as the table has columns")
        if all(fields[place] == value for place, value in places):
            lines.append(text[start:end])
        found = text.find(needle, end)
    return lines
