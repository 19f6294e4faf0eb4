"""Make new snapshots of damaged ones, without what is lost; and tell of those that are gone, so that a prune knows. Spec 60, 80.

A new snapshot has the number and time of the damaged one, stands after it, is suspect, so that no backup takes anything over from it, and
names in its ledger what it lacks. The damaged one stays until somebody forgets it. Of snapshots whose file cannot be read, and of lost
parents, a forgotten record is written; a later run removes such files and records that cannot be read. Nothing is removed in the run
that first speaks of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from vault.errors import IntegrityError, Unsupported
from vault.format.lists import SEQUENCES, TABLES
from vault.format.upkeep import encode_forgotten
from vault.ids import SnapshotId
from vault.model import FileKind, Forgotten, ForgottenSnapshot, Manifest, ObjectType, SequenceItem
from vault.model.words import counted
from vault.ops.repair.losses import Loss, Survivors, ledger_loss
from vault.ports import Entropy, Progress
from vault.repo.lease import index_after_sweeps
from vault.repo.lineage import Known, in_order
from vault.repo.records import forgotten as recorded
from vault.repo.records import save
from vault.repo.state import Indexed, Open


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedSnapshot:
    """`hopeless`: why no new one can be made of it, or empty."""

    id: SnapshotId
    manifest: Manifest
    losses: tuple[Loss, ...]
    hopeless: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotsPlan:
    """`lost`: to be recorded as forgotten, readable no more or gone; `leftovers`: files to be removed, of what was recorded before."""

    damaged: tuple[DamagedSnapshot, ...]
    mended: tuple[SnapshotId, ...]
    lost: tuple[ForgottenSnapshot, ...]
    leftovers: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not (self.to_make or self.lost or self.leftovers)

    @property
    def to_make(self) -> tuple[DamagedSnapshot, ...]:
        """Those of which a new one is to be made, and was not yet."""
        return tuple(one for one in self.damaged if not one.hopeless and one.id not in self.mended)


def plan(repo: Open, *, progress: Progress) -> SnapshotsPlan:
    """What is damaged and what would be made of it. Nothing is written. Raises  StoreError; Unsupported: a snapshot, or a record, is of a newer program"""
    readable: list[Known] = []
    unreadable: list[str] = []
    unreadable_ids: list[SnapshotId] = []
    for snapshot_id, manifest in repo.scan(read=True):
        if isinstance(manifest, Unsupported):
            raise manifest  # whole, and of a newer program: it is not to be given up
        if isinstance(manifest, IntegrityError):
            unreadable_ids.append(snapshot_id)
            unreadable.append(manifest.file)
        else:
            readable.append((snapshot_id, manifest))
    forgotten, records = _records(repo)
    lost = list(_lost(readable, unreadable_ids, forgotten))
    leftovers = [name for name, one in zip(unreadable, unreadable_ids, strict=True) if one in forgotten]
    if not lost:
        leftovers += records
    indexed = index_after_sweeps(repo, None)
    progress.stage(f"going through {counted(len(readable), 'snapshot')}")
    damaged = []
    for snapshot_id, manifest in in_order(readable):
        losses, hopeless = survey(indexed, manifest)
        if losses or hopeless:
            damaged.append(DamagedSnapshot(id=snapshot_id, manifest=manifest, losses=losses, hopeless=hopeless))
    mended = tuple(
        manifest.origin.snapshot
        for _, manifest in readable
        if manifest.origin is not None and manifest.origin.repository == repo.config.repository
    )
    return SnapshotsPlan(damaged=tuple(damaged), mended=mended, lost=tuple(lost), leftovers=tuple(leftovers))


def survey(repo: Indexed, manifest: Manifest) -> tuple[tuple[Loss, ...], str]:
    """What a snapshot lost, and why nothing can be made of it, or empty."""
    survivors = Survivors(repo)
    hopeless = ""
    if manifest.database is not None:
        part = manifest.database
        for object_id, object_type, what in (
            (part.order, ObjectType.SCHEMA_ORDER, "the order of its definitions"),
            (part.catalog, ObjectType.CATALOG, "its catalog facts"),
            (part.roles, ObjectType.ROLES, "its roles"),
        ):
            try:
                survivors.plain(object_id, object_type)
            except IntegrityError as error:
                hopeless = hopeless or f"{what} cannot be read: {error.message}"
        for table in survivors.items(part.tables, TABLES, "data"):
            _drain(survivors.extents(table))
        sequences: Iterator[SequenceItem] = survivors.items(part.sequences, SEQUENCES, "sequences")
        _drain(sequences)
        _drain(survivors.large_objects(part))
        _drain(survivors.entries(part))
    for name in manifest.directories:
        _drain(survivors.files(manifest, name))
    try:
        survivors.plain(manifest.ledger, ObjectType.LEDGER)
    except IntegrityError as error:
        survivors.losses.append(ledger_loss(error))
    return tuple(survivors.losses), hopeless


def record(repo: Open, planned: SnapshotsPlan, *, now_ms: int, entropy: Entropy) -> None:
    """Write down what is gone, then remove what an earlier run wrote down or could not read. Raises  StoreError"""
    if planned.lost:
        plain = encode_forgotten(Forgotten(created_ms=now_ms, snapshots=planned.lost))
        save(repo, FileKind.FORGOTTEN, plain, entropy=entropy)
    for name in planned.leftovers:
        repo.store.delete(name)
    repo.store.barrier()


def _records(repo: Open) -> tuple[set[SnapshotId], list[str]]:
    """Snapshots that were forgotten, and the names of records that cannot be read."""
    records = recorded(repo)
    for error in records.damaged:
        if isinstance(error, Unsupported):
            raise error
    forgotten = {item.id for _, record in records.found for item in record.snapshots}
    return forgotten, [error.file for error in records.damaged]


def _lost(
    readable: Sequence[Known], unreadable: Sequence[SnapshotId], forgotten: AbstractSet[SnapshotId]
) -> Iterator[ForgottenSnapshot]:
    """Snapshots whose file does not open, and parents that are neither there nor forgotten; number and time are those next to them."""
    there = {snapshot_id for snapshot_id, _ in readable}
    of_parent = {
        manifest.parent: manifest for _, manifest in reversed(in_order(readable)) if manifest.parent is not None
    }
    gone = [parent for parent in of_parent if parent not in there and parent not in unreadable]
    for snapshot_id in (*unreadable, *gone):
        if snapshot_id in forgotten:
            continue
        child = of_parent.get(snapshot_id)
        yield ForgottenSnapshot(
            id=snapshot_id,
            source="" if child is None else child.source,
            sequence=1 if child is None else max(1, child.sequence - 1),
            created_ms=0 if child is None else child.created_ms,
        )


def _drain(items: Iterable[object]) -> None:
    for _ in items:
        pass
