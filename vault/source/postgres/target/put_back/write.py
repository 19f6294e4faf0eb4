"""Decided rows are written, parents before children, and looked at again. Nothing here decides. Spec 76-selection.

An UPDATE that a unique key or an identity GENERATED ALWAYS stands against is done as DELETE and INSERT, where that takes nothing with it.
What switched-off triggers would have refused is looked for among the written rows alone.
"""

from __future__ import annotations

from typing import Final

import psycopg

from vault.errors import SourceError
from vault.model.put_back import Decided, Fate, PutBackScope, StandingReference
from vault.source.postgres.connection.connect import Connection
from vault.source.postgres.connection.sql_text import text
from vault.source.postgres.target.merge import ALLOW_DELETE
from vault.source.postgres.target.put_back.lock_wait import LockWait
from vault.source.postgres.target.put_back.sql_of_table import (
    Cursor,
    TableSql,
    first,
    given,
    looked_up,
    match,
    table_of,
    text_of,
)
from vault.source.postgres.target.unique_keys import UniqueKey
from vault.sql.names import quote

_INSERTED: Final = f"d.fate = '{Fate.INSERTED.value}'"
_UPDATED: Final = f"d.fate = '{Fate.UPDATED.value}'"
_WRITTEN: Final = f"d.fate IN ('{Fate.INSERTED.value}', '{Fate.UPDATED.value}')"
_COLLISIONS: Final = (psycopg.errors.UniqueViolation, psycopg.errors.ExclusionViolation)


def write(connection: Connection, tables: list[TableSql], scope: PutBackScope, decided: list[Decided]) -> None:
    """Within the caller's transaction, which an exception has to end. Raises psycopg.Error; SourceError"""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for table, counts in zip(tables, decided, strict=True):
            if counts.inserted:
                _insert(cursor, table, counts.inserted)
            if counts.updated:
                _overwrite(connection, table, scope, counts)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def _insert(cursor: Cursor, table: TableSql, rows: int) -> None:
    columns = ", ".join(map(quote, table.columns))
    values = ", ".join(table.each("n", alias="d"))
    cursor.execute(
        text(
            f"INSERT INTO {table.name} ({columns}) OVERRIDING SYSTEM VALUE"
            f" SELECT {values} FROM {table.decided} d WHERE {_INSERTED} ORDER BY d.n"
        )
    )
    _require(table, cursor.rowcount, of=rows, how="inserted")


def _require(table: TableSql, arrived: int, *, of: int, how: str) -> None:
    if arrived != of:
        raise SourceError(
            f"rows of {table.staged.name}",
            why=f"{arrived} of {of} rows were {how}: a rule or a trigger kept the others",
        )


def _overwrite(connection: Connection, table: TableSql, scope: PutBackScope, counts: Decided) -> None:
    standing = table.staged.standing.by_name
    cursor = connection.cursor()
    if any(standing[column].always for column in counts.columns):
        _exchange(cursor, table, scope, counts, why="an identity GENERATED ALWAYS cannot be updated")
        return
    try:
        with connection.transaction():
            _update(cursor, table, counts)
    except _COLLISIONS as error:
        if not set(counts.columns) & {column for key in table.unique for column in key.needs}:
            raise
        _exchange(cursor, table, scope, counts, why=f"values of {error.diag.constraint_name} change places")


def _here(table: TableSql) -> str:
    """SQL: row `t` of the table is the one that decided row `d` was made of."""
    return f"{table.same_key('t', 'l', 'd')} AND t.tableoid = d.place AND t.ctid = d.tid"


def _update(cursor: Cursor, table: TableSql, counts: Decided) -> None:
    values = ", ".join(
        f"{quote(column)} = {value}"
        for column, value in zip(counts.columns, table.each("n", alias="d", of=counts.columns), strict=True)
    )
    query = f"UPDATE {table.source} t SET {values} FROM {table.decided} d WHERE {_UPDATED} AND {_here(table)}"
    with looked_up(cursor, rows=counts.updated, pages=table.staged.standing.pages):
        cursor.execute(text(query))
        arrived = cursor.rowcount
    _require(table, arrived, of=counts.updated, how="updated")


def _exchange(cursor: Cursor, table: TableSql, scope: PutBackScope, counts: Decided, *, why: str) -> None:
    """Take the rows out and put them in again with their new values, in one transaction that nobody sees the middle of."""
    referred = any(reference.parent == table.staged.name for reference in scope.references)
    if scope.fire or (not scope.replica and referred):
        raise SourceError(
            f"rows of {table.staged.name}",
            why=f"{why}, so the rows have to be deleted and inserted anew, and that would fire triggers or cascade",
            hint="leave --fire-triggers out, or connect as a role that may set session_replication_role",
        )
    columns = [column.name for column in table.staged.standing.columns if not column.computed]
    listed = ", ".join(map(quote, columns))
    values = ", ".join(
        f"{quote(column)} = {value}"
        for column, value in zip(counts.columns, table.each("n", alias="d", of=counts.columns), strict=True)
    )
    taken = ", ".join(f"t.{quote(column)}" for column in columns)
    number = table.own("number")
    with looked_up(cursor, rows=counts.updated, pages=table.staged.standing.pages):
        cursor.execute(
            text(
                f"CREATE TEMPORARY TABLE {table.moved.removeprefix('pg_temp.')} ON COMMIT DROP AS SELECT d.n AS {number}, {taken}"
                f" FROM {table.decided} d JOIN {table.source} t ON {_here(table)} WHERE {_UPDATED}"
            )
        )
        cursor.execute(ALLOW_DELETE)
        cursor.execute(
            text(f"DELETE FROM {table.source} t USING {table.decided} d WHERE {_UPDATED} AND {_here(table)}")
        )
        _require(table, cursor.rowcount, of=counts.updated, how="taken out")
    cursor.execute(text(f"UPDATE {table.moved} m SET {values} FROM {table.decided} d WHERE d.n = m.{number}"))
    cursor.execute(
        text(f"INSERT INTO {table.name} ({listed}) OVERRIDING SYSTEM VALUE SELECT {listed} FROM {table.moved}")
    )
    _require(table, cursor.rowcount, of=counts.updated, how="put in again")


# --- what was written ----------------------------------------------------------------------------


def verify(
    cursor: Cursor,
    tables: list[TableSql],
    scope: PutBackScope,
    decided: list[Decided],
    *,
    pages: dict[str, int],
    locks: LockWait,
) -> None:
    """Written rows are there as decided, and break no key that was off. Raises psycopg.Error; SourceError"""
    for table, counts in zip(tables, decided, strict=True):
        if not counts.written:
            continue
        _verify_values(cursor, table, counts, exact=not scope.fire)
        if not scope.replica:
            continue
        for key in table.unique:
            if key.deferrable:
                _verify_unique(cursor, table, counts, key)
        for reference in scope.references:
            if reference.child == table.staged.name and not reference.unverified:
                with (
                    looked_up(cursor, rows=counts.written, pages=pages.get(str(reference.parent), 0)),
                    locks.bounded(),
                ):
                    _verify_child(cursor, table, reference)
            if reference.parent == table.staged.name and set(reference.parent_columns) & set(counts.columns):
                _verify_parent(cursor, table, reference)


def _verify_values(cursor: Cursor, table: TableSql, counts: Decided, *, exact: bool) -> None:
    equal = f" AND {text_of(*table.live())} = {text_of(*table.each('n', alias='d'))}" if exact else ""
    query = f"SELECT count(*) FROM {table.decided} d JOIN {table.source} t ON {table.same_key('t', 'n', 'd')}{equal} WHERE {_WRITTEN}"
    with looked_up(cursor, rows=counts.written, pages=table.staged.standing.pages):
        there = first(cursor, query)
    if there != counts.written:
        raise SourceError(
            f"rows of {table.staged.name}",
            why=f"{counts.written} were written, {there} of them are there as they should be: a trigger or a rule changed the others",
        )


def _verify_unique(cursor: Cursor, table: TableSql, counts: Decided, key: UniqueKey) -> None:
    rows = f"(SELECT tableoid, ctid, * FROM {table.source})"
    query = (
        f"SELECT count(*) FROM {table.decided} d JOIN {rows} t ON {table.same_key('t', 'n', 'd')}"
        f" JOIN {rows} o ON {key.same('t', 'o')} AND (o.tableoid, o.ctid) <> (t.tableoid, t.ctid) WHERE {_WRITTEN}"
    )
    with looked_up(cursor, rows=counts.written, pages=table.staged.standing.pages):
        twice = first(cursor, query)
    if twice:
        raise SourceError(f"rows of {table.staged.name}", why=f"{twice} would violate {key.name}, which is deferrable")


def _verify_child(cursor: Cursor, table: TableSql, reference: StandingReference) -> None:
    """Each row that refers has its partner, which stays for as long as the transaction lasts."""
    if not set(reference.columns) <= set(table.columns):
        return
    values = table.each("n", alias="d", of=reference.columns)
    touched = f"({_INSERTED} OR d.put & {table.mask(reference.columns)} <> {table.zeros})"
    refers = f"FROM {table.decided} d"
    where = f"WHERE {_WRITTEN} AND {touched} AND {given(values)}"
    there = [f"p.{quote(column)}" for column in reference.parent_columns]
    source = table_of(reference.parent, partitioned=reference.parent_partitioned)
    wanted = first(cursor, f"SELECT count(*) {refers} {where}")
    partners = f"SELECT d.n {refers} JOIN {source} p ON {match(reference, parent=there, child=values)} {where} FOR KEY SHARE OF p"
    found = first(cursor, f"SELECT count(*) FROM ({partners}) x")
    if found != wanted:
        raise SourceError(
            f"rows of {table.staged.name}",
            why=f"{wanted - found} refer by {reference.name} to rows of {reference.parent} that are not there any more",
        )


def _verify_parent(cursor: Cursor, table: TableSql, reference: StandingReference) -> None:
    """No row still refers to a value that was overwritten. The child is read once: this is about keys that changed."""
    if reference.unverified or not set(reference.parent_columns) <= set(table.columns):
        return
    old = table.each("l", alias="d", of=reference.parent_columns)
    child = table_of(reference.child, partitioned=reference.child_partitioned)
    refers = match(reference, parent=old, child=[f"c.{quote(column)}" for column in reference.columns])
    there = [f"p.{quote(column)}" for column in reference.parent_columns]
    own = match(reference, parent=there, child=[f"c.{quote(column)}" for column in reference.columns])
    query = (
        f"SELECT count(*) FROM {child} c WHERE EXISTS (SELECT FROM {table.decided} d WHERE {_UPDATED} AND {refers})"
        f" AND NOT EXISTS (SELECT FROM {table.source} p WHERE {own})"
    )
    if left := first(cursor, query):
        raise SourceError(
            f"rows of {table.staged.name}",
            why=f"{left} rows of {reference.child} refer by {reference.name} to values that would go",
        )
