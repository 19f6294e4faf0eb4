"""What snapshots need, found by reading all of them: slow, and independent of how a pruner finds it."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from tests.small_repository import contents
from vault.ids import ObjectId, PackId
from vault.model import ObjectType
from vault.repo.index import Index
from vault.repo.lineage import Known
from vault.repo.reader import Reader
from vault.repo.state import Indexed, Open


class ByReading:
    """Implements `reclaim.Needed`."""

    def snapshots(self, repo: Open) -> Sequence[Known]:
        return repo.snapshots()

    def stranded(self, repo: Indexed, snapshots: Sequence[Known]) -> AbstractSet[PackId]:
        watched = _Watched(repo.open, repo.index)
        for snapshot, _ in snapshots:
            contents(watched, snapshot)
        packs: set[PackId] = set()
        for object_id in watched.read:
            if not repo.index.lasting_chain(object_id):
                _packs_below(repo, object_id, packs)
        return packs & repo.index.swept


def _packs_below(repo: Indexed, object_id: ObjectId, packs: set[PackId]) -> None:
    """Packs of every place of an object, and of every place of a base of one."""
    for place in repo.index.locations(object_id):
        packs.add(place.pack)
        if place.record.base is not None:
            _packs_below(repo, place.record.base, packs)


class _Watched(Indexed):
    """Keeps the ids of all that is read."""

    def __init__(self, opened: Open, index: Index) -> None:
        super().__init__(opened, index)
        self.read: set[ObjectId] = set()

    def reader(self, *, threads: int = 2) -> Reader:
        opened = self.open
        reader = _Noting(
            opened.store, opened.keys, self.index, repository=opened.config.repository, threads=1, meta=None
        )
        reader.read = self.read
        return reader


class _Noting(Reader):
    read: set[ObjectId]

    def _get(
        self, object_id: ObjectId, object_type: ObjectType, *, below: int, gone: frozenset[PackId] = frozenset()
    ) -> bytes:
        self.read.add(object_id)
        return super()._get(object_id, object_type, below=below, gone=gone)
