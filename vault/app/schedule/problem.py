"""What would go wrong with scheduled runs, found when they are installed: each with the line that mends it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleProblem:
    """`fatal`: no run could succeed; else some would not start, or not always."""

    what: str
    why: str
    fix: str
    fatal: bool = False
