"""Which packs something relies on, as small values: a check keeps one for every node that it found whole.

A set is the ascending numbers of its packs, four bytes each; equal sets are one object. What all of them take is bounded: past that a
union is the set of every pack, which is always true and tells less.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Final, NewType

from vault.ids import PackId
from vault.limits import MIB

PackSet = NewType("PackSet", bytes)

_SETS_BYTES_MAX: Final = 64 * MIB
_NUMBER: Final = "I"
_EVERY: Final = PackSet(b"\xff" * array(_NUMBER).itemsize)
"""No pack has this number."""


class PackSets:
    """Sets of packs that are numbered as they come."""

    def __init__(self, *, bytes_max: int = _SETS_BYTES_MAX) -> None:
        self.none = PackSet(b"")
        self._numbers: dict[PackId, int] = {}
        self._packs: list[PackId] = []
        self._sets: dict[PackSet, PackSet] = {self.none: self.none, _EVERY: _EVERY}
        self._bytes_left = bytes_max

    def of(self, packs: Iterable[PackId]) -> PackSet:
        return self._one({self._number(pack) for pack in packs})

    def union(self, parts: Iterable[PackSet | None]) -> PackSet | None:
        """All packs of the parts; None if one of them is None."""
        distinct = set(parts)
        if None in distinct:
            return None
        distinct.discard(self.none)
        if len(distinct) <= 1 or _EVERY in distinct:
            return _EVERY if _EVERY in distinct else next(iter(distinct), self.none)
        numbers: set[int] = set()
        for part in distinct:
            assert part is not None
            numbers.update(memoryview(part).cast(_NUMBER))
        return self._one(numbers)

    def packs(self, packs: PackSet) -> frozenset[PackId] | None:
        """None: every pack."""
        if packs == _EVERY:
            return None
        return frozenset(self._packs[number] for number in memoryview(packs).cast(_NUMBER))

    def _number(self, pack: PackId) -> int:
        number = self._numbers.setdefault(pack, len(self._packs))
        if number == len(self._packs):
            self._packs.append(pack)
        return number

    def _one(self, numbers: set[int]) -> PackSet:
        made = PackSet(array(_NUMBER, sorted(numbers)).tobytes())
        known = self._sets.get(made)
        if known is not None:
            return known
        if self._bytes_left < len(made):
            return _EVERY
        self._bytes_left -= len(made)
        self._sets[made] = made
        return made
