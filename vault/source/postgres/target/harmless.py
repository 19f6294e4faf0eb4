"""That looking at a table's rows, without writing to it, runs nothing that another role wrote. Spec 86-foreign-code [CODE-7]."""

from __future__ import annotations

from typing import Final, LiteralString

from vault.errors import SourceError
from vault.model import TableItem
from vault.source.postgres.connection.connect import Connection, Session
from vault.source.postgres.rows.unplannable import foreign
from vault.sql.names import qualified

_FAMILY: Final[LiteralString] = """
select c.oid::pg_catalog.int8 from (select pg_catalog.to_regclass(%(name)s)::pg_catalog.oid) as c (oid) where c.oid is not null
 union select t.relid::pg_catalog.oid::pg_catalog.int8 from pg_catalog.pg_partition_tree(pg_catalog.to_regclass(%(name)s)) t
"""
_CONDITION: Final[LiteralString] = """
select exists (
    select from pg_catalog.pg_extension e join pg_catalog.pg_roles r on r.oid = e.extowner,
           lateral unnest(e.extconfig, e.extcondition) as k (oid, condition)
     where k.oid = pg_catalog.to_regclass(%(name)s) and k.condition = %(condition)s
       and (r.rolsuper or r.rolname = session_user))
"""
"""Whether a condition, which is the snapshot's text, is also that of an extension here whose owner is trusted."""

_EVENTS: Final[LiteralString] = """
select p.oid::pg_catalog.regprocedure::text from pg_catalog.pg_event_trigger e join pg_catalog.pg_proc p on p.oid = e.evtfoid
  join pg_catalog.pg_roles r on r.oid = p.proowner
 where e.evtevent <> 'login' and e.evtenabled in ('O', 'A') and not (r.rolsuper or r.rolname = session_user) order by 1
"""
"""What somebody else wrote and a superuser made an event trigger of: making the temporary table calls it."""


def require_harmless(connection: Connection, table: TableItem) -> None:
    """To be asked right before rows of `table` are staged and compared with what is there, partitions included.

    Raises   psycopg.Error; SourceError: it would run somebody else's code, which is named
    """
    name = qualified(table.load_via_root or table.name)
    doing = f"rows of {table.name.schema}.{table.name.name}"
    oids = [int(oid) for (oid,) in connection.execute(_FAMILY, {"name": name}).fetchall()]
    for function in foreign(Session(connection), oids, values=True).values():
        raise SourceError(doing, why=f"looking at them would run {function}, which somebody else owns")
    for (function,) in connection.execute(_EVENTS).fetchall():
        raise SourceError(
            doing, why=f"looking at them would run {function}, which an event trigger calls and somebody else owns"
        )
    if table.condition:
        values = {"name": name, "condition": table.condition}
        if not connection.execute(_CONDITION, values).fetchall()[0][0]:
            raise SourceError(doing, why="no extension here that is trusted has the condition on them")
