"""Leases of the dead go; one whose writer may live goes only by name, and that is said."""

from __future__ import annotations

import os

import pytest

from tests.faults import Crashed, Fault, FaultStore
from tests.small_repository import CLOCK, new_repository, opened
from tests.unit.ops.retention.test_reclaim import Standing, lease, leased, names
from vault.errors import NotThere, StoreError, UsageError
from vault.ids import PackId
from vault.limits import LEASE_AGE_S
from vault.model import Lease
from vault.ops.retention.unlock import Unlocked, asking, unlock
from vault.ports import ObjectStore
from vault.repo.lease import reading
from vault.repo.state import Open
from vault.repo.sweep import found_leases
from vault.store.memory import MemoryStore


@pytest.fixture
def clock() -> Standing:
    return Standing()


@pytest.fixture
def store(clock: Standing) -> MemoryStore:
    store = MemoryStore(clock=clock)
    new_repository(store)
    return store


def run(store: ObjectStore, prefix: str | None = None, *, dead: frozenset[int] = frozenset()) -> Unlocked:
    def is_dead(one: Lease) -> bool:
        return one.pid in dead

    return unlock(
        opened(store), prefix, probe=asking(Standing().now_ms(), host="", pid=0), is_dead=is_dead, entropy=os.urandom
    )


def test_nothing_to_remove(store: MemoryStore) -> None:
    assert run(store) == Unlocked(removed=(), left=())
    assert names(store, "leases/") == []


@pytest.mark.spec("LEASE-23")
def test_a_young_lease_stays_and_is_told(store: MemoryStore, clock: Standing) -> None:
    name = leased(store, lease(going=[PackId(bytes(32))]))
    clock.at_ms += LEASE_AGE_S * 1000 - 1
    done = run(store)
    (row,) = done.left
    assert (done.removed, row.dead, row.age_s) == ((), "", LEASE_AGE_S - 0.001)
    assert names(store, "leases/") == [name] == [f"leases/{row.id}"]


@pytest.mark.spec("LEASE-23")
@pytest.mark.parametrize("how", ["old", "gone"])
def test_a_lease_of_the_dead_goes(store: MemoryStore, clock: Standing, how: str) -> None:
    leased(store, lease())
    clock.at_ms += LEASE_AGE_S * 1000 if how == "old" else 0
    done = run(store, dead=frozenset({7} if how == "gone" else ()))
    assert [row.dead for row in done.removed] == ["older than a day" if how == "old" else "its process is gone"]
    assert not done.young
    assert names(store, "leases/") == []


@pytest.mark.spec("LEASE-23")
def test_a_young_one_goes_by_name_and_that_is_marked(store: MemoryStore) -> None:
    leased(store, lease())
    other = leased(store, lease("restore"))
    done = run(store, other[7:17].upper())
    assert done.young
    assert [f"leases/{row.id}" for row in done.removed] == [other]
    assert len(done.left) == len(names(store, "leases/")) == 1


def test_a_name_that_is_none(store: MemoryStore) -> None:
    name = leased(store, lease())
    with pytest.raises(NotThere, match="no lease ffffff"):
        run(store, "ffffff" if not name.startswith("leases/ffffff") else "eeeeee")
    with pytest.raises(UsageError, match="too short"):
        run(store, name[7:12])
    assert names(store, "leases/") == [name]


def test_what_may_not_be_written_is_listed_all_the_same(store: MemoryStore) -> None:
    name = leased(store, lease())
    refusing = FaultStore(store, [Fault(kind="put", prefix="leases/", error=StoreError("read-only"))])
    assert [f"leases/{row.id}" for row in run(refusing).left] == [name]


def test_a_delete_that_is_denied_is_an_error(store: MemoryStore) -> None:
    leased(store, lease())
    denying = FaultStore(store, [Fault(kind="delete", prefix="leases/", at=2, error=StoreError("denied"))])
    with pytest.raises(StoreError, match="denied"):
        run(denying, dead=frozenset({7}))


@pytest.mark.spec("LEASE-16")
def test_who_reads_for_long_has_a_lease_as_long(store: MemoryStore) -> None:
    repo = opened(store)
    with reading(repo, lease("restore"), entropy=os.urandom):
        assert [row.lease.purpose for row in run(store).left if row.lease] == ["restore"]
    assert names(store, "leases/") == []


@pytest.mark.parametrize("kind", ["put", "delete", "barrier"])
def test_who_may_not_write_reads_all_the_same(store: MemoryStore, kind: str) -> None:
    refusing = FaultStore(store, [Fault(kind=kind, error=StoreError("read-only"))])
    with reading(opened(refusing), lease("restore"), entropy=os.urandom):
        pass
    assert len(names(store, "leases/")) == (1 if kind == "delete" else 0)


def test_an_unlock_that_was_killed_leaves_a_lease_that_the_next_removes() -> None:
    """It writes one to learn the store's time; with nobody's name on it, that one stayed for a day and held up sweeps."""
    store = MemoryStore()
    repo = new_repository(store)
    killed = Open(FaultStore(store, [Fault(kind="delete", crash=True)]), repo.config, repo.keys, repo.bundle)
    with pytest.raises(Crashed):
        unlock(killed, probe=asking(CLOCK.now_ms(), host="here", pid=7), is_dead=lambda _: False, entropy=os.urandom)
    assert [found.lease and found.lease.pid for found in found_leases(repo)] == [7]
    again = asking(CLOCK.now_ms(), host="here", pid=8)
    unlock(repo, probe=again, is_dead=lambda lease: lease.pid == 7, entropy=os.urandom)
    assert found_leases(repo) == []
