"""A large object into a target: its pages, then owner, grants and comment. Spec 75-restore."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import psycopg

from vault.model import LargeObjectItem
from vault.source.postgres.connection.connect import Connection
from vault.source.postgres.connection.psycopg_errors import words
from vault.source.postgres.connection.sql_text import text
from vault.sql import statements


def create(
    connection: Connection,
    item: LargeObjectItem,
    blocks: Iterator[bytes],
    *,
    replace: bool,
    reset: Callable[[], Sequence[str]],
) -> list[str]:
    """One transaction. `reset`: statements that undo default privileges; `replace`: one of this oid is there.

    Returns  what of owner, grants and comment could not be, in words: the contents stay all the same
    Raises   psycopg.Error: what was there is there
    """
    with connection.transaction():
        if replace:
            connection.execute("select pg_catalog.lo_unlink(%s)", (item.oid,))
        connection.execute("select pg_catalog.lo_create(%s)", (item.oid,))
        offset = 0
        for block in blocks:
            connection.execute("select pg_catalog.lo_put(%s, %s, %b)", (item.oid, offset, block))
            offset += len(block)
        try:
            with connection.transaction():
                connection.execute(text(statements.set_large_object_owner(item)))
                for statement in reset():
                    connection.execute(text(statement))
                for statement in statements.large_object_access(item):
                    connection.execute(text(statement))
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject) as error:
            return [f"owner, privileges and comment not set: {words(error)}"]
    return []


def holds(connection: Connection, item: LargeObjectItem, blocks: Iterator[bytes]) -> bool | None:
    """Compared by slices, in the server; None: there is none of this oid. Raises  psycopg.Error"""
    there = "select exists (select from pg_catalog.pg_largeobject_metadata where oid = %s)"
    if not connection.execute(there, (item.oid,)).fetchall()[0][0]:
        return None
    offset = 0
    for block in blocks:
        query = "select pg_catalog.lo_get(%s, %s, %s) = %b"
        if not connection.execute(query, (item.oid, offset, len(block), block)).fetchall()[0][0]:
            return False
        offset += len(block)
    rest = connection.execute("select pg_catalog.lo_get(%s, %s, 1)", (item.oid, offset)).fetchall()[0][0]
    return not rest
