"""When the newest snapshot is young enough: only one of the same thing, that is sound and of the past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from vault.app.backup_request import BackupOptions, plan_backup
from vault.app.interval import young_enough
from vault.app.settings import Settings
from vault.errors import Malformed
from vault.ids import FindingId, SnapshotId
from vault.model import Finding, State
from vault.repo.remembered import Remembered

HOUR_MS = 3_600_000
NOW_MS = 1_800_000_000_000
NOTHING = Remembered()
PLAN = plan_backup(Settings(source="app"), BackupOptions(directories=("documents=documents",)))


@dataclass(frozen=True, kw_only=True)
class Saved:
    """What is looked at of a manifest."""

    age_ms: int
    source: str = "app"
    selection: str = PLAN.selection
    suspect: str = ""
    coverage: Mapping[str, tuple[State, int]] = field(default_factory=dict)

    @property
    def created_ms(self) -> int:
        return NOW_MS - self.age_ms


def reason(*saved: Saved, min_interval_ms: int = 20 * HOUR_MS, notes: Remembered = NOTHING) -> str:
    """Of snapshots whose ids are their positions."""
    known = [(SnapshotId(number.to_bytes(32, "big")), cast(Any, one)) for number, one in enumerate(saved)]
    return young_enough(known, PLAN, notes, min_interval_ms=min_interval_ms, now_ms=NOW_MS)


@pytest.mark.parametrize(
    ("age_ms", "skips"), [(0, True), (19 * HOUR_MS, True), (20 * HOUR_MS, False), (99 * HOUR_MS, False)]
)
def test_the_newest_decides(age_ms: int, skips: bool) -> None:
    assert bool(reason(Saved(age_ms=500 * HOUR_MS), Saved(age_ms=age_ms))) == skips


def test_it_says_how_old() -> None:
    assert reason(Saved(age_ms=3 * HOUR_MS // 2)) == "the newest snapshot is 1.5 h old, less than 20 h"


@pytest.mark.parametrize(
    "other",
    [
        Saved(age_ms=1, source="another"),
        Saved(age_ms=1, selection="a part of it"),
        Saved(age_ms=1, suspect="its bytes"),
        Saved(age_ms=1, coverage={"data": (State.FAILED, 1)}),
        Saved(age_ms=-1),
    ],
)
def test_what_is_no_reason(other: Saved) -> None:
    assert reason(other) == ""
    assert reason() == ""
    assert reason(Saved(age_ms=0), min_interval_ms=0) == ""


def test_a_ruin_is_no_reason_nor_is_anything_while_a_finding_cannot_be_read() -> None:
    finding = Finding(code="rows_lost", subject="public.t", text="100 rows before, 3 after")
    ruin = Remembered(open={SnapshotId((1).to_bytes(32, "big")): ((FindingId(bytes(32)), finding),)})
    before, after = Saved(age_ms=30 * HOUR_MS), Saved(age_ms=HOUR_MS)
    assert reason(before, after, notes=ruin) == ""
    assert reason(before, after)
    assert reason(Saved(age_ms=2 * HOUR_MS), after, notes=ruin), "the one before it is sound and young"
    assert reason(before, after, notes=Remembered(damaged=(Malformed("no", file="findings/x"),))) == ""
