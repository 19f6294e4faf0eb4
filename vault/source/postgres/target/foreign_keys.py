"""Foreign keys of a database that rows came into while these were off: which rows refer to nothing, or would. Spec 76-selection."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

import psycopg

from vault.errors import Unreachable
from vault.model import BrokenReference, TableName
from vault.source.postgres.connection.connect import Connection, Session, translate
from vault.source.postgres.connection.sql_text import text
from vault.source.postgres.rows.unplannable import foreign
from vault.source.postgres.target.comparing import by_hash_or_merge

_REFERENCES: Final[LiteralString] = """
with wanted as (
    select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = relnamespace
      join unnest(%s::text[], %s::text[]) as w(schema, name) on w.schema = nspname and w.name = relname
), family as (
    select oid from wanted
    union select a.relid from wanted, pg_catalog.pg_partition_ancestors(wanted.oid) as a(relid)
), keys as (
    select f.*, pg_catalog.to_jsonb(f) as all_of from pg_catalog.pg_constraint f
     where contype = 'f' and convalidated and conparentid = 0
       and (conrelid in (select oid from family) or confrelid in (select oid from family))
)
select conname::text, array[n.nspname::text, c.relname::text], array[pn.nspname::text, p.relname::text],
       coalesce((all_of->>'conperiod')::bool, false),
       array(select distinct t.relid::pg_catalog.int8 from unnest(array[conrelid, confrelid]) as r,
                    lateral (select r union select relid::pg_catalog.oid from pg_catalog.pg_partition_tree(r)) as t (relid)
              where r not in (select oid from wanted) and t.relid not in (select oid from wanted)),
       pg_catalog.format('%%s %%I.%%I', case c.relkind when 'p' then '' else 'only' end, n.nspname, c.relname), columns.given,
       pg_catalog.format('%%s %%I.%%I', case p.relkind when 'p' then '' else 'only' end, pn.nspname, p.relname), columns.equal,
       columns.referred
  from keys join pg_catalog.pg_class c on c.oid = conrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_class p on p.oid = confrelid join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace,
       lateral (
    select pg_catalog.string_agg(pg_catalog.format('c.%%I is not null', a.attname), ' and ') as given,
           pg_catalog.string_agg(pg_catalog.format('p.%%I operator(%%I.%%s) c.%%I', b.attname, o.nspname, oprname, a.attname), ' and ') as equal,
           pg_catalog.array_agg(b.attname::text) as referred
      from unnest(conkey, confkey, conpfeqop) as k(own, other, operator)
      join pg_catalog.pg_attribute a on a.attrelid = conrelid and a.attnum = k.own
      join pg_catalog.pg_attribute b on b.attrelid = confrelid and b.attnum = k.other
      join pg_catalog.pg_operator on pg_operator.oid = k.operator
      join pg_catalog.pg_namespace o on o.oid = oprnamespace) columns
 where coalesce((all_of->>'conenforced')::bool, true)
 order by 2, 1
"""
"""Foreign keys of and to tables, or to what these are partitions of, and the parts of the query that counts rows without a partner."""


@dataclass(frozen=True, slots=True)
class _Key:
    """Of `own` table to the `other`. `read`: what is read for it and not written to; `child`, `parent`: SQL after FROM; then conditions."""

    name: str
    own: Sequence[str]
    other: Sequence[str]
    has_period: bool
    read: Sequence[int]
    child: str
    given: str
    parent: str
    equal: str
    columns: Sequence[str]

    @property
    def table(self) -> TableName:
        return TableName(schema=self.own[0], name=self.own[1])

    @property
    def refers_to(self) -> TableName:
        return TableName(schema=self.other[0], name=self.other[1])

    def partnerless(self, parent: str) -> str:
        """The query that counts rows without a partner in `parent`."""
        return f"select count(*) from {self.child} c where {self.given} and not exists (select from {parent} p where {self.equal})"


def broken_references(connection: Connection, tables: Sequence[TableName]) -> list[BrokenReference]:
    """See ports.TargetSession.broken_references. Of tables that the restore does not write to, none is planned that would run others' code."""
    looked = (_look(connection, key, barred, parent=key.parent) for key, barred in _keys(connection, tables))
    return [reference for reference in looked if reference.rows or reference.unverified]


def stranded(
    connection: Connection, table: TableName, *, left: str, columns: Collection[str]
) -> tuple[BrokenReference, ...]:
    """Rows of other tables that refer to none that `left` has, if the table gets its rows, of these `columns`. Raises  psycopg.Error"""
    found = []
    for key, barred in _keys(connection, [table]):
        if key.refers_to == table != key.table:
            missing = "" if set(key.columns) <= set(columns) else "it refers to what the server computes"
            found.append(_look(connection, key, barred or missing, parent=left))
    return tuple(reference for reference in found if reference.rows or reference.unverified)


def _keys(connection: Connection, tables: Sequence[TableName]) -> Iterator[tuple[_Key, str]]:
    """And why its rows cannot be looked at, or nothing."""
    wanted = ([table.schema for table in tables], [table.name for table in tables])
    found = [_Key(*row) for row in connection.execute(_REFERENCES, wanted).fetchall()]
    barred = foreign(Session(connection), [oid for key in found for oid in key.read])
    for key in found:
        functions = [barred[oid] for oid in key.read if oid in barred]
        yield key, "it has PERIOD" if key.has_period else f"that would run {functions[0]}" if functions else ""


def _look(connection: Connection, key: _Key, unverified: str, *, parent: str) -> BrokenReference:
    rows = 0
    if not unverified:
        try:
            rows = _count(connection, key.partnerless(parent))
        except psycopg.Error as error:  # of this key alone: the others say what they find
            translated = translate(error, "verifying a foreign key")
            if isinstance(translated, Unreachable):
                raise
            unverified = translated.why or translated.message
    return BrokenReference(name=key.name, table=key.table, rows=rows, unverified=unverified)


def _count(connection: Connection, query: str) -> int:
    with connection.transaction(), connection.cursor() as cursor, by_hash_or_merge(cursor):
        return int(cursor.execute(text(query)).fetchall()[0][0])
