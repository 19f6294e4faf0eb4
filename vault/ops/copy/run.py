"""Copy snapshots into another repository: oldest first, each committed as a backup commits, so that an interrupted copy goes on.

A copied snapshot keeps its source, number and time and names its origin; what has that origin there already is passed over. Nothing is
copied that does not open: a damaged snapshot ends the copy with its name, and those before it are there. Spec 60-snapshot SNAP-23.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vault.errors import AlreadyExists, IntegrityError, NotFound, NotThere, UnsafeError, UsageError
from vault.ids import SnapshotId
from vault.model import Lease, Manifest, Origin
from vault.ops.copy.copies import Copies, Original, original
from vault.ops.copy.findings import Carrier
from vault.ops.copy.transcribe import Transcriber
from vault.ports import Clock, Entropy, Progress
from vault.repo import lease
from vault.repo.lineage import Known
from vault.repo.snapshot import Snapshot
from vault.repo.state import Indexed, Open
from vault.repo.sweep import READS
from vault.repo.writing import Writing, taken, writing


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
    """From where to where. `host`, `pid`: of the leases."""

    here: Indexed
    there: Open
    cache_dir: Path | None
    host: str
    pid: int


def run(ends: Ends, chosen: Sequence[Known], *, clock: Clock, entropy: Entropy, progress: Progress) -> CopyReport:
    """Copy the chosen snapshots, which are in order, oldest first.

    Raises  UsageError: both are one repository; UnsafeError: a source of that name is another database there; NotThere: one was forgotten
            meanwhile; IntegrityError: damage, in either; Locked, StoreError. What was copied before stays
    """
    if ends.here.open.config.repository == ends.there.config.repository:
        raise UsageError(
            "a repository cannot be copied into itself",
            why=f"both are {ends.here.open.config.repository.hex()}",
            hint="name another one; make it with: pgvault -r OTHER init --like THIS",
        )
    return _Copying(ends, chosen, clock=clock, entropy=entropy, progress=progress).run()


class _Copying:
    def __init__(
        self, ends: Ends, chosen: Sequence[Known], *, clock: Clock, entropy: Entropy, progress: Progress
    ) -> None:
        self._ends = ends
        self._chosen = chosen
        self._clock = clock
        self._entropy = entropy
        self._progress = progress
        here = ends.here.open
        self._originals = {pair[0]: original(here.config.repository, *pair) for pair in (*here.snapshots(), *chosen)}
        self._copies = Copies(ends.there)
        self._taken = taken(ends.there)
        self._carrier = Carrier(here, ends.there, entropy=entropy, warn=self._warn)

    def run(self) -> CopyReport:
        refuse_other_databases(self._chosen, self._copies.known)
        missing = [pair for pair in self._chosen if self._copy_of(pair[0]) is None]
        for snapshot_id, _ in self._chosen:
            self._carry(snapshot_id)
        copied = self._copy_all(missing) if missing else []
        self._ends.there.store.barrier()  # for copies that are there by a run that was killed, too
        return CopyReport(copied=tuple(copied), there=len(self._chosen) - len(copied))

    def _copy_all(self, missing: Sequence[Known]) -> list[Copied]:
        copied: list[Copied] = []
        terms = self._terms("copy", source="", parent=None)
        with writing(
            self._ends.there,
            terms,
            clock=self._clock,
            entropy=self._entropy,
            warn=self._warn,
            cache_dir=self._ends.cache_dir,
        ) as target:
            transcriber = Transcriber(self._ends.here, target, progress=self._progress)
            for number, pair in enumerate(missing, 1):
                self._copies.look()
                if self._copy_of(pair[0]) is None:  # else another copy was quicker
                    self._progress.stage(f"snapshot {number} of {len(missing)}")
                    copied += self._copy(pair, target, transcriber.manifest)
                self._carry(pair[0])
        return copied

    def _copy(self, pair: Known, target: Writing, transcribed: Callable[[Snapshot], Manifest]) -> list[Copied]:
        """Empty if another copy was quicker. The source's snapshot is held by a reader's lease: it may be forgotten and pruned meanwhile."""
        snapshot_id, listed = pair
        here, before = self._ends.here, target.writer.new_bytes
        parent = None if listed.parent is None else self._copy_of(listed.parent)
        with lease.reading(
            here.open, self._terms(READS, source=listed.source, parent=snapshot_id), entropy=self._entropy
        ):
            try:
                moved = transcribed(here.snapshot(snapshot_id))
            except (NotFound, IntegrityError) as error:
                raise self._explained(error, snapshot_id) from error
        origin = self._originals[snapshot_id].origin
        moved = replace(moved, origin=origin, parent=parent)

        def at(new_bytes: int) -> Manifest:
            return replace(moved, effort=replace(moved.effort, new_bytes=new_bytes - before))

        def told_before(copy: SnapshotId, _: Manifest) -> None:
            self._carrier.carry(snapshot_id, copy)

        try:
            done = target.commit(at, taken=self._taken, judge=told_before)
        except AlreadyExists:
            self._copies.look()
            if self._copy_of(snapshot_id) is None:
                raise
            return []
        self._copies.add(done.id, done.manifest)
        new_bytes = target.writer.new_bytes - before
        return [Copied(id=done.id, origin=origin, source=moved.source, sequence=moved.sequence, new_bytes=new_bytes)]

    def _explained(
        self, error: NotFound | IntegrityError, snapshot_id: SnapshotId
    ) -> NotFound | IntegrityError | NotThere:
        if not self._is_there(snapshot_id):
            return NotThere(
                f"snapshot {snapshot_id.hex()[:12]} was forgotten while it was copied",
                why="what was copied before it is there",
                hint="run the copy again; it goes on",
            )
        if isinstance(error, IntegrityError):
            error.why = "; ".join(filter(None, (error.why, f"snapshot {snapshot_id.hex()[:12]} was not copied")))
            error.hint = error.hint or "run: pgvault check; name with --snapshots what is to be copied without it"
        return error

    def _is_there(self, snapshot_id: SnapshotId) -> bool:
        try:
            self._ends.here.open.manifest(snapshot_id)
        except NotFound:
            return False
        except IntegrityError:
            return True
        return True

    def _copy_of(self, snapshot_id: SnapshotId) -> SnapshotId | None:
        there = self._originals.get(snapshot_id)
        own = Origin(repository=self._ends.here.open.config.repository, snapshot=snapshot_id)
        return self._copies.of(there or Original(origin=own, named=own))

    def _carry(self, snapshot_id: SnapshotId) -> None:
        copy = self._copy_of(snapshot_id)
        if copy is not None:
            self._carrier.carry(snapshot_id, copy)

    def _terms(self, purpose: str, *, source: str, parent: SnapshotId | None) -> Lease:
        return Lease(
            created_ms=max(0, self._clock.now_ms()),
            host=self._ends.host,
            pid=self._ends.pid,
            purpose=purpose,
            source=source,
            parent=parent,
        )

    def _warn(self, text: str) -> None:
        self._progress.event("warning", text)


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
