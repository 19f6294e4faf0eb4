"""What a snapshot is compared with besides the last good one, and what of that is kept (spec 60-snapshot, 82-retention)."""

from __future__ import annotations

import os
from collections.abc import Mapping

import pytest

from tests.fake_source import FakeDatabase, FakeDirectory
from tests.small_repository import CLOCK, new_repository, rows, take
from vault.ids import SnapshotId
from vault.model import Missing, State
from vault.ops.backup.run import BackupReport
from vault.ops.copy.findings import Carrier
from vault.ops.guard import codes
from vault.ops.guard.ack import acknowledge, waiting
from vault.ops.guard.way_back import ways_back
from vault.ops.project import backup_selection
from vault.ops.retention import forget
from vault.ops.retention.policy import Policy
from vault.ops.retention.time_zone import named_zone
from vault.repo.lineage import in_order
from vault.repo.remembered import unanswered
from vault.repo.state import Open
from vault.store.memory import MemoryStore

NOW_MS = 1_900_000_000_000
BROKEN = Missing(item="public.torn", state=State.FAILED, why="could not read block 7")
WHOLE = backup_selection.encode(True, [], {})
WITH_FILES = backup_selection.encode(True, ["lib"], {})
WITHOUT_LOGS = backup_selection.encode(True, ["lib"], {"exclude": ["*.log"]})


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def database(missing: tuple[Missing, ...] = (), **tables: bytes) -> FakeDatabase:
    return FakeDatabase(tables={f"public.{name}": [text] for name, text in tables.items()}, missing=missing)


def found(report: BackupReport) -> list[tuple[str, str]]:
    return [(one.code, one.subject) for one in report.findings]


def kept(repo: Open) -> Mapping[SnapshotId, tuple[str, ...]]:
    """After a forget that keeps as little as it may."""
    plan = forget.plan_policy(
        forget.take_stock(repo), Policy(last=1), sources=None, calendar=named_zone("UTC"), now_ms=NOW_MS
    )
    forget.run(repo, plan, clock=CLOCK, entropy=os.urandom)
    return {one.candidate.id: one.reasons for one in plan.kept()}


OLD, NEW = rows(1, 100), rows(2, 100)


@pytest.mark.spec("NOTE-6", "RET-13")
def test_what_came_while_every_snapshot_failed_in_a_part_is_guarded(repo: Open) -> None:
    """A block that cannot be read leaves no sound snapshot for weeks."""
    take(repo, database(t=OLD))
    holder = take(repo, database((BROKEN,), t=OLD, new=NEW))
    assert found(holder) == []
    lost = take(repo, database((BROKEN,), t=OLD, new=b""))
    assert found(lost) == [(codes.TABLE_EMPTIED, "public.new")]
    take(repo, database((BROKEN,), t=OLD, new=b""))
    assert holder.id in kept(repo)
    ways = ways_back(waiting(repo, None), in_order(repo.snapshots()), unanswered(repo), {})
    assert any(holder.id.hex()[:12] in way for way in ways.values())
    acknowledge(repo, waiting(repo, None), reason="meant", host="h", clock=CLOCK, entropy=os.urandom)
    take(repo, database((BROKEN,), t=OLD, new=b""))
    assert holder.id not in kept(repo)


@pytest.mark.spec("NOTE-6", "RET-13")
def test_a_selection_without_a_sound_snapshot_is_looked_at_from_its_beginning(repo: Open) -> None:
    """The last good one is of another selection, came later, and has not what its own ruin had."""
    take(repo, database(t=OLD), selection=WHOLE)
    lib = {"lib": FakeDirectory({b"%d" % number: b"x" for number in range(30)})}
    ruin = take(repo, database(t=b""), lib, selection=WITH_FILES)
    assert found(ruin) == [(codes.DATABASE_EMPTY, "")]
    assert found(take(repo, database(t=OLD), selection=WHOLE)) == []
    lost = take(repo, database(t=OLD), {"lib": FakeDirectory({})}, selection=WITH_FILES)
    assert found(lost) == [(codes.FILES_LOST, "lib")]
    take(repo, database(t=OLD), {"lib": FakeDirectory({})}, selection=WITH_FILES)
    assert ruin.id in kept(repo)


@pytest.mark.spec("NOTE-6")
def test_what_came_in_snapshots_of_another_selection_counts(repo: Open) -> None:
    take(repo, database(t=OLD), selection=WHOLE)
    other = take(repo, database(t=OLD, new=NEW), selection=WITH_FILES)
    lost = take(repo, database(t=OLD), selection=WHOLE)
    assert found(lost) == [(codes.TABLE_GONE, "public.new")]
    assert lost.good is not None
    assert lost.good[0] == other.id


def test_files_that_were_to_be_left_out_are_no_loss_next_to_another_selection(repo: Open) -> None:
    few = {"lib": FakeDirectory({b"a": b"x"})}
    many = {"lib": FakeDirectory({b"a": b"x", **{b"%d.log" % number: b"x" for number in range(30)}})}
    take(repo, database(t=OLD), few, selection=WITHOUT_LOGS)
    for _ in range(2):
        assert found(take(repo, database(t=OLD), many, selection=WITH_FILES)) == []
        assert found(take(repo, database(t=OLD), few, selection=WITHOUT_LOGS)) == []


@pytest.mark.spec("NOTE-6", "SNAP-5")
def test_of_two_that_were_taken_at_once_both_count(repo: Open) -> None:
    """Forks of one number: neither knew the other, and which of them stands behind the other one is chance."""
    take(repo, database(t=OLD))
    before = dict(_files(repo))
    with_new = take(repo, database(t=OLD, new=NEW))
    fork = dict(_files(repo))
    _files(repo).clear()
    _files(repo).update(before)
    take(repo, database(t=OLD, other=NEW))
    _files(repo).update(fork)
    assert [manifest.sequence for _, manifest in repo.snapshots()] == [1, 2, 2]
    lost = take(repo, database(t=OLD))
    assert found(lost) == [(codes.TABLE_GONE, "public.new"), (codes.TABLE_GONE, "public.other")]
    take(repo, database(t=OLD))
    assert with_new.id in kept(repo)


def _files(repo: Open) -> dict[str, bytes]:
    assert isinstance(repo.store, MemoryStore)
    return repo.store.files


@pytest.mark.spec("RET-13")
def test_where_a_holder_was_not_copied_the_one_before_it_stays(repo: Open) -> None:
    days = [database(t=OLD), database(t=b"", new=NEW), database(t=b"", new=NEW), database(t=b"", new=b"", old=OLD)]
    taken = [take(repo, day) for day in days]
    there = new_repository(MemoryStore())
    carrier = Carrier(repo, there, entropy=os.urandom, warn=pytest.fail)
    for report in (taken[0], taken[1], taken[3]):
        name = f"snapshots/{report.id.hex()}"
        there.store.put(name, repo.store.get(name))
        carrier.carry(report.id, report.id)
    last = take(there, days[3])
    assert last.findings
    assert taken[1].id in kept(there), "of the holder, taken[2], it has the same rows"
