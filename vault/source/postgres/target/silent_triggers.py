"""Rows of a table come without its triggers: they are off, or what they call does nothing meanwhile.

For a role that may not switch them off, the functions that the role owns are replaced and put back in the same transaction, so nobody else ever sees it, and nothing is
left if it fails. Invariant: when the transaction commits, each function has the definition it had. Triggers whose functions the
role does not own fire; they are named. Spec 76-selection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, LiteralString

import psycopg

from vault.errors import SourceError
from vault.model import TableName
from vault.source.postgres.connection.connect import Connection
from vault.source.postgres.connection.sql_text import text
from vault.sql.names import qualified

_MAY_SILENCE: Final[LiteralString] = """
pg_catalog.pg_has_role(current_user, p.proowner, 'USAGE') and pg_catalog.has_schema_privilege(p.pronamespace, 'CREATE')
  and not exists (select from pg_catalog.pg_depend where classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and objid = p.oid and deptype = 'e')
"""
REPLICA: Final = "SET LOCAL session_replication_role TO replica"
INSERT: Final = 4
UPDATE: Final = 16
"""Bits of pg_trigger.tgtype."""
_FIRES: Final[LiteralString] = "not t.tgisinternal and t.tgenabled in ('O', 'A')"

_RULE_FIRES: Final[LiteralString] = "ev_type = '3' and ev_enabled in ('O', 'A')"

ALL: Final[LiteralString] = f"""
select n.nspname::text, c.relname::text, 'trigger ' || t.tgname, {_MAY_SILENCE}
  from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid join pg_catalog.pg_class c on c.oid = t.tgrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace where {_FIRES} and t.tgtype & 4 <> 0
 union all
select n.nspname::text, c.relname::text, 'rule ' || rulename, false
  from pg_catalog.pg_rewrite join pg_catalog.pg_class c on c.oid = ev_class join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where {_RULE_FIRES}
 order by 1, 2, 3
"""
"""Schema, table, what fires when a row is inserted, and whether the connected role can silence it."""

_OF_TABLE: Final[LiteralString] = f"""
with recursive tree as (
    select pg_catalog.to_regclass(%s)::pg_catalog.oid as oid
    union select inhrelid from pg_catalog.pg_inherits join tree on inhparent = tree.oid
)
select p.oid::int8, p.oid::pg_catalog.regproc::text, pg_catalog.array_agg('trigger ' || t.tgname order by t.tgname), {_MAY_SILENCE}
  from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
 where t.tgrelid in (select oid from tree) and {_FIRES} and t.tgtype & %s <> 0 group by p.oid order by p.oid
"""
_RULES: Final[LiteralString] = f"""
select 'rule ' || rulename from pg_catalog.pg_rewrite where ev_class = pg_catalog.to_regclass(%s) and {_RULE_FIRES} order by 1
"""
_FIRING: Final[LiteralString] = """
with recursive tree as (
    select pg_catalog.to_regclass(%s)::pg_catalog.oid as oid
    union select inhrelid from pg_catalog.pg_inherits join tree on inhparent = tree.oid
)
select 'trigger ' || tgname from pg_catalog.pg_trigger where tgrelid in (select oid from tree) and tgenabled in ('A', 'R') and not tgisinternal
union select 'rule ' || rulename from pg_catalog.pg_rewrite where ev_class in (select oid from tree) and ev_enabled in ('A', 'R')
order by 1
"""
"""What fires on a table or below it in spite of session_replication_role = replica."""
_DEFINITION: Final[LiteralString] = "select pg_catalog.pg_get_functiondef(%s::pg_catalog.oid)"
_ONE_AT_A_TIME: Final[LiteralString] = (
    "select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('pgvault triggers'))"
)
"""Two transactions cannot replace one function."""
_NOTHING: Final = (
    "CREATE OR REPLACE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN coalesce(new, old); END'"
)


@contextmanager
def triggers_off(
    connection: Connection, name: TableName, *, replicate: bool, events: int = INSERT
) -> Iterator[tuple[str, ...]]:
    """Within a transaction of the caller: what fires all the same. `replicate`: the role may switch triggers and foreign keys off.

    events   INSERT and UPDATE, for which a role that may not is silent

    Raises  psycopg.Error, SourceError: roll back
    """
    if replicate:
        connection.execute(REPLICA)
        yield tuple(str(row[0]) for row in connection.execute(_FIRING, (qualified(name),)).fetchall())
    else:
        with _silenced(connection, name, events) as fired:
            yield fired


@contextmanager
def _silenced(connection: Connection, name: TableName, events: int) -> Iterator[tuple[str, ...]]:
    functions = connection.execute(_OF_TABLE, (qualified(name), events)).fetchall()
    firing = [str(row[0]) for row in connection.execute(_RULES, (qualified(name),)).fetchall()]
    if any(may for *_, may in functions):
        connection.execute(_ONE_AT_A_TIME)
    kept: dict[int, str] = {}
    for oid, function, triggers, may in functions:
        definition = _definition(connection, oid)
        if may and _replaced(connection, function):
            kept[oid] = definition
        else:
            firing += triggers
    yield tuple(firing)
    if kept:
        _put_back(connection, kept)


def _replaced(connection: Connection, function: str) -> bool:
    try:
        with connection.transaction():
            connection.execute(text(_NOTHING.format(function)))
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


def _put_back(connection: Connection, kept: Mapping[int, str]) -> None:
    """Deferred triggers run first, while there is nothing that they do."""
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for oid, definition in kept.items():
        connection.execute(text(definition))
        if _definition(connection, oid) != definition:
            raise SourceError("rows with triggers", why="a trigger's function could not be put back as it was")


def _definition(connection: Connection, oid: int) -> str:
    rows: list[tuple[Any, ...]] = connection.execute(_DEFINITION, (oid,)).fetchall()
    return str(rows[0][0])
