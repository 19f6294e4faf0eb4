"""When runs are due: once a day, several times a day, or once a week, in the machine's local time. Pure.

A time that the clock jumps over (daylight saving) is due right after the jump; one that it shows twice is due once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from vault.errors import UsageError
from vault.model.words import exactly

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_HOURS: Final = (1, 2, 3, 4, 6, 8, 12)
"""Those that divide a day, so that runs are at the same times every day."""
_MINUTES_A_DAY: Final = 24 * 60
_DAY_S: Final = 24 * 60 * 60
_AT: Final = re.compile(r"(?:([a-z]{3,9})\s+)?([01]?\d|2[0-3]):([0-5]\d)", re.IGNORECASE)
_EVERY: Final = re.compile(r"(\d{1,3})\s*([hdw])")
_EARLIEST, _LATEST = 3 * 60 + 5, 5 * 60 + 55
"""Of the times that are chosen where none is asked for: at night, and outside the hours that daylight saving moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """`minutes` of the day, ascending, at least one; `weekday`: of that day of the week alone, 0 is Monday."""

    minutes: tuple[int, ...]
    weekday: int | None = None

    @property
    def interval_s(self) -> int:
        """From one run to the next."""
        return 7 * _DAY_S if self.weekday is not None else _DAY_S // len(self.minutes)

    def __str__(self) -> str:
        times = ", ".join(clock(minute) for minute in self.minutes)
        if len(self.minutes) > 4:
            return f"every {exactly(self.interval_s * 1000)} from {clock(self.minutes[0])}"
        return f"every {_DAYS[self.weekday]} at {times}" if self.weekday is not None else f"every day at {times}"


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def read_timetable(at: str | None, every: str | None, *, spread: str) -> Timetable:
    """`03:10` or `sun 03:10`; `1d` (the default), `1w`, or hours that divide a day.

    spread   what is not said is chosen by it: the same every time for one machine and source, another for others, so that fifty
             machines do not start at once
    Raises   UsageError
    """
    chosen = int.from_bytes(hashlib.sha256(spread.encode(errors="surrogateescape")).digest()[:8], "big")
    hours = _read_every(every or "1d")
    if at is None:
        weekday, minute = None, _EARLIEST + chosen % (_LATEST - _EARLIEST)
    else:
        weekday, minute = _read_at(at)
    if weekday is not None and every is not None and hours != 7 * 24:
        raise UsageError(
            f"schedule: at {at} and every {every} do not fit",
            why="a day of the week makes it weekly",
            hint='at = "sun 03:10", and leave `every` out',
        )
    if weekday is not None or hours == 7 * 24:
        return Timetable(minutes=(minute,), weekday=chosen // _MINUTES_A_DAY % 7 if weekday is None else weekday)
    step = hours * 60
    return Timetable(minutes=tuple(range(minute % step, _MINUTES_A_DAY, step)))


def _read_at(text: str) -> tuple[int | None, int]:
    match = _AT.fullmatch(text.strip())
    day = match[1][:3].lower() if match and match[1] else None
    if match is None or (day is not None and not _is_weekday(match[1])):
        raise UsageError(
            f"schedule: {text}: not a time of day", why="hours and minutes, or a weekday before them", hint='"03:10"'
        )
    return None if day is None else WEEKDAYS.index(day), int(match[2]) * 60 + int(match[3])


def _is_weekday(word: str) -> bool:
    return word.lower() in (*WEEKDAYS, *(day.lower() for day in _DAYS))


def _read_every(text: str) -> int:
    """Hours."""
    match = _EVERY.fullmatch(text.strip())
    hours = int(match[1]) * {"h": 1, "d": 24, "w": 7 * 24}[match[2]] if match else 0
    if hours not in (*_HOURS, 24, 7 * 24):
        raise UsageError(
            f"schedule: every {text}: no interval that a timetable has",
            why=f"it is 1d, 1w, or one of {', '.join(f'{hour}h' for hour in _HOURS)}",
            hint='every = "1d"',
        )
    return hours


def next_due_ms(timetable: Timetable, after_ms: int, *, zone: tzinfo | None = None) -> int:
    """The first time after `after_ms`. zone: None is the machine's own"""
    return next(due for day in range(9) for due in _of_day(timetable, after_ms, day, zone=zone) if due > after_ms)


def last_due_ms(timetable: Timetable, now_ms: int, *, zone: tzinfo | None = None) -> int:
    """The last time that is not after `now_ms`."""
    days = range(1, -9, -1)
    return next(due for day in days for due in reversed([*_of_day(timetable, now_ms, day, zone=zone)]) if due <= now_ms)


def _of_day(timetable: Timetable, now_ms: int, day: int, *, zone: tzinfo | None) -> Iterator[int]:
    """The times of the local day so many after that of `now_ms`, ascending."""
    midnight = datetime.fromtimestamp(now_ms / 1000, zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    date = midnight + timedelta(days=day)
    if timetable.weekday in (None, date.weekday()):
        for minute in timetable.minutes:
            yield round((date + timedelta(minutes=minute)).timestamp() * 1000)
