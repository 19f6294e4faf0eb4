"""Every row of the system catalogs as text without oids: what two databases of equal definitions have in common.

References between catalogs are those that the server itself declares (pg_get_catalog_foreign_keys); an oid is replaced by
the identity of its object. Stored expressions are left out: they hold oids inside, and pg_dump's text compares them.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import psycopg
from psycopg import sql

_WITHOUT: Final = frozenset(
    [
        "oid",
        "relfilenode",
        "relpages",
        "reltuples",
        "relallvisible",
        "relallfrozen",
        "relfrozenxid",
        "relminmxid",
        "relrewrite",
        "reltoastrelid",
        "relhasindex",
        "relhastriggers",
        "relhasrules",
        "relhassubclass",
        "attcacheoff",
        "atthasmissing",
        "attmissingval",
        "indcheckxmin",
        "tgargs",
        "adbin",
        "conbin",
        "indexprs",
        "indpred",
        "ev_action",
        "ev_qual",
        "polqual",
        "polwithcheck",
        "proargdefaults",
        "prosqlbody",
        "partexprs",
        "partboundexpr",
        "relpartbound",
        "stxexprs",
        "typdefaultbin",
        "prqual",
        "subslotname",
        "suborigin",
        "subskiplsn",
        "prattrs",
        "tgqual",
        "tgattr",
        "relnatts",
        "adnum",
        "conkey",
        "confkey",
        "confdelsetcols",
    ]
)
_SKIPPED: Final = frozenset(
    [
        "pg_depend",
        "pg_shdepend",
        "pg_attribute",
        "pg_statistic",
        "pg_statistic_ext_data",
        "pg_database",
        "pg_largeobject",
        "pg_init_privs",
        "pg_description",
    ]
)
"""Dependencies, columns and comments are compared apart; the others hold statistics or values."""

_KEYS: Final = """
    SELECT fktable::regclass::text, fkcols[1], pktable::regclass::text, is_array FROM pg_get_catalog_foreign_keys() WHERE cardinality(fkcols) = 1
"""
_DEPENDENCIES: Final = """
    SELECT a.type || ' ' || a.identity || ' ' || d.deptype::text || ' ' || b.type || ' ' || b.identity
      FROM pg_depend d, LATERAL pg_identify_object(classid, objid, objsubid) AS a, LATERAL pg_identify_object(refclassid, refobjid, refobjsubid) AS b
     WHERE d.objid >= 16384 AND d.refobjid >= 16384 AND b.type <> 'transform'
"""
_COLUMNS: Final = r"""
    SELECT concat_ws(' ', 'column', attrelid::regclass, attname, format_type(atttypid, atttypmod), attndims, attstattarget, attstorage, attcompression,
        attnotnull, atthasdef, attidentity, attgenerated, attislocal, attinhcount, attcollation::regcollation, attacl,
        (SELECT array_agg(o) FROM unnest(attoptions) AS o WHERE o NOT LIKE 'pg\_attver=%'), attfdwoptions)
      FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
     WHERE attrelid >= 16384 AND attnum > 0 AND NOT attisdropped AND c.relkind <> 't'
"""


_COMMENTS: Final = """
    SELECT concat_ws(' ', 'comment', o.type, o.identity, description)
      FROM pg_description d, LATERAL pg_identify_object(classoid, objoid, objsubid) AS o WHERE objoid >= 16384
"""
_INTERNAL: Final = ("pg_toast", "_ConstraintTrigger_")
"""In names that hold oids."""


def catalog_rows(connection: psycopg.Connection[Any]) -> Counter[str]:
    """Rows of users' objects, and how often each is there (names of internal objects hold oids and are left out)."""
    connection.execute("SET search_path = ''")
    keys: dict[str, dict[str, tuple[str, bool]]] = {}
    for table, column, target, array in connection.execute(_KEYS):
        keys.setdefault(table, {})[column] = (target, array)
    found: Counter[str] = Counter()
    for table, references in keys.items():
        if table not in _SKIPPED:
            found.update(_rows(connection, table, references))
    for query in (_DEPENDENCIES, _COLUMNS, _COMMENTS):
        found.update(row[0] for row in connection.execute(sql.SQL(query)))
    return Counter({row: count for row, count in found.items() if not any(name in row for name in _INTERNAL)})


def _rows(connection: psycopg.Connection[Any], table: str, references: dict[str, tuple[str, bool]]) -> list[str]:
    columns = connection.execute(
        "SELECT attname, atttypid = 'oidvector'::regtype FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
        (table,),
    ).fetchall()
    shown: list[sql.Composable] = [sql.Literal(table)]
    for name, vector in columns:
        if name in _WITHOUT:
            continue
        column = sql.Identifier("x", name)
        target, array = references.get(name, ("", False))
        if target == "" or target == "pg_attribute":
            shown.append(sql.SQL("{}::text").format(column))
        elif array or vector:
            shown.append(
                sql.SQL("ARRAY(SELECT {} FROM unnest({}::oid[]) AS o(oid) ORDER BY 1)").format(
                    _name(target, sql.SQL("o.oid")), column
                )
            )
        else:
            shown.append(_name(target, sql.SQL("{}::oid").format(column)))
    where = sql.SQL("true") if "oid" not in {name for name, _ in columns} else sql.SQL("x.oid >= 16384")
    statement = sql.SQL("SELECT concat_ws(' | ', {}) FROM {} x WHERE {}").format(
        sql.SQL(", ").join(shown), sql.Identifier(table.removeprefix("pg_catalog.")), where
    )
    return [str(row[0]) for row in connection.execute(statement)]


def _name(target: str, oid: sql.Composable) -> sql.Composable:
    if target.endswith("pg_authid"):
        return sql.SQL("pg_get_userbyid({})").format(oid)
    template = "CASE {0} WHEN 0 THEN '-' ELSE (SELECT type || ' ' || identity FROM pg_identify_object({1}::regclass, {0}, 0)) END"
    return sql.SQL(template).format(oid, sql.Literal(target))
