"""Every entry of the index under a number, with one byte of marks: what a pruner knows of ten million objects fits into ten megabytes.

Never reads or writes a store. Of each object that is needed one place is chosen, and one for each base of its chain: the shallowest
that can be read, so that whatever was made against the object finds it at a smaller depth than its own (OBJ-10, OBJ-12).
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from vault.format.pack import decode_header
from vault.ids import ObjectId, PackId
from vault.limits import DELTA_DEPTH_MAX
from vault.model import Location
from vault.repo.index import Index
from vault.repo.runs import IndexEntry

NEEDED: Final = 1
"""A snapshot names the object."""
CHOSEN: Final = 2
"""This place is kept: the object, or one that is a delta against it, is needed."""
FREED: Final = 4
"""Chosen, but only for deltas that are stored whole instead."""
WHOLE: Final = 8
"""A needed delta that is to be stored whole."""
COPIED: Final = 16
"""To be copied out of a pack that goes."""
_PENDING: Final = 32
"""One of several equal places, of which one will be chosen."""
_READABLE: Final = 64
"""This place has a chain."""
_UNREADABLE: Final = 128
"""This place has none, whatever may be chosen for others."""


_FOUND_MAX: Final = 50_000
"""Objects whose places are remembered: some 12 MB."""


class Census:
    """Used by one thread. Entries and packs are called by their numbers.

    `packs`: each that the index names, with its size in `pack_bytes`, its class in `classes`, whether it is there in `usable`, and
    whether somebody is about to delete it in `swept`.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._runs = index.runs
        self._starts: list[int] = []
        self._pack_numbers: list[array[int]] = []
        self.packs: list[PackId] = []
        self.pack_bytes: list[int] = []
        self.classes = bytearray()
        numbers: dict[PackId, int] = {}
        total = 0
        for run in self._runs:
            self._starts.append(total)
            total += len(run)
            places = array("I")
            for position, row in enumerate(run.packs()):
                number = numbers.setdefault(row.id, len(numbers))
                if number == len(self.packs):
                    self.packs.append(row.id)
                    self.pack_bytes.append(row.size)
                    self.classes.append(decode_header(row.header).pack_class)
                elif run.is_usable(position):
                    self.pack_bytes[number] = row.size  # another fragment may tell of another size
                places.append(number)
            self._pack_numbers.append(places)
        self.marks = bytearray(total)
        self.usable = bytearray(len(self.packs))
        for run, places in zip(self._runs, self._pack_numbers, strict=True):
            for position, number in enumerate(places):
                self.usable[number] |= run.is_usable(position)
        self.swept = bytearray(pack in index.swept for pack in self.packs)
        self._pending = array("Q")
        self._found: dict[ObjectId, tuple[int, ...]] = {}

    def __len__(self) -> int:
        return len(self.marks)

    def entry(self, number: int) -> IndexEntry:
        """`pack` is a number of `packs`."""
        run = bisect_right(self._starts, number) - 1
        found = self._runs[run].entry(number - self._starts[run])
        return found._replace(pack=self._pack_numbers[run][found.pack])

    def location(self, number: int) -> Location:
        run = bisect_right(self._starts, number) - 1
        return self._runs[run].location_at(number - self._starts[run])

    def find(self, object_id: ObjectId) -> Sequence[int]:
        """Numbers of its usable places, always in the same order; without those that were found not to open."""
        numbers = self._listed(object_id)
        failed = self._index.distrusted(object_id)
        return [number for number in numbers if self.location(number) not in failed] if failed else numbers

    def _listed(self, object_id: ObjectId) -> tuple[int, ...]:
        """Asked of one object several times, so some are remembered."""
        known = self._found.get(object_id)
        if known is None:
            starts = zip(self._starts, self._runs, strict=True)
            known = tuple(start + position for start, run in starts for position in run.positions(object_id))
            if len(self._found) >= _FOUND_MAX:
                self._found.clear()
            self._found[object_id] = known
        return known

    def contents(self) -> tuple[list[int], list[int]]:
        """(objects, sealed bytes) of each pack. Looks at every entry.

        Two fragments that were merged at the same time may both describe a pack, in two runs or in one.
        """
        counts, sizes = [0] * len(self.packs), [0] * len(self.packs)
        seen = bytearray(len(self.packs))
        for run, places in zip(self._runs, self._pack_numbers, strict=True):
            last, told = b"", set[tuple[int, int]]()
            for identifier, offset, length, position in run.sealed():
                if identifier != last:
                    last = identifier
                    told.clear()
                number = places[position]
                if not seen[number] and (number, offset) not in told:
                    told.add((number, offset))
                    counts[number] += 1
                    sizes[number] += length
            for number in places:
                seen[number] = 1
        return counts, sizes

    def need(self, object_id: ObjectId) -> bool | None:
        """Mark an object and what its chain needs. True: it is new; None: it has no place that can be read."""
        places = self.find(object_id)
        if not places:
            return None
        if self.marks[places[0]] & NEEDED:
            return False
        if self._choose(object_id, places, DELTA_DEPTH_MAX + 1) is None:
            return None
        for number in places:
            self.marks[number] |= NEEDED
        return True

    def chosen(self, object_id: ObjectId) -> int | None:
        """The place that was chosen for an object."""
        return next((number for number in self.find(object_id) if self.marks[number] & CHOSEN), None)

    def needed(self) -> Iterator[ObjectId]:
        """Ids of all that a snapshot names, some more than once."""
        return (self.entry(number).id for number, mark in enumerate(self.marks) if mark & NEEDED)

    def kept(self) -> Iterator[int]:
        """Numbers of all chosen places, ascending."""
        return (number for number, mark in enumerate(self.marks) if mark & CHOSEN)

    def _choose(self, object_id: ObjectId, places: Sequence[int], below: int) -> IndexEntry | None:
        """Choose the shallowest place that can be read, at a depth under `below`, with the chain that it needs.

        Of several as shallow the choice waits for `settle`; returned is one of them.
        """
        if all(self.marks[number] & _UNREADABLE for number in places):
            return None
        for number in places:
            if self.marks[number] & (CHOSEN | _PENDING):
                entry = self.entry(number)
                return entry if entry.depth < below else None
        ties = self._shallowest(places, below)
        if len(ties) == 1 and self._take(ties[0]):
            return self.entry(ties[0])
        if len(ties) < 2:
            if below > DELTA_DEPTH_MAX:
                for number in places:
                    self.marks[number] |= _UNREADABLE
            return None
        for number in ties:
            self.marks[number] |= _PENDING
        self._pending.append(ties[0])
        return self.entry(ties[0])

    def _shallowest(self, places: Sequence[int], below: int) -> Sequence[int]:
        """Places of the least depth at which one can be read, outside of swept packs if there is one; a single place as it is."""
        if len(places) == 1:
            return places if self.entry(places[0]).depth < below else []
        ties: dict[tuple[int, int], list[int]] = {}
        for number in places:
            entry = self.entry(number)
            if entry.depth < below and self._is_readable(number):
                ties.setdefault((entry.depth, self.swept[entry.pack]), []).append(number)
        return ties[min(ties)] if ties else []

    def _is_readable(self, number: int) -> bool:
        """Whether the place has a chain; chooses nothing. Looks once: where all of a chain is there twice, there are 2 ** depth ways down."""
        if self.marks[number] & (CHOSEN | _READABLE):
            return True
        if self.marks[number] & _UNREADABLE:
            return False
        entry = self.entry(number)
        if entry.base is not None:
            bases = ((base, self.entry(base)) for base in self.find(entry.base))
            fitting = (base for base, at in bases if at.depth < entry.depth and at.type == entry.type)
            if not any(self._is_readable(base) for base in fitting):
                self.marks[number] |= _UNREADABLE
                return False
        self.marks[number] |= _READABLE
        return True

    def _take(self, number: int) -> bool:
        """Choose a place, and one of its base; False: it has none that can be read."""
        entry = self.entry(number)
        if entry.base is not None:
            places = self.find(entry.base)
            base = self._choose(entry.base, places, entry.depth) if places else None
            if base is None or base.type != entry.type:
                return False
        self.marks[number] |= CHOSEN
        return True

    def settle(self) -> None:
        """Of equal places take the one in the pack of which most is needed: what an interrupted prune had copied wins over
        where it copied from, so that pruning again does not copy again."""
        if not self._pending:
            return
        _, sizes = self.contents()
        wanted = (number for number, mark in enumerate(self.marks) if mark & (CHOSEN | _PENDING))
        used = self.chosen_bytes(wanted)
        for first in self._pending:  # taking one may bring in bases that wait too
            ties = [number for number in self.find(self.entry(first).id) if self.marks[number] & _PENDING]
            for number in ties:
                self.marks[number] &= ~_PENDING
            packs = {number: self.entry(number).pack for number in ties}
            self._take(
                max(ties, key=lambda number: (used[packs[number]] / sizes[packs[number]], self.packs[packs[number]]))
            )
        self._pending = array("Q")

    def chosen_bytes(self, numbers: Iterable[int]) -> list[int]:
        """Sealed bytes of these entries in each pack."""
        used = [0] * len(self.packs)
        for number in numbers:
            entry = self.entry(number)
            used[entry.pack] += entry.length
        return used
