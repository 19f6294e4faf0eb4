"""Waiting for another backup of a source, and no longer than is sensible: one that was stopped, or whose server hangs, never ends."""

from __future__ import annotations

from time import sleep
from typing import Final

from vault.errors import Locked
from vault.model.words import exactly

JOB_S: Final = 6 * 60 * 60.0
"""For one backup: longer than most take, and short enough that a missed night is told the next morning."""


class JobPatience:
    """Of one wait; pauses are added up, because a machine that sleeps does not wait. `source`: whose backup waits"""

    def __init__(self, source: str, limit_s: float) -> None:
        self._source = source
        self._limit_s = limit_s
        self._waited_s = 0.0

    def pause(self, seconds: float) -> None:
        """Raises  Locked: it has been long enough"""
        if self._waited_s >= self._limit_s:
            raise Locked(
                f"{self._source} was not saved: another backup of it holds its turn",
                why=f"it was waited for {exactly(self._limit_s * 1000)}; it may be stopped (Ctrl-Z), or its server may hang",
                hint="pgvault status names the job; end its process, then pgvault backup",
            )
        self._waited_s += seconds
        sleep(seconds)
