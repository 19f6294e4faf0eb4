"""Write one snapshot under a lease: publish, then look, then commit, then look again. Spec 80-leases.

The steps of a writer in their order, for whatever makes snapshots: a backup, a copy, a repair. Invariant: when `commit` returns, the
snapshot is durable and its lease was there; on every other way out there is no snapshot, or the lease stays and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from vault.crypto import keyed
from vault.errors import Interrupted, Locked, StoreDenied, StoreError
from vault.format.snapshot import encode_manifest, parse_snapshot_name
from vault.ids import PackId, SnapshotId
from vault.limits import LOOK_AGAIN_S
from vault.model import ForgottenSnapshot, Lease, Manifest, ObjectType
from vault.ports import Clock, Entropy
from vault.repo import lease
from vault.repo.records import forgotten
from vault.repo.state import Indexed, Open
from vault.repo.writer import Committed, Writer

Warn = Callable[[str], None]
_LOOKS_MAX = 3


def _content(snapshot_id: SnapshotId, manifest: Manifest) -> None:
    """With whatever is committed."""


class Writing:
    """A writer and the index that it may rely on, while its lease is held."""

    def __init__(self, indexed: Indexed, writer: Writer, held: lease.Held, *, clock: Clock, entropy: Entropy) -> None:
        self.indexed = indexed
        self.writer = writer
        self._held = held
        self._clock = clock
        self._entropy = entropy

    def commit(
        self,
        manifest_at: Callable[[int], Manifest],
        *,
        taken: AbstractSet[SnapshotId] = frozenset(),
        judge: Callable[[SnapshotId, Manifest], None] = _content,
    ) -> Committed:
        """As `Writer.commit`, with both looks; `judge` comes before the first of them.

        taken    names that the snapshot must not get; whoever writes an old moment once more needs it
        Raises  Locked: a prune got in the way, or the lease was removed, and the snapshot withdrawn; StoreError: the looks take too long
        """
        id_key = self.indexed.open.keys.id_key

        def untaken(new_bytes: int) -> Manifest:
            manifest = manifest_at(new_bytes)
            while snapshot_id_of(manifest, id_key) in taken:
                effort = replace(manifest.effort, duration_ms=manifest.effort.duration_ms + 1)
                manifest = replace(manifest, effort=effort)
            return manifest

        def before(snapshot_id: SnapshotId, manifest: Manifest) -> None:
            judge(snapshot_id, manifest)
            self._look_again()

        done = self.writer.commit(untaken, before=before)
        if self._held.is_there():
            self.writer.settled()
            self.indexed.open.keep(done.id, done.size, done.manifest)
            return done
        raise self._withdrawn(done)

    def _withdrawn(self, done: Committed) -> Locked:
        """Take back the snapshot whose lease is gone, and say so. Raises  StoreError: it is there, and the lease's end says that"""
        snapshot = ForgottenSnapshot(
            id=done.id,
            source=done.manifest.source,
            sequence=done.manifest.sequence,
            created_ms=done.manifest.created_ms,
        )
        now_ms = max(0, self._clock.now_ms())
        gone = lease.take_back(self.indexed.open, snapshot, now_ms=now_ms, entropy=self._entropy)
        self.writer.settled()
        name, what = done.id.hex()[:12], "a prune may have deleted what it relied on"
        kept = f"its snapshot {name} stays, for want of the right to delete, and may lack data"
        again = f"run the {self._held.purpose} again"
        return Locked(
            f"the lease of this {self._held.purpose} was removed while it ran",
            why=f"{what}, so its snapshot was withdrawn" if gone else f"{what}; {kept}",
            hint=again if gone else f"{again}; whoever may delete removes the other one: pgvault forget {name}",
        )

    def _look_again(self) -> None:
        """Say what the snapshot relies on, then look whether it is there and stays; again, if that took long.

        Raises  as lease.refuse_lost; StoreError: it takes too long each time
        """
        packs = self.writer.relied_on()
        for _ in range(_LOOKS_MAX):
            began_s = self._clock.uptime_s()
            self._held.name_packs(packs)
            lease.refuse_lost(self.indexed, packs)
            if self._clock.uptime_s() - began_s <= LOOK_AGAIN_S:
                return  # the earlier lease goes with this one, in one request
        raise StoreError(
            f"the last look before the commit took over {LOOK_AGAIN_S // 60} minutes, {_LOOKS_MAX} times",
            why="a prune may have passed meanwhile; the storage is very slow, or the machine slept",
            hint=f"run the {self._held.purpose} again; what was sent is not sent twice",
        )


def taken(repo: Open) -> frozenset[SnapshotId]:
    """Names of snapshots that are there, readable or not, or were forgotten: whoever forgets next removes what a record names (RET-11)."""
    stored = (parse_snapshot_name(file.name) for file in repo.store.list("snapshots/"))
    gone = (item.id for _, record in forgotten(repo).found for item in record.snapshots)
    return frozenset((*filter(None, stored), *gone))


def snapshot_id_of(manifest: Manifest, id_key: bytes) -> SnapshotId:
    return SnapshotId(keyed.object_id(id_key, ObjectType.SNAPSHOT, encode_manifest(manifest)))


@contextmanager
def writing(
    repo: Open, terms: Lease, *, clock: Clock, entropy: Entropy, warn: Warn, cache_dir: Path | None
) -> Iterator[Writing]:
    """Hold a lease, load the index after the sweeps, and write; several snapshots may be committed one after the other.

    terms    the lease as it is first published, without packs
    Raises   StoreError, IntegrityError; Locked: a prune takes what the writer relies on
    """
    held = lease.Held(repo, terms, entropy=entropy)
    writer: Writer | None = None
    try:
        indexed = lease.index_after_sweeps(repo, cache_dir)
        writer = indexed.writer(entropy=entropy, published=partial(_renew, indexed, held), clock=clock, tell=warn)
        with writer:
            yield Writing(indexed, writer, held, clock=clock, entropy=entropy)
    finally:
        _end(held, warn, unsettled="" if writer is None else writer.unsettled)


def _renew(repo: Indexed, held: lease.Held, packs: frozenset[PackId]) -> None:
    """Say early what is relied on, and hear early that it goes: a backup of days fails in its first hour. Raises  as lease.refuse_swept"""
    with held.named(packs):
        lease.refuse_swept(repo, packs)


def _end(held: lease.Held, warn: Warn, *, unsettled: str) -> None:
    """A lease that stays behind holds nothing up but a prune; it must not hide how the writing ended."""
    if unsettled:
        held.settle()
        warn(
            f"{unsettled} may be there, or still come, and nobody could look whether its lease was held all the time: "
            f"{held.name} stays, so that no prune takes what it needs; if that file is gone: pgvault check"
        )
        return
    try:
        held.withdraw()
    except StoreDenied:
        warn(f"{held.name} stays, for want of the right to delete: it holds up a prune for a day, and no backup")
    except (StoreError, Interrupted) as error:
        warn(f"{held.name} could not be removed ({error.message}); delete that file")
