"""A writer's lease: what it names, in which order it is replaced, and what is looked at before a commit (spec 80-leases)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.faults import Fault, FaultStore, RecordingStore
from tests.packs import Made, put_fragment, put_pack
from tests.small_repository import opened
from vault.errors import Locked, MissingObject, StoreDenied, StoreError, Unavailable
from vault.format.pack import pack_name
from vault.format.snapshot import snapshot_name
from vault.ids import PackId, SnapshotId
from vault.model import ForgottenSnapshot, Lease
from vault.repo import lease, sweep
from vault.repo.lease import Held, index_after_sweeps, reading, refuse_lost, refuse_swept, take_back
from vault.repo.records import forgotten
from vault.repo.state import Open
from vault.repo.sweep import found_leases
from vault.store.memory import MemoryStore

TERMS = Lease(created_ms=1, host="h", pid=2, purpose="backup", source="app", parent=None)
PACKS = tuple(PackId(bytes([number]) * 32) for number in range(4))
GONE = ForgottenSnapshot(id=SnapshotId(b"s" * 32), source="app", sequence=3, created_ms=4)


def named(repo: Open) -> list[tuple[PackId, ...]]:
    return sorted(found.lease.packs for found in found_leases(repo) if found.lease is not None)


def kinds(recording: RecordingStore) -> list[str]:
    return [f"{call.kind} {call.name.partition('/')[0]}".strip() for call in recording.calls]


def faulty(store: MemoryStore, kind: str, prefix: str, error: BaseException) -> Open:
    return opened(FaultStore(store, [Fault(kind=kind, prefix=prefix, error=error)]))


@pytest.mark.spec("LEASE-11")
def test_a_lease_names_all_that_it_ever_named_and_one_is_left_after_each_look(repo: Open) -> None:
    held = Held(repo, TERMS, entropy=os.urandom)
    assert named(repo) == [()]
    for packs, expected in ((PACKS[2:3], PACKS[2:3]), (PACKS[:2], PACKS[:3]), ((), PACKS[:3])):
        with held.named(packs):
            assert len(named(repo)) == 2, "the earlier one stays for the look"
        assert named(repo) == [expected]
        assert held.is_there()
    held.withdraw()
    assert named(repo) == []
    assert not held.is_there()


@pytest.mark.spec("LEASE-13")
def test_a_look_that_fails_leaves_the_earlier_lease_to_the_end(repo: Open, store: MemoryStore) -> None:
    held = Held(repo, TERMS, entropy=os.urandom)
    with pytest.raises(Locked), held.named(PACKS[:1]):
        raise Locked("swept")
    assert named(repo) == [(), PACKS[:1]]
    with held.named(PACKS[1:2]):
        pass
    assert named(repo) == [PACKS[:2]]
    held.name_packs(PACKS[2:3])
    assert len(named(repo)) == 2
    held.withdraw()
    assert named(repo) == []


@pytest.mark.parametrize("error", [Unavailable("busy"), StoreDenied("no right")])
def test_an_earlier_lease_that_cannot_be_removed_yet_goes_with_the_last_one(
    repo: Open, store: MemoryStore, error: StoreError
) -> None:
    held = Held(faulty(store, "delete", "leases/", error), TERMS, entropy=os.urandom)
    with held.named(PACKS[:1]):
        pass
    assert named(repo) == [(), PACKS[:1]]
    held.withdraw()
    assert named(repo) == []


def test_a_lease_that_somebody_removed_is_not_there_whatever_others_are(repo: Open) -> None:
    held, other = (Held(repo, TERMS, entropy=os.urandom) for _ in range(2))
    lease.withdraw(repo, held.name)
    assert (held.is_there(), other.is_there()) == (False, True)
    assert held.purpose == "backup"


def test_a_reader_has_a_lease_while_it_reads_if_it_may(repo: Open, store: MemoryStore) -> None:
    with reading(repo, TERMS, entropy=os.urandom):
        assert named(repo) == [()]
    assert named(repo) == []
    with reading(faulty(store, "put", "leases/", StoreDenied("no right")), TERMS, entropy=os.urandom):
        assert named(repo) == []
    recording = RecordingStore(FaultStore(store, [Fault(kind="put", prefix="leases/", error=StoreDenied("no right"))]))
    with reading(opened(recording), TERMS, entropy=os.urandom):
        recording.calls.clear()
    assert kinds(recording) == [], "nothing is there to be removed"


# --- taking back ------------------------------------------------------------------------------------


def test_a_snapshot_is_taken_back_durably_after_a_record_says_so(repo: Open, store: MemoryStore) -> None:
    store.put(snapshot_name(GONE.id), b"x")
    recording = RecordingStore(store)
    assert take_back(opened(recording), GONE, now_ms=9, entropy=os.urandom)
    assert kinds(recording) == ["put forgotten", "barrier", "delete snapshots", "barrier"]
    ((_, record),) = forgotten(repo).found
    assert (record.created_ms, record.snapshots) == (9, (GONE,))
    assert snapshot_name(GONE.id) not in store.files


def test_a_snapshot_is_taken_back_where_no_record_can_be_written(repo: Open, store: MemoryStore) -> None:
    store.put(snapshot_name(GONE.id), b"x")
    assert take_back(faulty(store, "put", "forgotten/", StoreDenied("no right")), GONE, now_ms=9, entropy=os.urandom)
    assert snapshot_name(GONE.id) not in store.files


def test_who_may_not_delete_a_snapshot_hears_that_and_another_failure_is_raised(repo: Open, store: MemoryStore) -> None:
    store.put(snapshot_name(GONE.id), b"x")
    assert not take_back(
        faulty(store, "delete", "snapshots/", StoreDenied("no right")), GONE, now_ms=9, entropy=os.urandom
    )
    with pytest.raises(Unavailable):
        take_back(faulty(store, "delete", "snapshots/", Unavailable("busy")), GONE, now_ms=9, entropy=os.urandom)
    assert snapshot_name(GONE.id) in store.files


# --- looking before a commit ------------------------------------------------------------------------


def stored_packs(repo: Open, count: int) -> Sequence[PackId]:
    packs = [put_pack(repo, [Made(plain=b"%d" % number)]) for number in range(count)]
    put_fragment(repo, packs)
    return [pack.pack for pack in packs]


@pytest.mark.spec("LEASE-10")
def test_sweeps_are_listed_before_the_index_and_nothing_that_they_name_is_relied_on(
    repo: Open, store: MemoryStore
) -> None:
    first, second = stored_packs(repo, 2)
    sweep.publish(repo, [first], now_ms=1, entropy=os.urandom)
    recording = RecordingStore(store)
    indexed = index_after_sweeps(opened(recording), None)
    listings = [call for call in kinds(recording) if call.startswith("list")]
    assert listings == ["list sweeps", "list index", "list packs"]
    assert indexed.index.swept == {first}
    refuse_lost(indexed, [second])
    with pytest.raises(Locked, match="is deleting packs"):
        refuse_lost(indexed, [second, first])


def test_a_sweep_of_other_packs_stops_nobody(repo: Open) -> None:
    first, second = stored_packs(repo, 2)
    indexed = index_after_sweeps(repo, None)
    sweep.publish(repo, [first], now_ms=1, entropy=os.urandom)
    refuse_swept(indexed, {second})
    refuse_swept(indexed, set())
    with pytest.raises(Locked) as caught:
        refuse_swept(indexed, {first, second})
    assert "run it again" in caught.value.hint


@pytest.mark.parametrize("change", ["gone", "cut", "longer", "unknown"])
def test_a_pack_that_is_gone_or_of_another_size_before_the_commit_is_told(
    repo: Open, store: MemoryStore, change: str
) -> None:
    kept, lost = stored_packs(repo, 2)
    indexed = index_after_sweeps(repo, None)
    refuse_lost(indexed, [kept, lost])
    data = store.files.pop(pack_name(lost))
    if change == "unknown":
        store.files[pack_name(lost)] = data
        del indexed.index.pack_sizes[lost]
    elif change != "gone":
        store.files[pack_name(lost)] = data[:-1] if change == "cut" else data + b"x"
    refuse_lost(indexed, [kept])
    with pytest.raises(MissingObject, match="went away") as caught:
        refuse_lost(indexed, [kept, lost])
    assert caught.value.file == pack_name(lost)


def test_names_of_leases_differ_though_their_terms_are_the_same(repo: Open) -> None:
    names = {lease.publish(repo, replace(TERMS, packs=PACKS), entropy=os.urandom) for _ in range(3)}
    assert len(names) == 3
    assert {found.name for found in found_leases(repo)} == names
