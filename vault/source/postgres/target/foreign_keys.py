"""Foreign keys of a database that rows came into while these were off: which rows refer to nothing, or would. Spec 76-selection."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

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

_BY_PARTITION: Final = (
    "select n.nspname::text, r.relname::text, f.rows from (select c.tableoid, count(*) as rows {} group by 1) f"
    " join pg_catalog.pg_class r on r.oid = f.tableoid join pg_catalog.pg_namespace n on n.oid = r.relnamespace order by 1, 2"
)


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
        """Rows without a partner in `parent`: the rest of a query."""
        return f"from {self.child} c where {self.given} and not exists (select from {parent} p where {self.equal})"


def broken_references(connection: Connection, tables: Sequence[TableName]) -> list[BrokenReference]:
    """See ports.TargetSession.broken_references. Of tables that the restore does not write to, none is planned that would run others' code."""
    broken = []
    for key, barred in _keys(connection, tables):
        unverified = barred
        rows = 0
        if not barred:
            found, unverified = _rows(connection, f"select count(*) {key.partnerless(key.parent)}")
            rows = sum(count for (count,) in found)
        if rows or unverified:
            broken.append(BrokenReference(name=key.name, table=key.table, rows=rows, unverified=unverified))
    return broken


def stranded(
    connection: Connection, table: TableName, *, left: str, columns: Collection[str]
) -> tuple[BrokenReference, ...]:
    """Rows of other tables that refer to none that `left` has, if the table gets its rows, of these `columns`; of each partition apart.

    Raises  psycopg.Error
    """
    broken = []
    for key, barred in _keys(connection, [table]):
        if key.refers_to != table or key.table == table:
            continue
        unverified = barred or ("" if set(key.columns) <= set(columns) else "it refers to what the server computes")
        if not unverified:
            found, unverified = _rows(connection, _BY_PARTITION.format(key.partnerless(left)))
            for schema, name, rows in found:
                broken.append(BrokenReference(name=key.name, table=TableName(schema=schema, name=name), rows=rows))
        if unverified:
            broken.append(BrokenReference(name=key.name, table=key.table, rows=0, unverified=unverified))
    return tuple(broken)


def _keys(connection: Connection, tables: Sequence[TableName]) -> Iterator[tuple[_Key, str]]:
    """And why its rows cannot be looked at, or nothing."""
    wanted = ([table.schema for table in tables], [table.name for table in tables])
    found = [_Key(*row) for row in connection.execute(_REFERENCES, wanted).fetchall()]
    barred = foreign(Session(connection), [oid for key in found for oid in key.read])
    for key in found:
        functions = [barred[oid] for oid in key.read if oid in barred]
        yield key, "it has PERIOD" if key.has_period else f"that would run {functions[0]}" if functions else ""


def _rows(connection: Connection, query: str) -> tuple[list[Any], str]:
    """What a query about one key finds, or why it cannot be asked: the others say what they find. Raises  Unreachable"""
    try:
        with connection.transaction(), connection.cursor() as cursor, by_hash_or_merge(cursor):
            return cursor.execute(text(query)).fetchall(), ""
    except psycopg.Error as error:
        translated = translate(error, "verifying a foreign key")
        if isinstance(translated, Unreachable):
            raise
        return [], translated.why or translated.message
