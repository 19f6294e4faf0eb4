"""What is remembered of snapshots outside their manifests."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from tests.small_repository import new_repository, take
from vault.format.notes import encode_ack, encode_drill, encode_findings, encode_pin, finding_id
from vault.ids import SnapshotId
from vault.model import Ack, DrillRecord, FileKind, Finding, Findings, Pin, State
from vault.repo.records import save
from vault.repo.remembered import Remembered, is_unbroken, remembered, unanswered
from vault.store.memory import MemoryStore

DRILL = DrillRecord(
    created_ms=0,
    duration_ms=1,
    host="h",
    mismatches=(),
    not_checked=(),
    passed=True,
    rows=1,
    server="18",
    snapshot=SnapshotId(bytes(32)),
    source="app",
    tables=1,
)


class Ticking:
    def __init__(self) -> None:
        self.at_ms = 1_000

    def now_ms(self) -> int:
        return self.at_ms

    def uptime_s(self) -> float:
        return 0.0


def test_pins_come_oldest_first_whatever_their_names_are() -> None:
    repo = new_repository(MemoryStore())
    for created_ms in (5, 2, 4, 1, 3, 6):
        pin = Pin(created_ms=created_ms, host="h", reason="", snapshot=DRILL.snapshot, source="app", sequence=1)
        save(repo, FileKind.PIN, encode_pin(pin), entropy=lambda length: bytes([pin.created_ms]) * length)  # noqa: B023
    ((snapshot, pins),) = remembered(repo).pins.items()
    assert (snapshot, [pin.created_ms for pin in pins]) == (DRILL.snapshot, [1, 2, 3, 4, 5, 6])


def test_drills_come_in_the_stores_order_whatever_the_clock_of_their_writer_said() -> None:
    clock = Ticking()
    repo = new_repository(MemoryStore(clock=clock))
    ahead = replace(DRILL, created_ms=900_000)
    other = replace(DRILL, created_ms=1_500, snapshot=SnapshotId(b"x" * 32))
    failed = replace(DRILL, created_ms=3_000, passed=False, mismatches=("rows of t",))
    for at_ms, drill in ((1_000, ahead), (2_000, other), (3_000, failed)):
        clock.at_ms = at_ms
        save(repo, FileKind.DRILL, encode_drill(drill), entropy=os.urandom)
        if drill is ahead:
            assert [one.created_ms for one in remembered(repo).drills.values()] == [1_000], "it was no later"
    assert list(remembered(repo).drills.values()) == [other, failed]


@pytest.mark.parametrize(
    ("suspect", "state", "unbroken"),
    [("", State.CAPTURED, True), ("", State.FAILED, False), ("it shrank", State.CAPTURED, False)],
)
def test_a_snapshot_is_sound_that_is_whole_and_not_asked_about(suspect: str, state: State, unbroken: bool) -> None:
    manifest = take(new_repository(MemoryStore())).manifest
    manifest = replace(manifest, suspect=suspect, coverage={**manifest.coverage, "data": (state, 1)})
    asked = Remembered(open={DRILL.snapshot: ()})
    assert is_unbroken(manifest) is unbroken
    assert asked.is_sound(SnapshotId(b"x" * 32), manifest) is unbroken
    assert not asked.is_sound(DRILL.snapshot, manifest)


def test_a_snapshot_whose_findings_are_all_answered_waits_for_nobody() -> None:
    repo = new_repository(MemoryStore())
    one = Finding(code="table_gone", subject="public.t", text="")
    for number in (1, 2):
        snapshot = SnapshotId(bytes([number]) * 32)
        told = Findings(
            created_ms=1, findings=(one,), holders=(number,), snapshot=snapshot, source="app", sequence=number + 1
        )
        save(repo, FileKind.FINDINGS, encode_findings(told), entropy=os.urandom)
    answered, waiting = (SnapshotId(bytes([number]) * 32) for number in (1, 2))
    ack = Ack(created_ms=2, finding=finding_id(answered, one.code, one.subject), host="h", reason="meant")
    save(repo, FileKind.ACK, encode_ack(ack), entropy=os.urandom)
    left = unanswered(repo)
    assert left.open == {waiting: ((finding_id(waiting, one.code, one.subject), one),)}
    assert left.places == {waiting: ("app", 3)}
    assert left.holders == {waiting: frozenset({2})}
