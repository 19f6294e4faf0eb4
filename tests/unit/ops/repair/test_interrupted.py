"""A repair that is killed, meets a full disk, or runs beside backups and prunes at any of its calls: nothing more is lost, and the next ends it."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from tests.faults import Crashed, Fault, FaultStore, Meanwhile, RecordingStore
from tests.small_repository import CLOCK, Quiet, contents, opened, take
from tests.unit.ops.repair.support import EDITED, LEASE, chunks, fresh, spoil_object
from tests.unit.ops.repair.test_hostile import assert_mends, original, repair_index, repair_packs, spoil
from vault.errors import IntegrityError, Locked, NotFound, StoreFull, UnsafeError
from vault.ids import SnapshotId
from vault.model import ObjectType
from vault.ops.repair import index, packs, snapshots
from vault.ops.repair.remake import remake
from vault.ops.retention import prune
from vault.ops.retention.prune_plan import PruneOptions
from vault.ports import ObjectStore
from vault.repo.state import Open
from vault.repo.writing import writing
from vault.store.memory import MemoryStore

Files = dict[str, bytes]


def index_step(repo: Open) -> None:
    planned = index.plan(repo, progress=Quiet())
    index.run(repo, planned, entropy=os.urandom)


def packs_step(repo: Open) -> None:
    planned = packs.plan(repo.indexed(None), progress=Quiet())
    packs.run(repo, planned, LEASE, is_dead=lambda _: True, clock=CLOCK, entropy=os.urandom, progress=Quiet())


def snapshots_step(repo: Open) -> None:
    planned = snapshots.plan(repo, progress=Quiet())
    snapshots.record(repo, planned, now_ms=1, entropy=os.urandom)
    terms = replace(LEASE, purpose="repair")
    with writing(repo, terms, clock=CLOCK, entropy=os.urandom, warn=lambda _: None, cache_dir=None) as target:
        for damaged in planned.to_make:
            remake(target, damaged)


STEPS: dict[str, Callable[[Open], None]] = {"index": index_step, "packs": packs_step, "snapshots": snapshots_step}


def damaged(step: str) -> MemoryStore:
    """As the step finds it: a fragment is gone, an object of each snapshot does not open, a snapshot's file is damaged."""
    store, choice = MemoryStore(), random.Random(3)
    store.files.update(original()[0])
    if step == "index":
        spoil(store, "index gone", choice)
        spoil(store, "index junk beside", choice)
        return store
    spoil_object(store, chunks(fresh(store), ObjectType.LARGE_OBJECT_CHUNK)[0])
    spoil(store, "snapshots junk beside", choice)
    if step == "snapshots":
        repair_index(store)
        repair_packs(store)
    return store


def copy_of(store: MemoryStore) -> MemoryStore:
    made = MemoryStore()
    made.files.update(store.files)
    return made


def readable(store: MemoryStore) -> set[str]:
    """What of the original snapshots can be read, item by item of those that can be read whole."""
    found = set()
    for snapshot in original()[1]:
        with suppress(IntegrityError, NotFound):
            found.add(snapshot.hex() + str(len(contents(fresh(store), snapshot))))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", ["put", "list", "delete", "barrier", "get", "get_range"])
def test_a_repair_killed_at_any_call_is_ended_by_the_next(step: str, kind: str) -> None:
    start = damaged(step)
    could = readable(start)
    for at in range(1, 200):
        store = copy_of(start)
        before = dict(store.files)
        try:
            STEPS[step](opened(FaultStore(store, [Fault(kind=kind, at=at, crash=True)])))
        except Crashed:
            assert {name for name in before if not name.startswith("leases/")} <= store.files.keys()
            assert readable(store) >= could
            if at % 3 == 1:
                assert_mends(store)
        else:
            return
    raise AssertionError("it never ends")


@pytest.mark.parametrize("step", STEPS)
def test_on_a_full_disk_a_repair_says_so_and_loses_nothing(step: str) -> None:
    start = damaged(step)
    could = readable(start)
    for at in range(1, 5):
        store = copy_of(start)
        full = [Fault(kind="put", at=number, error=StoreFull("full")) for number in range(at, 50)]
        with suppress(StoreFull):
            STEPS[step](opened(FaultStore(store, full)))
        assert start.files.keys() <= store.files.keys()
        assert readable(store) >= could
        assert_mends(store)


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("other", ["backup", "prune"])
def test_who_works_meanwhile_loses_nothing_to_a_repair(step: str, other: str) -> None:
    start = damaged(step)
    recording = RecordingStore(copy_of(start))
    STEPS[step](opened(recording))
    for at in range(0, len(recording.calls), 3):
        store = copy_of(start)
        taken: list[SnapshotId] = []

        def act(store: ObjectStore = store, taken: list[SnapshotId] = taken) -> None:
            if other == "backup":
                with suppress(Locked):
                    taken.append(take(opened(store), replace(EDITED, earlier=None)).id)
            else:
                with suppress(UnsafeError, Locked):
                    pruned(opened(store))

        with suppress(Locked, IntegrityError, UnsafeError):
            STEPS[step](opened(Meanwhile(store, at, act)))
        assert_mends(store)
        for snapshot in taken:
            contents(fresh(store), snapshot)


def pruned(repo: Open) -> None:
    prune.run(
        repo,
        options=PruneOptions(min_age_ms=0, max_unused=0.0),
        lease=LEASE,
        is_dead=lambda _: True,
        tell=lambda _: None,
        clock=CLOCK,
        entropy=os.urandom,
        progress=Quiet(),
    )
