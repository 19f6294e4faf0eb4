"""How fast a stage goes, and how long it will take from here; nothing is said before it can be known. Pure: times are arguments, in seconds."""

from __future__ import annotations

from collections import deque
from typing import Final

from vault.model.words import counted, duration, size

WINDOW_S: Final = 30.0
"""The rate is that of so long ago until now: what a stage did first says little about what it does now."""
SURE_S: Final = 5.0
"""No rate and no time left before so long: the first bytes come from caches."""
SURE_BYTES: Final = 16 * 1024 * 1024
SURE_SHARE: Final = 0.01
"""No time left before one of the two is done: what a stage does first, a small table or the wait for another, is no sample of the rest."""


class Pace:
    """Of one stage, from its first bytes on: before, it waits. `total`: bytes that it will take, as far as is known."""

    def __init__(self, total: int | None) -> None:
        self.total = total
        self.done = 0
        self.rows = self.tables = 0
        self._marks: deque[tuple[float, int]] = deque()
        self._began: float | None = None

    def advance(self, done_bytes: int, now: float, *, rows: int = 0, tables: int = 0) -> None:
        self.done += done_bytes
        self.rows += rows
        self.tables += tables
        if not self.done:
            return
        if self._began is None:
            self._began = now
        if not self._marks or now - self._marks[-1][0] >= 1.0:
            self._marks.append((now, self.done))
        while len(self._marks) > 2 and now - self._marks[1][0] >= WINDOW_S:
            self._marks.popleft()

    def rate(self, now: float) -> float | None:
        """Bytes a second; of what came first nobody knows how long it took."""
        if self._began is None or now - self._began < SURE_S:
            return None
        since, before = self._marks[0]
        return (self.done - before) / (now - since)

    def left_s(self, now: float) -> float | None:
        """None where nobody can say: no total, one that was passed, nothing moves, or too little was done."""
        rate = self.rate(now)
        if not rate or self.total is None or self.done >= self.total:
            return None
        if self.done < min(SURE_BYTES, SURE_SHARE * self.total):
            return None
        return (self.total - self.done) / rate

    def share(self) -> float | None:
        """What is done, 0..1; None where the end is not known, or was passed."""
        return self.done / self.total if self.total and self.done <= self.total else None

    def words(self, now: float) -> str:
        """`1.2 GiB of 4.0 GiB, 12 tables, 2301 rows, 85.3 MiB/s, about 34 s left`, as far as it is known; nothing of nothing."""
        rate, left_s = self.rate(now), self.left_s(now)
        known = self.total is not None and self.done <= self.total
        parts = (
            [f"{size(self.done)} of {size(self.total)}"]
            if known and self.total
            else [size(self.done)] * bool(self.done)
        )
        parts += [counted(self.tables, "table")] if self.tables else []
        parts += [counted(self.rows, "row")] if self.rows else []
        parts += [f"{size(round(rate))}/s"] if rate else []
        parts += [f"about {duration(round(left_s) * 1000)} left"] if left_s is not None else []
        return ", ".join(parts)
