"""Repairs that are stopped at every call: of the index, of packs, of snapshots, each of a repository that is damaged as it mends.

Until one has come to its end a check names the damage. So what holds at any time is that nothing is deleted but what an earlier run
announced, and that whatever could be read can be read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from typing import Final

from tests.crash_world import GOOD, Place, Work, begun, own_lease, small_limits
from tests.small_repository import CLOCK, Quiet, contents, damage, opened, take
from tests.unit.ops.repair.support import chunks, spoil_object
from vault.errors import IntegrityError, NotFound
from vault.format.snapshot import snapshot_name
from vault.ids import SnapshotId
from vault.ops.repair import index, packs, snapshots
from vault.ops.repair.remake import remake
from vault.ports import ObjectStore
from vault.repo.state import Open
from vault.repo.writing import writing
from vault.store.memory import MemoryStore

_RUNS_MAX: Final = 5
"""A repair of snapshots says what it gives up before a later one removes it."""


def readable(store: ObjectStore) -> set[SnapshotId]:
    """Snapshots of which all can be read; what can be read is as it was backed up."""
    found = set()
    for snapshot, expected in begun().expected.items():
        with suppress(IntegrityError, NotFound):
            assert contents(opened(store), snapshot) == expected
            found.add(snapshot)
    return found


def _fragment_gone() -> Mapping[str, bytes]:
    """That of the newest snapshot."""
    for name in sorted((name for name in begun().files if name.startswith("index/")), reverse=True):
        files = {file: data for file, data in begun().files.items() if file != name}
        if begun().newest not in readable(MemoryStore(files)):
            return files
    raise AssertionError("it needs none")


def _object_spoiled() -> Mapping[str, bytes]:
    """Of one of the snapshots: neither of both, nor of what was forgotten."""
    for place in chunks(opened(MemoryStore(dict(begun().files)))):
        store = MemoryStore(dict(begun().files))
        spoil_object(store, place)
        if len(readable(store)) == 1:
            return store.files
    raise AssertionError("both need each")


def _snapshots_damaged() -> Mapping[str, bytes]:
    """An object is lost for good, and a third snapshot, the newest of its source, is no file that opens."""
    store = MemoryStore(dict(_object_spoiled()))
    mend_packs(opened(store))
    name = snapshot_name(take(opened(store), GOOD, source="shop").id)
    store.files[name] = store.files[name][:-1]
    return store.files


def mend_index(repo: Open) -> bool:
    planned = index.plan(repo, progress=Quiet())
    if not planned.is_empty:
        index.run(repo, planned, entropy=os.urandom)
    return planned.is_empty


def mend_packs(repo: Open) -> bool:
    planned = packs.plan(repo.indexed(None), progress=Quiet())
    if planned.packs:
        packs.run(repo, planned, own_lease(), is_dead=lambda _: True, clock=CLOCK, entropy=os.urandom, progress=Quiet())
    return not planned.packs


def mend_snapshots(repo: Open) -> bool:
    planned = snapshots.plan(repo, progress=Quiet())
    if planned.is_empty:
        return True
    snapshots.record(repo, planned, now_ms=1, entropy=os.urandom)
    terms = replace(own_lease(), purpose="repair")
    with writing(repo, terms, clock=CLOCK, entropy=os.urandom, warn=lambda _: None, cache_dir=None) as target:
        for damaged in planned.to_make:
            remake(target, damaged)
    return False


@cache
def _start(name: str) -> tuple[Mapping[str, bytes], set[SnapshotId]]:
    with small_limits():
        files = {"index": _fragment_gone, "packs": _object_spoiled, "snapshots": _snapshots_damaged}[name]()
    could = readable(MemoryStore(dict(files)))
    return files, could


def _whole(place: Place, *, name: str) -> None:
    files, could = _start(name)
    there = {stored.name for stored in place.store.list("")}
    gone = {file for file in files if file not in there and not file.startswith("leases/")}
    assert not gone or name == "snapshots"
    assert all(file.startswith("snapshots/") for file in gone)
    assert readable(place.store) >= could


def _done(place: Place, *, mend: Callable[[Open], bool]) -> None:
    for _ in range(_RUNS_MAX):
        if mend(opened(place.store)):
            return
    raise AssertionError("it never comes to its end")


def _index_is_whole(place: Place) -> None:
    _done(place, mend=mend_index)
    assert readable(place.store) == set(begun().expected)
    assert damage(opened(place.store)) == ()


def _work(name: str, mend: Callable[[Open], bool], done: Callable[[Place], None] | None = None) -> Work:
    def run(place: Place) -> None:
        mend(opened(place.store))

    return Work(
        files=lambda: _start(name)[0],
        run=run,
        whole=partial(_whole, name=name),
        done=done or partial(_done, mend=mend),
    )


REPAIRS: Final[Mapping[str, Work]] = {
    "repair index": _work("index", mend_index, _index_is_whole),
    "repair packs": _work("packs", mend_packs),
    "repair snapshots": _work("snapshots", mend_snapshots),
}
