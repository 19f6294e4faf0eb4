"""Dates and times as COPY prints them, and as the numbers that Parquet has: days and microseconds since 1970, in the Gregorian calendar at all times, as PostgreSQL counts.

Pure, for what is outside of the years 1 to 9999; the rest is converted in bulk. Both directions.
"""

from __future__ import annotations

import re
from typing import Final

_DATE: Final = re.compile(r"(\d{4,7})-(\d\d)-(\d\d)( BC)?")
_TIMESTAMP: Final = re.compile(r"(\d{4,7}-\d\d-\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(\+00)?( BC)?")
_DAY_US: Final = 86_400_000_000
_YEAR_MAX: Final = 292_277
"""Well within 64 bits of microseconds, of which DuckDB takes the last for infinity."""


def days_of(text: str) -> int | None:
    """None for what no Parquet date has: infinity, and years past 292277, which other engines count with."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year = int(match[1])
    if year > _YEAR_MAX:
        return None
    return _days(1 - year if match[4] else year, int(match[2]), int(match[3]))


def microseconds_of(text: str, *, zoned: bool) -> int | None:
    """As `days_of`. `zoned`: it ends in +00, as every time with a zone is captured."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None or (match[6] is not None) != zoned:
        return None
    days = days_of(match[1] + (match[7] or ""))
    if days is None:
        return None
    seconds = (int(match[2]) * 60 + int(match[3])) * 60 + int(match[4])
    return days * _DAY_US + seconds * 1_000_000 + int((match[5] or "0").ljust(6, "0"))


def date_text(days: int) -> str:
    """Inverse of `days_of`."""
    year, month, day = _civil(days)
    era = "" if year > 0 else " BC"
    return f"{year if year > 0 else 1 - year:04}-{month:02}-{day:02}{era}"


def timestamp_text(microseconds: int, *, zoned: bool) -> str:
    """Inverse of `microseconds_of`."""
    days, rest = divmod(microseconds, _DAY_US)
    seconds, fraction = divmod(rest, 1_000_000)
    date, _, era = date_text(days).partition(" ")
    digits = f".{fraction:06}".rstrip("0") if fraction else ""
    time = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{digits}"
    return f"{date} {time}{'+00' if zoned else ''}{' BC' if era else ''}"


def _days(year: int, month: int, day: int) -> int:
    """Since 1970-01-01; year 0 is 1 BC. Years are counted from March, so that the leap day is the last."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def _civil(days: int) -> tuple[int, int, int]:
    """Inverse of `_days`."""
    era, of_era = divmod(days + 719_468, 146_097)
    years = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * years + years // 4 - years // 100)
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    return years + era * 400 + (month <= 2), month, day
