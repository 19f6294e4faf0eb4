"""Whose locks a restore waits for: said while it waits, because it waits as long as they are held.

Never shows the text of a query, which may hold secrets or rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from vault.model.words import duration
from vault.source.postgres.connection.connect import Session

POLL_S: Final = 1.0
TOLD_AFTER_S: Final = 3.0
AGAIN_AFTER_S: Final = 60.0

_WAITING: Final = """
SELECT l.pid, b.pid, coalesce(a.usename::text, ''), coalesce(a.state, 'state unknown'),
       coalesce(l.relation::regclass::text, l.locktype)
  FROM pg_locks l CROSS JOIN LATERAL unnest(pg_blocking_pids(l.pid)) b(pid)
       LEFT JOIN pg_stat_activity a ON a.pid = b.pid
 WHERE NOT l.granted AND l.pid = ANY(%s::int[]) AND b.pid <> ALL(%s::int[])
 ORDER BY 1, 2
"""
"""Sessions of the restore wait for one another too, and that ends by itself."""


def until(
    ended: Callable[[float], bool],
    observer: Session,
    pids: Callable[[], Sequence[int]],
    *,
    tell: Callable[[str], None],
    poll_s: float = POLL_S,
    told_after_s: float = TOLD_AFTER_S,
) -> None:
    """Look every `poll_s` until `ended`, which waits so many seconds, says that it is over; each wait is told once, and again every minute. Raises  SourceError, Unreachable"""
    since: dict[tuple[int, int], float] = {}
    told: dict[tuple[int, int], float] = {}
    while not ended(poll_s):
        ours, now, doing = list(pids()), time.monotonic(), "looking for what the restore waits for"
        with observer.apart(doing=doing):
            waiting = observer.rows(_WAITING, [ours, ours], doing=doing)
        since = {(pid, by): since.get((pid, by), now) for pid, by, *_ in waiting}
        for pid, by, user, state, what in waiting:
            waited_s = now - since[pid, by]
            last = told.get((pid, by))
            if waited_s >= told_after_s and (last is None or now - last >= AGAIN_AFTER_S):
                told[pid, by] = now
                tell(
                    f"waiting for {duration(round(waited_s * 1000))} for a lock on {what} that {_holder(by, user, state)} holds, and until "
                    "that ends; Ctrl-C breaks off"
                )


def _holder(pid: int, user: str, state: str) -> str:
    """A prepared transaction has no process."""
    return f"pid {pid} of {user} ({state})" if pid else "a prepared transaction"
