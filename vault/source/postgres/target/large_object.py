"""A large object into a target: its pages, then owner, grants and comment. Spec 75-restore."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, LiteralString

import psycopg

from vault.model import Address, LargeObjectItem
from vault.source.postgres.connection.connect import Connection
from vault.source.postgres.connection.psycopg_errors import words
from vault.source.postgres.connection.sql_text import text
from vault.sql import statements
from vault.sql.in_force import Grant, Privileges


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


_THERE: Final[LiteralString] = """
select pg_catalog.pg_get_userbyid(lomowner)::text, lomacl::text[], pg_catalog.obj_description(oid, 'pg_largeobject')
  from pg_catalog.pg_largeobject_metadata where oid = %s
"""


def compare(connection: Connection, item: LargeObjectItem, blocks: Iterator[bytes]) -> list[str] | None:
    """In what it differs, in words, whoever granted what; None: there is none of this oid. Raises  psycopg.Error"""
    rows = connection.execute(_THERE, (item.oid,)).fetchall()
    if not rows:
        return None
    owner, acl, comment = rows[0]
    there = None if acl is None else tuple(acl)
    granted = _granted(owner, there) == _granted(item.owner, item.acl)
    equal = {
        "contents": _holds(connection, item, blocks),
        "owner": owner == item.owner,
        "privileges": granted,
        "comment": (comment or "") == (item.comment or ""),
    }
    return [name for name, same in equal.items() if not same]


def _granted(owner: str, acl: tuple[str, ...] | None) -> frozenset[Grant]:
    address = Address(kind="large object", names=("",))
    return Privileges({address: (owner, acl)}, {}).grants(address, 0) or frozenset()


def _holds(connection: Connection, item: LargeObjectItem, blocks: Iterator[bytes]) -> bool:
    """Compared by slices, in the server."""
    offset = 0
    for block in blocks:
        query = "select pg_catalog.lo_get(%s, %s, %s) = %b"
        if not connection.execute(query, (item.oid, offset, len(block), block)).fetchall()[0][0]:
            return False
        offset += len(block)
    rest = connection.execute("select pg_catalog.lo_get(%s, %s, 1)", (item.oid, offset)).fetchall()[0][0]
    return not rest
