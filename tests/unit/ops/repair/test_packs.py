"""What opens in a damaged pack is saved, and the rest is stored anew by the next backup: the old snapshots are whole again."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from tests.small_repository import CLOCK, Quiet, contents, damage, take
from tests.unit.ops.repair.support import DATABASE, EDITED, LEASE, chunks, fresh, spoil, spoil_object, two_days
from vault.errors import IntegrityError
from vault.format.pack import pack_name
from vault.model import ObjectType
from vault.ops.repair import packs as repair
from vault.repo import sweep
from vault.store.memory import MemoryStore


def mended(store: MemoryStore) -> repair.PacksPlan:
    planned = repair.plan(fresh(store).indexed(None), progress=Quiet())
    before = dict(store.files)
    if planned.packs:
        repair.run(
            fresh(store), planned, LEASE, is_dead=lambda _: False, clock=CLOCK, entropy=os.urandom, progress=Quiet()
        )
    assert before.items() <= store.files.items(), "nothing is changed or deleted"
    assert not any(name.startswith("leases/") for name in store.files)
    return planned


def test_a_damaged_object_is_healed_by_the_next_backup() -> None:
    store, repo = two_days()
    before = [contents(repo, snapshot_id) for snapshot_id, _ in repo.snapshots()]
    pack = spoil_object(store, next(place for place in chunks(repo) if place.record.depth == 0))
    planned = mended(store)
    assert [damaged.pack for damaged in planned.packs] == [pack]
    assert planned.lost >= 1
    assert planned.saved >= 1
    assert [found.packs for found in sweep.found_sweeps(fresh(store))] == [{pack}]
    for database in (DATABASE, replace(EDITED, earlier=None)):
        take(fresh(store), database)
    store.delete(pack_name(pack))  # as a prune will
    healed = fresh(store)
    assert damage(healed) == ()
    assert [contents(healed, snapshot_id) for snapshot_id, _ in healed.snapshots()[:2]] == before


@pytest.mark.parametrize("place", ["trailer", "header", "longer", "shorter"])
def test_whatever_opens_is_saved_before_the_pack_is_announced(place: str) -> None:
    """Of a pack whose ends are spoiled the index still knows every object, and of one of another size what lies in it."""
    store, repo = two_days()
    before = [contents(repo, snapshot_id) for snapshot_id, _ in repo.snapshots()]
    pack = chunks(repo)[0].pack
    name = pack_name(pack)
    data = store.files[name]
    match place:
        case "trailer":
            spoil(store, name, len(data) - 40)
        case "header":
            spoil(store, name, 3)
        case _:
            store.delete(name)
            store.put(name, data + b"x" if place == "longer" else data[:-30])
    planned = mended(store)
    assert [damaged.pack for damaged in planned.packs] == [pack]
    assert planned.lost == 0
    store.delete(name)
    after = fresh(store)
    assert damage(after) == ()
    assert [contents(after, snapshot_id) for snapshot_id, _ in after.snapshots()] == before


def test_an_intact_repository_and_an_announced_pack_need_nothing() -> None:
    store, repo = two_days()
    assert mended(store).packs == ()
    spoil_object(store, chunks(repo, ObjectType.LARGE_OBJECT_CHUNK)[0])
    assert mended(store).packs
    assert mended(store).packs == ()


def test_what_is_lost_is_still_told() -> None:
    store, repo = two_days()
    spoil_object(store, chunks(repo, ObjectType.LARGE_OBJECT_CHUNK)[0])
    mended(store)
    after = fresh(store)
    assert damage(after)
    with pytest.raises(IntegrityError):
        contents(after, after.snapshots()[0][0])
