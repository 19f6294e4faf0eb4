"""Comparisons of one table after the other in a row of snapshots, begun together, so that each chunk is opened once.

A chunk of a later day is stored as a delta against that of the day before. Day by day each would cost the whole chain behind it; so all
days are compared extent by extent, the oldest first: what one comparison has read as the later version the next has as the earlier one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

from vault.model import TableName
from vault.ops.diff.matched import Own, Side, add_left, differing_pairs
from vault.ops.diff.rows import TableChanges
from vault.ops.diff.shared import Pair


@dataclass(frozen=True, slots=True)
class _Part:
    """A leaf in two snapshots, and the sides of the comparison to which it belongs."""

    number: int
    both: tuple[Own, Own]
    sides: tuple[Side, Side]


def begin_together(comparisons: Sequence[TableChanges]) -> None:
    """Match the rows of each. `comparisons`: of one strand, the oldest first; they share the memory of one.

    Raises  IntegrityError: of any of them; OSError: no room for hashes
    """
    leaves: dict[TableName, list[_Part]] = {}
    for changes in comparisons:
        sides, parts = changes.to_collect(len(comparisons))
        for number, both in parts:
            leaves.setdefault(both[1][0].item.name, []).append(_Part(number, both, sides))
    for strand in leaves.values():
        _collect(strand)
    for changes in comparisons:
        changes.match()


def _collect(strand: Sequence[_Part]) -> None:
    sources = [_differing(place, part, len(strand)) for place, part in enumerate(strand)]
    for _, place, pair in heapq.merge(*sources, key=itemgetter(0, 1)):
        part = strand[place]
        add_left(part.number, part.both, part.sides, [pair], keep=True)


def _differing(place: int, part: _Part, users: int) -> Iterator[tuple[int, int, Pair]]:
    for pairs in differing_pairs(part.both, users=users):
        yield from ((pair.start, place, pair) for pair in pairs)
