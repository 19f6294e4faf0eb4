"""Old deltas that are kept for newer ones alone: where they are more than the newer ones stored whole, those are stored whole.

Pure, on the marks of a census. A base that no snapshot names is *pinned*; freeing it frees every pinned one that is a delta against it,
and each needed delta against one of these becomes whole. Spec 30-object, design of chains.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Final

from vault.format.object import RECORD_BYTES
from vault.limits import DELTA_DEPTH_MAX, TAG_BYTES
from vault.repo.census import CHOSEN, FREED, NEEDED, WHOLE, Census
from vault.repo.runs import IndexEntry

_NONE: Final = 2**32 - 1


def free_chains(census: Census, *, copied_bytes_max: int | None) -> None:
    """Mark pinned bases as freed and the deltas that then are stored whole, wherever that leaves less.

    copied_bytes_max   for what is stored whole, at its expected size
    """
    pinned = _Pinned(census)
    if pinned:
        pinned.weigh()
        pinned.free(copied_bytes_max)


def expected_whole(census: Census, number: int) -> int:
    """Sealed bytes of a delta if it were whole, by the ratio of what its chain begins with; as `repo.deltas` expects it."""
    entry = census.entry(number)
    return _expected(entry, _ratio(census, entry))


def _expected(entry: IndexEntry, ratio: float) -> int:
    return round(entry.plain_length * ratio) + TAG_BYTES


def _ratio(census: Census, entry: IndexEntry) -> float:
    while entry.base is not None:
        number = census.chosen(entry.base)
        if number is None:
            return 1.0
        entry = census.entry(number)
    return _own_ratio(entry)


def _own_ratio(entry: IndexEntry) -> float:
    return (entry.length - TAG_BYTES) / max(1, entry.plain_length)


class _Pinned:
    """The pinned bases, ascending by number, as a forest: arrays by their rank in it."""

    def __init__(self, census: Census) -> None:
        self._census = census
        wanted = CHOSEN | NEEDED
        self._numbers = array("Q", (number for number, mark in enumerate(census.marks) if mark & wanted == CHOSEN))
        count = len(self._numbers)
        self._base = array("L", [_NONE]) * count
        self._ratio = array("d", [0.0]) * count
        self._freed_bytes = array("q", [0]) * count
        self._whole_bytes = array("q", [0]) * count
        self._best = array("q", [0]) * count
        self._by_depth: list[array[int]] = [array("L") for _ in range(DELTA_DEPTH_MAX + 1)]
        self._deltas = array("Q")
        self._delta_bases = array("L")

    def __len__(self) -> int:
        return len(self._numbers)

    def _rank(self, number: int | None) -> int:
        """Of a pinned base; _NONE for anything else."""
        if number is None:
            return _NONE
        rank = bisect_left(self._numbers, number)
        return rank if rank < len(self._numbers) and self._numbers[rank] == number else _NONE

    def weigh(self) -> None:
        """Of each pinned base, with all that are pinned above it: what freeing it frees, and what it makes whole."""
        for number in self._census.kept():
            entry = self._census.entry(number)
            rank = self._rank(number)
            base = _NONE if entry.base is None else self._rank(self._census.chosen(entry.base))
            if rank != _NONE:
                self._by_depth[entry.depth].append(rank)
                self._base[rank] = base
                self._freed_bytes[rank] += entry.length + RECORD_BYTES
            elif base != _NONE:
                self._deltas.append(number)
                self._delta_bases.append(base)
        for ranks in self._by_depth:
            for rank in ranks:
                self._ratio[rank] = self._ratio_of(rank)
        for number, base in zip(self._deltas, self._delta_bases, strict=True):
            entry = self._census.entry(number)
            self._freed_bytes[base] += entry.length + RECORD_BYTES
            self._whole_bytes[base] += _expected(entry, self._ratio[base]) + RECORD_BYTES
        for ranks in reversed(self._by_depth):
            for rank in ranks:
                self._best[rank] = max(self._best[rank], self._gain(rank))
                base = self._base[rank]
                if base != _NONE:
                    self._freed_bytes[base] += self._freed_bytes[rank]
                    self._whole_bytes[base] += self._whole_bytes[rank]
                    self._best[base] += self._best[rank]

    def _ratio_of(self, rank: int) -> float:
        base = self._base[rank]
        return self._ratio[base] if base != _NONE else _ratio(self._census, self._census.entry(self._numbers[rank]))

    def _gain(self, rank: int) -> int:
        return self._freed_bytes[rank] - self._whole_bytes[rank]

    def free(self, copied_bytes_max: int | None) -> None:
        """From the whole ones upwards: free a base with all above it where no choice among those above it frees more."""
        marks, left = self._census.marks, copied_bytes_max
        for ranks in self._by_depth:
            for rank in ranks:
                base = self._base[rank]
                if base != _NONE and marks[self._numbers[base]] & FREED:
                    marks[self._numbers[rank]] |= FREED
                elif self._gain(rank) > 0 and self._gain(rank) >= self._best[rank]:
                    if left is not None:
                        if self._whole_bytes[rank] > left:
                            continue
                        left -= self._whole_bytes[rank]
                    marks[self._numbers[rank]] |= FREED
        for number, base in zip(self._deltas, self._delta_bases, strict=True):
            if marks[self._numbers[base]] & FREED:
                marks[number] |= WHOLE
