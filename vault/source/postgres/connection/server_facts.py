"""State of the server at the snapshot, and who reads it. The only place where LSNs and horizons are obtained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from vault.errors import Incoherent, PermissionMissing
from vault.model import ServerFacts
from vault.source.postgres.connection.connect import Session
from vault.sql.settings import WHERE_KNOWN

_BASICS: Final = """
SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_setting('server_encoding'),
       pg_is_in_recovery(), current_database()::text, current_user::text, r.rolsuper, r.rolsuper OR r.rolbypassrls,
       ARRAY(SELECT name FROM pg_settings WHERE name = ANY(%s)),
       ARRAY(SELECT name FROM pg_settings WHERE (name, setting) IN (('standard_conforming_strings', 'off'), ('quote_all_identifiers', 'on'))),
       current_setting('max_locks_per_transaction')::int8,
       current_setting('max_connections')::int8 + current_setting('max_prepared_transactions')::int8,
       coalesce(current_setting('autovacuum_worker_slots', true), current_setting('autovacuum_max_workers'))::int8
         + current_setting('max_worker_processes')::int8 + current_setting('max_wal_senders')::int8
  FROM pg_roles r WHERE r.rolname = current_user
"""

_SEARCH_PATH: Final = "SELECT pg_catalog.current_schemas(false)::pg_catalog.text[]"

_LSN: Final = {
    False: "(pg_current_wal_insert_lsn() - '0/0')::int8",
    True: "(coalesce(pg_last_wal_replay_lsn(), '0/0') - '0/0')::int8",
}
_FLUSH: Final = {False: "(pg_current_wal_flush_lsn() - '0/0')::int8", True: _LSN[True]}
_TIMELINE: Final = {
    False: "('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int8",
    True: "(SELECT timeline_id FROM pg_control_checkpoint())::int8",
}
"""By in_recovery. The control file's timeline is stale after a promotion [A4]; a standby has no other, and is never a base."""

SERVER_IDENTITY: Final = (
    """(SELECT system_identifier FROM pg_control_system())::text || ' ' || pg_postmaster_start_time()::text"""
)
"""Equal in two sessions exactly when one running server serves both (TimeZone fixed)."""

FLUSH_STATEMENTS: Final = """
BEGIN READ WRITE; SET LOCAL search_path = ''; SET LOCAL statement_timeout = 0; SET LOCAL synchronous_commit = 'local';
SELECT pg_logical_emit_message(true, 'pgvault', ''); COMMIT
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basics:
    """What is known before the transaction begins."""

    version: int
    version_text: str
    encoding: str
    in_recovery: bool
    database: str
    user: str
    superuser: bool
    sees_all_rows: bool
    search_path: Sequence[str]
    known_settings: Sequence[str]
    odd_words: Sequence[str]
    """Settings of this role or database by which pg_dump writes definitions in other words than it does elsewhere."""
    lock_slots: int
    """Locks that the server promises to client transactions."""
    lock_table: int
    """Locks that its shared table is made for: background processes count as well."""

    @property
    def major(self) -> int:
        return self.version // 10000


def basics(session: Session) -> Basics:
    doing = "asking for the server's version"
    path = session.row(_SEARCH_PATH, doing=doing)[0]
    with session.apart(doing=doing):
        row = session.row(_BASICS, [[name for name, _ in WHERE_KNOWN]], doing=doing)
    version, text, encoding, recovery, database, user, superuser, all_rows, known, odd, each, clients, others = row
    return Basics(
        version=version,
        version_text=text,
        encoding=encoding,
        in_recovery=recovery,
        database=database,
        user=user,
        superuser=superuser,
        sees_all_rows=all_rows,
        search_path=path,
        known_settings=known,
        odd_words=odd,
        lock_slots=each * clients,
        lock_table=each * (clients + others),
    )


def database_key(session: Session) -> tuple[str, int]:
    """What the database is told by (ServerFacts.database_key)."""
    system_id, oid = session.row(
        "SELECT (SELECT system_identifier FROM pg_control_system())::text,"
        " (SELECT oid::int8 FROM pg_database WHERE datname = current_database())",
        doing="asking which database it is",
    )
    return system_id, oid


def require_unfiltered(known: Basics) -> None:
    """Raise PermissionMissing if row-level security may hide rows from the reader."""
    if not known.sees_all_rows:
        raise PermissionMissing(
            f"role {known.user} may not see all rows",
            why="it is neither superuser nor BYPASSRLS, so row-level security could hide rows from the backup",
            hint=f'ALTER ROLE "{known.user}" BYPASSRLS, or connect as a superuser',
        )


def insert_lsn(session: Session, *, in_recovery: bool) -> int:
    return _position(session, _LSN[in_recovery])


def server_facts(session: Session, known: Basics, *, before: int) -> ServerFacts:
    """Facts of `session`'s snapshot, which was exported just now. `before`: insert LSN read before its BEGIN [A5]."""
    recovery = known.in_recovery
    row = session.row(
        f"""
        SELECT pg_current_snapshot()::text, pg_snapshot_xmin(pg_current_snapshot())::text::int8,
               pg_snapshot_xmax(pg_current_snapshot())::text::int8, {_LSN[recovery]}, {_FLUSH[recovery]}, {_TIMELINE[recovery]},
               (SELECT system_identifier FROM pg_control_system())::text,
               to_char(pg_postmaster_start_time(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               (SELECT oid::int8 FROM pg_database WHERE datname = current_database())
        """,
        doing="reading the state of the server",
    )
    snapshot, horizon, next_xid, insert, flush, timeline, system_id, started, database_oid = row
    return ServerFacts(
        version_num=known.version,
        version=known.version_text,
        system_id=system_id,
        database=known.database,
        database_oid=database_oid,
        encoding=known.encoding,
        in_recovery=recovery,
        timeline=timeline,
        postmaster_start=started,
        snapshot=snapshot,
        horizon=horizon,
        next_xid=next_xid,
        insert_lsn=insert,
        flush_lsn=flush,
        insert_lsn_before=before,
    )


def flushed(session: Session, facts: ServerFacts) -> ServerFacts:
    """Force the WAL to disk past the snapshot [D6] and return `facts` with the flush LSN. Raises Incoherent if it is short"""
    if facts.in_recovery:
        return facts
    session.run(FLUSH_STATEMENTS, doing="flushing the WAL")
    flush = _position(session, _FLUSH[False])
    if flush < facts.insert_lsn:
        raise Incoherent(
            "the server did not flush its WAL past the snapshot", why="a crash now could reuse transaction ids"
        )
    return replace(facts, flush_lsn=flush)


def _position(session: Session, expression: str) -> int:
    doing = "reading the WAL position"
    with session.apart(doing=doing):
        lsn: int = session.row(f"SELECT {expression}", doing=doing)[0]
    return lsn
