"""What stands on the target before rows are put back: its foreign keys, and of each table its columns, keys, triggers and privileges.

Never plans a query on a user's table. Spec 76-selection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, LiteralString

from vault.model import TableName
from vault.model.put_back import StandingColumn, StandingReference, StandingTable
from vault.source.postgres.connection.connect import Connection, Session
from vault.source.postgres.rows.unplannable import foreign

_REFERENCES: Final[LiteralString] = """
select k.conname::text, cn.nspname::text, c.relname::text, pn.nspname::text, p.relname::text,
       (select pg_catalog.array_agg(a.attname::text order by o) from unnest(k.conkey) with ordinality u (n, o)
          join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.n),
       (select pg_catalog.array_agg(a.attname::text order by o) from unnest(k.confkey) with ordinality u (n, o)
          join pg_catalog.pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.n),
       (select pg_catalog.array_agg(pg_catalog.format('operator(%I.%s)', n.nspname, oprname) order by u.o)
          from unnest(k.conpfeqop) with ordinality u (id, o) join pg_catalog.pg_operator on pg_operator.oid = u.id
          join pg_catalog.pg_namespace n on n.oid = oprnamespace),
       k.confdeltype::text,
       case when coalesce((pg_catalog.to_jsonb(k)->>'conperiod')::bool, false) then 'PERIOD'
            when not coalesce((pg_catalog.to_jsonb(k)->>'conenforced')::bool, true) then 'NOT ENFORCED'
            when not k.convalidated then 'NOT VALID' else '' end,
       kc.relispartition or kp.relispartition, c.relkind = 'p', p.relkind = 'p'
  from pg_catalog.pg_constraint k
  join pg_catalog.pg_class kc on kc.oid = k.conrelid join pg_catalog.pg_class kp on kp.oid = k.confrelid
  join pg_catalog.pg_class c on c.oid = coalesce(pg_catalog.pg_partition_root(k.conrelid), k.conrelid)
  join pg_catalog.pg_namespace cn on cn.oid = c.relnamespace
  join pg_catalog.pg_class p on p.oid = coalesce(pg_catalog.pg_partition_root(k.confrelid), k.confrelid)
  join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
 where k.contype = 'f' and k.conparentid = 0 order by 2, 3, 1
"""
"""Partitions have copies (conparentid) of their root's; a root that is none (pg_partition_root gives NULL for plain tables) is itself."""

_TABLES: Final[LiteralString] = """
select n.nspname::text, c.relname::text, c.oid::pg_catalog.int8, c.relkind = 'p', c.relispartition,
       array(select t.relid::pg_catalog.oid::pg_catalog.int8 from pg_catalog.pg_partition_tree(c.oid) t
             union select c.oid::pg_catalog.int8),
       (select coalesce(sum(pg_catalog.pg_relation_size(t.id) / 8192), 0)::pg_catalog.int8
          from (select c.oid::pg_catalog.regclass union select relid from pg_catalog.pg_partition_tree(c.oid)) t (id)),
       array(select word from unnest(array['SELECT', 'INSERT', 'UPDATE']) word
              where not (pg_catalog.has_schema_privilege(n.oid, 'USAGE') and pg_catalog.has_table_privilege(c.oid, word)))
         || case when pg_catalog.row_security_active(c.oid) then array['BYPASSRLS'] else array[]::text[] end,
       exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and not i.indimmediate)
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = relnamespace
  join unnest(%s::text[], %s::text[]) as w (schema, name) on w.schema = nspname and w.name = relname
 where c.relkind in ('r', 'p')
"""

_COLUMNS: Final[LiteralString] = """
with recursive of_type (attrelid, attnum, id, modifier) as (
    select attrelid, attnum, atttypid, atttypmod from pg_catalog.pg_attribute
     where attrelid = any(%(tables)s::pg_catalog.oid[]) and attnum > 0 and not attisdropped
    union all
    select o.attrelid, o.attnum, t.typbasetype, case when t.typtypmod = -1 then o.modifier else t.typtypmod end
      from of_type o join pg_catalog.pg_type t on t.oid = o.id and t.typtype = 'd'
)
select a.attrelid::pg_catalog.int8, a.attname::text, pg_catalog.format_type(o.id, o.modifier),
       a.attgenerated <> '', a.attidentity = 'a', coalesce(a.attmissingval::text, '')
  from of_type o join pg_catalog.pg_type t on t.oid = o.id and t.typtype <> 'd'
  join pg_catalog.pg_attribute a on a.attrelid = o.attrelid and a.attnum = o.attnum order by 1, a.attnum
"""
"""A domain's staged values have the type below it: a row that only one snapshot has is NULL on the other side, which a domain may refuse."""

_KEYS: Final[LiteralString] = """
select i.indrelid::pg_catalog.int8, array(select a.attname::text from unnest(i.indkey) with ordinality u (n, o)
           join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.n where u.o <= i.indnkeyatts order by o)
  from pg_catalog.pg_index i
 where i.indrelid = any(%(tables)s::pg_catalog.oid[]) and i.indisunique and i.indisready and i.indpred is null and i.indexprs is null
 order by 1, i.indisprimary desc, i.indimmediate desc, i.indexrelid
"""

_FIRING: Final[LiteralString] = """
with tree as (
    select id::pg_catalog.oid as root, id::pg_catalog.oid as member from unnest(%(tables)s::pg_catalog.oid[]) id
     union select id::pg_catalog.oid, t.relid::pg_catalog.oid from unnest(%(tables)s::pg_catalog.oid[]) id,
           lateral pg_catalog.pg_partition_tree(id::pg_catalog.oid) t
)
select root::pg_catalog.int8, 'trigger ' || tgname, tgenabled in ('A', 'R'), tgenabled in ('O', 'A') from pg_catalog.pg_trigger
  join tree on tgrelid = member where not tgisinternal and tgenabled <> 'D' and tgtype & 20 <> 0
union
select root::pg_catalog.int8, 'rule ' || rulename, ev_enabled in ('A', 'R'), ev_enabled in ('O', 'A') from pg_catalog.pg_rewrite
  join tree on ev_class = member where ev_type in ('2', '3') and ev_enabled <> 'D'
order by 1, 2
"""
"""On INSERT (4) and UPDATE (16): in spite of session_replication_role = replica, and without it."""

_ACTIONS: Final = {"n": "SET NULL", "d": "SET DEFAULT"}


def references(connection: Connection) -> list[StandingReference]:
    """See ports_of_put_back. Raises psycopg.Error"""
    return [_reference(*row) for row in connection.execute(_REFERENCES).fetchall()]


def _reference(name: str, *rest: Any) -> StandingReference:
    child_schema, child, parent_schema, parent, columns, parent_columns, operators, action, *flags = rest
    unverified, of_leaf, child_partitioned, parent_partitioned = flags
    return StandingReference(
        name=name,
        child=TableName(schema=child_schema, name=child),
        columns=tuple(columns),
        parent=TableName(schema=parent_schema, name=parent),
        parent_columns=tuple(parent_columns),
        operators=tuple(operators),
        child_partitioned=child_partitioned,
        parent_partitioned=parent_partitioned,
        cascades=action == "c",
        cuts_off=_ACTIONS.get(action, ""),
        unverified=unverified,
        of_leaf=of_leaf,
    )


def look(connection: Connection, tables: Iterable[TableName]) -> Mapping[TableName, StandingTable]:
    """See ports_of_put_back. Raises psycopg.Error"""
    wanted = list(tables)
    there = connection.execute(_TABLES, ([one.schema for one in wanted], [one.name for one in wanted])).fetchall()
    oids = {"tables": [row[2] for row in there]}
    columns: dict[int, list[StandingColumn]] = {}
    for oid, name, base, computed, always, missing in connection.execute(_COLUMNS, oids).fetchall():
        column = StandingColumn(name=name, base=base, computed=computed, always=always, missing=missing)
        columns.setdefault(oid, []).append(column)
    keys: dict[int, list[tuple[str, ...]]] = {}
    for oid, key in connection.execute(_KEYS, oids).fetchall():
        keys.setdefault(oid, []).append(tuple(key))
    firing = connection.execute(_FIRING, oids).fetchall()
    barred = foreign(Session(connection), [oid for row in there for oid in row[5]], values=True)
    return {
        TableName(schema=schema, name=name): StandingTable(
            name=TableName(schema=schema, name=name),
            oid=oid,
            partitioned=partitioned,
            partition=partition,
            columns=tuple(columns.get(oid, ())),
            keys=tuple(keys.get(oid, ())),
            deferrable=deferrable,
            pages=pages,
            always=_named(firing, oid, 2),
            others=_named(firing, oid, 3),
            barred=next((barred[one] for one in family if one in barred), ""),
            lacking=tuple(lacking),
        )
        for schema, name, oid, partitioned, partition, family, pages, lacking, deferrable in there
    }


def _named(firing: Sequence[tuple[Any, ...]], oid: int, at: int) -> tuple[str, ...]:
    return tuple(str(row[1]) for row in firing if row[0] == oid and row[at])
