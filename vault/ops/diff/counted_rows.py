"""Rows that are told as wholes, each once, with how often a table has it before and after.

Memory is bounded: hashes are sorted, on disk if they are many. Hashes are keyed for this comparison alone, as in `matched`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import chain, groupby, islice
from typing import Final

from vault.crypto import keyed
from vault.ops.diff.rows import RowChange, TableChanges
from vault.ops.diff.scratch import Scratch, SortedRecords

_ROW: Final = struct.Struct(">16sQ?")
"""Hash, number among the rows that differ, whether it is one of those that are there afterwards."""
_COUNTS: Final = struct.Struct(">QQQ")
"""Number of the first of equal rows, how many are there before, and after."""
_STAYS: Final = 2**64 - 1
"""In the place of the number, of a row as the table has it afterwards, changed or not; sorted behind all others."""
_AT_ONCE: Final = 4096

Fields = tuple[bytes, ...]


def counted_rows(changes: TableChanges, *, scratch: Scratch, key: bytes) -> Iterator[tuple[Fields, int, int]]:
    """(row, before, after) of each that is not there as often as it was, in the order of `changes`. Reads all rows that are there.

    Raises  as `TableChanges.counts`
    """
    tag = _tagger(key)
    with (
        closing(SortedRecords(scratch, _ROW.size)) as rows,
        closing(SortedRecords(scratch, _COUNTS.size)) as counts,
    ):
        differing = (_ROW.pack(tag(row), number, is_new) for number, row, is_new in _numbered(changes))
        there = (_ROW.pack(tag(row), _STAYS, True) for row in changes.all_after())
        _extend(rows, chain(differing, there))
        _extend(counts, _moved(rows))
        wanted = map(_COUNTS.unpack, counts)
        one = next(wanted, None)
        for number, row, _ in _numbered(changes):
            if one is None:
                return
            if number == one[0]:
                yield row, one[1], one[2]
                one = next(wanted, None)


def _moved(rows: Iterable[bytes]) -> Iterator[bytes]:
    """Of equal rows that come and go as often as each other nothing is told."""
    for _, equal in groupby(map(_ROW.unpack, rows), key=lambda row: row[0]):
        first, difference, after = _STAYS, 0, 0
        for _, number, is_new in equal:
            if number == _STAYS:
                after += 1
            else:
                first = min(first, number)
                difference += 1 if is_new else -1
        if difference:
            yield _COUNTS.pack(first, after - difference, after)


def _numbered(changes: Iterable[RowChange]) -> Iterator[tuple[int, Fields, bool]]:
    sides = ((side, is_new) for change in changes for side, is_new in ((change.before, False), (change.after, True)))
    there = ((side, is_new) for side, is_new in sides if side is not None)
    return ((number, row, is_new) for number, (row, is_new) in enumerate(there))


def _extend(records: SortedRecords, found: Iterable[bytes]) -> None:
    source = iter(found)
    while batch := list(islice(source, _AT_ONCE)):
        records.extend(batch)


def _tagger(key: bytes) -> Callable[[Fields], bytes]:
    fresh = keyed.tag_hash(key)

    def tag(fields: Fields) -> bytes:
        of_row = fresh.copy()
        of_row.update(b"\t".join(fields))
        return of_row.digest()

    return tag
