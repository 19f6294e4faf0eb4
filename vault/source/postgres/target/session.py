"""One connection that restores: entries with owner and exact privileges, rows, sequences, large objects.

Follows pg_backup_archiver.c (_printTocEntry, _doSetFixedOutputState), except where its way leaves a database open or
loses a table: spec 75-restore. Invariant: each method is one transaction; what it raises for left nothing behind.
Never shows row data: messages of data errors are replaced by their SQLSTATE and the constraint's name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import psycopg

from vault.errors import SourceError
from vault.model import (
    Address,
    BrokenReference,
    Cut,
    Identity,
    LargeObjectItem,
    MergedRows,
    SequenceItem,
    SuspendedCheck,
    TableItem,
    TableName,
)
from vault.model.meaning import Meanings
from vault.source.postgres.connection.connect import Connection, Session
from vault.source.postgres.connection.sql_text import text
from vault.source.postgres.rows.psycopg_copy import read_piece
from vault.source.postgres.rows.unplannable import foreign
from vault.source.postgres.target import foreign_keys, large_object, merge, referring_rows
from vault.source.postgres.target.attempts import translate
from vault.source.postgres.target.entry_writer import SET_PATH, EntryWriter
from vault.source.postgres.target.held_table import held
from vault.source.postgres.target.merge import QuietWriter
from vault.source.postgres.target.silent_triggers import triggers_off
from vault.sql import privileges, statements
from vault.sql.names import literal, qualified, quote
from vault.sql.settings import CONNECTION_CHECK, RESTORING
from vault.sql.sqlstate import CHECK_VIOLATION, NOT_FOUND


def apply_settings(connection: Connection) -> None:
    """The fixed state in which every statement of a restore runs; what the server's version does not have is left out."""
    connection.execute("select pg_catalog.set_config('search_path', '', false)")  # first: the next has operators
    names, values = zip(*RESTORING, strict=True)
    connection.execute(
        "select pg_catalog.set_config(name, value, false)"
        "  from unnest(%s::text[], %s::text[]) as wanted(name, value)"
        " where exists (select from pg_catalog.pg_settings s where s.name = wanted.name)",
        (list(names), list(values)),
    )
    _end_with_client(connection)


def _end_with_client(connection: Connection) -> None:
    """Let the server look now and then whether we still live: a killed process would leave its statement and its locks.

    From PostgreSQL 14 on; a server whose system cannot tell refuses the value, and goes on as before.
    """
    with contextlib.suppress(psycopg.errors.InvalidParameterValue):
        connection.execute(
            "select pg_catalog.set_config(s.name, %s, false) from pg_catalog.pg_settings s"
            " where s.name = 'client_connection_check_interval'",
            (CONNECTION_CHECK,),
        )


class PostgresTargetSession(EntryWriter):
    """Implements ports.TargetSession. `connection` is in autocommit mode and has the fixed settings."""

    def __init__(
        self,
        connection: Connection,
        *,
        rows_encoding: str,
        may_replicate: bool = True,
        search_paths: Mapping[str, str] | None = None,
        meanings: Meanings | None = None,
    ) -> None:
        super().__init__(connection, search_paths=search_paths or {}, meanings=meanings or Meanings())
        self._rows_encoding = rows_encoding
        self._may_replicate = may_replicate
        self._paths_of_rows: dict[TableName, str] = {}

    def merge(self, table: TableItem, blocks: Iterator[bytes], *, rows: int, exact: bool) -> MergedRows:
        into = merge.Into(encoding=self._rows_encoding, exact=exact, replicate=self._may_replicate)
        try:
            return merge.merge(self._connection, table, blocks, rows=rows, into=into)
        except psycopg.Error as error:
            raise translate(error, f"rows of {table.name}") from error

    def foresee(self, table: TableItem, blocks: Iterator[bytes], *, rows: int, exact: bool) -> MergedRows:
        into = merge.Into(encoding=self._rows_encoding, exact=exact, replicate=self._may_replicate)
        try:
            return merge.foresee(self._connection, table, blocks, rows=rows, into=into)
        except psycopg.Error as error:
            raise translate(error, f"rows of {table.name}") from error

    def views_over(self, identity: Identity) -> Sequence[Address]:
        return self._attempt("looking for views", lambda: referring_rows.views_over(self._connection, identity))

    def broken_references(self, tables: Sequence[TableName]) -> Sequence[BrokenReference]:
        return self._attempt("foreign keys", lambda: foreign_keys.broken_references(self._connection, tables))

    def count_rows(self, tables: Sequence[TableName]) -> Mapping[TableName, int]:
        return self._attempt("counting rows", lambda: referring_rows.count_rows(self._connection, tables))

    def cut_off(self, table: TableItem, columns: Sequence[str], blocks: Iterator[bytes], *, cut: Cut) -> int:
        try:
            return referring_rows.cut_off(
                self._connection, table, columns, blocks, encoding=self._rows_encoding, cut=cut
            )
        except psycopg.Error as error:
            raise translate(error, f"references of {table.name}") from error

    def load(self, table: TableItem, blocks: Iterator[bytes]) -> int:
        if table.name in self._paths_of_rows:
            with self._loading(table):
                return self._copy(table, blocks)
        try:
            return self._copy(table, blocks)  # a transaction by itself: two round trips less for a small table
        except psycopg.Error as error:
            raise translate(error, f"rows of {table.name}") from error

    def load_standing(self, table: TableItem, blocks: Iterator[bytes], *, replace: bool) -> MergedRows:
        with self._loading(table):
            into = table.load_via_root or table.name
            with (
                held(self._connection, into, mode="ROW EXCLUSIVE"),
                triggers_off(self._connection, into, replicate=self._may_replicate) as fired,
            ):
                if replace:
                    self._connection.execute(text(statements.delete_rows(table)))
                rows = self._copy(table, blocks)
            return MergedRows(added=rows, fired=fired if rows else ())

    @contextlib.contextmanager
    def _loading(self, table: TableItem) -> Iterator[None]:
        """One transaction, with the path in which rows of this table find what they call."""
        try:
            with self._connection.transaction():
                if (path := self._paths_of_rows.get(table.name)) is not None:
                    self._connection.execute(SET_PATH, (path,))
                yield
        except psycopg.Error as error:
            raise translate(error, f"rows of {table.name}") from error

    def _copy(self, table: TableItem, blocks: Iterator[bytes]) -> int:
        statement = text(statements.copy_rows(table, encoding=self._rows_encoding))
        with self._connection.cursor() as cursor:
            with cursor.copy(statement, writer=QuietWriter(cursor)) as copy:
                for block in blocks:
                    copy.write(block)
            return cursor.rowcount

    def suspend_check(self, why: SourceError) -> SuspendedCheck | None:
        cause = why.__cause__
        if not isinstance(cause, psycopg.Error) or cause.sqlstate != CHECK_VIOLATION or not cause.diag.constraint_name:
            return None
        name = cause.diag.constraint_name
        table = cause.diag.table_name
        query = privileges.TABLE_CHECK if table else privileges.DOMAIN_CHECK
        values = {"name": name, "schema": cause.diag.schema_name, "subject": table or cause.diag.datatype_name}
        checks = self._query("constraint", query, values)
        quoted = quote(name)
        self.run([f"ALTER {subject} DROP CONSTRAINT {quoted};" for subject, *_ in checks])
        validate = tuple(f"ALTER {subject} VALIDATE CONSTRAINT {quoted};" for subject, _, valid, _ in checks if valid)
        paths = sorted({self._search_paths[owner] for *_, owner in checks if owner in self._search_paths})
        in_paths = tuple(
            (f"select pg_catalog.set_config('search_path', {literal(path)}, true);", *validate) for path in paths
        )
        return SuspendedCheck(
            name=name,
            subject=str(values["subject"]),
            add=tuple(f"ALTER {subject} ADD CONSTRAINT {quoted} {check} NOT VALID;" for subject, check, *_ in checks),
            validate=(validate, *in_paths) if validate else (),
        )

    def look_in_path(self, table: TableItem, why: SourceError) -> bool:
        if why.sqlstate not in NOT_FOUND or table.name in self._paths_of_rows:
            return False
        query = "select pg_catalog.pg_get_userbyid(relowner)::text from pg_catalog.pg_class where oid = pg_catalog.to_regclass(%(name)s)"
        owners = self._query("table", query, {"name": qualified(table.name)})
        path = self._search_paths.get(str(owners[0][0])) if owners else None
        if path is not None:
            self._paths_of_rows[table.name] = path
        return path is not None

    def is_empty(self, table: TableItem) -> bool:
        query = f"select not exists (select from only {qualified(table.name)} {table.condition})"
        return bool(self._query("table", query)[0][0])

    def generated(self, table: TableName, columns: Sequence[str], *, only: bool) -> Iterator[bytes] | None:
        """See ports.TargetSession."""
        name = str(table)
        oids = self._query(
            "table", "select pg_catalog.to_regclass(%(name)s)::pg_catalog.oid", {"name": qualified(table)}
        )
        if foreign(Session(self._connection), [oid for (oid,) in oids if oid is not None]):
            return None
        return self._generated(table, columns, only="only " if only else "", doing=f"generated columns of {name}")

    def _generated(self, table: TableName, columns: Sequence[str], *, only: str, doing: str) -> Iterator[bytes]:
        listed = ", ".join(map(quote, columns))
        query = (
            f"COPY (SELECT {listed} FROM {only}{qualified(table)}) TO STDOUT (ENCODING {literal(self._rows_encoding)})"
        )
        session = Session(self._connection)
        try:
            with self._connection.cursor().copy(text(query)) as stream:
                while piece := read_piece(session, stream):
                    yield piece
        except psycopg.Error as error:
            raise translate(error, doing) from error

    def set_sequences(self, items: Sequence[SequenceItem], *, forward: bool = False) -> None:
        setting = statements.set_sequence_forward if forward else statements.set_sequence
        doing = f"value of sequence {items[0].name}" if len(items) == 1 else f"values of {len(items)} sequences"
        self._attempt(doing, lambda: self._run(["\n".join(map(setting, items))]))

    def compare_large_object(self, item: LargeObjectItem, blocks: Iterator[bytes]) -> Sequence[str] | None:
        try:
            return large_object.compare(self._connection, item, blocks)
        except psycopg.Error as error:
            raise translate(error, f"large object {item.oid}") from error

    def create_large_object(
        self, item: LargeObjectItem, blocks: Iterator[bytes], *, replace: bool = False
    ) -> Sequence[str]:
        reset = (lambda: self._resetting("large object", [str(item.oid)], ())) if "L" in self._reset else list
        try:
            return large_object.create(self._connection, item, blocks, replace=replace, reset=reset)
        except psycopg.Error as error:
            raise translate(error, f"large object {item.oid}") from error

    def flush(self) -> None:
        """A commit that waits makes all commits before it durable."""
        self.run(
            ["SET LOCAL synchronous_commit TO on;", "SELECT pg_catalog.pg_logical_emit_message(true, 'pgvault', '');"]
        )

    def close(self) -> None:
        self._connection.close()
