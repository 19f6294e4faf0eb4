"""Rows for which an expression of the user's holds. PostgreSQL evaluates it; nothing here reads SQL.

For a session of a login that is no superuser and cannot become one. A batch of rows is a temporary table in a transaction that becomes
read-only when it is made; the expression is a part of one statement of the extended protocol, so it cannot end it and begin another.
It has to be an expression with one pair of parentheses around it and with two: what closes one of them to go on with UNION, GROUP BY
or LIMIT is refused by one or the other. It sees the columns of the row, also by the table's name; a table of that name there is none.
A function that it calls may still act outside of the database, with the rights of the login. Spec 86-foreign-code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, LiteralString

import psycopg

from vault.errors import Unreachable, UsageError
from vault.model import TableItem
from vault.source.postgres.connection.connect import Session, translated
from vault.source.postgres.connection.psycopg_errors import is_lost, words
from vault.source.postgres.connection.sql_text import text
from vault.sql import sqlstate
from vault.sql.names import quote

BATCH_BYTES: Final = 8 * 1024 * 1024
"""Of COPY text in a batch; what is longer comes alone."""
_STAGE: Final = 'pg_temp."pgvault rows"'
_NUMBER: Final = '"pgvault row"'
_DOING: Final = "evaluating the expression"
_READ: Final[LiteralString] = """
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
  FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database AND d.datname = pg_catalog.current_database()
  JOIN pg_catalog.pg_class c ON c.oid = l.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE l.locktype = 'relation' AND l.pid = pg_catalog.pg_backend_pid() AND c.relkind IN ('r', 'p', 'm', 'v', 'f')
   AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
"""
"""What else the transaction read, be it in a function: a table that is empty here would make a wrong answer."""


class RowFilter:
    """`table`: names and types of its columns as the session's database has them; rows are in the encoding of `encoding`.

    path  schemas in which names of the expression are looked for, after PostgreSQL's own
    """

    def __init__(
        self, session: Session, table: TableItem, expression: str, *, encoding: str, path: Iterable[str] = ("public",)
    ) -> None:
        self._session = session
        self._table = table
        self._expression = expression
        self._encoding = encoding
        self._path = ", ".join(map(quote, path))

    def check(self) -> None:
        """Raises  UsageError: it is no expression over a row of this table, with the server's words; Unreachable"""
        with self._session.lock, self._batch():
            self._numbers(f"({self._expression}\n)")
            self._numbers(f"(({self._expression}\n))")

    def matching(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The rows, as they came, for which it is true; blocks of whole rows. Raises  as `check`"""
        for batch in _batches(blocks):
            with self._session.lock, self._batch():
                self._load(batch)
                kept = self._numbers(f"(({self._expression}\n))")
            if kept:
                rows = b"".join(batch).split(b"\n")
                yield b"".join(rows[number - 1] + b"\n" for number in kept)

    @contextmanager
    def _batch(self) -> Iterator[None]:
        """A transaction that has the empty table and may write nothing else; undone at the end."""
        columns = [f"{quote(column.name)} {column.type}" for column in self._table.columns]
        listed = ", ".join([*columns, f"{_NUMBER} bigint GENERATED ALWAYS AS IDENTITY"])
        begin = (
            f"BEGIN; SET LOCAL search_path = {self._path or repr('')}; SET LOCAL synchronize_seqscans = off;"
            f" CREATE TEMPORARY TABLE {_STAGE} ({listed}) ON COMMIT DROP; SET LOCAL transaction_read_only = on"
        )
        self._session.run(begin, doing=_DOING)
        try:
            yield
        finally:
            if not self._session.connection.closed:
                self._session.run("ROLLBACK", doing=_DOING)

    def _load(self, batch: list[bytes]) -> None:
        names = ", ".join(quote(column.name) for column in self._table.columns)
        columns = f" ({names})" if names else ""
        statement = f"COPY {_STAGE}{columns} FROM STDIN WITH (ENCODING '{self._encoding}')"
        with translated(_DOING), self._session.connection.cursor().copy(text(statement)) as stream:
            for block in batch:
                stream.write(block)

    def _numbers(self, condition: str) -> list[int]:
        """Of the rows that meet it, from 1, in order."""
        query = f"SELECT {_NUMBER} FROM {_STAGE} AS {quote(self._table.name.name)} WHERE {condition}"
        try:
            found = [row[0] for row in psycopg.RawCursor(self._session.connection).stream(query.encode(), [])]
        except psycopg.Error as error:
            raise _refusal(error, self._session) from error
        for (name,) in self._session.rows(_READ, doing=_DOING):
            raise UsageError(
                "the expression cannot be evaluated", why=f"it reads {name}, whose rows are not here", hint=_WITH_TABLES
            )
        return sorted(found)


def _refusal(error: psycopg.Error, session: Session) -> UsageError | Unreachable:
    why = words(error)
    if is_lost(error) and session.connection.closed:  # a parameter that nobody gave is a violation of the protocol too
        return Unreachable(f"the connection was lost while {_DOING}", why=why)
    return UsageError("the expression cannot be evaluated", why=why, hint=_HINTS.get(error.sqlstate or "", _HINT))


_HINT: Final = "write a condition as after WHERE, on columns of this table: \"total > 100 AND state = 'paid'\""
_WITH_TABLES: Final = "an expression sees one row of this table; for more than that: pgvault sql SNAP QUERY"
_HINTS: Final = {
    sqlstate.UNDEFINED_TABLE: _WITH_TABLES,
    sqlstate.INSUFFICIENT_PRIVILEGE: "an expression is evaluated by a login without rights",
    sqlstate.READ_ONLY_SQL_TRANSACTION: "an expression changes nothing",
}


def _batches(blocks: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for block in blocks:
        if batch and size + len(block) > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(block)
        size += len(block)
    if batch:
        yield batch
