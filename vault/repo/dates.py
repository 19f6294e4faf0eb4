"""What a date means that somebody typed for a snapshot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from vault.errors import UsageError


def span_ms(spec: str) -> tuple[int, int]:
    """From when to when a day, a minute or a second is, in UTC. Raises  UsageError: there is no such day"""
    text = spec.rstrip("Z").replace(" ", "T")
    width = {10: timedelta(days=1), 16: timedelta(minutes=1), 19: timedelta(seconds=1)}[len(text)]
    try:
        start = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise UsageError(f"{spec} is no date", hint="write it as 2026-01-31 or 2026-01-31T10:00") from error
    return int(start.timestamp() * 1000), int((start + width).timestamp() * 1000)
