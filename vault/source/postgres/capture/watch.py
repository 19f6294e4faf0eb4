"""Whom the backup keeps waiting [C2], and what will make the next one read much again [D4].

A session that wants an exclusive lock waits for our shared ones, and everybody else then queues behind it: it is named, and after a
bound the backup gives way. Never shows the text of a query, which may hold secrets or rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import Final

from vault.errors import Incoherent
from vault.model import ServerFacts
from vault.source.postgres.connection.connect import Session
from vault.source.postgres.connection.resolve import APPLICATION_NAME

POLL_S: Final = 1.0
TOLD_AFTER_S: Final = 3.0
STALL_S: Final = 60.0
"""So long a session may wait for a backup before that ends itself, and is tried again."""
OLD_TRANSACTION_S: Final = 60.0
_XID_BITS: Final = 32

_BLOCKED: Final = """
WITH ours AS MATERIALIZED (
     SELECT pid FROM pg_stat_activity WHERE application_name = %s AND datname = current_database())
SELECT DISTINCT ON (l.pid) l.pid, coalesce(a.usename::text, ''), coalesce(l.relation::regclass::text, l.locktype)
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE NOT l.granted AND a.datname = current_database() AND l.pid NOT IN (SELECT pid FROM ours)
   AND pg_blocking_pids(l.pid) && ARRAY(SELECT pid FROM ours)
 ORDER BY l.pid
"""

_HOLDER: Final = """
SELECT format('pid %%s of %%s (%%s)', pid, usename, coalesce(state, 'state unknown')),
       extract(epoch FROM clock_timestamp() - xact_start)::float8
  FROM pg_stat_activity WHERE backend_xid = %s::text::xid
UNION ALL
SELECT CASE WHEN database = current_database() THEN format('the prepared transaction %%L', gid)
            ELSE format('a prepared transaction of another database (pg_prepared_xacts, transaction %%s)', transaction) END, extract(epoch FROM clock_timestamp() - prepared)::float8
  FROM pg_prepared_xacts WHERE transaction = %s::text::xid
"""
"""The name of one in another database may be in that one's encoding."""


def until(ended: Event, observer: Session, *, stall_s: float, tell: Callable[[str], None]) -> None:
    """Look every POLL_S until `ended`. Raises Incoherent once a session has waited for us for `stall_s`"""
    since: dict[int, float] = {}
    told: set[int] = set()
    while not ended.wait(min(POLL_S, stall_s / 2)):
        now = time.monotonic()
        doing = "looking for sessions that wait for the backup"
        with observer.apart(doing=doing):
            blocked = observer.rows(_BLOCKED, [APPLICATION_NAME], doing=doing)
        since = {pid: since.get(pid, now) for pid, _, _ in blocked}
        for pid, user, what in blocked:
            waited = now - since[pid]
            if waited >= stall_s:
                raise Incoherent(
                    f"the backup ended itself: pid {pid} of {user} had waited {waited:.0f} s for its lock on {what}",
                    why="whoever uses that table queues behind it",
                    hint="run the backup when no migration and no maintenance of that table is running",
                )
            if waited >= min(TOLD_AFTER_S, stall_s / 2) and pid not in told:
                told.add(pid)
                tell(
                    f"pid {pid} of {user} waits for the backup's lock on {what}; at {stall_s:.0f} s the backup gives way"
                )


def tell_holder(observer: Session, server: ServerFacts, *, old_s: float, tell: Callable[[str], None]) -> None:
    """Say which transaction of at least `old_s` keeps the horizon where it is, if one does."""
    xid = str(server.horizon % (1 << _XID_BITS))
    doing = "looking for old transactions"
    with observer.apart(doing=doing):
        holders = observer.rows(_HOLDER, [xid, xid], doing=doing)
    for who, age_s in holders:
        if (age_s or 0) >= old_s:
            tell(f"{who} has been open for {age_s:.0f} s: what is written until it ends, the next backup reads again")
