"""Comparisons of tables between the snapshots of a strand; those that come next are begun together, so that each chunk is opened once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from vault.errors import IntegrityError
from vault.ids import SnapshotId
from vault.model import TableName
from vault.ops.diff.rows import TableChanges
from vault.ops.diff.together import begin_together
from vault.repo.snapshot import Snapshot

_TOGETHER_MAX: Final = 128
"""Each may have three files open."""

Find = Callable[[Snapshot, Snapshot, TableName | None], Iterator[TableChanges]]
"""Older and newer snapshot, and what the table is called in the newer one; None: all tables."""


class Comparisons:
    def __init__(self, find: Find) -> None:
        self._find = find
        self._begun: dict[tuple[SnapshotId, SnapshotId], list[TableChanges]] = {}

    def foresee(self, window: Sequence[Snapshot], name: TableName | None) -> None:
        """Begin those of each of these snapshots, newest first, with the next. `name`: of the table in the first of them"""
        self.close()
        together: list[TableChanges] = []
        try:
            for newer, older in pairwise(window):
                found = list(self._find(older, newer, name))
                if len(together) + len(found) > _TOGETHER_MAX:
                    break
                self._begun[older.id, newer.id] = found
                together += reversed(found)
                if name is not None:
                    name = next((changes.before for changes in found if changes.before is not None), name)
            begin_together(together[::-1])
        except IntegrityError:
            self.close()  # each is begun by itself then, and what cannot be read is told of those that have it
        except BaseException:
            self.close()
            raise

    def between(self, older: Snapshot, newer: Snapshot, name: TableName | None) -> Iterator[TableChanges]:
        """Each is to be closed before the next is asked for."""
        begun = self._begun.pop((older.id, newer.id), None)
        if begun is None:
            yield from self._find(older, newer, name)
            return
        try:
            yield from begun
        finally:
            _close(begun)

    def close(self) -> None:
        for begun in self._begun.values():
            _close(begun)
        self._begun.clear()


def _close(begun: Sequence[TableChanges]) -> None:
    for changes in begun:
        changes.close()
