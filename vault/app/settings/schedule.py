"""`[schedule]`: when a run is due, what belongs to it, and from when on it is overdue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from vault.app.toml.document import Table

Often = Literal["never", "daily", "weekly"]
OFTEN: Final[tuple[Often, ...]] = get_args(Often)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSettings:
    """at, every  as vault.ops.schedule.timetable reads them, together
    prune, check  how often a run does them after its backup
    drill         the same; never where nobody said so: it runs the snapshot's code on this machine
    max_age_ms    without a snapshot for so long it is overdue; None: by the interval
    """

    at: str | None = None
    every: str | None = None
    prune: Often = "weekly"
    check: Often = "weekly"
    drill: Often = "never"
    max_age_ms: int | None = None


def read_schedule(section: Table) -> ScheduleSettings:
    section.only(*(key for key in ScheduleSettings.__dataclass_fields__ if key != "max_age_ms"), "max_age")
    at, every = section.text("at"), section.text("every")
    fit = _fits(section, at, every)
    return ScheduleSettings(
        at=at if fit else None,
        every=every if fit else None,
        prune=_often(section, "prune"),
        check=_often(section, "check"),
        drill=_often(section, "drill", "never"),
        max_age_ms=section.age_ms("max_age"),
    )


def _fits(section: Table, at: str | None, every: str | None) -> bool:
    """Each alone first, so that it is told which one is wrong."""
    from vault.ops.schedule.timetable import read_timetable

    alone = [
        section.read("at", at, lambda text: read_timetable(text, None, spread=""), hint='at = "03:10"'),
        section.read("every", every, lambda text: read_timetable(None, text, spread=""), hint='every = "1d"'),
    ]
    if (alone[0] is None) != (at is None) or (alone[1] is None) != (every is None):
        return False
    together = section.read("every", every, lambda text: read_timetable(at, text, spread=""))
    return (together is None) == (every is None)


def _often(section: Table, key: str, default: Often = "weekly") -> Often:
    text = section.text(key)
    chosen = next((often for often in OFTEN if often == text), None)
    if text is not None and chosen is None:
        section.wrong(key, f"one of {', '.join(OFTEN)}", hint=f'{key} = "weekly"')
    return chosen or default
