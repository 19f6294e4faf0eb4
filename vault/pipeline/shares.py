"""How far a stage is, in the unit of its estimate, whatever the bytes that pass are. Pure but for the Progress that is told.

A piece was estimated beforehand; of it as much is told as has passed, never more, and the rest when it is done. So the end of a stage is
where the estimate said, and what is told meanwhile is a share of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vault.ports import Progress


class Portion:
    """One piece of a stage: `estimate` in bytes. Used by one thread at a time."""

    def __init__(self, progress: Progress, estimate: int) -> None:
        self._progress = progress
        self._left = max(0, estimate)
        self._told = 0

    def passing(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The same blocks, told as they go; once more, after a refusal, nothing is told twice."""
        passed = 0
        for block in blocks:
            passed += len(block)
            self._tell(min(self._left, passed - self._told))
            yield block

    def done(self, *, rows: int = 0, tables: int = 0) -> None:
        left, self._left = self._left, 0
        self._progress.advance(left, rows=rows, tables=tables)

    def _tell(self, size: int) -> None:
        if size > 0:
            self._left -= size
            self._told += size
            self._progress.advance(size)
