"""`[schedule]`: when a run is due, what belongs to it, and from when on it is overdue."""

from __future__ import annotations

from dataclasses import dataclass

from vault.app.toml.document import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSettings:
    """at     time of day, as `03:10`; every, max_age_ms: milliseconds, the latter without a snapshot makes it overdue"""

    at: str | None = None
    every_ms: int | None = None
    prune: bool = True
    check: bool = True
    max_age_ms: int | None = None


def read_schedule(section: Table) -> ScheduleSettings:
    section.only("at", "every", "prune", "check", "max_age")
    return ScheduleSettings(
        at=section.text("at"),
        every_ms=section.age_ms("every"),
        prune=section.flag("prune", default=True),
        check=section.flag("check", default=True),
        max_age_ms=section.age_ms("max_age"),
    )
