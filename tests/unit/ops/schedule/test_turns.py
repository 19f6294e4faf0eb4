"""When a process that stays takes its turn. No clock runs here."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from vault.ops.schedule.timetable import Timetable
from vault.ops.schedule.turns import RETRY_MS, next_turn_ms

DAILY = Timetable(minutes=(180,))


def at(text: str) -> int:
    """Milliseconds of `DAY HOUR:MINUTE` in November 2026, UTC."""
    return round(datetime.strptime(f"2026-11-{text} +0000", "%Y-%m-%d %H:%M %z").timestamp() * 1000)


def turn(now: str, *, saved: str | None = None, tried: str | None = None) -> int:
    known = {"saved_ms": at(saved) if saved else 0, "tried_ms": at(tried) if tried else 0}
    return next_turn_ms(DAILY, now_ms=at(now), zone=UTC, **known)


def test_first_backup_of_all_is_made_at_once() -> None:
    assert turn("10 12:00") == at("10 12:00")


@pytest.mark.parametrize("saved", ["10 03:00", "10 03:01", "10 11:59"])
def test_what_was_saved_since_its_time_waits_for_the_next(saved: str) -> None:
    assert turn("10 12:00", saved=saved) == at("11 03:00")


@pytest.mark.parametrize("now", ["11 03:00", "11 08:30", "20 08:30"])
def test_machine_that_slept_catches_up_once(now: str) -> None:
    assert turn(now, saved="10 03:00", tried="10 03:00") == at(now)
    later = now.replace(":30", ":59").replace(":00", ":01")
    assert turn(later, saved=now, tried=now) > at(later)


def test_turn_that_saved_nothing_is_taken_again_after_an_hour() -> None:
    assert turn("11 03:20", saved="10 03:00", tried="11 03:00") == at("11 03:00") + RETRY_MS
    assert turn("11 04:00", saved="10 03:00", tried="11 03:00") == at("11 04:00")
    assert turn("12 02:30", saved="10 03:00", tried="12 02:20") == at("12 03:00"), "the next time is no later for that"


def test_clock_that_was_put_back_holds_up_no_turn_for_long() -> None:
    assert turn("10 12:00", saved="10 03:00", tried="25 03:00") == at("11 03:00")
    assert turn("10 12:00", saved="09 03:00", tried="25 03:00") == at("10 12:00")
    assert turn("10 12:00", saved="25 03:00", tried="25 03:00") == at("10 12:00"), "what was saved then is no reason"
    assert turn("10 12:01", saved="25 03:00", tried="10 12:00") == at("10 12:00") + RETRY_MS
