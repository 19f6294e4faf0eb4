"""A prune that ends at any call of the store, and backups that fall into any gap of it: nothing is lost, and the next run finishes it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.fake_source import FakeDatabase
from tests.faults import Crashed, Fault, FaultStore, RecordingStore
from tests.small_repository import Quiet, TestClock, contents, damage, new_repository, opened, rows, take
from vault.errors import Locked, MissingObject, StoreError, VaultError
from vault.ids import SnapshotId
from vault.model import ForgottenSnapshot, Lease
from vault.ops.retention import prune
from vault.ops.retention.prune_plan import PruneOptions
from vault.ports import ObjectStore
from vault.repo.lease import take_back
from vault.store.memory import MemoryStore

KINDS = ("put", "get", "get_range", "list", "delete", "barrier")
STAYS = [rows(n, 200) for n in range(4)]


def tables(*, edited: int) -> FakeDatabase:
    """One table that stays, one that is edited each day."""
    return FakeDatabase(
        tables={
            "public.stays": STAYS,
            "public.edited": [rows(20, 300).replace(b"9\t", b"%d\t" % edited, 1), rows(30 + edited, 60)],
        }
    )


@dataclass(frozen=True, kw_only=True)
class Begun:
    """Three snapshots were taken, the first two forgotten: packs that are dead, and packs that are needed in part."""

    files: dict[str, bytes]
    kept: SnapshotId
    expected: dict[str, bytes]


@pytest.fixture(scope="module")
def begun() -> Begun:
    store = MemoryStore()
    repo = new_repository(store)
    first = take(repo, tables(edited=1))
    other = take(repo, FakeDatabase(tables={"public.gone": [rows(90, 300)]}), source="other")
    take(repo, tables(edited=2))
    kept = take(repo, tables(edited=3))
    forgotten = [(first.id, first.manifest), (other.id, other.manifest)]
    forgotten += [pair for pair in repo.snapshots() if pair[1].sequence == 2]
    for snapshot, manifest in forgotten:
        item = ForgottenSnapshot(
            id=snapshot, source=manifest.source, sequence=manifest.sequence, created_ms=manifest.created_ms
        )
        take_back(repo, item, now_ms=1, entropy=os.urandom)
    return Begun(files=dict(store.files), kept=kept.id, expected=contents(repo, kept.id))


def pruned(store: ObjectStore, *, is_dead: bool = True, remove_all: bool = False) -> prune.PruneReport:
    return prune.run(
        opened(store),
        options=PruneOptions(min_age_ms=0, max_unused=0.0, remove_all=remove_all),
        lease=Lease(created_ms=1, host="h", pid=1, purpose="maintenance", source="", parent=None),
        is_dead=lambda _: is_dead,
        tell=lambda _: None,
        clock=TestClock(),
        entropy=os.urandom,
        progress=Quiet(),
    )


def expect_whole(store: MemoryStore, begun: Begun) -> None:
    repo = opened(store)
    assert contents(repo, begun.kept) == begun.expected
    assert [fault for fault in damage(repo, read_data=None) if fault.affects] == []


def expect_finished(store: MemoryStore, begun: Begun) -> None:
    """After one more backup and one more prune nothing is left of the one that ended half way."""
    report = take(opened(store), tables(edited=4))
    pruned(store)
    pruned(store)
    expect_whole(store, begun)
    repo = opened(store)
    assert contents(repo, report.id)["table public.edited"] == b"".join(tables(edited=4).tables["public.edited"])
    assert damage(repo) == ()
    assert [name for name in store.files if name.startswith(("sweeps/", "leases/"))] == []
    assert not pruned(store).plan.sweep, "nothing is left to do"


def calls(begun: Begun, work: Callable[[ObjectStore], object]) -> list[str]:
    recording = RecordingStore(MemoryStore(dict(begun.files)))
    work(recording)
    return [call.kind for call in recording.calls]


def test_a_whole_prune_leaves_what_is_needed(begun: Begun) -> None:
    store = MemoryStore(dict(begun.files))
    report = pruned(store)
    assert report.reclaimed.deleted > 0
    assert report.repacked_bytes > 0, "or the crashes below miss the copies"
    expect_finished(store, begun)


@pytest.mark.spec("LEASE-4", "LEASE-18")
@pytest.mark.parametrize("after", [False, True], ids=["before its effect", "after its effect"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_prune_that_dies_at_any_call_loses_nothing(begun: Begun, kind: str, after: bool) -> None:
    count = calls(begun, pruned).count(kind)
    assert count > 0
    for number in steps(count, kind):
        store = MemoryStore(dict(begun.files))
        with pytest.raises((Crashed, VaultError)):
            pruned(FaultStore(store, [Fault(kind=kind, at=number, error=Crashed(), crash=True, after=after)]))
        expect_whole(store, begun)
        if number % 3 == 1 or kind in ("put", "delete"):
            expect_finished(store, begun)


def steps(count: int, kind: str) -> Iterator[int]:
    """Every call that changes something; of the others, which are many and alike, each third."""
    yield from range(1, count + 1, 1 if kind in ("put", "delete", "barrier") else 3)


class At(FaultStore):
    """Does something once, before call number `at` of any kind."""

    def __init__(self, next_store: ObjectStore, at: int, action: Callable[[], object]) -> None:
        super().__init__(next_store)
        self._left = at
        self._action = action

    def _due(self, kind: str, name: str) -> Fault | None:
        self._left -= 1
        if self._left == 0:
            self._action()
        return super()._due(kind, name)


def backed_up(store: ObjectStore) -> SnapshotId | None:
    """None if a prune got into its way, which it may."""
    try:
        return take(opened(store), tables(edited=1)).id  # of what was forgotten, so that it wants what is dead
    except (Locked, MissingObject):
        return None


def test_a_backup_in_any_gap_of_a_prune_is_whole(begun: Begun) -> None:
    count = len(calls(begun, pruned))
    for number in range(1, count + 1):
        store = MemoryStore(dict(begun.files))
        saved: list[SnapshotId | None] = []
        pruned(At(store, number, lambda: saved.append(backed_up(store))))  # noqa: B023  # called at once
        assert saved[0] is not None, "nobody ran between its look and its commit"
        expect_backup(store, begun, saved[0])


def test_a_prune_in_any_gap_of_a_backup_takes_nothing_from_it(begun: Begun) -> None:
    count = len(calls(begun, backed_up))
    ended = 0
    for number in range(1, count + 1):
        store = MemoryStore(dict(begun.files))
        snapshot = backed_up(At(store, number, lambda: pruned(store)))  # noqa: B023  # called at once
        ended += snapshot is None
        if snapshot is not None:
            expect_backup(store, begun, snapshot)
        expect_whole(store, begun)
    assert 0 < ended < count / 2


def expect_backup(store: MemoryStore, begun: Begun, snapshot: SnapshotId) -> None:
    repo = opened(store)
    assert contents(repo, snapshot)["table public.edited"] == b"".join(tables(edited=1).tables["public.edited"])
    expect_whole(store, begun)
    pruned(store)
    pruned(store)
    assert contents(opened(store), snapshot)["table public.stays"] == b"".join(STAYS)
    expect_whole(store, begun)


def test_a_prune_in_any_gap_of_a_prune_takes_nothing(begun: Begun) -> None:
    """Neither knows of the other: each takes the other for dead."""
    count = len(calls(begun, pruned))
    for number in range(1, count + 1, 2):
        store = MemoryStore(dict(begun.files))
        try:
            pruned(At(store, number, lambda: pruned(store)))  # noqa: B023  # called at once
        except (VaultError, StoreError):
            pass  # it found a pack gone that it was reading: nothing was deleted by it, and the next one goes on
        expect_whole(store, begun)
        expect_finished(store, begun)


@pytest.mark.spec("LEASE-24")
@pytest.mark.parametrize(
    "look",
    [lambda store, begun: contents(opened(store), begun.kept), lambda store, _: damage(opened(store), read_data=None)],
    ids=["reader", "check"],
)
def test_a_prune_in_any_gap_of_who_only_reads_is_not_noticed(
    begun: Begun, look: Callable[[ObjectStore, Begun], object]
) -> None:
    expected = look(MemoryStore(dict(begun.files)), begun)
    for number in range(1, len(calls(begun, lambda store: look(store, begun))) + 1):
        store = MemoryStore(dict(begun.files))
        assert look(At(store, number, lambda: pruned(store)), begun) == expected  # noqa: B023  # called at once


class Paused:
    """A backup on a thread of its own that stops before one of its calls until somebody lets it end."""

    def __init__(self, store: MemoryStore, kind: str, prefix: str, at: int) -> None:
        self.saved: SnapshotId | None = None
        self._stopped, self._go = threading.Event(), threading.Event()
        stopping = Before(store, kind, prefix, at, self._stop)
        self._thread = threading.Thread(target=self._run, args=(stopping,))

    def begin(self) -> None:
        self._thread.start()
        assert self._stopped.wait(60)

    def end(self) -> None:
        self._go.set()
        self._thread.join()

    def _stop(self) -> None:
        self._stopped.set()
        self._go.wait()

    def _run(self, store: ObjectStore) -> None:
        self.saved = backed_up(store)
        self._stopped.set()


class Before(FaultStore):
    """Does something once, before call number `at` of a kind below a prefix."""

    def __init__(self, next_store: ObjectStore, kind: str, prefix: str, at: int, action: Callable[[], object]) -> None:
        super().__init__(next_store, [Fault(kind=kind, prefix=prefix, at=at)])
        self._action = action

    def _due(self, kind: str, name: str) -> Fault | None:
        if super()._due(kind, name) is not None:
            self._action()
        return None


MOMENTS = pytest.mark.parametrize(
    ("kind", "prefix", "at"),
    [
        ("list", "sweeps/", 1),
        ("put", "leases/", 2),
        ("list", "sweeps/", 2),
        ("put", "snapshots/", 1),
        ("list", "leases/", 1),
    ],
    ids=[
        "before it reads sweeps",
        "before it names packs",
        "before it looks",
        "before its commit",
        "before its last look",
    ],
)


@MOMENTS
def test_a_backup_that_begins_in_a_gap_of_a_prune_and_outlives_it(
    begun: Begun, kind: str, prefix: str, at: int
) -> None:
    for number in range(1, len(calls(begun, pruned)) + 1, 5):
        store = MemoryStore(dict(begun.files))
        backup = Paused(store, kind, prefix, at)
        pruned(At(store, number, backup.begin))
        backup.end()
        if backup.saved is not None:
            expect_backup(store, begun, backup.saved)
        expect_whole(store, begun)


@MOMENTS
def test_a_backup_that_began_before_a_prune_and_ends_in_a_gap_of_it(
    begun: Begun, kind: str, prefix: str, at: int
) -> None:
    for number in range(1, len(calls(begun, pruned)) + 1, 5):
        store = MemoryStore(dict(begun.files))
        backup = Paused(store, kind, prefix, at)
        backup.begin()
        pruned(At(store, number, backup.end))
        backup.end()
        if backup.saved is not None:
            expect_backup(store, begun, backup.saved)
        expect_whole(store, begun)


@pytest.mark.spec("LEASE-19")
def test_a_backup_that_is_at_work_finds_what_it_has_stored() -> None:
    """Though its lease does not name it yet, and nothing is too young to go."""
    store = MemoryStore(clock=TestClock())
    new_repository(store)
    backup = Paused(store, "put", "leases/", 2)
    backup.begin()
    assert [name for name in store.files if name.startswith("packs/")] != []
    assert pruned(store, remove_all=True).reclaimed.deleted == 0
    backup.end()
    assert backup.saved is not None
    assert damage(opened(store)) == ()
