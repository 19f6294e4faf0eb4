"""That a name means one table for as long as a transaction is about it, whatever others rename, drop or put in its place meanwhile.

A plan was made of what the target was some time ago: rows that were meant for a table must not go through a view to somewhere else, nor
may looking at them run what the view calls. A lock keeps the table's name, but not that of its schema, so at the end the name is asked again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import psycopg

from vault.errors import SourceError
from vault.model import TableName
from vault.source.postgres.connection.connect import Connection
from vault.source.postgres.connection.sql_text import text
from vault.sql.names import literal, qualified

Mode = Literal["ACCESS SHARE", "ROW EXCLUSIVE", "SHARE ROW EXCLUSIVE"]
_WITH_CHILDREN: Final = frozenset({"SHARE ROW EXCLUSIVE"})
"""Nobody may write beside us, not through a partition either; else the name is what is held, and each child is locked when it is used."""
_WHAT: Final = (
    "SELECT oid::pg_catalog.int8, relkind IN ('r', 'p') FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass({})"
)


@contextmanager
def held(connection: Connection, name: TableName, *, mode: Mode) -> Iterator[None]:
    """Within a transaction of the caller, which is to be rolled back if this raises.

    mode   the strongest that the transaction will need: two that both hold a weaker one and ask for more wait for each other

    Raises  psycopg.Error: there is nothing of the name, or no right to lock it; SourceError: it is no table, or another one at the end
    """
    before = _table(connection, name)
    only = "" if mode in _WITH_CHILDREN else "ONLY "
    connection.execute(text(f"LOCK TABLE {only}{qualified(name)} IN {mode} MODE"))
    if _table(connection, name) != before:
        raise _replaced(name)
    yield
    if _table(connection, name) != before:
        raise _replaced(name)


@contextmanager
def looking(connection: Connection, name: TableName) -> Iterator[psycopg.Cursor[tuple[Any, ...]]]:
    """A transaction in which the table is read and nothing stays of it. Raises  as `held`"""
    with (
        connection.transaction(force_rollback=True),
        connection.cursor() as cursor,
        held(connection, name, mode="ACCESS SHARE"),
    ):
        yield cursor


def _table(connection: Connection, name: TableName) -> int | None:
    """Its oid; None if there is none. Raises  SourceError: it is no table"""
    for oid, is_table in connection.execute(text(_WHAT.format(literal(qualified(name))))).fetchall():
        if not is_table:
            raise SourceError(f"rows of {name}", why="what has this name on the target now is no table")
        return int(oid)
    return None


def _replaced(name: TableName) -> SourceError:
    return SourceError(
        f"rows of {name}", why="the table was replaced or renamed meanwhile", hint="run the restore again"
    )
