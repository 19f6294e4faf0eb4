"""A backup's lease: it grows, is named anew and looked at again, and the earlier one stays for the look (spec 80-leases)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from tests.fake_source import FakeDatabase
from tests.faults import Fault, FaultStore, RecordingStore
from tests.small_repository import Quiet, TestClock, contents, new_repository, opened, rows, take
from tests.unit.ops.backup.test_commit import FIRST, SAME, leases, row_packs, sweep
from vault.errors import Interrupted, Locked, StoreDenied, StoreError, Unavailable
from vault.ids import PackId
from vault.model import Lease
from vault.ops.backup.run import BackupReport
from vault.ops.retention.forget import take_stock
from vault.repo import writer as writing
from vault.repo.lease import Held, index_after_sweeps, reading, refuse_swept
from vault.store.memory import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def first(store: MemoryStore) -> BackupReport:
    return take(new_repository(store), FIRST)


class Sleeping(TestClock):
    """A machine that has slept when somebody says so."""

    __test__ = False

    def __init__(self) -> None:
        super().__init__()
        self.slept_s = 0.0

    def uptime_s(self) -> float:
        return self.slept_s


class Leases(FaultStore):
    """Does something before each lease is put, told its number."""

    def __init__(self, next_store: MemoryStore, action: Callable[[int], None]) -> None:
        super().__init__(next_store)
        self.action = action
        self.put_so_far = 0

    def put(self, name: str, data: bytes) -> None:
        if name.startswith("leases/"):
            self.put_so_far += 1
            self.action(self.put_so_far)
        super().put(name, data)


class Unlocked(FaultStore):
    """Somebody removes every lease before the snapshot is put."""

    def put(self, name: str, data: bytes) -> None:
        if name.startswith("snapshots/"):
            self.delete(*[stored.name for stored in self.list("leases/")])
        super().put(name, data)


class AtPut(FaultStore):
    """`before`: the leases that were there at the last put of one."""

    before: frozenset[str] = frozenset()

    def put(self, name: str, data: bytes) -> None:
        self.before = frozenset(stored.name for stored in self.list("leases/"))
        super().put(name, data)


@pytest.mark.spec("LEASE-12")
@pytest.mark.parametrize(("slept_s", "puts"), [(600, 2), (601, 3)])
def test_a_writer_that_slept_before_the_commit_looks_again(store: MemoryStore, slept_s: float, puts: int) -> None:
    new_repository(store)
    clock = Sleeping()

    def sleep(number: int) -> None:
        clock.slept_s += slept_s if number == 2 else 0

    counting = Leases(store, sleep)
    report = take(opened(counting), FIRST, clock=clock)
    assert counting.put_so_far == puts
    assert leases(store) == []
    assert contents(opened(store), report.id)["table public.t"] == b"".join(FIRST.tables["public.t"])


@pytest.mark.spec("LEASE-12")
def test_what_was_swept_while_a_writer_slept_is_seen(store: MemoryStore, first: BackupReport) -> None:
    clock = Sleeping()

    def sleep(number: int) -> None:
        clock.slept_s += 601
        if number == 3:
            sweep(store, row_packs(store, first))

    with pytest.raises(Locked, match="that this command relies on"):
        take(opened(Leases(store, sleep)), SAME, clock=clock)
    assert [known for known, _ in opened(store).snapshots()] == [first.id]


@pytest.mark.spec("LEASE-12")
def test_a_writer_that_sleeps_each_time_gives_up(store: MemoryStore) -> None:
    new_repository(store)
    clock = Sleeping()

    def sleep(_: int) -> None:
        clock.slept_s += 601

    with pytest.raises(StoreError, match="10 minutes, 3 times"):
        take(opened(Leases(store, sleep)), FIRST, clock=clock)
    assert opened(store).snapshots() == []
    assert leases(store) == []


@pytest.mark.spec("LEASE-13")
def test_the_earlier_lease_goes_only_when_the_sweeps_were_read(store: MemoryStore, first: BackupReport) -> None:
    """A sweep is there only as long as a lease that its pruner saw: the look must find it."""
    recording = RecordingStore(store)
    take(opened(recording), SAME)
    calls = [f"{call.kind} {call.name.partition('/')[0]}" for call in recording.calls]
    named = max(at for at, call in enumerate(calls) if call == "put leases")
    gone = calls.index("delete leases")
    assert "list sweeps" in calls[named:gone]


@pytest.mark.spec("LEASE-13")
def test_a_sweep_that_was_seen_once_counts_when_it_is_gone(store: MemoryStore, first: BackupReport) -> None:
    """Its packs went with it, whatever a late listing says."""
    repo = opened(store)
    indexed = index_after_sweeps(repo, None)
    (pack, *_) = row_packs(store, first)
    sweep(store, {pack})
    refuse_swept(indexed, set())
    for name in [name for name in store.files if name.startswith("sweeps/")]:
        store.delete(name)
    with pytest.raises(Locked):
        refuse_swept(indexed, {pack})


MANY = FakeDatabase(tables={"public.t": [rows(n, 300) for n in range(12)]})


@pytest.fixture
def short_fragments(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pack and a fragment every few objects, as in a backup of days."""
    monkeypatch.setattr(writing, "_PENDING_ENTRIES_MAX", 2)


@pytest.mark.spec("LEASE-11")
@pytest.mark.usefixtures("short_fragments")
def test_the_lease_grows_with_every_fragment(store: MemoryStore) -> None:
    new_repository(store)
    seen: list[set[PackId]] = []
    growing = Leases(store, lambda _: seen.extend(set(lease.packs) for lease in leases(store)))
    take(opened(growing), MANY)
    assert growing.put_so_far > 4
    assert all(before <= after for before, after in pairwise(seen))
    assert {len(one) for one in seen} >= {1, 2}
    assert leases(store) == []


@pytest.mark.spec("LEASE-11")
@pytest.mark.usefixtures("short_fragments")
def test_a_sweep_of_what_is_relied_on_ends_a_long_backup_early(store: MemoryStore) -> None:
    new_repository(store)

    def sweep_all(number: int) -> None:
        if number == 3:
            sweep(store, {PackId(bytes.fromhex(name[6:])) for name in store.files if name.startswith("packs/")})

    ending = Leases(store, sweep_all)
    with pytest.raises(Locked, match="that this command relies on"):
        take(opened(ending), MANY)
    assert ending.put_so_far < 6, "it did not read to its end"
    assert leases(store) == []


@pytest.mark.spec("LEASE-3", "LEASE-9")
@pytest.mark.parametrize("error", [Unavailable("no answer"), Interrupted("no answer"), KeyboardInterrupt()])
def test_the_lease_stays_where_nobody_could_look_for_it_after_the_commit(
    store: MemoryStore, error: BaseException
) -> None:
    """The snapshot is there, and whether a prune has passed meanwhile nobody knows."""
    new_repository(store)
    progress = Quiet()
    with pytest.raises(type(error)):
        take(opened(FaultStore(store, [Fault(kind="list", prefix="leases/", error=error)])), FIRST, progress=progress)
    assert len(opened(store).snapshots()) == 1
    assert len(leases(store)) == 1
    assert [event for event in progress.events if "stays" in event]


@pytest.mark.spec("LEASE-3")
@pytest.mark.parametrize("error", [Unavailable("no answer"), Interrupted("no answer"), KeyboardInterrupt()])
def test_a_snapshot_that_could_not_be_withdrawn_is_told(store: MemoryStore, error: BaseException) -> None:
    new_repository(store)
    progress = Quiet()
    faulty = Unlocked(store, [Fault(kind="delete", prefix="snapshots/", error=error)])
    with pytest.raises(type(error)):
        take(opened(faulty), FIRST, progress=progress)
    (snapshot,) = [name for name in store.files if name.startswith("snapshots/")]
    assert [event for event in progress.events if snapshot in event]


@pytest.mark.spec("LEASE-3")
@pytest.mark.parametrize("recorded", [False, True])
def test_who_may_not_delete_hears_that_the_lease_went_and_that_the_snapshot_stays(
    store: MemoryStore, recorded: bool
) -> None:
    """As a writer's key on object storage should be: it adds what a backup adds, and removes nothing but leases."""
    new_repository(store)
    denied = StoreDenied("no right")
    faults = [
        Fault(kind="delete", prefix="snapshots/", error=denied),
        Fault(kind="put", prefix="forgotten/", error=denied),
    ]
    faulty = Unlocked(store, faults[: 1 if recorded else 2])
    with pytest.raises(Locked, match="lease of this backup was removed") as raised:
        take(opened(faulty), FIRST)
    ((snapshot, _),) = opened(store).snapshots()
    assert snapshot.hex()[:12] in raised.value.why
    assert f"pgvault forget {snapshot.hex()[:12]}" in raised.value.hint
    assert [name for name in store.files if name.startswith("leases/")] == []
    assert take_stock(opened(store)).unfinished == ({snapshot} if recorded else set()), "the next forget removes it"


@pytest.mark.spec("LEASE-13")
def test_a_renewal_removes_no_lease_that_another_one_has_still_to_look_for(store: MemoryStore) -> None:
    """The sweep that the other one must see may be there for the sake of that very lease."""
    new_repository(store)
    watched = AtPut(store)
    terms = Lease(created_ms=1, host="", pid=0, purpose="backup", source="s", parent=None)
    held = Held(opened(watched), terms, entropy=os.urandom)
    second_published, first_ended = threading.Event(), threading.Event()

    def second() -> tuple[set[str], set[str]]:
        with held.named(()):
            second_published.set()
            first_ended.wait(60)
            return set(watched.before), {name for name in store.files if name.startswith("leases/")}

    with ThreadPoolExecutor(1) as pool:
        with held.named(()):
            beside = pool.submit(second)
            second_published.wait(0.5)  # which is in vain where they come one after the other
        first_ended.set()
        before, at_its_look = beside.result()
    assert before <= at_its_look


@pytest.mark.spec("LEASE-9")
@pytest.mark.parametrize("error", [Unavailable("no answer"), Interrupted("no answer")])
def test_what_cannot_be_cleared_away_hides_nothing(store: MemoryStore, error: Exception) -> None:
    """After an interrupt there are seconds for it, on storage that may not answer at all."""
    new_repository(store)
    progress = Quiet()
    faults = [
        Fault(kind="put", prefix="packs/", error=KeyboardInterrupt()),
        Fault(kind="delete", prefix="leases/", error=error),
    ]
    with pytest.raises(KeyboardInterrupt):
        take(opened(FaultStore(store, faults)), FIRST, progress=progress)
    (name,) = [name for name in store.files if name.startswith("leases/")]
    assert [event for event in progress.events if f"{name} could not be removed" in event]


@pytest.mark.parametrize("error", [Unavailable("no answer"), Interrupted("no answer")])
def test_a_record_that_cannot_be_taken_back_does_not_hide_why(store: MemoryStore, error: Exception) -> None:
    new_repository(store)
    faults = [
        Fault(kind="put", prefix="leases/", error=StoreError("the first")),
        Fault(kind="delete", prefix="leases/", error=error),
    ]
    with pytest.raises(StoreError, match="the first"):
        take(opened(FaultStore(store, faults)), FIRST)


@pytest.mark.parametrize("error", [Unavailable("no answer"), Interrupted("no answer")])
def test_a_reader_s_lease_that_cannot_be_removed_does_not_hide_how_it_ended(
    store: MemoryStore, error: Exception
) -> None:
    repo = opened(FaultStore(new_repository(store).store, [Fault(kind="delete", prefix="leases/", error=error)]))
    terms = Lease(created_ms=1, host="", pid=0, purpose="restore", source="s", parent=None)
    with pytest.raises(ValueError, match="of the reader"), reading(repo, terms, entropy=os.urandom):
        raise ValueError("of the reader")
