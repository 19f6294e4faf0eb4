"""A repository and what it should hold, side by side: whatever is done, crashes and is damaged, in whatever order.

    python -m tests.repository_model --histories 500 --steps 40

Snapshots are taken, forgotten, pruned, copied into a second repository, repaired; any of it may end at any write; any file may go, be
cut or changed. The model is a dictionary: snapshot -> every byte that went in. What is whole in the model is whole in the repository;
after damage each item reads as it went in, or is refused; what is backed up after it is whole, unless bytes changed within a pack, which
only reading finds; and the copies never suffer.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import compress, product
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.damage_support import flipped, label, still_there
from tests.damage_world import AT_ONCE, PRUNER
from tests.fake_source import FakeDatabase, FakeDirectory
from tests.faults import Crashed, Fault, FaultStore
from tests.small_repository import (
    CLOCK,
    PASSPHRASE,
    Quiet,
    contents,
    damage,
    new_repository,
    opened,
    quick_keys,
    rows,
    take,
)
from vault.errors import IntegrityError, Locked, UnsafeError
from vault.ids import SnapshotId
from vault.ops.copy import run as copying
from vault.ops.repair import index as repair_index
from vault.ops.repair import packs as repair_packs
from vault.ops.repair import remake
from vault.ops.repair import snapshots as repair_snapshots
from vault.ops.repository import keys
from vault.ops.retention import forget, prune
from vault.ports import ObjectStore
from vault.repo.state import Closed, Open
from vault.repo.writing import writing
from vault.store.memory import MemoryStore

Items = Mapping[str, bytes]

_SOURCED: Final = ("table ", "large object ", "lib/")
"""Items that come from a source as they are; what a repair makes of the others has other words."""
KINDS: Final = ("put", "delete")
_CHANGES: Final[Mapping[str, Callable[[bytes, int], bytes | None]]] = {
    "missing": lambda data, which: None,
    "cut": lambda data, which: data[:-1],
    "flipped": lambda data, which: flipped(data, which % len(data)) if data else b"x",
    "empty": lambda data, which: b"",
    "extended": lambda data, which: data + b"\0",
}
damages: Final = st.sampled_from(sorted(_CHANGES))
versions: Final = st.tuples(*[st.integers(0, 2)] * 4)
some: Final = st.integers(0, 1_000_000)


def database_of(version: tuple[int, ...]) -> FakeDatabase:
    """Few versions of few things, so that what was forgotten is wanted again."""
    one, two, three, _ = version
    return FakeDatabase(
        tables={"public.a": [rows(one, 40), rows(10 + two, 30)], "public.b": [rows(20 + three, 25)] if three else []},
        large_objects={5: rows(30 + two, 20)},
        sequences={"public.s": one},
    )


def went_in(version: tuple[int, ...]) -> Items:
    """Of a backup what comes from its sources as it is."""
    database = database_of(version)
    tables = {f"table {name}": b"".join(extents) for name, extents in database.tables.items()}
    large_objects = {f"large object {oid}": data for oid, data in database.large_objects.items()}
    return {**tables, **large_objects, "lib/f": b"f%d" % version[3], "lib/d/g": rows(50, 5)}


@cache
def _second() -> tuple[dict[str, bytes], Open]:
    store = MemoryStore()
    with quick_keys():
        keys.create_repository(store, passphrase=PASSPHRASE, label="", clock=CLOCK, entropy=os.urandom)
    return dict(store.files), Closed(store).open(PASSPHRASE)


@cache
def _remains() -> Mapping[bytes, frozenset[bytes]]:
    """Rows of a table -> what is left of them when some of its extents are lost."""
    databases = [database_of(version) for version in product(range(3), repeat=4)]
    tables = {tuple(extents) for database in databases for extents in database.tables.values()}
    return {
        b"".join(extents): frozenset(b"".join(compress(extents, kept)) for kept in product((0, 1), repeat=len(extents)))
        for extents in tables
    }


class RepositoryModel(RuleBasedStateMachine):
    """`whole`: what must read; `known`: all that was ever committed, and may still be there after damage; `mended`: made of which by a repair.

    is_rotten  a pack has its name and size, and not its bytes: who stores what it holds relies on it
    """

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.second = MemoryStore(dict(_second()[0]))
        self.whole: dict[SnapshotId, Items] = {}
        self.known: dict[SnapshotId, Items] = {}
        self.mended: dict[SnapshotId, SnapshotId] = {}
        self.last: FakeDatabase | None = None
        self.is_damaged = False
        self.is_rotten = False
        self.directory = FakeDirectory({b"f": b"f", b"d/g": rows(50, 5)})

    @initialize()
    def create(self) -> None:
        new_repository(self.store)

    # --- what is done

    @rule(version=versions)
    def back_up(self, version: tuple[int, ...]) -> None:
        """Damage never holds it up."""
        self._commit(self._back_up(self.store, version), version)

    @rule(version=versions, at=st.integers(1, 14), after=st.booleans(), kind=st.sampled_from(KINDS))
    def back_up_and_crash(self, version: tuple[int, ...], at: int, after: bool, kind: str) -> None:
        before = {snapshot for snapshot, _ in opened(self.store).snapshots()}
        with suppress(Crashed):
            self._commit(self._back_up(self._crashing(kind, at, after), version), version)
        for snapshot, _ in opened(self.store).snapshots():
            if snapshot not in before:
                self._commit(snapshot, version)  # it came before the crash, so it is whole

    @rule(which=some)
    def forget(self, which: int) -> None:
        self._forget(self.store, which)

    @rule(which=some, at=st.integers(1, 3), after=st.booleans(), kind=st.sampled_from(KINDS))
    def forget_and_crash(self, which: int, at: int, after: bool, kind: str) -> None:
        with suppress(Crashed):
            self._forget(self._crashing(kind, at, after), which)

    @rule()
    def prune(self) -> None:
        self._prune(self.store)

    @rule(at=st.integers(1, 12), after=st.booleans(), kind=st.sampled_from(KINDS))
    def prune_and_crash(self, at: int, after: bool, kind: str) -> None:
        with suppress(Crashed):
            self._prune(self._crashing(kind, at, after))

    @rule()
    def copy(self) -> None:
        self._copy(self.second)

    @rule(at=st.integers(1, 12), after=st.booleans(), kind=st.sampled_from(KINDS))
    def copy_and_crash(self, at: int, after: bool, kind: str) -> None:
        with suppress(Crashed):
            self._copy(FaultStore(self.second, [Fault(kind=kind, at=at, after=after, crash=True)]))

    @rule(which=some, how=damages)
    def damage(self, which: int, how: str) -> None:
        """Of a file that is none of those that open the repository. A full check finds it, or nothing that is needed was lost."""
        names = sorted(name for name in self.store.files if name != "config" and not name.startswith("keys/"))
        if not names:
            return
        name = names[which % len(names)]
        data = self.store.files.pop(name)
        changed = _CHANGES[how](data, which)
        if changed is not None:
            self.store.files[name] = changed
        self.is_damaged = True
        self.is_rotten |= how == "flipped" and name.startswith("packs/")

    @precondition(lambda self: self.is_damaged)
    @rule(order=st.permutations(("index", "packs", "snapshots")))
    def repair(self, order: list[str]) -> None:
        for what in order:
            with suppress(UnsafeError, IntegrityError, Locked):
                REPAIRS[what](opened(self.store))

    # --- what must hold

    @invariant()
    def what_is_whole_reads(self) -> None:
        if not self.is_damaged:
            assert {snapshot for snapshot, _ in opened(self.store).snapshots()} == self.whole.keys()
        for snapshot, expected in self.whole.items():
            if not self.is_damaged:
                assert contents(opened(self.store), snapshot) == expected

    @invariant()
    def nothing_reads_that_did_not_go_in(self) -> None:
        if not self.is_damaged:
            return
        repo = opened(self.store)
        told = {text.partition(":")[0]: text for item in damage(repo) for text in item.affects}
        for snapshot, manifest in repo.snapshots():
            if manifest.origin is not None:
                self.mended[snapshot] = manifest.origin.snapshot
            now = still_there(opened(self.store).indexed(None), snapshot)
            for key, value in now.items():
                assert value is None or self._went_in(repo, snapshot, key, value), (
                    f"{key} reads, and is not what it was"
                )
                assert value is not None or snapshot.hex()[:12] in told, (
                    f"{label(key)} is lost, and a check says nothing"
                )

    @invariant()
    def copies_are_whole(self) -> None:
        repo = self._there(self.second)
        for snapshot, manifest in repo.snapshots():
            assert manifest.origin is not None
            copied = manifest.origin.snapshot
            if self._first(copied) in self.known:
                stored = contents(repo, snapshot)
                sourced = {key: value for key, value in stored.items() if key.startswith(_SOURCED)}
                assert all(self._went_in(repo, snapshot, key, value, of=copied) for key, value in sourced.items())

    # --- how

    def _went_in(
        self, repo: Open, snapshot: SnapshotId, key: str, value: bytes, *, of: SnapshotId | None = None
    ) -> bool:
        """Or it is what a repair found left of a table, and the ledger of the snapshot that it made says so."""
        of = of or snapshot
        expected = self.known[self._first(of)][key]
        if value == expected:
            return True
        if of not in self.mended or value not in _remains().get(expected, ()):
            return False
        try:
            ledger = repo.indexed(None).snapshot(snapshot).ledger()
        except IntegrityError:
            return True  # a check says so
        return key in {missing.item for missing in ledger["data"].missing}

    def _first(self, snapshot: SnapshotId) -> SnapshotId:
        """That of which a repair made it, and what that was made of."""
        while snapshot in self.mended:
            snapshot = self.mended[snapshot]
        return snapshot

    def _crashing(self, kind: str, at: int, after: bool) -> FaultStore:
        return FaultStore(self.store, [Fault(kind=kind, at=at, after=after, crash=True)])

    def _back_up(self, store: ObjectStore, version: tuple[int, ...]) -> SnapshotId:
        self.directory.rest()
        self.directory.write(b"f", b"f%d" % version[3])
        now = database_of(version)
        return take(opened(store), replace(now, earlier=self.last), {"lib": self.directory}).id

    def _commit(self, snapshot: SnapshotId, version: tuple[int, ...]) -> None:
        """Look at what came."""
        self.known[snapshot] = went_in(version)
        there = still_there(opened(self.store).indexed(None), snapshot)
        for key, value in went_in(version).items():
            assert there.get(key) == value or (self.is_rotten and there.get(key) is None), f"{key} is not what went in"
        if not self.is_damaged:
            self.whole[snapshot] = contents(opened(self.store), snapshot)
        self.last = None  # extents are told by their text alone

    def _forget(self, store: ObjectStore, which: int) -> None:
        repo = opened(store)
        try:
            inventory = forget.take_stock(repo)
            if not inventory.known:
                return
            snapshot, _ = inventory.known[which % len(inventory.known)]
            plan = forget.plan_named(inventory, [snapshot], remove_all=True)
            try:
                forget.run(repo, plan, clock=CLOCK, entropy=os.urandom)
            finally:
                for gone in plan.going():
                    if f"snapshots/{gone.hex()}" not in self.store.files:
                        self.whole.pop(gone, None)
        except (IntegrityError, UnsafeError):
            assert self.is_damaged

    def _prune(self, store: ObjectStore) -> None:
        options = replace(AT_ONCE, remove_all=True)
        try:
            prune.run(
                opened(store), options=options, lease=PRUNER, is_dead=lambda _: True, tell=lambda _: None, clock=CLOCK,
                entropy=os.urandom, progress=Quiet(),
            )  # fmt: skip
        except (IntegrityError, UnsafeError):
            assert self.is_damaged

    def _there(self, store: ObjectStore) -> Open:
        made = _second()[1]
        return Open(store, made.config, made.keys, made.bundle)

    def _copy(self, store: ObjectStore) -> None:
        here = opened(self.store)
        ends = copying.Ends(here=here.indexed(None), there=self._there(store), cache_dir=None, host="h", pid=1)
        try:
            copying.run(ends, here.snapshots(), clock=CLOCK, entropy=os.urandom, progress=Quiet())
        except (IntegrityError, UnsafeError):
            assert self.is_damaged


def _repair_index(repo: Open) -> None:
    planned = repair_index.plan(repo, progress=Quiet())
    if not planned.is_empty:
        repair_index.run(repo, planned, entropy=os.urandom)


def _repair_packs(repo: Open) -> None:
    planned = repair_packs.plan(repo.indexed(None), progress=Quiet())
    if planned.packs:
        repair_packs.run(
            repo, planned, PRUNER, is_dead=lambda _: True, clock=CLOCK, entropy=os.urandom, progress=Quiet()
        )


def _repair_snapshots(repo: Open) -> None:
    planned = repair_snapshots.plan(repo, progress=Quiet())
    if planned.to_make:
        terms = replace(PRUNER, purpose="repair")
        with writing(repo, terms, clock=CLOCK, entropy=os.urandom, warn=lambda _: None, cache_dir=None) as target:
            for damaged in planned.to_make:
                remake.remake(target, damaged)
    if not planned.is_empty:
        repair_snapshots.record(repo, planned, now_ms=1, entropy=os.urandom)


REPAIRS: Final[Mapping[str, Callable[[Open], None]]] = {
    "index": _repair_index,
    "packs": _repair_packs,
    "snapshots": _repair_snapshots,
}


def run(*, histories: int, steps: int, derandomize: bool = False) -> None:
    """Raises  what hypothesis does: the shortest history that it found"""
    run_state_machine_as_test(
        RepositoryModel,
        settings=settings(
            max_examples=histories, stateful_step_count=steps, deadline=None, derandomize=derandomize, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=200)
    parser.add_argument("--steps", type=int, default=30)
    asked = parser.parse_args()
    run(histories=asked.histories, steps=asked.steps)
    print(f"{asked.histories} histories of up to {asked.steps} steps, none lost anything")
    return 0


if __name__ == "__main__":
    sys.exit(main())
