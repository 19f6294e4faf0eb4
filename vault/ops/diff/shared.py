"""What two versions of a table surely have in common, found without looking at single rows: what is left has to be looked at.

Three things cancel, each by number of occurrences, so that what is left differs by exactly the rows that differ:
extents that are equal; runs of chunks that begin and end at row ends; runs of bytes in what is left of two extents with the same start.
An equal chunk id alone is no equal row: a long row can share its first pieces with another one, so pieces that `continue` count only
with all that follow them up to the row's end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, tee
from typing import Final, NamedTuple

from vault.errors import Malformed
from vault.ids import ObjectId
from vault.limits import MIB
from vault.model import ChunkRef, Extent, ObjectType, TableItem
from vault.repo import differing
from vault.repo.snapshot import Snapshot

EXTENTS_AT_ONCE: Final = 8192
"""64 GiB of a heap: among so many a run of chunks is found wherever it moved to. Their chunks are held as ids, some 50 MB."""
_ALIGNED_BYTES_MAX: Final = 32 * MIB
"""Of text on one side of an extent: more is hashed row by row, and not held."""
_WINDOW_BYTES: Final = 1 << 16
_LOOK_ROWS: Final = (4, 32, 256, 2048)
"""How far two texts are looked at for a row that both have, after one that only one has."""

Unit = tuple[ChunkRef, ...]
"""Chunks that begin at a row's start and end at a row's end: one, or all the pieces of a long row with what else is in them."""


class Piece(NamedTuple):
    """Rows to be looked at: whole rows in `text`, which starts `offset` bytes into the chunk `refs[0]` and goes on in the others."""

    refs: Unit
    offset: int
    text: bytes


@dataclass(slots=True)
class Pair:
    """What is left of an extent, which starts at that block, on each side."""

    start: int
    before: list[Unit] = field(default_factory=list)
    after: list[Unit] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A leaf in one snapshot."""

    snapshot: Snapshot
    item: TableItem


def pairs_left(before: Version, after: Version, *, by_id: bool, users: int = 1) -> Iterator[list[Pair]]:
    """What is left in each extent, by start, some at a time. `by_id`: equal ids are equal rows; `users`: as `Scratch` takes it"""
    source = differing.extents((before.snapshot, before.item), (after.snapshot, after.item))
    at_once = max(1, EXTENTS_AT_ONCE // users)
    while batch := list(islice(source, at_once)):
        pairs = [
            Pair(min(one.start for one in (was, now) if one is not None), _units(before, was), _units(after, now))
            for was, now in batch
        ]
        if by_id:
            for pair in pairs:
                _cancel([pair])
            _cancel(pairs)
        yield [pair for pair in pairs if pair.before or pair.after]


def _units(version: Version, extent: Extent | None) -> list[Unit]:
    """Raises  Malformed: the last chunk of an extent continues"""
    if extent is None:
        return []
    units: list[Unit] = []
    pieces: list[ChunkRef] = []
    for ref in version.snapshot.chunk_refs(extent.chunks):
        pieces.append(ref)
        if not ref.continues:
            units.append(tuple(pieces))
            pieces = []
    if pieces:
        raise Malformed("the last chunk of an extent continues", object_id=pieces[-1].id.hex())
    return units


def _cancel(pairs: Sequence[Pair]) -> None:
    """Take units away that both sides have, as often as both have them."""
    was, now = (
        Counter(map(_name, chain.from_iterable(side)))
        for side in ([pair.before for pair in pairs], [pair.after for pair in pairs])
    )
    common = was & now
    if common:
        left = [common.copy(), common]
        for pair in pairs:
            pair.before = list(_without(pair.before, left[0]))
            pair.after = list(_without(pair.after, left[1]))


def _without(units: Iterable[Unit], taken: Counter[tuple[ObjectId, ...]]) -> Iterator[Unit]:
    for unit in units:
        name = _name(unit)
        if taken[name] > 0:
            taken[name] -= 1
        else:
            yield unit


def _name(unit: Unit) -> tuple[ObjectId, ...]:
    return tuple(ref.id for ref in unit)


def rows_left(
    before: Version, after: Version, pairs: Sequence[Pair], *, keep: bool = False
) -> Iterator[tuple[list[Piece], list[Piece]]]:
    """Rows of each pair that equal runs of bytes leave over, or of both a piece at a time where they are too long to be held.

    keep  as `Reader.get` takes it
    """
    texts = [
        _texts(version, units, keep=keep)
        for version, units in ((before, [pair.before for pair in pairs]), (after, [pair.after for pair in pairs]))
    ]
    for pair in pairs:
        sizes = [sum(ref.length for unit in units for ref in unit) for units in (pair.before, pair.after)]
        if min(sizes) == 0 or max(sizes) > _ALIGNED_BYTES_MAX:
            yield from (([piece], []) for piece in islice(texts[0], len(pair.before)))
            yield from (([], [piece]) for piece in islice(texts[1], len(pair.after)))
            continue
        was, now = (
            list(islice(text, len(units))) for text, units in zip(texts, (pair.before, pair.after), strict=True)
        )
        yield _apart(was, now)
    for text in texts:
        next(text, None)  # so that its threads end


def all_rows(version: Version) -> Iterator[Piece]:
    return _texts(version, (_units(version, extent) for extent in version.snapshot.extents(version.item)))


def _texts(version: Version, units: Iterable[Sequence[Unit]], *, keep: bool = False) -> Iterator[Piece]:
    """Each unit with its text, in order, read ahead."""
    ours, theirs = tee(chain.from_iterable(units))
    blocks = version.snapshot.blocks(chain.from_iterable(theirs), ObjectType.ROW_CHUNK, keep=keep)
    for unit in ours:
        text = next(blocks) if len(unit) == 1 else b"".join(islice(blocks, len(unit)))
        yield Piece(unit, 0, text)
    next(blocks, None)


def _apart(was: Sequence[Piece], now: Sequence[Piece]) -> tuple[list[Piece], list[Piece]]:
    texts = [b"".join(piece.text for piece in side) for side in (was, now)]
    lost, new = unequal_rows(*texts)
    return list(_cut(was, texts[0], lost)), list(_cut(now, texts[1], new))


def _cut(side: Sequence[Piece], text: bytes, ranges: Iterable[tuple[int, int]]) -> Iterator[Piece]:
    """The parts of the pieces that lie in `ranges` of all their text."""
    starts: list[int] = []
    total = 0
    for piece in side:
        starts.append(total)
        total += len(piece.text)
    for start, end in ranges:
        while start < end:
            at = bisect_right(starts, start) - 1
            stop = min(end, starts[at] + len(side[at].text))
            yield Piece(side[at].refs, start - starts[at], text[start:stop])
            start = stop


def unequal_rows(was: bytes, now: bytes) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Ranges of whole rows of each text without which both are equal. Not the fewest: what is moved within a text may be in both.

    Both texts are rows that end with a line end.
    """
    lost: list[tuple[int, int]] = []
    new: list[tuple[int, int]] = []
    left, right = 0, 0
    while left < len(was) and right < len(now):
        same = _equal_rows(was, now, (left, right))
        left, right = left + same, right + same
        if left >= len(was) or right >= len(now):
            break
        to_left, to_right = _next_common(was, now, (left, right))
        _note(lost, left, to_left)
        _note(new, right, to_right)
        left, right = to_left, to_right
    _note(lost, left, len(was))
    _note(new, right, len(now))
    return lost, new


def _note(ranges: list[tuple[int, int]], start: int, end: int) -> None:
    if start < end:
        if ranges and ranges[-1][1] == start:
            ranges[-1] = (ranges[-1][0], end)
        else:
            ranges.append((start, end))


def _equal_rows(was: bytes, now: bytes, at_both: tuple[int, int]) -> int:
    """Length of the rows that both texts have from there on."""
    left, right = at_both
    at, end = 0, min(len(was) - left, len(now) - right)
    step = 256
    while at < end:
        size = min(step, end - at)
        if was[left + at : left + at + size] != now[right + at : right + at + size]:
            break
        at += size
        step = min(2 * step, _WINDOW_BYTES)
    else:
        return was.rfind(b"\n", left, left + end) + 1 - left if end else 0
    size = min(step, end - at)
    while size > 1:
        half = size // 2
        if was[left + at : left + at + half] == now[right + at : right + at + half]:
            at += half
            size -= half
        else:
            size = half
    return max(0, was.rfind(b"\n", left, left + at) + 1 - left)


def _next_common(was: bytes, now: bytes, at_both: tuple[int, int]) -> tuple[int, int]:
    """The nearest places at which both have the same row; the ends if none is near. The rows at the given places differ."""
    left, right = at_both
    for rows in _LOOK_ROWS:
        ours, theirs = list(_row_starts(was, left, rows)), list(_row_starts(now, right, rows))
        there = {row: (number, start) for number, (row, start) in reversed(list(enumerate(theirs)))}
        found = [
            (number + there[row][0], start, there[row][1]) for number, (row, start) in enumerate(ours) if row in there
        ]
        if found:
            _, to_left, to_right = min(found)
            return to_left, to_right
        if len(ours) < rows and len(theirs) < rows:
            break
    return len(was), len(now)


def _row_starts(text: bytes, start: int, rows: int) -> Iterator[tuple[bytes, int]]:
    for _ in range(rows):
        end = text.find(b"\n", start) + 1
        if end == 0:
            return
        yield text[start:end], start
        start = end
