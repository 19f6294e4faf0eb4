"""What is remembered of snapshots outside their manifests."""

from __future__ import annotations

import os
from dataclasses import replace

from tests.small_repository import new_repository
from vault.format.notes import encode_drill, encode_pin
from vault.ids import SnapshotId
from vault.model import DrillRecord, FileKind, Pin
from vault.repo.records import save
from vault.repo.remembered import remembered
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
