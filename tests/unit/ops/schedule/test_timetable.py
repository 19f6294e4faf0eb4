"""When runs are due."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest

from vault.errors import UsageError
from vault.ops.schedule.timetable import Timetable, last_due_ms, next_due_ms, read_timetable

BERLIN = ZoneInfo("Europe/Berlin")
UTC = ZoneInfo("UTC")


def ms(text: str, zone: tzinfo = BERLIN) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def shown(instant_ms: int, zone: tzinfo = BERLIN) -> str:
    return datetime.fromtimestamp(instant_ms / 1000, zone).isoformat(timespec="minutes")


@pytest.mark.parametrize(
    ("at", "every", "timetable", "words"),
    [
        ("03:10", None, Timetable(minutes=(190,)), "every day at 03:10"),
        ("3:10", "1d", Timetable(minutes=(190,)), "every day at 03:10"),
        ("03:10", "24h", Timetable(minutes=(190,)), "every day at 03:10"),
        ("03:10", "12h", Timetable(minutes=(190, 910)), "every day at 03:10, 15:10"),
        ("15:10", "12h", Timetable(minutes=(190, 910)), "every day at 03:10, 15:10"),
        ("23:59", "8h", Timetable(minutes=(479, 959, 1439)), "every day at 07:59, 15:59, 23:59"),
        ("00:05", "1h", Timetable(minutes=tuple(range(5, 1440, 60))), "every 1 h from 00:05"),
        ("sun 03:10", None, Timetable(minutes=(190,), weekday=6), "every Sunday at 03:10"),
        ("Monday 03:10", "1w", Timetable(minutes=(190,), weekday=0), "every Monday at 03:10"),
        ("sun 03:10", "7d", Timetable(minutes=(190,), weekday=6), "every Sunday at 03:10"),
    ],
)
def test_words_become_times(at: str, every: str | None, timetable: Timetable, words: str) -> None:
    read = read_timetable(at, every, spread="x")
    assert read == timetable
    assert str(read) == words


@pytest.mark.parametrize(
    ("at", "every"),
    [
        ("24:00", None),
        ("3", None),
        ("03:60", None),
        ("noon", None),
        ("someday 03:10", None),
        ("sun 03:10", "1d"),
        ("03:10", "5h"),
        ("03:10", "90m"),
        ("03:10", "0h"),
        ("03:10", "2d"),
        ("03:10", "daily"),
        ("", None),
        ("٠٣:١٠", None),
    ],
)
def test_what_no_calendar_has_is_refused_with_one_that_it_has(at: str, every: str | None) -> None:
    with pytest.raises(UsageError) as refused:
        read_timetable(at, every, spread="x")
    assert refused.value.hint


def test_machines_that_say_no_time_start_at_different_times_at_night() -> None:
    times = [read_timetable(None, None, spread=f"machine {number}").minutes[0] for number in range(200)]
    assert min(times) >= 3 * 60
    assert max(times) < 6 * 60
    assert len(set(times)) > 80
    days = {read_timetable("03:10", "1w", spread=f"machine {number}").weekday for number in range(200)}
    assert days == set(range(7))
    assert read_timetable(None, None, spread="same") == read_timetable(None, None, spread="same")


def test_the_interval_is_from_one_run_to_the_next() -> None:
    assert read_timetable("03:10", None, spread="").interval_s == 86_400
    assert read_timetable("03:10", "6h", spread="").interval_s == 21_600
    assert read_timetable("03:10", "1w", spread="").interval_s == 7 * 86_400


@pytest.mark.parametrize(
    ("timetable", "now", "last", "following"),
    [
        ("03:10 1d", "2026-11-30T03:09", "2026-11-29T03:10+01:00", "2026-11-30T03:10+01:00"),
        ("03:10 1d", "2026-11-30T03:10", "2026-11-30T03:10+01:00", "2026-12-01T03:10+01:00"),
        ("03:10 12h", "2026-11-30T12:00", "2026-11-30T03:10+01:00", "2026-11-30T15:10+01:00"),
        ("sun 03:10 1w", "2026-11-30T12:00", "2026-11-29T03:10+01:00", "2026-12-06T03:10+01:00"),
        ("mon 03:10 1w", "2026-11-30T01:00", "2026-11-23T03:10+01:00", "2026-11-30T03:10+01:00"),
        # Clocks go forward from 02:00 to 03:00, and back from 03:00 to 02:00.
        ("02:30 1d", "2026-03-29T12:00", "2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"),
        ("02:30 1d", "2026-10-25T12:00", "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"),
        ("03:10 1d", "2026-12-31T23:00", "2026-12-31T03:10+01:00", "2027-01-01T03:10+01:00"),
    ],
)
def test_last_and_next(timetable: str, now: str, last: str, following: str) -> None:
    at, _, every = timetable.rpartition(" ")
    read = read_timetable(at, every, spread="")
    assert shown(last_due_ms(read, ms(now), zone=BERLIN)) == last
    assert shown(next_due_ms(read, ms(now), zone=BERLIN)) == following


def test_every_moment_lies_between_its_last_and_its_next() -> None:
    """Over a year with two changes of the clock, no run is lost and none is due twice."""
    for words in ("02:30 1d", "00:05 1h", "03:10 6h", "sun 02:59 1w"):
        at, _, every = words.rpartition(" ")
        timetable = read_timetable(at, every, spread="")
        now = datetime(2026, 1, 1, 0, 7, tzinfo=UTC)
        while now.year == 2026:
            now_ms = round(now.timestamp() * 1000)
            last, following = last_due_ms(timetable, now_ms, zone=BERLIN), next_due_ms(timetable, now_ms, zone=BERLIN)
            assert last <= now_ms < following
            assert following - last <= (timetable.interval_s + 3600) * 1000
            assert last_due_ms(timetable, following, zone=BERLIN) == following
            now += timedelta(hours=5, minutes=13)


def test_without_a_zone_it_is_the_machines() -> None:
    timetable = read_timetable("03:10", None, spread="")
    now_ms = ms("2026-11-30T12:00", UTC)
    assert last_due_ms(timetable, now_ms) <= now_ms < next_due_ms(timetable, now_ms)
