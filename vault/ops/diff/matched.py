"""Rows of a table in two snapshots matched by keyed hashes, without a value being kept: which are gone, new, or other under their key.

Each row that `shared` leaves over becomes a record of 24 bytes, of 40 in a table with a key: hashes of key and row, and the row's place.
Records are sorted, on disk if they are many; equal ones cancel as often as both sides have them; what is left of one key is an
update. Hashes are keyed for this comparison alone, so that nobody can have prepared rows that look equal.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Protocol

from vault.crypto import keyed
from vault.ops.diff.places import Places, RowForm
from vault.ops.diff.scratch import Scratch, SortedRecords
from vault.ops.diff.shared import Pair, Piece, Version, all_rows, pairs_left, rows_left

_TAG_BYTES: Final = 16
_PLACE: Final = struct.Struct(">Q")
_BOTH: Final = struct.Struct(">QQ")
_NONE: Final = 2**64 - 1
"""In the place of a row that is not there; sorted behind all others."""
_MARK: Final = 2**63
"""In the place of a row that is marked: of a chunk's ordinal no more than 31 bits are ever used."""
_LEAF: Final = struct.Struct(">I")


Own = tuple[Version, RowForm]
"""A leaf in one snapshot, and what of its rows is compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A leaf on both sides. `raw`: rows of both that are equal as they are stored are equal, and the other way round."""

    before: Own | None
    after: Own | None
    raw: bool


class Marker(Protocol):
    """Whose rows alone are asked for: a row that is marked on both sides, or on none, is as if it did not differ."""

    def may_mark(self, text: bytes, form: RowForm) -> bool:
        """False if it marks none of these rows, which are as they are stored."""

    def marks(self, fields: tuple[bytes, ...]) -> bool:
        """COPY text of the compared columns, in UTF-8."""


class Side:
    """The rows of one side that are left over."""

    def __init__(
        self, scratch: Scratch, *, key: bytes, has_key: bool, in_leaves: bool, marker: Marker | None = None
    ) -> None:
        self.places = Places(scratch)
        self.records = SortedRecords(scratch, (2 if has_key else 1) * _TAG_BYTES + _PLACE.size)
        self._key_hash = keyed.tag_hash(key)
        self._row_hash = self._key_hash.copy()
        self._has_key = has_key
        self._in_leaves = in_leaves
        self._marker = marker

    def add(self, version: Version, form: RowForm, number: int, piece: Piece) -> None:
        """Rows of the leaf with that number."""
        first = self.places.note(version, form, number, piece.refs) + piece.offset
        row_hash = self._row_hash
        if self._in_leaves:
            row_hash = row_hash.copy()
            row_hash.update(_LEAF.pack(number))
        self.records.extend(self._tagged(piece.text, form, first, row_hash))

    def _tagged(self, text: bytes, form: RowForm, place: int, row_hash: keyed.TagHash) -> Iterator[bytes]:
        start = 0
        pack, key_hash = _PLACE.pack, self._key_hash
        marker = self._marker if self._marker is not None and self._marker.may_mark(text, form) else None
        while start < len(text):
            end = text.index(b"\n", start)
            line = text[start:end]
            of_row = row_hash.copy()
            of_row.update(form.normal(line))
            is_marked = marker is not None and marker.may_mark(line, form) and marker.marks(form.fields(line))
            where = pack(place | _MARK if is_marked else place)
            if self._has_key:
                of_key = key_hash.copy()
                of_key.update(form.key(line))
                yield of_key.digest() + of_row.digest() + where
            else:
                yield of_row.digest() + where
            place += end + 1 - start
            start = end + 1

    def close(self) -> None:
        self.records.close()
        self.places.close()


Heard = Callable[[int], object]
"""Is told of bytes of rows that were read."""


def unheard(_: int) -> None:
    """Of whom nobody is told."""


def collect(parts: Iterable[tuple[int, Parts]], sides: tuple[Side, Side], heard: Heard) -> None:
    """Have each side know its rows that may be other ones; a part with its leaf's number. Raises  IntegrityError; OSError"""
    for number, part in parts:
        if part.raw and part.before is not None and part.after is not None:
            _collect_shared(number, (part.before, part.after), sides, heard)
            continue
        for side, one in zip(sides, (part.before, part.after), strict=True):
            if one is not None:
                for piece in all_rows(one[0]):
                    heard(len(piece.text))
                    side.add(*one, number, piece)


def _collect_shared(number: int, both: tuple[Own, Own], sides: tuple[Side, Side], heard: Heard) -> None:
    for pairs in differing_pairs(both):
        add_left(number, both, sides, pairs, heard=heard)


def differing_pairs(both: tuple[Own, Own], *, users: int = 1) -> Iterator[list[Pair]]:
    """As `shared.pairs_left`."""
    was, now = both[0][0], both[1][0]
    return pairs_left(was, now, by_id=now.snapshot.names_alike(was.snapshot), users=users)


def add_left(
    number: int,
    both: tuple[Own, Own],
    sides: tuple[Side, Side],
    pairs: Sequence[Pair],
    *,
    heard: Heard = unheard,
    keep: bool = False,
) -> None:
    """Rows that these pairs leave over. `keep`: as `Reader.get` takes it. Raises  IntegrityError; OSError"""
    for left in rows_left(both[0][0], both[1][0], pairs, keep=keep):
        for side, own, pieces in zip(sides, both, left, strict=True):
            pieces.reverse()
            while pieces:
                heard(len(pieces[-1].text))
                side.add(*own, number, pieces.pop())  # a piece may be long: none is held longer than it must be


class Matches:
    """Places of rows that differ: (before, after), None where there is none. By place before, then what is new by place after.

    is_marked  only those that are marked on one side
    """

    def __init__(self, scratch: Scratch, sides: tuple[Side, Side], *, has_key: bool, is_marked: bool = False) -> None:
        self._changes = SortedRecords(scratch, _BOTH.size)
        self.deleted = self.inserted = self.updated = 0
        matched = _matched(*sides, has_key=has_key)
        for before, after in _marked(matched) if is_marked else matched:
            self.deleted += after == _NONE
            self.inserted += before == _NONE
            self.updated += _NONE not in (before, after)
            self._changes.extend((_BOTH.pack(before, after),))

    def __iter__(self) -> Iterator[tuple[int | None, int | None]]:
        for record in self._changes:
            before, after = _BOTH.unpack(record)
            yield (None if before == _NONE else before), (None if after == _NONE else after)

    def close(self) -> None:
        self._changes.close()


def _matched(before: Side, after: Side, *, has_key: bool) -> Iterator[tuple[int, int]]:
    left = _left(iter(before.records), iter(after.records), (2 if has_key else 1) * _TAG_BYTES)
    if not has_key:
        for side, record in left:
            yield _alone(side, record)
        return
    for _, group in groupby(left, key=lambda one: one[1][:_TAG_BYTES]):
        waiting: tuple[deque[bytes], deque[bytes]] = (deque(), deque())
        for side, record in group:
            if waiting[1 - side]:
                pair = (record, waiting[1 - side].popleft()) if side == 0 else (waiting[0].popleft(), record)
                yield _place(pair[0]), _place(pair[1])
            else:
                waiting[side].append(record)
        for side, records in enumerate(waiting):
            yield from (_alone(side, record) for record in records)


def _marked(matched: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for pair in matched:
        before, after = (place != _NONE and bool(place & _MARK) for place in pair)
        if before != after:
            was, now = (place if place == _NONE else place & ~_MARK for place in pair)
            yield was, now


def _alone(side: int, record: bytes) -> tuple[int, int]:
    return (_place(record), _NONE) if side == 0 else (_NONE, _place(record))


def _place(record: bytes) -> int:
    return int.from_bytes(record[-_PLACE.size :], "big")


def _left(before: Iterator[bytes], after: Iterator[bytes], width: int) -> Iterator[tuple[int, bytes]]:
    """(side, record) of records that do not cancel, in order. Both ascend."""
    was, now = next(before, None), next(after, None)
    while was is not None and now is not None:
        ours, theirs = was[:width], now[:width]
        if ours == theirs:
            was, now = next(before, None), next(after, None)
        elif ours < theirs:
            yield 0, was
            was = next(before, None)
        else:
            yield 1, now
            now = next(after, None)
    while was is not None:
        yield 0, was
        was = next(before, None)
    while now is not None:
        yield 1, now
        now = next(after, None)
