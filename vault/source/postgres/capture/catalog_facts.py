"""Catalog facts beside the entries: owners, ACLs, dependencies, policy roles, extensions, the database itself [B2].

Objects are named as pg_identify_object does, type and identity in one text. Large objects have facts of their own; toast
tables, temporary objects and internal triggers (their names hold oids) are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vault.model import CatalogFacts, read_address
from vault.source.postgres.connection.connect import Row, Session
from vault.source.postgres.definitions import expressions

OWNED: Final[tuple[tuple[str, str, str], ...]] = (
    ("pg_class", "relowner", "relacl"),
    ("pg_proc", "proowner", "proacl"),
    ("pg_type", "typowner", "typacl"),
    ("pg_namespace", "nspowner", "nspacl"),
    ("pg_language", "lanowner", "lanacl"),
    ("pg_foreign_data_wrapper", "fdwowner", "fdwacl"),
    ("pg_foreign_server", "srvowner", "srvacl"),
    ("pg_operator", "oprowner", ""),
    ("pg_opclass", "opcowner", ""),
    ("pg_opfamily", "opfowner", ""),
    ("pg_collation", "collowner", ""),
    ("pg_conversion", "conowner", ""),
    ("pg_ts_dict", "dictowner", ""),
    ("pg_ts_config", "cfgowner", ""),
    ("pg_statistic_ext", "stxowner", ""),
    ("pg_extension", "extowner", ""),
    ("pg_event_trigger", "evtowner", ""),
    ("pg_publication", "pubowner", ""),
    ("pg_subscription", "subowner", ""),
)
"""Catalogs with an owner, and with an ACL where there is one."""

_OWNED_PART: Final = """
SELECT '{catalog}'::regclass::oid, x.oid, 0, x.{owner}, {acl}, {acl} IS DISTINCT FROM
       (SELECT CASE WHEN {acl} @> p.initprivs AND p.initprivs @> {acl} THEN {acl} ELSE p.initprivs END FROM pg_init_privs p WHERE p.objoid = x.oid AND p.classoid = '{catalog}'::regclass AND p.objsubid = 0)
  FROM {catalog} x WHERE {condition}
"""

_READABLE: Final = """
SELECT x.name FROM unnest(%s::text[]) AS x(name) WHERE has_column_privilege('pg_catalog.' || x.name, 'oid', 'SELECT')
"""
"""13 shows pg_subscription.oid to superusers only."""

_COLUMN_PART: Final = """
SELECT 'pg_class'::regclass::oid, x.attrelid, x.attnum::int4, 0::oid, x.attacl, true FROM pg_attribute x
 WHERE x.attacl IS NOT NULL AND x.attrelid >= 16384 AND NOT x.attisdropped
"""

_ACLS: Final = """
SELECT o.type || ' ' || o.identity, CASE WHEN x.owner = 0 THEN '' ELSE pg_get_userbyid(x.owner)::text END, x.acl::text[]
  FROM ({parts}) AS x(classid, objid, subid, owner, acl, touched),
       LATERAL pg_identify_object(x.classid, x.objid, x.subid) AS o
 WHERE o.identity IS NOT NULL AND (x.objid >= 16384 OR x.objid = 2200 OR (x.acl IS NOT NULL AND x.touched))
"""

_DEPENDENCIES: Final = """
    SELECT classid::int8, objid::int8, objsubid, refclassid::int8, refobjid::int8, refobjsubid, deptype::text FROM pg_depend
     WHERE objid >= 16384 AND refobjid >= 16384
    UNION ALL
    SELECT classid::int8, objid::int8, objsubid, refclassid::int8, refobjid::int8, 0, deptype::text FROM pg_shdepend
     WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND objid >= 16384
"""
_NAMES: Final = """
WITH skipped AS MATERIALIZED (
    SELECT 'pg_class'::regclass::oid AS classid, oid FROM pg_class WHERE relkind = 't' OR relpersistence = 't' OR relnamespace IN
        (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_(toast|temp_|toast_temp_)')
    UNION ALL SELECT 'pg_trigger'::regclass, oid FROM pg_trigger WHERE tgisinternal
)
SELECT d.classid::int8, d.objid::int8, d.objsubid, o.type || ' ' || o.identity
  FROM unnest(%s::oid[], %s::oid[], %s::int4[]) AS d(classid, objid, objsubid),
       LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) AS o
 WHERE d.classid <> 'pg_largeobject'::regclass AND (d.classid, d.objid) NOT IN (SELECT classid, oid FROM skipped)
"""
"""Joined here and not in the server, which knows too little of fresh catalogs to choose a plan: 30 s for 2,000 new tables."""

_POLICIES: Final = """
SELECT n.nspname::text, c.relname::text, p.polname::text,
       ARRAY(SELECT coalesce(r.rolname::text, 'public') FROM unnest(p.polroles) AS o(oid) LEFT JOIN pg_roles r ON r.oid = o.oid
              ORDER BY 1)
  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C", p.polname COLLATE "C"
"""

_EXTENSIONS: Final = """
SELECT extname::text, extversion, extnamespace::regnamespace::text FROM pg_extension ORDER BY extname COLLATE "C"
"""

_FUNCTIONS: Final = """
SELECT n.nspname::text, p.proname::text, pg_get_function_identity_arguments(p.oid),
       p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype),
       EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE p.prokind IN ('f', 'p', 'w') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp_)'
 ORDER BY n.nspname COLLATE "C", p.proname COLLATE "C"
"""

_DATABASE: Final = """
SELECT e.key, e.value FROM pg_database d, LATERAL jsonb_each_text(
    to_jsonb(d) - '{oid,datdba,datfrozenxid,datminmxid,dattablespace,datlastsysoid,encoding}'::text[]
    || jsonb_build_object('owner', pg_get_userbyid(d.datdba), 'encoding', pg_encoding_to_char(d.encoding),
         'tablespace', (SELECT spcname FROM pg_tablespace t WHERE t.oid = d.dattablespace),
         'comment', shobj_description(d.oid, 'pg_database'))) AS e(key, value)
 WHERE d.datname = current_database()
"""

_COLLATIONS: Final = """
SELECT jsonb_object_agg(c.oid::regcollation::text, pg_collation_actual_version(c.oid))::text
  FROM pg_collation c WHERE c.collprovider <> 'd' AND pg_collation_actual_version(c.oid) IS NOT NULL AND (%s OR c.oid >= 16384 OR EXISTS (
       SELECT FROM pg_depend d WHERE d.refclassid = 'pg_collation'::regclass AND d.refobjid = c.oid AND d.objid >= 16384))
"""
"""Versions, as the library has them now, of collations that users' objects name, or of all."""

_DEFAULT_COLLATION: Final = """
SELECT pg_database_collation_actual_version(oid) FROM pg_database WHERE datname = current_database()
"""
COLLATION_VERSIONS_SINCE: Final = 150000
"""Databases have one of their own."""


def facts(session: Session) -> CatalogFacts:
    """All facts as `session` sees the catalogs. Raises SourceError"""
    doing = "reading the catalogs"
    return CatalogFacts(
        acls=tuple(
            (read_address(name), owner, _acl(acl))
            for name, owner, acl in sorted(session.rows(_acl_query(session), doing=doing), key=_by_name)
        ),
        edges=tuple(
            (read_address(dependent), read_address(referenced), letter)
            for dependent, referenced, letter in sorted(_edges(session))
        ),
        policies=tuple(
            (schema, table, name, tuple(roles)) for schema, table, name, roles in session.rows(_POLICIES, doing=doing)
        ),
        extensions=tuple((name, version, schema) for name, version, schema in session.rows(_EXTENSIONS, doing=doing)),
        database=database(session),
        functions=tuple(
            (schema, name, arguments, trigger, member)
            for schema, name, arguments, trigger, member in sorted(session.rows(_FUNCTIONS, doing=doing))
        ),
        operators=tuple(
            (read_address(dependent), read_address(operator), calls)
            for dependent, operator, calls in sorted(expressions.operators(session))
        ),
    )


def database(session: Session, *, all_collations: bool = False) -> Mapping[str, str | None]:
    """Properties of the database itself; which there are depends on the server's version.

    Beside pg_database's columns: owner, encoding, tablespace, comment, `collversion` (of the default collation, now) and
    `collations` (JSON, name -> version now, of those in use, or of all).
    """
    doing = "reading the database's properties"
    properties = dict(session.rows(_DATABASE, doing=doing))
    properties["collations"] = session.row(_COLLATIONS, [all_collations], doing=doing)[0]
    if session.connection.info.server_version >= COLLATION_VERSIONS_SINCE:
        properties["collversion"] = session.row(_DEFAULT_COLLATION, doing=doing)[0]
    return properties


def _edges(session: Session) -> set[tuple[str, str, str]]:
    doing = "reading dependencies"
    rows = session.rows(_DEPENDENCIES, doing=doing)
    objects = sorted({key for row in rows for key in (row[0:3], row[3:6])})
    columns = [list(column) for column in zip(*objects, strict=True)] or [[], [], []]
    names = {(*row[0:3],): row[3] for row in session.rows(_NAMES, columns, doing=doing) if row[3] is not None}
    return {(names[row[0:3]], names[row[3:6]], row[6]) for row in rows if row[0:3] in names and row[3:6] in names}


def _by_name(row: Row) -> tuple[str, str]:
    return row[0], row[1]


def _acl_query(session: Session) -> str:
    names = [catalog for catalog, _, _ in OWNED]
    readable = {name for (name,) in session.rows(_READABLE, [names], doing="looking at the catalogs")}
    parts = [_COLUMN_PART]
    for catalog, owner, acl in OWNED:
        if catalog not in readable:
            continue
        condition = "true"
        if catalog == "pg_class":
            condition = (
                "x.relkind <> 't' AND x.relpersistence <> 't' AND x.relnamespace NOT IN"
                " (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_(toast|temp_|toast_temp_)')"
            )
        elif catalog == "pg_namespace":
            condition = "x.nspname !~ '^pg_(toast|temp_|toast_temp_)'"
        elif catalog == "pg_type":
            condition = (
                "x.typnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_(toast|temp_|toast_temp_)')"
            )
        elif catalog == "pg_subscription":
            condition = "x.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
        part = _OWNED_PART.format(
            catalog=catalog, owner=owner, acl=f"x.{acl}" if acl else "NULL::aclitem[]", condition=condition
        )
        parts.append(part)
    return _ACLS.format(parts="UNION ALL".join(parts))


def _acl(items: list[str] | None) -> tuple[str, ...] | None:
    return None if items is None else tuple(items)
