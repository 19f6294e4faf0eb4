"""The calendar of a time zone, for policies: UTC, or one of the machine's by its name (`Europe/Berlin`).

Never asks what time it is. Times before the year 1 and after 9998 are shown as their neighbours there: a file may hold any number.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from vault.errors import UsageError
from vault.ops.retention.policy import Span, Wall

_EPOCH: Final = datetime(1970, 1, 1)
_DAY_MS: Final = 86_400_000
_FIRST_MS: Final = -62_135_596_800_000 + 2 * _DAY_MS
_LAST_MS: Final = 253_370_764_800_000
"""A zone may be a day off."""


class ZoneCalendar:
    """Implements `policy.Calendar`."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone

    def wall(self, time_ms: int) -> Wall:
        shown = self._shown(time_ms)
        iso_year, iso_week, _ = shown.isocalendar()
        return Wall(
            year=shown.year, month=shown.month, day=shown.day, hour=shown.hour, iso_year=iso_year, iso_week=iso_week
        )

    def earlier(self, time_ms: int, span: Span) -> int:
        """Years, months and days go back on the calendar, at the same time of day; a day that a month has not counts on into the
        next one; hours are sixty minutes. What is shown twice, or never, when clocks are changed is what Go makes of it, and restic."""
        shown = self._shown(time_ms)
        months = (shown.year - span.years) * 12 + shown.month - 1 - span.months
        if months < 24:
            return _FIRST_MS
        first = datetime(months // 12, months % 12 + 1, 1)
        wall_ms = _ms(first) + (shown.day - 1 - span.days) * _DAY_MS + _ms(shown) % _DAY_MS
        return self._instant(wall_ms) - span.hours * 3_600_000

    def _shown(self, time_ms: int) -> datetime:
        """Without its zone."""
        held_ms = min(max(time_ms, _FIRST_MS), _LAST_MS)
        return _moment(held_ms).replace(tzinfo=UTC).astimezone(self._zone).replace(tzinfo=None)

    def _instant(self, wall_ms: int) -> int:
        offset_ms = self._offset_ms(wall_ms)
        return wall_ms - self._offset_ms(wall_ms - offset_ms)

    def _offset_ms(self, time_ms: int) -> int:
        held_ms = min(max(time_ms, _FIRST_MS), _LAST_MS)
        return _ms(self._shown(held_ms)) - held_ms


def named_zone(name: str) -> ZoneCalendar:
    """Raises  UsageError: this machine knows no zone of that name"""
    if name.upper() in ("UTC", "Z"):
        return ZoneCalendar(UTC)
    try:
        return ZoneCalendar(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"{name}: no time zone that this machine knows",
            why="zones have the names of the tz database, which comes with the system or with the package tzdata",
            hint="write UTC, or one such as Europe/Berlin or America/New_York",
        ) from error


def _moment(time_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=time_ms)


def _ms(shown: datetime) -> int:
    return (shown - _EPOCH) // timedelta(milliseconds=1)
