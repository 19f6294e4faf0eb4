"""A database of our own that answers questions: made and filled by a role that owns it, asked by a login that may only read.

Implements what `ops.query` asks of. Neither role is a superuser. A statement is the query of a cursor, by the extended protocol and in a
READ ONLY transaction: so it is one statement, and one that reads. Values are held a few megabytes at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, LiteralString

import psycopg

from vault.errors import SourceError, Unreachable, UsageError
from vault.model import Column, TableName
from vault.source.postgres.connection.connect import Session, translated
from vault.source.postgres.connection.psycopg_errors import is_lost, words
from vault.source.postgres.connection.sql_text import text
from vault.sql import sqlstate
from vault.sql.names import qualified, quote
from vault.sql.settings import RESTORING, SHARED

OWNER: Final = "pgvault_owner"
_DOING: Final = "preparing the throwaway database"
_ASKING: Final = "answering the statement"
_FETCH_BYTES: Final = 4 * 1024 * 1024
_FETCH_ROWS_MAX: Final = 10_000
_CURSOR: Final = '"pgvault answer"'
_RELATIONS: Final[LiteralString] = """
SELECT c.oid::pg_catalog.int8, n.nspname::text, c.relname::text, c.relkind::text
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
"""
_READ: Final[LiteralString] = """
SELECT l.relation::pg_catalog.int8 FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database
 WHERE l.locktype = 'relation' AND l.pid = pg_catalog.pg_backend_pid() AND d.datname = pg_catalog.current_database()
"""
_CREATE_OWNER: Final = """
CREATE ROLE {owner} NOSUPERUSER NOCREATEDB NOCREATEROLE NOLOGIN NOREPLICATION NOBYPASSRLS;
ALTER DATABASE {database} OWNER TO {owner}; ALTER SCHEMA public OWNER TO {owner}
"""


class QueryOwner:
    """Sessions of a superuser and of OWNER in this database. What is run of a snapshot is run as OWNER. `encoding`: of rows that come."""

    def __init__(self, superuser: Session, owner: Session, *, encoding: str) -> None:
        self._superuser = superuser
        self._owner = owner
        self._encoding = encoding
        for name, value in RESTORING:
            try:
                owner.run(f"SET {name} = '{value}'", doing=_DOING)
            except SourceError as error:
                if error.sqlstate != sqlstate.UNDEFINED_OBJECT:  # a server that does not have it yet
                    raise

    def define(self, statement: str) -> None:
        try:
            self._owner.run(f"BEGIN;\n{statement}\n;COMMIT", doing=_DOING)
        except SourceError:
            if not self._owner.connection.closed:
                self._owner.run("ROLLBACK", doing=_DOING)
            raise

    def extend(self, name: str, schema: str) -> None:
        self._superuser.run(f"CREATE EXTENSION IF NOT EXISTS {quote(name)} WITH SCHEMA {quote(schema)}", doing=_DOING)

    def relations(self) -> Mapping[int, tuple[TableName, str]]:
        rows = self._superuser.rows(_RELATIONS, doing=_DOING)
        return {oid: (TableName(schema=schema, name=name), kind) for oid, schema, name, kind in rows}

    def load(self, name: TableName, columns: Sequence[str], blocks: Iterator[bytes]) -> None:
        listed = f" ({', '.join(map(quote, columns))})" if columns else ""
        statement = f"COPY {qualified(name)}{listed} FROM STDIN WITH (ENCODING '{self._encoding}')"
        doing = f"loading {name.schema}.{name.name}"
        with self._owner.lock, translated(doing), self._owner.connection.cursor().copy(text(statement)) as stream:
            for block in blocks:
                stream.write(block)
        self._owner.run(f"ANALYZE {qualified(name)}", doing=doing)

    def definition(self, oid: int) -> str:
        found: str = self._superuser.row("SELECT pg_catalog.pg_get_viewdef(%s::pg_catalog.oid)", [oid], doing=_DOING)[0]
        return found

    def refresh(self, name: TableName) -> None:
        self._owner.run(f"REFRESH MATERIALIZED VIEW {qualified(name)}", doing=f"computing {name.schema}.{name.name}")


def make_owner(superuser: Session, database: str) -> None:
    """The role that owns `database` and may log in nowhere else than on our socket. Raises  SourceError"""
    names = {"owner": quote(OWNER), "database": quote(database)}
    superuser.run(_CREATE_OWNER.format(**names) + f"; ALTER ROLE {quote(OWNER)} LOGIN", doing=_DOING)


class QueryReader:
    """`session`: of a login that may read everything and write nothing. `path`: schemas in which names are looked for."""

    def __init__(self, session: Session, path: Sequence[str]) -> None:
        self._session = session
        for name, value in SHARED:
            if name not in {"search_path", "row_security"}:
                session.run(f"SET {name} = '{value}'", doing=_DOING)
        listed = ", ".join(map(quote, path)) or "''"
        session.run(f"SET search_path = {listed}", doing=_DOING)

    def touched(self, statement: str) -> frozenset[int]:
        with self._session.lock, self._transaction():
            with self._refused():  # a cursor would not open over a materialized view that is still empty
                psycopg.RawCursor(self._session.connection).execute(f"EXPLAIN {statement}".encode(), [], binary=True)
            return self._read()

    def run(
        self, statement: str, write: Callable[[Sequence[Sequence[bytes | None]]], object]
    ) -> tuple[Sequence[Column], frozenset[int]]:
        with self._session.lock, self._transaction():
            with self._refused():
                query = f"DECLARE {_CURSOR} NO SCROLL CURSOR FOR {statement}"
                psycopg.RawCursor(self._session.connection).execute(query.encode(), [], binary=True)
            columns = self._columns()
            rows = 1
            while True:
                fetched = self._fetch(rows)
                if not fetched:
                    return columns, self._read()
                write(fetched)
                widest = max(sum(len(value or b"") for value in row) for row in fetched)
                rows = max(1, min(_FETCH_ROWS_MAX, 2 * rows, _FETCH_BYTES // (widest + 1)))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One that writes nothing, and is undone at the end."""
        self._session.run("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", doing=_ASKING)
        try:
            yield
        finally:
            if not self._session.connection.closed:
                self._session.run("ROLLBACK", doing=_ASKING)

    def _columns(self) -> list[Column]:
        cursor = self._session.connection.cursor()
        with self._refused():
            cursor.execute(text(f"FETCH FORWARD 0 FROM {_CURSOR}"))
        result = cursor.pgresult
        assert result is not None
        columns = []
        for at in range(result.nfields):
            declared = [result.ftype(at), result.fmod(at)]
            kind = self._session.row(
                "SELECT pg_catalog.format_type(%s::pg_catalog.oid, %s::int)", declared, doing=_ASKING
            )[0]
            columns.append(Column(name=(result.fname(at) or b"").decode(), type=kind, attnum=at + 1))
        return columns

    def _fetch(self, rows: int) -> list[list[bytes | None]]:
        cursor = self._session.connection.cursor()
        with self._refused():
            cursor.execute(text(f"FETCH FORWARD {rows} FROM {_CURSOR}"))
        result = cursor.pgresult
        assert result is not None
        return [[result.get_value(row, at) for at in range(result.nfields)] for row in range(result.ntuples)]

    @contextmanager
    def _refused(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            why = words(error)
            if is_lost(error) and self._session.connection.closed:
                raise Unreachable(f"the connection was lost while {_ASKING}", why=why) from error
            hint = _HINTS.get(error.sqlstate or "", _HINT)
            raise UsageError("the statement cannot be answered", why=why, hint=hint) from error

    def _read(self) -> frozenset[int]:
        return frozenset(row[0] for row in self._session.rows(_READ, doing=_ASKING))


_HINT: Final = "one statement that reads: SELECT, WITH, VALUES or TABLE"
_HINTS: Final = {
    sqlstate.UNDEFINED_TABLE: "list the tables with: pgvault show SNAP; write SCHEMA.TABLE",
    sqlstate.INSUFFICIENT_PRIVILEGE: "it is asked by a login that may read the snapshot's tables and nothing else",
    sqlstate.READ_ONLY_SQL_TRANSACTION: "nothing is changed here",
}
