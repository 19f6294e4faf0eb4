"""Fingerprint of all definitions in a database: did anything change between two moments [A9]?

Reads definitional columns of the catalogs only: what VACUUM, TRUNCATE, REFRESH, REINDEX and temporary objects touch is
left out, else a busy server would never settle. The start is read in the snapshot, the end in a fresh transaction; a
session that still holds the snapshot is blind to the end.

Two looks. `versions` is cheap and may say "changed" of what did not: every change of a definition writes a new version of a row of
the catalog, at another place or by another transaction. Only where it differs `read` tells what changed, and whether.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from vault.source.postgres.connection.connect import Row, Session

Definitions = Mapping[tuple[str, int], str]
"""(catalog, object oid) -> digest."""
Versions = frozenset[tuple[str, int, str]]
"""(catalog, rows, sum of their versions)."""

_USER: Final = "x.oid >= 16384"
_RELATION: Final = "x.{} IN (SELECT oid FROM rels)"

CATALOGS: Final[Mapping[str, tuple[str, str, str]]] = {
    "pg_class": ("oid", "x.oid IN (SELECT oid FROM rels) AND x.relkind NOT IN ('i', 'I')", ""),
    "pg_attribute": ("attrelid", _RELATION.format("attrelid") + " AND x.attnum > 0", "xmin"),
    "pg_attrdef": ("adrelid", _RELATION.format("adrelid"), ""),
    "pg_index": ("indrelid", _RELATION.format("indrelid"), ""),
    "pg_constraint": ("oid", "(x.conrelid = 0 OR x.conrelid IN (SELECT oid FROM rels))", ""),
    "pg_trigger": ("oid", _RELATION.format("tgrelid"), ""),
    "pg_rewrite": ("ev_class", _RELATION.format("ev_class"), ""),
    "pg_policy": ("oid", _RELATION.format("polrelid"), ""),
    "pg_inherits": ("inhrelid", _RELATION.format("inhrelid"), ""),
    "pg_partitioned_table": ("partrelid", "true", ""),
    "pg_sequence": ("seqrelid", _RELATION.format("seqrelid"), ""),
    "pg_statistic_ext": ("oid", "true", ""),
    "pg_type": ("oid", _USER + " AND x.typnamespace NOT IN (SELECT oid FROM hidden) AND x.typtype <> 'p'", "xmin"),
    "pg_enum": ("enumtypid", "true", "xmin"),
    "pg_range": ("rngtypid", "true", ""),
    "pg_proc": ("oid", "(" + _USER + " OR x.proacl IS NOT NULL)", ""),
    "pg_aggregate": ("aggfnoid", "x.aggfnoid::oid >= 16384", ""),
    "pg_operator": ("oid", _USER, ""),
    "pg_opclass": ("oid", _USER, ""),
    "pg_opfamily": ("oid", _USER, ""),
    "pg_amop": ("oid", _USER, ""),
    "pg_amproc": ("oid", _USER, ""),
    "pg_am": ("oid", "true", ""),
    "pg_cast": ("oid", _USER, ""),
    "pg_collation": ("oid", _USER, ""),
    "pg_conversion": ("oid", _USER, ""),
    "pg_language": ("oid", "true", ""),
    "pg_transform": ("oid", "true", ""),
    "pg_ts_config": ("oid", _USER, ""),
    "pg_ts_config_map": ("mapcfg", "x.mapcfg >= 16384", ""),
    "pg_ts_dict": ("oid", _USER, ""),
    "pg_ts_parser": ("oid", _USER, ""),
    "pg_ts_template": ("oid", _USER, ""),
    "pg_namespace": ("oid", "x.oid NOT IN (SELECT oid FROM hidden)", ""),
    "pg_extension": ("oid", "true", ""),
    "pg_event_trigger": ("oid", "true", ""),
    "pg_publication": ("oid", "true", ""),
    "pg_publication_rel": ("oid", "true", ""),
    "pg_publication_namespace": ("oid", "true", ""),
    "pg_subscription": ("oid", "x.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())", ""),
    "pg_foreign_data_wrapper": ("oid", "true", ""),
    "pg_foreign_server": ("oid", "true", ""),
    "pg_foreign_table": ("ftrelid", "true", ""),
    "pg_default_acl": ("oid", "true", ""),
    "pg_init_privs": ("objoid", "x.classoid <> 'pg_largeobject'::regclass", ""),
    "pg_description": ("objoid", "x.objoid >= 16384 AND x.classoid <> 'pg_largeobject'::regclass", ""),
    "pg_seclabel": ("objoid", "x.classoid <> 'pg_largeobject'::regclass", ""),
    "pg_database": ("oid", "x.datname = current_database()", ""),
}
"""Catalog -> column that holds the object, condition, system column that is part of the digest."""

VOLATILE: Final = frozenset(
    {
        *("relfilenode", "relpages", "reltuples", "relallvisible", "relallfrozen", "relfrozenxid", "relminmxid"),
        *("relhasindex", "relhasrules", "relhastriggers", "relhassubclass", "relrewrite", "reltoastrelid"),
        *("attmissingval", "atthasmissing", "attcacheoff"),
        *("indexrelid", "indcheckxmin", "conindid", "tgconstrindid"),
        *("datfrozenxid", "datminmxid", "datlastsysoid", "collversion", "datcollversion"),
        *("subconninfo", "subskiplsn"),
    }
)
"""Columns that change without a change of a definition, or that an ordinary role may not read."""

_IN_PLACE: Final[Mapping[str, tuple[str, ...]]] = {"pg_index": ("indisvalid", "indisready", "indislive")}
"""Columns that define something and that a server writes without a new version of their row: before 14, as CREATE INDEX CONCURRENTLY
goes on. All others of that kind are VOLATILE (heap_inplace_update in 13 to 18)."""

_COLUMNS: Final = """
SELECT c.relname::text, array_agg(quote_ident(a.attname) ORDER BY a.attnum), has_table_privilege(c.oid, 'SELECT')
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relname = ANY(%s) AND NOT a.attname = ANY(%s)
   AND has_column_privilege(c.oid, a.attnum, 'SELECT')
 GROUP BY c.oid, c.relname
"""

_FRAME: Final = """
WITH hidden AS (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_(toast|temp_|toast_temp_)'),
     rels AS MATERIALIZED (SELECT oid FROM pg_class WHERE oid >= 16384 AND relpersistence <> 't' AND relkind NOT IN ('i', 'I', 't')
                              AND relnamespace NOT IN (SELECT oid FROM hidden))
{parts}
"""

_PART: Final = """
SELECT '{catalog}', x.{key}::oid::int8, md5(string_agg(t.text, E'\\n' ORDER BY t.text COLLATE "C"))
  FROM {catalog} x, LATERAL (SELECT ROW({columns})::text) AS t(text) WHERE {condition} GROUP BY 1, 2
"""

_VERSIONS: Final = """
SELECT '{catalog}', count(*), coalesce(sum(hashtextextended(ROW({version})::text, 0)), 0)::text FROM {catalog} x WHERE {condition}
"""

_NAMES: Final = """
SELECT o.type || ' ' || o.identity
  FROM unnest(%s::text[], %s::oid[]) AS x(catalog, oid),
       LATERAL pg_identify_object(to_regclass('pg_catalog.' || x.catalog), x.oid, 0) AS o
"""

_OWNER_CATALOG: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("pg_attribute", "pg_attrdef", "pg_index", "pg_rewrite", "pg_inherits", "pg_partitioned_table", "pg_sequence"),
        "pg_class",
    ),
    **dict.fromkeys(("pg_enum", "pg_range"), "pg_type"),
    "pg_aggregate": "pg_proc",
    "pg_foreign_table": "pg_class",
    "pg_ts_config_map": "pg_ts_config",
}
"""Catalogs whose key is an object of another one."""


def versions(session: Session) -> Versions:
    """What `session` sees of the catalogs: equal to what another moment sees only if no definition changed between the two."""
    parts = []
    for catalog, (names, whole) in _readable(session).items():
        columns = ("ctid", "xmin", *_IN_PLACE.get(catalog, ())) if whole else names
        version = ", ".join(f"x.{name}" for name in columns)
        parts.append(_VERSIONS.format(catalog=catalog, version=version, condition=CATALOGS[catalog][1]))
    return frozenset(map(tuple, _rows(session, parts)))


def read(session: Session) -> Definitions:
    """Digest of every definition as `session` sees the catalogs."""
    parts = []
    for catalog, (columns, _) in _readable(session).items():
        key, condition, extra = CATALOGS[catalog]
        named = ", ".join(f"x.{name}" for name in (*columns, *((extra,) if extra else ())))
        parts.append(_PART.format(catalog=catalog, key=key, columns=named, condition=condition))
    return {(catalog, oid): digest for catalog, oid, digest in _rows(session, parts)}


def _readable(session: Session) -> Mapping[str, tuple[Sequence[str], bool]]:
    """Catalogs of this server -> their columns that define something, and whether all of a row may be read, its xmin too.

    13 shows pg_subscription.oid to superusers only; none shows all of pg_subscription to others.
    """
    columns = session.rows(_COLUMNS, [list(CATALOGS), list(VOLATILE)], doing="reading the catalogs")
    return {catalog: (names, whole) for catalog, names, whole in sorted(columns) if CATALOGS[catalog][0] in names}


def _rows(session: Session, parts: Sequence[str]) -> Sequence[Row]:
    return session.rows(_FRAME.format(parts="UNION ALL".join(parts)), doing="reading the catalogs")


def columns(session: Session, tables: Collection[int]) -> Definitions:
    """The part of `read` that says what the columns of `tables` (oids) are."""
    name = "pg_attribute"
    names: list[str] = session.row(_COLUMNS, [[name], list(VOLATILE)], doing="reading the catalogs")[1]
    key, _, extra = CATALOGS[name]
    named = ", ".join(f"x.{column}" for column in (*names, extra))
    condition = "x.attrelid = ANY(%s::oid[]) AND x.attnum > 0"
    query = _PART.format(catalog=name, key=key, columns=named, condition=condition)
    return {(name, oid): digest for _, oid, digest in session.rows(query, [list(tables)], doing="comparing columns")}


def changed(session: Session, start: Definitions, end: Definitions) -> Collection[str]:
    """Names of what differs, sorted; by catalog and oid where it no longer has a name."""
    keys = sorted(key for key in start.keys() | end.keys() if start.get(key) != end.get(key))
    named = set()
    for catalog, oid in keys:
        owner = _OWNER_CATALOG.get(catalog, catalog)
        name = None
        if owner not in {"pg_description", "pg_seclabel", "pg_init_privs"}:
            name = session.row(_NAMES, [[owner], [oid]], doing="naming what changed")[0]
        named.add(name or f"{owner} {oid}")
    return sorted(named)
