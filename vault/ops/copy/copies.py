"""Which snapshot of a repository is a copy of which of another one. Reads, never writes. Spec 60-snapshot SNAP-22, SNAP-23."""

from __future__ import annotations

from dataclasses import dataclass

from vault.ids import RepositoryId, SnapshotId
from vault.model import Counts, Manifest, Origin, State
from vault.repo.lineage import Known
from vault.repo.state import Open


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a copy has of what it is a copy of, and what a repair changes."""

    suspect: str
    counts: Counts
    coverage: tuple[tuple[str, tuple[State, int]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """What a snapshot is a copy of, or itself; `named`: what it says, which a repaired one says too. `content`: None if nobody knows it."""

    origin: Origin
    named: Origin
    content: Content | None = None


def original(repository: RepositoryId, snapshot_id: SnapshotId, manifest: Manifest) -> Original:
    own = origin_of(repository, snapshot_id, manifest)
    return Original(origin=own, named=manifest.origin or own, content=_content(manifest))


def origin_of(repository: RepositoryId, snapshot_id: SnapshotId, manifest: Manifest) -> Origin:
    """Of which snapshot this one is a copy, or that it is itself; a repaired one is no copy."""
    origin = manifest.origin
    if origin is None or (origin.repository == repository and manifest.suspect):
        return Origin(repository=repository, snapshot=snapshot_id)
    return origin


class Copies:
    """Of one repository, whose snapshots' files are all read: that a cache remembers one is no proof that its file is whole."""

    def __init__(self, repo: Open) -> None:
        self._repo = repo
        self._seen: set[SnapshotId] = set()
        self._copies: dict[Origin, dict[Content, SnapshotId]] = {}
        self.known: list[Known] = []
        for snapshot_id, manifest in repo.scan(read=True):
            self._seen.add(snapshot_id)
            if isinstance(manifest, Manifest):
                self.add(snapshot_id, manifest)

    def look(self) -> None:
        """Learn of what came since."""
        for snapshot_id, manifest in self._repo.scan():
            if snapshot_id not in self._seen and isinstance(manifest, Manifest):
                self.add(snapshot_id, manifest)

    def add(self, snapshot_id: SnapshotId, manifest: Manifest) -> None:
        """A suspect one that names a snapshot of its own repository was made by `repair`, or is a copy that came back: its content tells."""
        self._seen.add(snapshot_id)
        self.known.append((snapshot_id, manifest))
        what = original(self._repo.config.repository, snapshot_id, manifest)
        assert what.content is not None, "it is of a manifest"
        for origin in {what.origin, what.named}:
            self._copies.setdefault(origin, {}).setdefault(what.content, snapshot_id)

    def of(self, what: Original) -> SnapshotId | None:
        for origin in (what.origin, what.named):
            copies = self._copies.get(origin, {})
            copy = next(iter(copies.values()), None) if what.content is None else copies.get(what.content)
            if copy is not None:
                return copy
        return None


def _content(manifest: Manifest) -> Content:
    return Content(suspect=manifest.suspect, counts=manifest.counts, coverage=tuple(sorted(manifest.coverage.items())))
