"""How long one put back waits for others: for each lock what the server is told once, for all of them together what is left of a sum.

What the statements that lock have to do besides counts too, so the sum has room for that: many times what it took to plan. Spec 76-selection.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from vault.source.postgres.connection.connect import Connection
from vault.source.postgres.connection.sql_text import text

LOCK_WAIT_S: Final = 10
"""For each lock. Who waits for us waits as long at most, since rows are locked in one order."""
LOCKS_WAIT_S: Final = 60
"""For those of all tables and rows."""
_SLOWER: Final = 10
"""Rows that are locked are written; those that were compared for the plan were read."""
_CLOCKS_DIFFER_MS: Final = 50
"""The server waits by its own clock, and is told whole milliseconds. Who ends a statement so late ends it for both of us."""


class LockWait:
    """Within the caller's transaction. `planned_s`: how long the same rows took without a lock."""

    def __init__(self, connection: Connection, *, planned_s: float) -> None:
        self._connection = connection
        self._left_s = LOCKS_WAIT_S + _SLOWER * planned_s

    @contextmanager
    def bounded(self) -> Iterator[None]:
        """Each statement in it ends when nothing is left, as it would for one lock. Raises psycopg.Error"""
        wait_ms = max(1, int(self._left_s * 1000))
        self._limit(wait_ms)
        begun = time.monotonic()
        try:
            yield
        except psycopg.errors.QueryCanceled as error:
            if (time.monotonic() - begun) * 1000 < wait_ms - _CLOCKS_DIFFER_MS:
                raise  # by somebody
            raise psycopg.errors.LockNotAvailable("canceling statement due to the sum of lock timeouts") from error
        self._left_s -= time.monotonic() - begun
        self._limit(0)

    def _limit(self, wait_ms: int) -> None:
        self._connection.execute(text(f"SET LOCAL statement_timeout = {wait_ms}"))
