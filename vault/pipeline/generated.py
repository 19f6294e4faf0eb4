"""Digests of generated columns: what tells, after a restore, whether their values were computed again as they were. Pure.

A digest is over the multiset of a column's values, so extents, partitions and orders do not matter; it does not tell which row
differs, nor that two rows changed places. Spec 60-snapshot, "Generated columns".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from vault.crypto.keyed import DIGEST_MODULUS, fields_digest
from vault.pipeline import copytext


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDigests:
    """Of `rows` rows; `digests` has 32 bytes a column."""

    rows: int
    digests: tuple[bytes, ...]

    @classmethod
    def read(cls, blocks: Iterable[bytes], columns: int, *, id_key: bytes) -> ColumnDigests:
        """`blocks`: COPY text of `columns` columns (at least one), cut anywhere. Raises  Malformed: other fields than that"""
        sums = DigestSums(columns, id_key=id_key)
        deque(sums.passing(blocks), maxlen=0)
        return sums.digests()


class DigestSums:
    """Adds up what passes through it, once; `columns` is at least 1."""

    def __init__(self, columns: int, *, id_key: bytes) -> None:
        self._id_key = id_key
        self._rows = 0
        self._sums = [0] * columns

    def passing(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The same COPY text in blocks of whole rows. Raises  Malformed: other fields than the columns'"""
        for block in copytext.whole_rows(blocks):
            self._rows += block.count(b"\n")
            for at, fields in enumerate(copytext.by_columns(block, len(self._sums))):
                self._sums[at] += fields_digest(self._id_key, fields)
            yield block

    def digests(self) -> ColumnDigests:
        """Of what has passed."""
        return ColumnDigests(rows=self._rows, digests=_stored(self._sums))


def added(parts: Iterable[Sequence[bytes]], columns: int) -> tuple[bytes, ...]:
    """The digests of a whole from those of its parts."""
    sums = [0] * columns
    for part in parts:
        for at, digest in enumerate(part):
            sums[at] += int.from_bytes(digest, "big")
    return _stored(sums)


def _stored(sums: Iterable[int]) -> tuple[bytes, ...]:
    return tuple((total % DIGEST_MODULUS).to_bytes(32, "big") for total in sums)
