"""Sweeps and leases as they lie in the store, and what a lease pins."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from tests.small_repository import new_repository
from tests.unit.repo.test_remembered import Ticking
from vault.format import upkeep
from vault.ids import PackId, SnapshotId
from vault.limits import FILE_BYTES_MAX, LEASE_AGE_S
from vault.model import FileKind, Lease, Sweep
from vault.repo import lease, records, sweep
from vault.repo.keyring import seal_file
from vault.repo.state import Open
from vault.repo.sweep import FoundLease, FoundSweep, found_leases, found_sweeps, pinned, store_time_ms
from vault.store.memory import MemoryStore

PARENT = SnapshotId(b"s" * 32)
PACKS = tuple(PackId(bytes([number]) * 32) for number in range(5))
BACKUP = Lease(created_ms=1, host="h", pid=2, purpose="backup", source="app", parent=PARENT)


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def repo(clock: Ticking) -> Open:
    return new_repository(MemoryStore(clock=clock))


def told(purpose: str, *, parent: SnapshotId | None = PARENT, packs: tuple[PackId, ...] = ()) -> FoundLease:
    held = replace(BACKUP, purpose=purpose, parent=parent, packs=packs)
    return FoundLease(name="leases/x", modified_ms=0, lease=held)


NEWER = FoundLease(name="leases/x", modified_ms=0, lease=None)


def test_a_sweep_names_each_pack_once_and_is_found_with_the_stores_time(repo: Open, clock: Ticking) -> None:
    clock.at_ms = 7_000
    (name,) = sweep.publish(repo, [PACKS[3], PACKS[1], PACKS[3]], now_ms=5, entropy=os.urandom)
    assert found_sweeps(repo) == [FoundSweep(name=name, modified_ms=7_000, packs=frozenset({PACKS[1], PACKS[3]}))]
    (kept,) = records.load(repo, FileKind.SWEEP, upkeep.decode_sweep).found
    assert (kept[1].created_ms, kept[1].packs) == (5, (PACKS[1], PACKS[3]))
    assert store_time_ms(repo, name) == 7_000
    assert store_time_ms(repo, name[:-1]) == store_time_ms(repo, name + "x") == 0


def test_more_packs_than_a_sweep_may_name_are_several_sweeps(repo: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "_PACKS_MAX", 2)
    names = sweep.publish(repo, PACKS, now_ms=5, entropy=os.urandom)
    found = {one.name: one.packs for one in found_sweeps(repo)}
    assert [found[name] for name in names] == [frozenset(PACKS[:2]), frozenset(PACKS[2:4]), frozenset(PACKS[4:])]
    assert sweep.publish(repo, [], now_ms=5, entropy=os.urandom) == ()


def test_the_longest_sweep_is_short_enough_for_a_reader() -> None:
    packs = [PackId(number.to_bytes(32, "big")) for number in range(3_000)]
    one, other = (len(upkeep.encode_sweep(Sweep(created_ms=1, packs=tuple(packs[:count])))) for count in (2_000, 3_000))
    assert one + (other - one) * (sweep._PACKS_MAX // 1_000) < FILE_BYTES_MAX


def test_a_lease_is_found_with_the_stores_time_and_a_newer_program_s_without_its_content(
    repo: Open, clock: Ticking
) -> None:
    held = replace(BACKUP, packs=PACKS[:2])
    clock.at_ms = 8_000
    ours = lease.publish(repo, held, entropy=os.urandom)
    clock.at_ms = 9_000
    data = seal_file(b"\x80", FileKind.LEASE, repo.keys, salt=os.urandom(24), squeeze=False)
    newer = "leases/" + "0" * 64
    repo.store.put(newer, data)
    expected = [
        FoundLease(name=newer, modified_ms=9_000, lease=None),
        FoundLease(name=ours, modified_ms=8_000, lease=held),
    ]
    assert sorted(found_leases(repo), key=lambda one: one.name) == expected
    listed = [stored for stored in repo.store.list("leases/") if stored.name == ours]
    assert found_leases(repo, listed) == expected[1:]
    assert pinned(expected) == frozenset(PACKS[:2])
    repo.store.delete(ours)
    assert found_leases(repo, listed) == [], "it went away meanwhile"


def test_what_is_no_lease_is_passed_over(repo: Open) -> None:
    repo.store.put("leases/readme", b"x")
    repo.store.put("leases/" + "1" * 64, b"junk")
    ours = lease.publish(repo, BACKUP, entropy=os.urandom)
    repo.store.put("leases/copy", repo.store.get(ours))
    too_long = [replace(stored, size=FILE_BYTES_MAX + 1) for stored in repo.store.list("leases/")]
    at_most = [replace(stored, size=FILE_BYTES_MAX) for stored in repo.store.list("leases/")]
    assert [one.name for one in found_leases(repo)] == [ours]
    assert found_leases(repo, too_long) == []
    assert [one.name for one in found_leases(repo, at_most)] == [ours]


def test_a_lease_is_old_after_a_day_of_the_stores_time() -> None:
    late = LEASE_AGE_S * 1000
    found = FoundLease(name="leases/x", modified_ms=500, lease=BACKUP)
    assert not found.is_old(500 + late - 1)
    assert found.is_old(500 + late)


@pytest.mark.parametrize(
    ("found", "of_writer", "ends", "pins_everything"),
    [
        pytest.param(told("backup"), True, False, False, id="backup"),
        pytest.param(told("copy", packs=PACKS[:1]), True, True, False, id="copy that names packs"),
        pytest.param(told("repair"), True, False, False, id="repair"),
        pytest.param(told("restore"), False, True, False, id="restore of a snapshot that is there"),
        pytest.param(told("restore", parent=SnapshotId(bytes(32))), False, True, True, id="restore of one that is not"),
        pytest.param(told("maintenance"), False, True, False, id="prune"),
        pytest.param(told("other", packs=PACKS[:1]), True, False, True, id="a purpose of a newer program"),
        pytest.param(NEWER, True, False, True, id="a newer program's"),
    ],
)
def test_what_a_lease_means(found: FoundLease, of_writer: bool, ends: bool, pins_everything: bool) -> None:
    assert (found.of_writer, found.ends) == (of_writer, ends)
    assert found.pins_everything({PARENT}) == pins_everything
