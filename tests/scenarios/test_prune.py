"""A prune as it is run: beside a backup, on a full disk, twice, and denied."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import pytest

from tests.fake_source import FakeDatabase
from tests.faults import Crashed, Fault, FaultStore
from tests.small_repository import CLOCK, Quiet, contents, damage, new_repository, opened, rows, take
from tests.worlds import forget, put_record
from vault.errors import StoreError, StoreFull, UnsafeError
from vault.format.upkeep import encode_lease
from vault.ids import PackId, SnapshotId
from vault.model import FileKind, Lease
from vault.ops.retention import prune
from vault.ops.retention.prune import PruneReport
from vault.ops.retention.prune_plan import PruneOptions
from vault.ports import ObjectStore, StoredFile
from vault.store.memory import MemoryStore

AT_ONCE = PruneOptions(min_age_ms=0)
ALL = PruneOptions(min_age_ms=0, remove_all=True)
DAYS = 6


def day(number: int) -> FakeDatabase:
    """Extents of 70 kB; one of four changes a little each day, one altogether."""
    quiet = [rows(extent, 1_000) for extent in range(2)]
    return FakeDatabase(tables={"public.t": [*quiet, rows(9, 1_000) + rows(number, 10), rows(100 + number, 1_000)]})


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    new_repository(store)
    for number in range(DAYS):
        take(opened(store), day(number))
    return store


def lease_of(purpose: str, packs: Sequence[PackId] = (), parent: SnapshotId | None = None) -> Lease:
    return Lease(
        created_ms=CLOCK.now_ms(),
        host="elsewhere",
        pid=1,
        purpose=purpose,
        source="project",
        parent=parent,
        packs=tuple(sorted(packs)),
    )


def run(store: ObjectStore, options: PruneOptions = AT_ONCE) -> PruneReport:
    return prune.run(
        opened(store),
        options=options,
        lease=lease_of("maintenance"),
        is_dead=lambda lease: True,
        tell=lambda plan: None,
        clock=CLOCK,
        entropy=os.urandom,
        progress=Quiet(),
    )


def snapshots(store: ObjectStore) -> dict[SnapshotId, dict[str, bytes]]:
    repo = opened(store)
    return {snapshot: contents(repo, snapshot) for snapshot, _ in repo.snapshots()}


def forget_but(store: MemoryStore, kept: int) -> None:
    repo = opened(store)
    forget(repo, *(snapshot for snapshot, _ in repo.snapshots()[:-kept]))


def files(store: MemoryStore, prefix: str) -> set[str]:
    return {name for name in store.files if name.startswith(prefix)}


def test_what_is_forgotten_goes_and_what_remains_reads_as_before(store: MemoryStore) -> None:
    before = snapshots(store)
    size = sum(map(len, store.files.values()))
    forget_but(store, 1)
    report = run(store)
    assert report.reclaimed.deleted >= 5
    assert sum(map(len, store.files.values())) < size
    assert snapshots(store).items() <= before.items()
    assert damage(opened(store)) == ()
    assert files(store, "sweeps/") == files(store, "leases/") == set()


def test_a_second_prune_changes_nothing(store: MemoryStore) -> None:
    forget_but(store, 2)
    run(store)
    before = dict(store.files)
    again = run(store)
    assert (again.reclaimed.deleted, again.repacked_bytes) == (0, 0)
    assert store.files == before


def test_backups_go_on_after_it_with_deltas_against_what_was_kept(store: MemoryStore) -> None:
    forget_but(store, 1)
    run(store)
    report = take(opened(store), day(DAYS))
    assert report.manifest.effort.new_bytes < 80_000
    assert damage(opened(store)) == ()


def test_everything_can_be_forgotten(store: MemoryStore) -> None:
    forget(opened(store), *snapshots(store))
    run(store, ALL)
    assert files(store, "packs/") == files(store, "index/") == set()
    take(opened(store), day(0))
    assert damage(opened(store)) == ()


class Forgetful(FaultStore):
    """Lists no snapshot from listing number `first` of them on, as a place does that answers for another one."""

    def __init__(self, next_store: ObjectStore, first: int) -> None:
        super().__init__(next_store)
        self._left = first

    def list(self, prefix: str) -> Iterator[StoredFile]:
        self._left -= prefix == "snapshots/"
        return iter(()) if prefix == "snapshots/" and self._left <= 0 else super().list(prefix)


@pytest.mark.spec("LEASE-25")
@pytest.mark.parametrize("first", [1, 2])
def test_nothing_is_pruned_where_no_snapshot_is_listed(store: MemoryStore, first: int) -> None:
    forget_but(store, 1)
    before = files(store, "packs/")
    with pytest.raises(UnsafeError, match="no snapshot"):
        run(Forgetful(store, first))
    assert files(store, "packs/") >= before
    assert damage(opened(store)) == ()


@pytest.mark.spec("LEASE-25")
def test_what_an_interrupted_first_backup_left_goes_when_somebody_says_so() -> None:
    store = MemoryStore()
    new_repository(store)
    with pytest.raises(StoreError):
        take(opened(FaultStore(store, [Fault(kind="put", prefix="index/")])), day(0))
    assert files(store, "packs/")
    with pytest.raises(UnsafeError, match="no snapshot") as refused:
        run(store)
    assert "--unsafe-allow-remove-all" in refused.value.hint
    run(store, ALL)
    assert files(store, "packs/") == set()
    run(store)  # of an empty repository there is nothing to be lost


def test_only_what_needs_no_copy_goes_where_nothing_may_be_copied(store: MemoryStore) -> None:
    before = snapshots(store)
    forget_but(store, 2)
    report = run(store, PruneOptions(min_age_ms=0, copied_bytes_max=0))
    assert report.repacked_bytes == 0
    assert snapshots(store).items() <= before.items()
    assert run(store).reclaimed.deleted_bytes > 0


@pytest.mark.parametrize("prefix", ["packs/", "index/", "sweeps/"])
def test_a_full_disk_loses_nothing_and_the_next_prune_finishes(store: MemoryStore, prefix: str) -> None:
    before = snapshots(store)
    forget_but(store, 1)
    fault = Fault(kind="put", prefix=prefix, error=StoreFull("no space left"))
    with pytest.raises(StoreFull) as failure:
        run(FaultStore(store, [fault]))
    if prefix != "sweeps/":
        assert "--max-repack 0" in failure.value.hint
    assert snapshots(store).items() <= before.items()
    assert damage(opened(store)) == ()
    run(store)
    assert snapshots(store).items() <= before.items()
    assert damage(opened(store)) == ()


def test_a_lease_with_packs_keeps_them_and_one_without_keeps_what_it_may_name(store: MemoryStore) -> None:
    forget(opened(store), *snapshots(store))
    packs = sorted(opened(store).indexed(None).index.pack_sizes)
    name = put_record(opened(store), FileKind.LEASE, encode_lease(lease_of("backup", packs[:2])))
    report = run(store, ALL)
    assert sorted(opened(store).indexed(None).index.pack_sizes) == packs[:2]
    assert report.plan.leased == 2
    store.delete(name)
    run(store, ALL)
    assert files(store, "packs/") == set()


def test_a_lease_that_says_nothing_stops_every_deletion(store: MemoryStore) -> None:
    forget_but(store, 1)
    name = put_record(opened(store), FileKind.LEASE, encode_lease(lease_of("of a later version")))
    before = files(store, "packs/")
    report = run(store)
    assert report.reclaimed.deleted == 0
    assert report.reclaimed.leased > 0
    assert files(store, "packs/") >= before
    store.delete(name)
    assert run(store).reclaimed.deleted > 0


class _BackupMeanwhile:
    """Takes a backup when the prune first puts a file of `prefix`."""

    def __init__(self, store: MemoryStore, prefix: str) -> None:
        self.store = store
        self.prefix = prefix
        self.taken: SnapshotId | None = None

    def __call__(self, name: str) -> None:
        if self.taken is None and name.startswith(self.prefix):
            self.taken = opened(self.store).snapshots()[0][0]
            self.taken = take(opened(self.store), day(2)).id


class _Watched(FaultStore):
    """Calls `meanwhile` before each put."""

    def __init__(self, next_store: ObjectStore, meanwhile: _BackupMeanwhile) -> None:
        super().__init__(next_store)
        self._meanwhile = meanwhile

    def put(self, name: str, data: bytes) -> None:
        self._meanwhile(name)
        super().put(name, data)


@pytest.mark.parametrize("prefix", ["packs/", "index/", "sweeps/"])
def test_a_backup_during_a_prune_that_wants_what_was_forgotten_has_all_of_it(store: MemoryStore, prefix: str) -> None:
    """It adopts what the prune is about to sweep, or stores it anew."""
    forget_but(store, 1)
    meanwhile = _BackupMeanwhile(store, prefix)
    run(_Watched(store, meanwhile))
    assert meanwhile.taken in snapshots(store)
    assert damage(opened(store)) == ()
    run(store)
    assert damage(opened(store)) == ()


@pytest.mark.parametrize("kind", ["put", "delete", "barrier"])
@pytest.mark.parametrize("at", range(1, 8))
@pytest.mark.parametrize("after", [False, True])
def test_killed_and_run_again(store: MemoryStore, kind: str, at: int, after: bool) -> None:
    before = snapshots(store)
    forget_but(store, 2)
    try:
        run(FaultStore(store, [Fault(kind=kind, at=at, crash=True, after=after)]))
    except Crashed:
        pass
    assert snapshots(store).items() <= before.items()
    assert damage(opened(store)) == ()
    run(store)
    assert snapshots(store).items() <= before.items()
    assert damage(opened(store)) == ()
    assert prune.foresee(opened(store), options=AT_ONCE, now_ms=2**60, progress=Quiet()).sweep == ()


@pytest.mark.spec("LEASE-20")
def test_a_store_that_refuses_to_delete_is_told_and_the_next_prune_finishes(store: MemoryStore) -> None:
    before = snapshots(store)
    forget_but(store, 1)
    faults = [Fault(kind="delete", prefix="packs/", at=at, error=StoreError("denied")) for at in range(1, 50)]
    report = run(FaultStore(store, faults))
    assert report.reclaimed.deleted == 0
    assert report.reclaimed.denied
    assert damage(opened(store)) == ()
    assert run(store).reclaimed.deleted > 0
    assert snapshots(store).items() <= before.items()
