"""The order of snapshots is that of their numbers; clocks may say anything (spec 60-snapshot)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fake_source import FakeDatabase
from tests.small_repository import Quiet, TestClock, damage, new_repository, put_manifest, take
from vault.errors import UsageError
from vault.ids import RepositoryId, SnapshotId
from vault.model import Manifest, Origin
from vault.ops.backup.number_and_parent import choose_line
from vault.repo.lineage import calendar, in_order, is_ahead, sources_of
from vault.store.memory import MemoryStore

_TEMPLATE = take(new_repository(MemoryStore())).manifest
NEVER_MS = 2**62


def known(name: str, **changes: object) -> tuple[SnapshotId, Manifest]:
    """`a3`: number 3 of source a; its id is the name's letters."""
    values = {"source": name[0], "sequence": int(name[1]), "created_ms": 0, "parent": None, **changes}
    return SnapshotId(name.encode().ljust(32)), replace(_TEMPLATE, **values)  # type: ignore[arg-type]


def names(*taken: tuple[str, int]) -> list[str]:
    """Names in order, of (name, time)."""
    pairs = [known(name, created_ms=time) for name, time in taken]
    forward, backward = in_order(pairs), in_order(reversed(pairs))
    assert forward == backward, "the order of a listing means nothing"
    return [snapshot_id.decode().strip() for snapshot_id, _ in forward]


@pytest.mark.parametrize(
    ("taken", "order"),
    [
        ([("a1", 10), ("a2", 20), ("a3", 30)], "a1 a2 a3"),
        ([("a1", 10), ("a2", NEVER_MS), ("a3", 30)], "a1 a2 a3"),
        ([("a1", 10), ("a2", 20), ("a3", 0)], "a1 a2 a3"),
        ([("a1", 30), ("a2", 20), ("a3", 10)], "a1 a2 a3"),
        ([("a1", 10), ("b1", 15), ("a2", 20), ("b2", 25)], "a1 b1 a2 b2"),
        ([("a1", 10), ("a2", NEVER_MS), ("b1", 25), ("a3", 30)], "a1 b1 a2 a3"),
        ([("a1", 10), ("a2", 20), ("b1", 15), ("a3", 5)], "a1 a2 a3 b1"),
        ([("a1", 10), ("a2x", 30), ("a2y", 20), ("a3", 40)], "a1 a2x a2y a3"),
        ([("a1", 10), ("b1", 10), ("b2", 10)], "a1 b1 b2"),
        ([], ""),
    ],
)
def test_snapshots_stand_by_number_and_sources_by_time(taken: list[tuple[str, int]], order: str) -> None:
    assert " ".join(names(*taken)) == order


@pytest.mark.spec("SNAP-22")
def test_what_was_made_of_a_damaged_snapshot_stands_behind_all_of_its_number() -> None:
    origin = Origin(repository=RepositoryId(bytes(16)), snapshot=SnapshotId(bytes(32)))
    mended = known("a2a", origin=origin, suspect="made without what is lost")
    copied = known("a2b", origin=origin)
    doubted = known("a2x", suspect="taken while something seemed wrong")
    ordered = in_order([mended, known("a3"), doubted, copied, known("a1")])
    assert [snapshot_id.decode().strip() for snapshot_id, _ in ordered] == ["a1", "a2b", "a2x", "a2a", "a3"]


def test_a_clock_that_was_once_ahead_does_not_make_the_wrong_snapshot_latest() -> None:
    repo = new_repository(MemoryStore())
    ahead = take(repo, clock=TestClock(4_000_000_000_000))
    second, third = take(repo), take(repo)
    assert (second.manifest.parent, third.manifest.parent) == (ahead.id, second.id)
    assert repo.resolve("latest") == third.id
    assert repo.resolve("latest~2", "project") == ahead.id
    assert [snapshot_id for snapshot_id, _ in repo.snapshots()] == [ahead.id, second.id, third.id]
    assert repo.resolve("2096-10-02") == ahead.id


def test_a_parent_from_the_future_is_told() -> None:
    repo = new_repository(MemoryStore())
    take(repo, clock=TestClock(4_000_000_000_000))
    first, second = Quiet(), Quiet()
    take(repo, progress=first)
    take(repo, progress=second)
    assert [event for event in first.events if "one of the two clocks is wrong" in event]
    assert second.events == []


class Backwards:
    """A clock that is put back at every look."""

    def __init__(self) -> None:
        self._now_ms = 1_800_000_000_000

    def now_ms(self) -> int:
        self._now_ms -= 3_600_000
        return self._now_ms

    def uptime_s(self) -> float:
        return 0.0


def test_a_clock_put_back_under_a_backup_does_not_spoil_its_manifest() -> None:
    repo = new_repository(MemoryStore())
    report = take(repo, clock=Backwards())
    assert repo.manifest(report.id).effort.duration_ms == 0


@pytest.mark.parametrize(
    ("suspect", "distrusted"),
    [("a1", False), ("a2x", True), ("a3", True), ("b9", False)],
    ids=["older", "taken beside the parent", "newer", "of another source"],
)
def test_parent_is_doubted_for_a_suspect_snapshot_that_is_not_older(suspect: str, distrusted: bool) -> None:
    pairs = [known("a1"), known("a2y"), known(suspect, suspect="rows changed without a trace")]
    line = choose_line(pairs, source="a", selection=_TEMPLATE.selection)
    assert line.parent is not None
    assert (line.parent[1].sequence, bool(line.distrust)) == (2, distrusted)


@pytest.mark.spec("SNAP-5")
def test_parent_goes_by_number_not_by_time() -> None:
    pairs = [known("a1", created_ms=NEVER_MS), known("a2", created_ms=5), known("a3", created_ms=1, selection="other")]
    line = choose_line(pairs, source="a", selection=_TEMPLATE.selection)
    assert line.parent == pairs[1]
    assert line.sequence == 4


def test_only_more_than_the_usual_difference_of_clocks_is_the_future() -> None:
    manifest = known("a1", created_ms=1_000_000)[1]
    assert [is_ahead(manifest, now_ms) for now_ms in (1_000_000, 940_000, 939_999)] == [False, False, True]


def test_times_that_no_calendar_has_are_shown_all_the_same() -> None:
    assert (
        calendar(2**63 - 1).isoformat()
        == calendar(253_402_300_799_999).isoformat()
        == "9999-12-31T23:59:59.999000+00:00"
    )
    assert calendar(1_750_000_000_123).isoformat() == "2025-06-15T15:06:40.123000+00:00"


def test_check_names_a_snapshot_with_no_greater_number_than_its_parent() -> None:
    repo = new_repository(MemoryStore())
    first = take(repo)
    put_manifest(repo, take(repo).manifest, sequence=1, tags={"forged": "yes"})
    (found,) = damage(repo, read_data=None)
    assert "no greater number than its parent" in found.why
    assert first.manifest.sequence == 1


def test_no_backup_is_taken_by_a_clock_before_1970() -> None:
    repo = new_repository(MemoryStore())
    before = {stored.name for stored in repo.store.list("")}
    with pytest.raises(UsageError, match="clock stands before 1970"):
        take(repo, clock=TestClock(-2_000))
    assert {stored.name for stored in repo.store.list("")} == before
    assert take(repo, clock=TestClock(-1_000)).manifest.created_ms == 0


def test_a_database_is_of_the_source_that_saved_it_last() -> None:
    part = take(new_repository(MemoryStore()), FakeDatabase(tables={})).manifest.database
    assert part is not None
    pairs = [known("a1", created_ms=1, database=part), known("b1", created_ms=2, database=part)]
    assert sources_of([*pairs, known("c1", created_ms=3)]) == {part.server.database_key: "b"}
