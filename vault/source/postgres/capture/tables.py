"""The tables of a database: which there are, what COPY delivers of them, how large they are.

Takes no lock (no function here opens a relation, except `sizes`, which is called under our own locks). Rows live in ordinary
tables and in leaf partitions; partitioned roots, views and materialized views hold none of their own. Extension members
are tables like others; those registered as configuration have a condition [B7].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from vault.model import Column, TableName
from vault.ports import SourceTable
from vault.source.postgres.connection.connect import Row, Session
from vault.source.postgres.connection.exported_snapshot import Relation
from vault.source.postgres.rows.table_fingerprint import fingerprints
from vault.source.postgres.rows.unplannable import unplanned

TID_RANGE_VERSION: Final = 140000
"""First server with TID range scans."""

IN_SCOPE: Final = """
    n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp_|toast_temp_)'"""

_RELATIONS: Final = """
WITH RECURSIVE unsafe AS (
    SELECT partrelid AS oid FROM pg_partitioned_table WHERE partclass::oid[] && ARRAY(
        SELECT c.oid FROM pg_opclass c JOIN pg_am a ON a.oid = c.opcmethod
         WHERE c.opcname = 'enum_ops' AND c.opcnamespace = 'pg_catalog'::regnamespace AND a.amname = 'hash')
    UNION SELECT i.inhrelid FROM pg_inherits i JOIN unsafe u ON u.oid = i.inhparent
), config AS (
    SELECT unnest(extconfig) AS oid, unnest(extcondition) AS condition FROM pg_extension
)
SELECT n.nspname::text, c.relname::text, c.oid::int8, c.relkind::text, c.relpersistence::text, c.relfilenode::int8,
       coalesce(am.amname, '')::text, coalesce(config.condition, ''),
       coalesce(has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'), false),
       rn.nspname::text, r.relname::text, c.reltoastrelid::int8, {without_rows}
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_am am ON am.oid = c.relam AND c.relkind = 'r'
  LEFT JOIN config ON config.oid = c.oid
  LEFT JOIN unsafe u ON u.oid = c.oid AND c.relkind = 'r'
  LEFT JOIN pg_class r ON u.oid IS NOT NULL AND r.oid = pg_partition_root(c.oid)
  LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace
 WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND {scope} AND {selected}
 ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"
"""

_KEYS: Final = """
SELECT DISTINCT ON (i.indrelid) i.indrelid::int8,
       ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
               JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
              WHERE k.place <= i.indnkeyatts ORDER BY k.place)
  FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
 WHERE i.indrelid = ANY(%s::oid[]) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
   AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
                     JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                    WHERE k.place <= i.indnkeyatts AND NOT a.attnotnull)
 ORDER BY i.indrelid, i.indisprimary DESC, i.indimmediate DESC, i.indisreplident DESC, i.indnkeyatts, x.relname COLLATE "C"
"""

_COLUMNS: Final = """
SELECT attrelid::int8, attname::text, format_type(atttypid, atttypmod), attnum::int4, attnotnull, attgenerated <> ''
  FROM pg_attribute WHERE attrelid = ANY(%s::oid[]) AND attnum > 0 AND NOT attisdropped AND attgenerated IN ('', 's')
 ORDER BY attrelid, attnum
"""

_SIZES: Final = """
SELECT oid::int8, pg_relation_size(oid) / current_setting('block_size')::int8,
       pg_relation_size(oid), CASE WHEN toast = 0 THEN 0 ELSE coalesce(pg_relation_size(toast::oid), 0) END
  FROM unnest(%s::oid[], %s::int8[]) AS t(oid, toast)
"""


def relations(session: Session, selected: str, *, without_rows: str = "''") -> list[Relation]:
    """Relations that satisfy the SQL condition `selected`, by name. `without_rows`: SQL text of `sql.pattern.without_rows`"""
    query = _RELATIONS.format(scope=IN_SCOPE, selected=selected, without_rows=without_rows)
    return [_relation(row) for row in session.rows(query, doing="listing tables")]


def _relation(row: Row) -> Relation:
    schema, name, oid, kind, persistence, filenode, method, condition, readable, root_schema, root, toast, excluded = (
        row
    )
    return Relation(
        name=TableName(schema=schema, name=name),
        oid=oid,
        kind=kind,
        persistence=persistence,
        filenode=filenode,
        access_method=method,
        condition=condition,
        readable=readable,
        root=TableName(schema=root_schema, name=root) if root is not None else None,
        toast=toast,
        rows_excluded=excluded,
    )


def tables(session: Session, relations: Sequence[Relation], *, version: int) -> list[SourceTable]:
    """What COPY needs of locked relations that hold rows, in the same order; sizes are those of now [A11]."""
    oids = [relation.oid for relation in relations]
    columns: dict[int, list[Column]] = {oid: [] for oid in oids}
    generated: dict[int, list[Column]] = {oid: [] for oid in oids}
    for oid, name, type_name, number, not_null, computed in session.rows(_COLUMNS, [oids], doing="listing columns"):
        column = Column(name=name, type=type_name, attnum=number, not_null=not_null)
        (generated if computed else columns)[oid].append(column)
    keys: Mapping[int, Sequence[str]] = dict(session.rows(_KEYS, [oids], doing="listing keys"))
    toasts = [relation.toast for relation in relations]
    measured = session.rows(_SIZES, [oids, toasts], doing="measuring tables")
    sizes = {oid: (blocks or 0, (size or 0) + toast, toast) for oid, blocks, size, toast in measured}
    prints = fingerprints(session, oids)
    barred = unplanned(session, oids)
    return [
        SourceTable(
            name=relation.name,
            oid=relation.oid,
            filenode=relation.filenode,
            kind=relation.kind,
            access_method=relation.access_method,
            columns=tuple(columns[relation.oid]),
            generated=tuple(generated[relation.oid]),
            key_columns=tuple(keys.get(relation.oid, ())),
            fingerprint=prints[relation.oid],
            load_via_root=relation.root,
            condition="" if relation.oid in barred else relation.condition,
            blocks=sizes[relation.oid][0],
            bytes_estimate=sizes[relation.oid][1],
            toast_bytes=sizes[relation.oid][2],
            ranges=_has_ranges(relation, version) and relation.oid not in barred,
            unplanned=barred.get(relation.oid, ""),
        )
        for relation in relations
    ]


def _has_ranges(relation: Relation, version: int) -> bool:
    return relation.access_method == "heap" and version >= TID_RANGE_VERSION and not relation.condition
