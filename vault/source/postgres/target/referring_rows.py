"""Rows that refer to what a restore brought: how many there are, and how many were cut off by a delete. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, LiteralString

from vault.model import Address, Cut, Identity, TableItem, TableName, read_address
from vault.source.postgres.connection.connect import Connection, Session
from vault.source.postgres.connection.sql_text import text
from vault.source.postgres.rows.unplannable import foreign
from vault.source.postgres.target import merge
from vault.source.postgres.target.comparing import by_hash_or_merge
from vault.source.postgres.target.harmless import require_harmless
from vault.source.postgres.target.held_table import looking
from vault.source.postgres.target.unique_keys import unique_keys
from vault.sql.names import qualified, quote

_TABLES: Final[LiteralString] = """
select w.schema, w.name, c.relkind = 'p', array(select t.relid::pg_catalog.oid::pg_catalog.int8 from pg_catalog.pg_partition_tree(c.oid) t
         union select c.oid::pg_catalog.int8)
  from unnest(%s::text[], %s::text[]) as w(schema, name) join pg_catalog.pg_namespace n on n.nspname = w.schema
  join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name and c.relkind in ('r', 'p')
 where pg_catalog.has_schema_privilege(n.oid, 'USAGE') and pg_catalog.has_table_privilege(c.oid, 'SELECT')
"""


_COUNTED_MAX: Final = 20
"""Tables in one statement, which locks each and its indexes."""


def count_rows(connection: Connection, tables: Sequence[TableName]) -> Mapping[TableName, int]:
    """Of those that are there, can be read, and can be counted without running others' code (86-foreign-code). Raises psycopg.Error"""
    wanted = ([table.schema for table in tables], [table.name for table in tables])
    there = connection.execute(_TABLES, wanted).fetchall()
    barred = foreign(Session(connection), [oid for *_, oids in there for oid in oids])
    counted = {
        TableName(schema=schema, name=name): "" if partitioned else "ONLY "
        for schema, name, partitioned, oids in there
        if barred.keys().isdisjoint(oids)
    }
    names = list(counted)
    counts: list[int] = []
    for start in range(0, len(names), _COUNTED_MAX):
        batch = names[start : start + _COUNTED_MAX]
        each = (f"(SELECT count(*) FROM {counted[name]}{qualified(name)})" for name in batch)
        counts += connection.execute(text(f"SELECT ARRAY[{', '.join(each)}]")).fetchall()[0][0]
    return dict(zip(names, counts, strict=True))


_VIEWS: Final[LiteralString] = """
select distinct o.type || ' ' || o.identity
  from pg_catalog.pg_get_object_address(%(kind)s, %(names)s::text[], %(args)s::text[]) a
  join pg_catalog.pg_depend d on d.refclassid = a.classid and d.refobjid = a.objid and d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
  join pg_catalog.pg_rewrite r on r.oid = d.objid and r.ev_class <> a.objid,
       lateral pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, r.ev_class, 0) o
 order by 1
"""


def views_over(connection: Connection, identity: Identity) -> list[Address]:
    """Views, and tables with rules, that stand in the way of dropping an object. Raises psycopg.Error"""
    values = {"kind": identity.kind, "names": list(identity.names), "args": list(identity.args)}
    return [read_address(row[0]) for row in connection.execute(_VIEWS, values).fetchall()]


def cut_off(
    connection: Connection,
    table: TableItem,
    columns: Sequence[str],
    blocks: Iterator[bytes],
    *,
    encoding: str,
    cut: Cut,
) -> int:
    """See ports.TargetSession.cut_off. Raises psycopg.Error, SourceError"""
    with looking(connection, table.load_via_root or table.name) as cursor:
        require_harmless(connection, table)
        names = merge.names_of(table, unique_keys(connection, table.load_via_root or table.name))
        merge.stage(cursor, names, blocks, encoding)
        mine, theirs, others = (names.row(alias, [quote(column) for column in columns]) for alias in ("s", "t", "o"))
        given = {alias: " AND ".join(f"{alias}.{quote(column)} IS NOT NULL" for column in columns) for alias in "st"}
        there = f"(SELECT * FROM {names.source})"
        lost = {
            Cut.NULL: f"NOT ({given['t']})",
            Cut.OTHERWISE: "true",
            Cut.MOVED: f"{given['t']} AND NOT EXISTS (SELECT FROM {there} o WHERE {others} = {mine})",
        }
        query = (
            f"SELECT count(*) FROM {merge.STAGE} s JOIN {there} t ON {names.same_key('t', 's')}"
            f" WHERE {given['s']} AND {mine} <> {theirs} AND {lost[cut]}"
        )
        with by_hash_or_merge(cursor):
            return int(cursor.execute(text(query)).fetchall()[0][0])
