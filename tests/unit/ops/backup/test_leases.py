"""A backup's lease: it grows, is named anew and looked at again, and the earlier one stays for the look (spec 80-leases)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.fake_source import FakeDatabase
from tests.faults import FaultStore, RecordingStore
from tests.small_repository import TestClock, contents, new_repository, opened, rows, take
from tests.unit.ops.backup.test_commit import FIRST, SAME, leases, row_packs, sweep
from vault.errors import Locked, StoreError
from vault.ids import PackId
from vault.ops.backup.run import BackupReport
from vault.repo import writer as writing
from vault.repo.lease import index_after_sweeps, refuse_swept
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
