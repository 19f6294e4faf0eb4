"""What follows the backup of a scheduled run, and what is left."""

from __future__ import annotations

import pytest

from vault.ops.schedule.upkeep import (
    OFTEN_MS,
    Saved,
    first_due_ms,
    why_not_at_all,
    why_not_yet,
)

DAY_MS = OFTEN_MS["daily"]
NOW_MS = 1_800_000_000_000


def test_nothing_is_removed_after_a_backup_that_is_not_as_it_should_be() -> None:
    assert why_not_at_all(Saved(clean=True), answered=True) == ""
    assert "everything that is there stays" in why_not_at_all(Saved(clean=False, why="app: exit code 5"), answered=True)
    assert "pgvault ack" in why_not_at_all(Saved(clean=True), answered=False)


@pytest.mark.parametrize(
    ("often", "last_ms", "due"),
    [
        ("never", 0, False),
        ("daily", 0, True),
        ("daily", NOW_MS - DAY_MS, True),
        ("daily", NOW_MS - DAY_MS + 30 * 60 * 1000, True),
        ("daily", NOW_MS - DAY_MS // 2, False),
        ("weekly", NOW_MS - 6 * DAY_MS, False),
        ("weekly", NOW_MS - 7 * DAY_MS, True),
        ("weekly", NOW_MS + DAY_MS, True),
    ],
)
def test_a_step_is_due_when_its_time_is_over(often: str, last_ms: int, due: bool) -> None:
    assert (why_not_yet(often, last_ms=last_ms, now_ms=NOW_MS) == "") is due


def test_machines_installed_on_one_day_prune_on_different_ones() -> None:
    """Design of a shared repository: fifty must not prune at once."""
    firsts = [first_due_ms("weekly", NOW_MS, spread=7_919_000_003 * number) for number in range(50)]
    days = {
        next(day for day in range(9) if not why_not_yet("weekly", last_ms=first, now_ms=NOW_MS + day * DAY_MS))
        for first in firsts
    }
    assert days >= set(range(7))
    assert all(NOW_MS - OFTEN_MS["weekly"] < first <= NOW_MS for first in firsts)
    assert first_due_ms("never", NOW_MS, spread=5) == NOW_MS
