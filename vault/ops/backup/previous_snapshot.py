"""What the previous snapshot knows of tables and extents: what to take over, and chunks as bases for deltas.

Damage there is no reason to stop: what cannot be read is no base, and storing anew heals it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate

from vault.errors import IntegrityError
from vault.ids import ObjectId
from vault.model import ChunkList, Extent, TableItem, TableName
from vault.repo.snapshot import Adopt, Snapshot

BaseOf = Callable[[int, int], ObjectId | None]
"""(offset in the extent, length) of a new chunk -> the old chunk that overlaps it most."""


def no_base(offset: int, length: int) -> ObjectId | None:
    return None


_NODES_KEPT = 4
"""Decoded nodes of the list of tables. Tables are asked for in its order, by a few threads: so each node is decoded once or twice."""


class Previous:
    """Extents of the snapshot before. Thread-safe, as the snapshot is."""

    def __init__(self, snapshot: Snapshot | None) -> None:
        self._snapshot = snapshot
        self._near: deque[Mapping[TableName, TableItem]] = deque(maxlen=_NODES_KEPT)

    def table(self, name: TableName) -> TableItem | None:
        if self._snapshot is None or self._snapshot.manifest.database is None:
            return None
        table = next((near[name] for near in tuple(self._near) if name in near), None)
        if table is None:
            try:
                near = {item.name: item for item in self._snapshot.tables_near(name)}
            except IntegrityError:
                return None
            self._near.append(near)
            table = near.get(name)
        return table

    def extents(self, table: TableItem) -> Iterator[Extent]:
        """Raises  IntegrityError"""
        assert self._snapshot is not None, "a table item came from it"
        return self._snapshot.extents(table)

    def taken_over(self, table: TableItem, adopt: Adopt) -> Iterator[Extent]:
        """Those that may be taken over, adopted with all that they need. Raises  IntegrityError"""
        assert self._snapshot is not None, "a table item came from it"
        return self._snapshot.taken_over(table, adopt)

    def extent(self, table: TableName, start: int) -> Extent | None:
        """The extent of the same table that starts at the same block."""
        item = self.table(table)
        if self._snapshot is None or item is None:
            return None
        try:
            return self._snapshot.extent(item, start)
        except IntegrityError:
            return None

    def bases(self, table: TableName, start: int) -> BaseOf:
        """Of row text."""
        return self._bases(self.extent(table, start), lambda extent: extent.chunks)

    def value_bases(self, table: TableName, start: int) -> BaseOf:
        """Of text of generated columns."""
        return self._bases(self.extent(table, start), lambda extent: extent.values)

    def _bases(self, extent: Extent | None, listed: Callable[[Extent], ChunkList | None]) -> BaseOf:
        chunks = None if extent is None else listed(extent)
        if self._snapshot is None or chunks is None:
            return no_base
        try:
            refs = list(self._snapshot.chunk_refs(chunks))
        except IntegrityError:
            return no_base
        if not refs:
            return no_base
        starts = [0, *accumulate(ref.length for ref in refs)]

        def base_of(offset: int, length: int) -> ObjectId:
            first = min(bisect_right(starts, offset) - 1, len(refs) - 1)
            last = min(bisect_right(starts, offset + length - 1) - 1, len(refs) - 1)
            best = max(
                range(first, last + 1),
                key=lambda at: min(offset + length, starts[at + 1]) - max(offset, starts[at]),
            )
            return refs[best].id

        return base_of
