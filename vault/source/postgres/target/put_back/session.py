"""One connection that puts rows back: stages, decides, writes. Until `writing` it changes nothing but its temporary tables.

Never goes through row-level security (row_security = off: the server refuses where a policy would filter), never runs what others
wrote by merely looking. Messages hold no values of rows. Spec 76-selection.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final, LiteralString

import psycopg

from vault.errors import Incoherent, Locked, PermissionMissing, SourceError, Unreachable, VaultError
from vault.model import TableName
from vault.model.put_back import (
    Decided,
    LeftOut,
    PutBackScope,
    RowWriter,
    SampleRow,
    StagedTable,
    StandingReference,
    StandingTable,
    WantedRows,
)
from vault.source.postgres.connection.connect import Connection
from vault.source.postgres.connection.sql_text import text
from vault.source.postgres.target import attempts
from vault.source.postgres.target.put_back import facts, shown, stage, undo, write
from vault.source.postgres.target.put_back.decide import decide
from vault.source.postgres.target.put_back.lock_wait import LOCK_WAIT_S, LOCKS_WAIT_S, LockWait
from vault.source.postgres.target.put_back.sql_of_table import TableSql, key_or_refuse
from vault.source.postgres.target.silent_triggers import INSERT, REPLICA, UPDATE, triggers_off
from vault.source.postgres.target.unique_keys import unique_keys
from vault.sql.names import qualified
from vault.sql.sqlstate import DEADLOCK_DETECTED, INSUFFICIENT_PRIVILEGE, LOCK_NOT_AVAILABLE, way_past

_SETTINGS: Final = f"SET lock_timeout = '{LOCK_WAIT_S}s'; SET default_transaction_read_only = off; SET synchronous_commit = on; SET jit = off"
_HOLDERS: Final[LiteralString] = """
with tree as (
    select id::pg_catalog.oid as member from unnest(%(tables)s::pg_catalog.oid[]) id
     union select t.relid::pg_catalog.oid from unnest(%(tables)s::pg_catalog.oid[]) id, lateral pg_catalog.pg_partition_tree(id::pg_catalog.oid) t
)
select distinct a.pid, a.usename::text, a.application_name, a.state, 'since ' || pg_catalog.to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SS TZ')
  from pg_catalog.pg_locks l join tree on l.relation = member join pg_catalog.pg_stat_activity a on a.pid = l.pid
 where l.granted and l.mode <> 'AccessShareLock' and a.pid <> pg_catalog.pg_backend_pid() order by 1 limit 10
"""
"""Which of them holds the very row, the server does not tell."""


class PostgresPutBack:
    """Implements ports_of_put_back.PutBackSession. `connection` is in autocommit mode and has the fixed settings."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tables: dict[str, TableSql] = {}
        self._pages: dict[str, int] = {}
        self._decided: Sequence[Decided] = ()
        self._locks: LockWait | None = None
        self._planned_s = 0.0
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        connection.execute(_SETTINGS)

    def references(self) -> Sequence[StandingReference]:
        with self._translated("looking at foreign keys"):
            return facts.references(self._connection)

    def look(self, tables: Iterable[TableName]) -> Mapping[TableName, StandingTable]:
        with self._translated("looking at tables"):
            there = facts.look(self._connection, tables)
        self._pages |= {str(name): standing.pages for name, standing in there.items()}
        return there

    def stage(self, table: StagedTable, blocks: Iterable[bytes], *, wanted: WantedRows) -> int:
        with self._translated(f"rows of {table.name}"):
            unique = tuple(unique_keys(self._connection, table.name))
            sql = TableSql(staged=table, unique=unique, by=key_or_refuse(table, unique))
            self._tables[str(table.name)] = sql
            return stage.stage(self._connection, sql, blocks, wanted=wanted)

    def stage_extra(self, table: StagedTable, blocks: Iterable[bytes], *, wanted: WantedRows) -> None:
        with self._translated(f"rows of {table.name}"):
            stage.stage_extra(self._connection, self._tables[str(table.name)], blocks, wanted=wanted)

    def mark(self, scope: PutBackScope) -> Sequence[LeftOut]:
        with self._translated("what refers to these rows"):
            return stage.mark(self._connection, self._tables, scope)

    def decide(self, scope: PutBackScope) -> Sequence[Decided]:
        begun = time.monotonic()
        with self._translated("comparing rows"):
            self._decided = decide(self._connection, self._tables, scope, locks=self._locks, pages=self._pages)
        if self._locks is None:
            self._planned_s = time.monotonic() - begun
        return self._decided

    def writers(self, table: StagedTable) -> Sequence[RowWriter]:
        with self._translated(f"rows of {table.name}"):
            return shown.writers(self._connection, self._tables[str(table.name)])

    def sample(self, table: StagedTable, rows: int) -> Sequence[SampleRow]:
        with self._translated(f"rows of {table.name}"):
            return shown.sample(self._connection, self._tables[str(table.name)], rows)

    @contextmanager
    def writing(self, scope: PutBackScope) -> Iterator[None]:
        with self._translated("putting rows back", scope), self._connection.transaction(), ExitStack() as stack:
            locks = LockWait(self._connection, planned_s=self._planned_s)
            self._lock(scope, locks)
            names = [table.name for table in scope.tables]
            if facts.look(self._connection, names) != {table.name: table.standing for table in scope.tables}:
                raise Incoherent("a table was altered since the plan was made", hint="run the command again")
            if scope.replica:
                self._connection.execute(REPLICA)
            elif not scope.fire:
                for name in names:
                    off = triggers_off(self._connection, name, replicate=False, events=INSERT | UPDATE)
                    self._refuse_firing(name, stack.enter_context(off))
            self._locks = locks
            try:
                yield
            finally:
                self._locks = None

    def _refuse_firing(self, name: TableName, firing: Sequence[str]) -> None:
        if firing:
            raise SourceError(
                f"rows of {name}",
                why=f"{', '.join(firing)} would fire, and this role may not switch that off (session_replication_role)",
                hint="add --fire-triggers if that is right, or connect as a role that may",
            )

    def _lock(self, scope: PutBackScope, locks: LockWait) -> None:
        """Against changes of definitions, by name. Replicas do not check deferrable keys, so nobody may write beside us there."""
        for table in sorted(scope.tables, key=lambda one: one.name):
            alone = scope.replica and table.standing.deferrable
            mode = "SHARE ROW EXCLUSIVE" if alone else "ROW EXCLUSIVE"
            with locks.bounded():
                self._connection.execute(text(f"LOCK TABLE {qualified(table.name)} IN {mode} MODE"))

    def undo(self, scope: PutBackScope) -> Iterator[bytes]:
        with self._translated("writing down how to undo it"):
            yield from undo.undo(self._connection, self._in_order(scope), scope, self._decided)

    def write(self, scope: PutBackScope) -> None:
        tables = self._in_order(scope)
        with self._translated("putting rows back", scope):
            write.write(self._connection, tables, scope, list(self._decided))
            assert self._locks is not None, "within `writing`"
            with self._connection.cursor() as cursor:
                write.verify(cursor, tables, scope, list(self._decided), pages=self._pages, locks=self._locks)

    def _in_order(self, scope: PutBackScope) -> list[TableSql]:
        return [self._tables[str(table.name)] for table in scope.tables]

    @contextmanager
    def _translated(self, doing: str, scope: PutBackScope | None = None) -> Iterator[None]:
        """Inside of `writing` an error goes up as it is, so that it is translated when the transaction has ended."""
        try:
            yield
        except psycopg.Error as error:
            if self._locks is not None:
                raise
            raise self._ours(error, doing, scope) from error

    def _ours(self, error: psycopg.Error, doing: str, scope: PutBackScope | None) -> VaultError:
        translated = attempts.translate(error, doing)
        if isinstance(translated, Unreachable):
            return translated
        if scope is not None and error.sqlstate in (LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED):
            return Locked(
                f"{doing}: others hold what is needed, and nothing was changed",
                why=self._holders(scope)
                or f"a lock was waited for {LOCK_WAIT_S} s, or all of them for {LOCKS_WAIT_S} s",
                hint="run the command again when they are done, or end them: SELECT pg_terminate_backend(PID)",
            )
        if error.sqlstate == INSUFFICIENT_PRIVILEGE:
            return PermissionMissing(doing, why=translated.why, sqlstate=translated.sqlstate)
        if scope is not None and (way := way_past(error.sqlstate or "")):
            why = f"{translated.why} of table {error.diag.table_name}"
            hint = f"choose rows that it allows, with --where; or {way}"
            return SourceError(f"{doing}: nothing was changed", why=why, hint=hint, sqlstate=translated.sqlstate)
        return translated

    def _holders(self, scope: PutBackScope | None) -> str:
        """Sessions that hold locks of the tables, in words; asked when the transaction has ended."""
        if scope is None or self._connection.closed:
            return ""
        oids = [table.standing.oid for table in scope.tables]
        held = self._connection.execute(_HOLDERS, {"tables": oids}).fetchall()
        return "; ".join(f"session {pid} ({', '.join(filter(None, words))})" for pid, *words in held)

    def close(self) -> None:
        self._connection.close()
