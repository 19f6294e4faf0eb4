"""One connection that restores: entries with owner and exact privileges, rows, sequences, large objects.

Follows pg_backup_archiver.c (_printTocEntry, _doSetFixedOutputState), except where its way leaves a database open or
loses a table: spec 75-restore. Invariant: each method is one transaction; what it raises for left nothing behind.
Never shows row data: messages of data errors are replaced by their SQLSTATE and the constraint's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import psycopg

from vault.errors import SourceError, Unreachable
from vault.model import (
    BrokenReference,
    Identity,
    LargeObjectItem,
    MergedRows,
    SchemaEntry,
    SequenceItem,
    SuspendedCheck,
    TableItem,
    TableName,
)
from vault.source.postgres.connection.connect import Connection, Session
from vault.source.postgres.connection.text import text
from vault.source.postgres.definitions import extras
from vault.source.postgres.target import large_object as largeobject_target
from vault.source.postgres.target import merge
from vault.source.postgres.target.merge import QuietWriter
from vault.sql import privileges, statements
from vault.sql.names import qualified, quote
from vault.sql.settings import RESTORING

T = TypeVar("T")


_DATA_ERRORS: Final = ("22", "23", "P0")
_UNIQUE_VIOLATION: Final = "23505"
_NOT_NULL_VIOLATION: Final = "23502"
_FOREIGN_KEY_VIOLATION: Final = "23503"
_CHECK_VIOLATION: Final = "23514"
_ALREADY_THERE: Final = frozenset({"42710", "42P07", "42P16"})
_DEADLOCK: Final = "40P01"
_NOT_FOUND: Final = frozenset({"42883", "42P01", "42704"})
"""A function, relation or type. Every name in a definition is qualified, so these come from inside functions' bodies."""
_SET_PATH: Final = "select pg_catalog.set_config('search_path', %s, true)"
_ATTEMPTS: Final = 3


def translate(error: psycopg.Error, doing: str) -> SourceError:
    """Our error for psycopg's, without any value of a row."""
    state = error.sqlstate or ""
    why = error.diag.message_primary or type(error).__name__
    if state.startswith(_DATA_ERRORS) and not (state == _UNIQUE_VIOLATION and error.diag.constraint_name):
        named = error.diag.constraint_name or error.diag.column_name or ""
        why = f"{type(error).__name__}{f' of {named}' if named else ''} ({state})"
    if not state and isinstance(error, psycopg.OperationalError):
        return Unreachable(f"{doing}: the connection to the target was lost", why=why)
    if state.startswith(("08", "57P")):
        return Unreachable(f"{doing}: the target ended the connection", why=why, sqlstate=state)
    return SourceError(doing, why=why, sqlstate=state)


def apply_settings(connection: Connection) -> None:
    """The fixed state in which every statement of a restore runs; what the server's version does not have is left out."""
    names, values = zip(*RESTORING, strict=True)
    connection.execute(
        "select pg_catalog.set_config(name, value, false)"
        "  from unnest(%s::text[], %s::text[]) as wanted(name, value)"
        " where exists (select from pg_catalog.pg_settings s where s.name = wanted.name)",
        (list(names), list(values)),
    )


class PostgresTargetSession:
    """Implements ports.TargetSession. `connection` is in autocommit mode and has the fixed settings."""

    def __init__(
        self,
        connection: Connection,
        *,
        rows_encoding: str,
        may_replicate: bool = True,
        search_paths: Mapping[str, str] | None = None,
    ) -> None:
        self._connection = connection
        self._rows_encoding = rows_encoding
        self._may_replicate = may_replicate
        self._placed = {"default_tablespace": "", "default_table_access_method": "heap"}
        self._search_paths = search_paths or {}
        self._paths_of_rows: dict[TableName, str] = {}
        self._on_members: dict[Identity, str] | None = None
        self._grouped = False
        self._reset = frozenset(str(row[0]) for row in connection.execute(privileges.OWN_DEFAULTS))

    def run(self, statements: Sequence[str]) -> None:
        self._attempt("statement failed", lambda: self._run(statements))

    def create(self, entry: SchemaEntry, *, then: Sequence[str] = ()) -> Sequence[str]:
        name = f"{entry.identity.desc} {entry.tag}"
        notes = self._place(entry)
        owner = statements.set_owner(entry)
        try:
            self._attempt(name, lambda: self._create(entry, owner, then))
        except Unreachable:
            raise
        except SourceError as error:
            if error.sqlstate in _ALREADY_THERE and self._adopt(entry):
                return notes
            if error.sqlstate in _NOT_FOUND and self._create_on_path(entry, owner, then):
                return notes
            if owner is None:
                raise
            try:
                self._attempt(name, lambda: self._create(entry, None, then))
            except SourceError:
                raise error from error.__cause__
            notes.append(f"owner {entry.owner} not set: {error.why}")
        return notes

    def create_weaker(self, entry: SchemaEntry, why: SourceError) -> str | None:
        desc = entry.identity.desc
        statement, done = None, ""
        if (desc, why.sqlstate) in (("FK CONSTRAINT", _FOREIGN_KEY_VIOLATION), ("CHECK CONSTRAINT", _CHECK_VIOLATION)):
            statement, done = statements.append_not_valid(entry.definition), "created NOT VALID: rows violate it"
        elif desc in ("CONSTRAINT", "INDEX") and why.sqlstate in (_UNIQUE_VIOLATION, _NOT_NULL_VIOLATION):
            statement, done = statements.plain_index(entry), "created as a plain index: rows violate it"
        if statement is None:
            return None
        self._attempt(f"{desc} {entry.tag}", lambda: self._run([statement]))
        key = statements.read_key(entry) if desc == "CONSTRAINT" else None
        return done if key is None else f"{done} ({self._count_violations(key)})"

    @contextmanager
    def together(self) -> Iterator[None]:
        try:
            self._grouped = True
            with self._connection.transaction():
                yield
        except psycopg.Error as error:
            raise translate(error, "the exchange could not be ended") from error
        finally:
            self._grouped = False
            self._placed = {"default_tablespace": "?", "default_table_access_method": "?"}

    def replace(self, entry: SchemaEntry, present: SchemaEntry, *, again: Sequence[str] = ()) -> Sequence[str]:
        name = f"{entry.identity.desc} {entry.tag}"
        owner = statements.set_owner(entry)
        if entry.definition == present.definition:
            self._attempt(name, lambda: self._run([] if owner is None else [owner]))
            return []
        changed = statements.create_or_replace(entry)
        if changed is None:
            return self.create(entry)
        try:
            self._attempt(name, lambda: self._run([f"{changed}\n{owner or ''}"]))
        except Unreachable:
            raise
        except SourceError:  # another result type or other columns: only dropping it helps
            self._attempt(name, lambda: self._drop_and_create(entry, present, owner, again))
        return []

    def _drop_and_create(
        self, entry: SchemaEntry, present: SchemaEntry, owner: str | None, again: Sequence[str]
    ) -> None:
        with self._connection.transaction():
            self._run_inside([present.drop])
            self._create(entry, owner, ())
            self._run_inside(again)

    def merge(self, table: TableItem, blocks: Iterator[bytes], *, rows: int, exact: bool) -> MergedRows:
        into = merge.Into(encoding=self._rows_encoding, exact=exact, replicate=self._may_replicate)
        try:
            return merge.merge(self._connection, table, blocks, rows=rows, into=into)
        except psycopg.Error as error:
            raise translate(error, f"rows of {table.name.schema}.{table.name.name}") from error

    def broken_references(self, tables: Sequence[TableName]) -> Sequence[BrokenReference]:
        return self._attempt("foreign keys", lambda: merge.broken_references(self._connection, tables))

    def load(self, table: TableItem, blocks: Iterator[bytes], *, replace: bool = False) -> int:
        name = f"rows of {table.name.schema}.{table.name.name}"
        try:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                if (path := self._paths_of_rows.get(table.name)) is not None:
                    cursor.execute(_SET_PATH, (path,))
                if replace:
                    cursor.execute(text(statements.delete_rows(table)))
                statement = text(statements.copy_rows(table, encoding=self._rows_encoding))
                with cursor.copy(statement, writer=QuietWriter(cursor)) as copy:
                    for block in blocks:
                        copy.write(block)
                return cursor.rowcount
        except psycopg.Error as error:
            raise translate(error, name) from error

    def suspend_check(self, why: SourceError) -> SuspendedCheck | None:
        cause = why.__cause__
        if not isinstance(cause, psycopg.Error) or cause.sqlstate != _CHECK_VIOLATION or not cause.diag.constraint_name:
            return None
        name = cause.diag.constraint_name
        table = cause.diag.table_name
        query = privileges.TABLE_CHECK if table else privileges.DOMAIN_CHECK
        values = {"name": name, "schema": cause.diag.schema_name, "subject": table or cause.diag.datatype_name}
        found = self._query("constraint", query, values)
        quoted = quote(name)
        self.run([f"ALTER {subject} DROP CONSTRAINT {quoted};" for subject, _ in found])
        added = tuple(f"ALTER {subject} ADD CONSTRAINT {quoted} {check} NOT VALID;" for subject, check in found)
        return SuspendedCheck(name=name, subject=str(values["subject"]), add=added)

    def look_in_path(self, table: TableItem, why: SourceError) -> bool:
        if why.sqlstate not in _NOT_FOUND or table.name in self._paths_of_rows:
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

    def set_sequence(self, item: SequenceItem, *, forward: bool = False) -> None:
        statement = statements.set_sequence_forward(item) if forward else statements.set_sequence(item)
        self._attempt(f"value of sequence {item.name.schema}.{item.name.name}", lambda: self._run([statement]))

    def holds(self, item: LargeObjectItem, blocks: Iterator[bytes]) -> bool | None:
        try:
            return largeobject_target.holds(self._connection, item, blocks)
        except psycopg.Error as error:
            raise translate(error, f"large object {item.oid}") from error

    def create_large_object(
        self, item: LargeObjectItem, blocks: Iterator[bytes], *, replace: bool = False
    ) -> Sequence[str]:
        reset = (lambda: self._resetting("large object", [str(item.oid)], ())) if "L" in self._reset else list
        try:
            return largeobject_target.create(self._connection, item, blocks, replace=replace, reset=reset)
        except psycopg.Error as error:
            raise translate(error, f"large object {item.oid}") from error

    def reset_privileges(self, kind: str, names: Sequence[str], args: Sequence[str] = ()) -> None:
        def reset() -> None:
            with self._connection.transaction():
                self._run_inside(
                    self._first(self._connection.execute(privileges.RESET_COLUMNS, (kind, list(names), list(args))))
                )
                self._run_inside(self._resetting(kind, names, args))

        self._attempt(f"privileges of {kind} {'.'.join(names)}", reset)

    def _create_on_path(self, entry: SchemaEntry, owner: str | None, then: Sequence[str]) -> bool:
        """Again with the search path of the entry's owner; False: that does not help."""
        path = self._search_paths.get(entry.owner)
        if path is None:
            return False
        try:
            self._attempt(entry.tag, lambda: self._on_path(path, lambda: self._create(entry, owner, then)))
        except Unreachable:
            raise
        except SourceError:
            return False
        return True

    def _on_path(self, path: str, function: Callable[[], None]) -> None:
        with self._connection.transaction():
            self._connection.execute(_SET_PATH, (path,))
            function()

    def _adopt(self, entry: SchemaEntry) -> bool:
        """Whether what is there belongs to an extension's table; where it differs, the recorded one takes its place.

        Nothing in a catalog says which of them an extension's script made, so that a snapshot can hold one too many.
        """
        if self._on_members is None:
            self._on_members = extras.on_members(Session(self._connection))
        definition = self._on_members.get(entry.identity)
        if definition is not None and definition != entry.definition and entry.drop:
            self._attempt(f"{entry.identity.desc} {entry.tag}", lambda: self._run([entry.drop, entry.definition]))
        return definition == entry.definition or (definition is not None and bool(entry.drop))

    def flush(self) -> None:
        """A commit that waits makes all commits before it durable."""
        self.run(
            ["SET LOCAL synchronous_commit TO on;", "SELECT pg_catalog.pg_logical_emit_message(true, 'pgvault', '');"]
        )

    def close(self) -> None:
        self._connection.close()

    def _attempt(self, doing: str, function: Callable[[], T]) -> T:
        """Parallel DDL can deadlock on catalogs and foreign tables' locks: the victim is run again."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return function()
            except psycopg.Error as error:
                if error.sqlstate != _DEADLOCK or attempt == _ATTEMPTS:
                    raise translate(error, doing) from error
        raise AssertionError("unreachable")

    def _run(self, statements: Sequence[str]) -> None:
        with self._connection.transaction():
            self._run_inside(statements)

    def _run_inside(self, statements: Sequence[str]) -> None:
        for statement in statements:
            self._connection.execute(text(statement))

    def _query(self, doing: str, query: str, values: dict[str, str | None] | None = None) -> list[tuple[Any, ...]]:
        return self._attempt(doing, lambda: self._connection.execute(text(query), values).fetchall())

    def _create(self, entry: SchemaEntry, owner: str | None, then: Sequence[str]) -> None:
        definition = f"{entry.definition}\n{owner or ''}"
        desc = entry.identity.desc
        reset = privileges.KINDS.get(desc) in self._reset or (desc == "EXTENSION" and bool(self._reset))
        refresh = desc == "MATERIALIZED VIEW DATA"
        if not (reset or refresh or then or self._grouped):
            self._connection.execute(text(definition))
            return
        with self._connection.transaction():
            if refresh:
                self._connection.execute("SET LOCAL row_security TO on")
            self._connection.execute(text(definition))
            if reset:
                self._run_inside(self._resetting_entry(entry))
            self._run_inside(then)

    def _resetting_entry(self, entry: SchemaEntry) -> list[str]:
        if entry.identity.desc == "EXTENSION":
            return self._first(self._connection.execute(privileges.RESET_MEMBERS, (entry.tag,)))
        return self._resetting(entry.identity.kind, entry.identity.names, entry.identity.args)

    def _resetting(self, kind: str, names: Sequence[str], args: Sequence[str]) -> list[str]:
        return self._first(self._connection.execute(privileges.RESET, (kind, list(names), list(args))))

    @staticmethod
    def _first(cursor: psycopg.Cursor[tuple[Any, ...]]) -> list[str]:
        return [str(row[0]) for row in cursor.fetchall()]

    def _place(self, entry: SchemaEntry) -> list[str]:
        """Set the defaults that decide where an entry's storage goes; a place that is not there is noted and left out."""
        notes: list[str] = []
        wanted = {
            "default_tablespace": entry.tablespace,
            "default_table_access_method": entry.table_access_method or "heap",
        }
        for setting, value in wanted.items():
            if self._placed[setting] == value:
                continue
            try:
                with self._connection.transaction():
                    self._connection.execute("select pg_catalog.set_config(%s, %s, false)", (setting, value))
                self._placed[setting] = value
            except psycopg.Error as error:
                notes.append(f"{setting.removeprefix('default_').replace('_', ' ')} {value} is not there: default used")
                translated = translate(error, setting)
                if isinstance(translated, Unreachable):
                    raise translated from error
                self._placed[setting] = ""
                self._connection.execute(text(f"RESET {setting}"))
        return notes

    def _count_violations(self, key: statements.Key) -> str:
        columns = ", ".join(quote(column) for column in key.columns)
        query = (
            f"select count(*) from (select from only {qualified(key.table)}"
            f" group by {columns} having count(*) > 1) duplicate"
        )
        duplicates = int(self._query("keys", query)[0][0])
        return f"columns {', '.join(key.columns)}; {duplicates} keys more than once"
