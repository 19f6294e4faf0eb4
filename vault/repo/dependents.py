"""Which deltas stand on an object: the index asked backwards, so that a base is opened once for all of them.

Eight bytes a delta: the beginning of its base's id and its position in its run, sorted. Never an object a delta. Spec 30-object, OBJ-10.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Final

from vault.ids import ObjectId, PackId
from vault.model import Location
from vault.repo.runs import Run

_KNOWN_MAX: Final = 8_000_000
"""Deltas that are noted, 64 MB at most; of others nobody hears, and who reads one opens its base for it."""
_BUCKETS: Final = 256
"""By the first byte of the base's id: only so much is sorted at once."""


class Dependents:
    """Of the runs as they are. Thread-safe."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._deltas: Counter[PackId] = Counter()
        entries = max(1, sum(map(len, runs)))
        self._runs = [(run, self._sorted(run, _KNOWN_MAX * len(run) // entries)) for run in runs]

    def in_pack(self, pack: PackId) -> int:
        """How many deltas a pack has, of those that are noted."""
        return self._deltas[pack]

    def of(self, base: ObjectId) -> list[Location]:
        """Usable locations of deltas against the object."""
        beginning = int.from_bytes(base[1:5], "big")
        found: list[Location] = []
        for run, buckets in self._runs:
            bucket = buckets[base[0]]
            for at in range(bisect_left(bucket, beginning << 32), len(bucket)):
                if bucket[at] >> 32 != beginning:
                    break
                entry = run.entry(position := bucket[at] & 0xFFFF_FFFF)
                if entry.base == base and run.is_usable(entry.pack):
                    found.append(run.location_at(position))
        return found

    def _sorted(self, run: Run, noted_max: int) -> list[array[int]]:
        buckets = [array("Q") for _ in range(_BUCKETS)]
        numbers: Counter[int] = Counter()
        for position, base, pack in islice(run.bases(), noted_max):
            numbers[pack] += 1
            buckets[base[0]].append(int.from_bytes(base[1:5], "big") << 32 | position)
        for position, row in enumerate(run.packs()):
            self._deltas[row.id] += numbers[position]
        return [array("Q", sorted(bucket)) for bucket in buckets]
