"""Copy snapshots into another repository: oldest first, each committed as a backup commits, so that an interrupted copy goes on.

A copied snapshot keeps its source, number and time and names its origin; what has that origin there already is passed over. Nothing is
copied that does not open: a damaged snapshot ends the copy with its name, and those before it are there. Spec 60-snapshot SNAP-23.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vault.errors import UnsafeError, UsageError
from vault.ids import RepositoryId, SnapshotId
from vault.model import Lease, Manifest, Origin
from vault.ops.copy.transcribe import Transcriber
from vault.ports import Clock, Entropy, Progress
from vault.repo.lineage import Known
from vault.repo.state import Indexed, Open
from vault.repo.writing import Writing, writing


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    id: SnapshotId
    origin: Origin
    source: str
    sequence: int
    new_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyReport:
    """`there`: snapshots that the other repository had already."""

    copied: tuple[Copied, ...]
    there: int

    @property
    def new_bytes(self) -> int:
        return sum(copied.new_bytes for copied in self.copied)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """From where to where. `host`, `pid`: of the lease."""

    here: Indexed
    there: Open
    cache_dir: Path | None
    host: str
    pid: int


def run(ends: Ends, chosen: Sequence[Known], *, clock: Clock, entropy: Entropy, progress: Progress) -> CopyReport:
    """Copy the chosen snapshots, which are in order, oldest first.

    Raises  UsageError: both are one repository; UnsafeError: a source of that name is another database there; IntegrityError: damage, in
            either; Locked, StoreError. What was copied before stays
    """
    here, there = ends.here.open.config.repository, ends.there.config.repository
    if here == there:
        raise UsageError(
            "a repository cannot be copied into itself",
            why=f"both are {here.hex()}",
            hint="name another one; make it with: pgvault -r OTHER init --like THIS",
        )
    there_now = ends.there.scan(read=True)  # a remembered manifest is no proof that its file is whole
    known = [(snapshot_id, manifest) for snapshot_id, manifest in there_now if isinstance(manifest, Manifest)]
    refuse_other_databases(chosen, known)
    copies = {origin_of(there, *pair): pair[0] for pair in known}
    missing = [pair for pair in chosen if origin_of(here, *pair) not in copies]
    if not missing:
        return CopyReport(copied=(), there=len(chosen))
    terms = Lease(created_ms=clock.now_ms(), host=ends.host, pid=ends.pid, purpose="copy", source="", parent=None)
    copied: list[Copied] = []
    origins = {pair[0]: origin_of(here, *pair) for pair in ends.here.open.snapshots()}

    def warn(text: str) -> None:
        progress.event("warning", text)

    with writing(ends.there, terms, clock=clock, entropy=entropy, warn=warn, cache_dir=ends.cache_dir) as target:
        transcriber = Transcriber(ends.here, target, progress=progress)
        for number, (snapshot_id, manifest) in enumerate(missing, 1):
            progress.stage(f"snapshot {number} of {len(missing)}")
            parent = (
                None
                if manifest.parent is None
                else origins.get(manifest.parent, Origin(repository=here, snapshot=manifest.parent))
            )
            origin = origins[snapshot_id]
            there_id = None if parent is None else copies.get(parent)
            copied.append(_copy(ends.here, target, transcriber, snapshot_id, origin=origin, parent=there_id))
            copies[origin] = copied[-1].id
    return CopyReport(copied=tuple(copied), there=len(chosen) - len(missing))


def _copy(
    here: Indexed,
    target: Writing,
    transcriber: Transcriber,
    snapshot_id: SnapshotId,
    *,
    origin: Origin,
    parent: SnapshotId | None,
) -> Copied:
    before = target.writer.new_bytes
    moved = transcriber.manifest(here.snapshot(snapshot_id))

    def at(new_bytes: int) -> Manifest:
        effort = replace(moved.effort, new_bytes=new_bytes - before)
        return replace(moved, origin=origin, parent=parent, effort=effort)

    done = target.commit(at)
    return Copied(
        id=done.id,
        origin=origin,
        source=moved.source,
        sequence=moved.sequence,
        new_bytes=target.writer.new_bytes - before,
    )


def origin_of(repository: RepositoryId, snapshot_id: SnapshotId, manifest: Manifest) -> Origin:
    """Of which snapshot this one is a copy, or that it is itself; a repaired one is no copy."""
    origin = manifest.origin
    if origin is None or (origin.repository == repository and manifest.suspect):
        return Origin(repository=repository, snapshot=snapshot_id)
    return origin


def refuse_other_databases(chosen: Iterable[Known], known: Iterable[Known]) -> None:
    """Raises  UnsafeError: the snapshots there of a source are all of other databases than those to be copied"""
    ours, theirs = _databases(chosen), _databases(known)
    for source, databases in ours.items():
        if source in theirs and databases.isdisjoint(theirs[source]):
            raise UnsafeError(
                f"{source} is the source of another database in that repository",
                why="its snapshots and these would be one line, and the latest of them that of either",
                hint="copy into another repository, or only other sources: pgvault copy REPO --source NAME",
            )


def _databases(known: Iterable[Known]) -> dict[str, set[tuple[str, int]]]:
    databases: dict[str, set[tuple[str, int]]] = {}
    for _, manifest in known:
        if manifest.database is not None:
            databases.setdefault(manifest.source, set()).add(manifest.database.server.database_key)
    return databases
