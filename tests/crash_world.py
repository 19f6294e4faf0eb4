"""The repository in which works are stopped (`tests/crash_work.py`), and what holds in it at any moment: what was there before reads byte for
byte, and a check of all data is content."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.fake_source import FakeDatabase, FakeDirectory
from tests.small_repository import (
    CLOCK,
    Quiet,
    contents,
    new_repository,
    opened,
    quick_keys,
    rows,
    take,
)
from vault.app.wiring import SystemClock
from vault.ids import SnapshotId
from vault.limits import KIB
from vault.model import Lease
from vault.ops.check import run as check
from vault.ops.check.amount import ALL
from vault.ops.repository import keys
from vault.ops.retention import forget, forgotten_records, index_fragments, pins, prune
from vault.ops.retention.prune_plan import PruneOptions
from vault.ops.retention.unlock import asking, unlock
from vault.ports import ObjectStore
from vault.repo import writer
from vault.repo.state import Open
from vault.store.memory import MemoryStore

NEW_PASSPHRASE: Final = "battery staple"
Expected = Mapping[SnapshotId, Mapping[str, bytes]]
"""What is in each snapshot, as `contents` tells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A repository's store, and what this machine keeps beside it: `own/cache`, `own/state`. `make` makes the root of the store."""

    store: ObjectStore
    own: Path
    make: Callable[[], None] = lambda: None

    @property
    def cache(self) -> Path:
        return self.own / "cache"

    @property
    def state(self) -> Path:
        return self.own / "state"


class Refused(Exception):
    """An error says that there is nothing to do: the run has reported nothing as done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """`files`: of the repository before it; None: there is none, nor its directory. `run` raises Refused where the command would end so."""

    files: Callable[[], Mapping[str, bytes] | None]
    run: Callable[[Place], None]
    whole: Callable[[Place], None]
    done: Callable[[Place], None] = lambda place: None


@contextmanager
def small_limits() -> Iterator[None]:
    """Several packs in a small backup; fragments and records are merged when there are two; keys are quick."""
    with pytest.MonkeyPatch.context() as patch, quick_keys():
        patch.setattr(writer, "PACK_BYTES_TARGET", KIB)
        patch.setattr(index_fragments, "MANY_FRAGMENTS", 2)
        patch.setattr(forgotten_records, "MANY_RECORDS", 2)
        yield


def database(day: int) -> FakeDatabase:
    """One table that stays, one that grows and is edited each day; what is unchanged since the day before is known to be."""
    edited = [rows(20, 25).replace(b"\n9\t", b"\n9\t%d" % day), rows(30 + day, 9)]
    tables = {"public.stays": [rows(1, 25)], "public.edited": edited}
    earlier = database(day - 1) if day > 1 else None
    return FakeDatabase(tables=tables, large_objects={1: rows(day, 20)}, sequences={"public.s": day}, earlier=earlier)


def directory(day: int) -> FakeDirectory:
    return FakeDirectory({b"same": b"same" * 500, b"changed": b"%d" % day * (900 + day)})


GOOD: Final = FakeDatabase(tables={"public.t": [rows(1, 25)]}, system_id="2")
RUIN: Final = replace(GOOD, tables={"public.t": [b""]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """Of three days the first is forgotten, the last pinned; packs are dead, or needed in part. `oldest` is the one that a forget removes."""

    files: Mapping[str, bytes]
    oldest: SnapshotId
    newest: SnapshotId
    expected: Expected


@cache
def begun() -> Begun:
    store = MemoryStore()
    repo = new_repository(store)
    with small_limits():
        first, oldest, newest = (take(repo, database(day), {"lib": directory(day)}).id for day in (1, 2, 3))
        gone = take(repo, FakeDatabase(tables={"public.gone": [rows(90, 25)]}, system_id="3"), source="gone").id
        for snapshot in (first, gone):
            remove(repo, snapshot)
        pins.pin(repo, newest, reason="before the move", host="h", clock=CLOCK, entropy=os.urandom)
        keys.add_slot(repo, passphrase=NEW_PASSPHRASE, label="second", clock=CLOCK, entropy=os.urandom)
    expected = {snapshot: contents(repo, snapshot) for snapshot, _ in repo.snapshots()}
    return Begun(files=dict(store.files), oldest=oldest, newest=newest, expected=expected)


def with_a_ruin() -> Mapping[str, bytes]:
    """And another source's good snapshot, after which comes one that looks like its ruin."""
    store = MemoryStore(dict(begun().files))
    for tables in (GOOD, RUIN):
        take(opened(store), tables, source="shop")
    return store.files


def own_lease(purpose: str = "maintenance") -> Lease:
    return Lease(created_ms=max(0, CLOCK.now_ms()), host="h", pid=1, purpose=purpose, source="", parent=None)


# --- what holds at any time ----------------------------------------------------------------------


def reads_whole(repo: Open, place: Place, expected: Expected, *, may_go: SnapshotId | None = None) -> None:
    """`may_go`: a snapshot that may be gone, or be there. Whatever else is there is whole too."""
    there = [snapshot for snapshot, _ in repo.snapshots()]
    assert set(there) >= set(expected) - {may_go}
    indexed = repo.indexed(place.cache)
    for snapshot in there:
        found = contents(indexed, snapshot)
        assert found == expected.get(snapshot, found)
    own = check.Own(cache_dir=place.cache, state_dir=place.state, now_ms=SystemClock().now_ms())
    report = check.run(indexed, read_data=ALL, entropy=os.urandom, progress=Quiet(), own=own, threads=1)
    assert report.damage == ()
    assert keys.list_slots(repo.store).damage == ()


def whole(place: Place, *, may_go: SnapshotId | None = None) -> None:
    reads_whole(opened(place.store, place.cache), place, begun().expected, may_go=may_go)


def finished(repo: Open) -> None:
    """The leases of the dead go, and a prune leaves nothing of what ended half way."""
    probe = asking(SystemClock().now_ms(), host="", pid=0)
    unlock(repo, probe=probe, is_dead=lambda _: True, entropy=os.urandom)
    prune_all(repo, None)
    assert [*repo.store.list("sweeps/"), *repo.store.list("leases/")] == []


def remove(repo: Open, snapshot: SnapshotId) -> None:
    inventory = forget.take_stock(repo)
    plan = forget.plan_named(inventory, [snapshot], remove_all=True)
    forget.run(repo, plan, clock=CLOCK, entropy=os.urandom)


def prune_all(repo: Open, cache_dir: Path | None) -> None:
    prune.run(
        repo,
        options=PruneOptions(min_age_ms=0, max_unused=0.0),
        lease=own_lease(),
        is_dead=lambda _: True,
        tell=lambda _: None,
        clock=CLOCK,
        entropy=os.urandom,
        progress=Quiet(),
        cache_dir=cache_dir,
    )
