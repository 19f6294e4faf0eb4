"""What a scheduled run does after its backup, and what it had better leave: decided from values. Pure. Spec 80-leases.

Fifty machines may share a repository: what one does they need not all do, and one that has something to fear does nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OFTEN_MS: Final = {"daily": 24 * 60 * 60 * 1000, "weekly": 7 * 24 * 60 * 60 * 1000}
_SLACK_MS: Final = 60 * 60 * 1000
"""Runs start by chance a little earlier or later than the last one: a day is over after 23 hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What became of the backups of a run. `clean`: all are there, none is suspect or has a finding that nobody answered."""

    clean: bool
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepStep:
    """`state`: done, skipped or failed; `why` says it, for done too. `code`: the stable name of the error."""

    name: str
    state: str
    why: str
    code: str = ""
    fix: str = ""


def why_not_at_all(saved: Saved, *, answered: bool) -> str:
    """Why neither retention nor prune follow; empty: they do.

    answered  no finding of the run's sources waits for an answer
    """
    if not saved.clean:
        return f"the backup is not as it should be ({saved.why}), so everything that is there stays"
    return (
        ""
        if answered
        else "a warning of the guard waits for an answer (pgvault ack), so everything that is there stays"
    )


def why_not_yet(often: str, *, last_ms: int, now_ms: int) -> str:
    """Why a step of `never`, `daily` or `weekly` is not due; empty: it is. last_ms: when it was done last, 0: never known"""
    if often == "never":
        return "not configured"
    due_ms = last_ms + OFTEN_MS[often] - _SLACK_MS
    return "" if now_ms >= due_ms or last_ms > now_ms else f"{often}, and not due yet"


def first_due_ms(often: str, installed_ms: int, *, spread: int) -> int:
    """When a step counts as done last if it never was: so that of machines installed on one day not all do it on one day."""
    return installed_ms - spread % OFTEN_MS[often] if often in OFTEN_MS else installed_ms
