"""When the newest snapshot is young enough: only one of the same thing, that is sound and of the past."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from vault.app.backup_request import BackupOptions, plan_backup
from vault.app.interval import young_enough
from vault.app.settings import Settings

HOUR_MS = 3_600_000
NOW_MS = 1_800_000_000_000
PLAN = plan_backup(Settings(source="app"), BackupOptions(directories=("documents=documents",)))


@dataclass(frozen=True, kw_only=True)
class Saved:
    """What is looked at of a manifest."""

    age_ms: int
    source: str = "app"
    selection: str = PLAN.selection
    suspect: str = ""

    @property
    def created_ms(self) -> int:
        return NOW_MS - self.age_ms


def reason(*saved: Saved, min_interval_ms: int = 20 * HOUR_MS) -> str:
    known = [(cast(Any, bytes(32)), cast(Any, one)) for one in saved]
    return young_enough(known, PLAN, min_interval_ms=min_interval_ms, now_ms=NOW_MS)


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
        Saved(age_ms=-1),
    ],
)
def test_what_is_no_reason(other: Saved) -> None:
    assert reason(other) == ""
    assert reason() == ""
    assert reason(Saved(age_ms=0), min_interval_ms=0) == ""
