"""What stored expressions call, from the catalogs: in a source for all objects, in a target for what an entry just made.

Reads node trees, whose format is the server's own: nothing but the operator's oid in each call is looked at, the same from 13 on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vault.model import Address, Identity, read_address
from vault.model.meaning import Calls, caller, meanings
from vault.source.postgres.connection.connect import Connection, Session
from vault.source.postgres.connection.sql_text import text

_TREES: Final = (
    ("pg_rewrite", "concat(ev_qual, ev_action)"),
    ("pg_constraint", "conbin"),
    ("pg_attrdef", "adbin"),
    ("pg_policy", "concat(polqual, polwithcheck)"),
    ("pg_trigger", "tgqual"),
    ("pg_class", "(SELECT concat(indexprs, indpred) FROM pg_catalog.pg_index i WHERE i.indexrelid = x.oid)"),
    ("pg_class", "(SELECT partexprs FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid = x.oid)"),
    ("pg_proc", "concat(proargdefaults, pg_catalog.to_jsonb(x)->>'prosqlbody')"),
    ("pg_statistic_ext", "pg_catalog.to_jsonb(x)->>'stxexprs'"),
    ("pg_publication_rel", "pg_catalog.to_jsonb(x)->>'prqual'"),
    ("pg_type", "typdefaultbin"),
)
"""Catalog and its node trees; a column that a server does not have yet is asked for by name."""

_TREE: Final = """
    SELECT '{catalog}'::pg_catalog.regclass::oid, x.oid, ({tree})::text FROM pg_catalog.{catalog} x
     WHERE x.oid IN (SELECT objid FROM wanted WHERE classid = '{catalog}'::pg_catalog.regclass)
"""
_COUNTED: Final = """
    SELECT t.classid, t.objid, call.operator, pg_catalog.count(*) AS calls
      FROM ({trees}) AS t(classid, objid, tree),
           LATERAL (SELECT (pg_catalog.regexp_matches(tree, ':opno (\\d+)', 'g'))[1]::oid AS operator) AS call
     WHERE call.operator >= 16384 GROUP BY 1, 2, 3
""".format(trees="UNION ALL".join(_TREE.format(catalog=catalog, tree=tree) for catalog, tree in _TREES))

_OF_ALL: Final = f"""
WITH wanted AS MATERIALIZED (
    SELECT DISTINCT classid, objid FROM pg_catalog.pg_depend
     WHERE refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND refobjid >= 16384 AND objid >= 16384
    UNION SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, oid FROM pg_catalog.pg_attrdef WHERE adrelid >= 16384
)
SELECT o.type || ' ' || o.identity, r.type || ' ' || r.identity, c.calls
  FROM ({_COUNTED}) AS c, LATERAL pg_catalog.pg_identify_object(c.classid, c.objid, 0) AS o,
       LATERAL pg_catalog.pg_identify_object('pg_catalog.pg_operator'::pg_catalog.regclass, c.operator, 0) AS r
"""
"""Operators of users' objects, how often each is called. Trees of objects that call none are not read, but for defaults: up to 14
what a generated column calls hangs on the column."""

_OF_ONE: Final = f"""
WITH own AS MATERIALIZED (
    SELECT classid, objid FROM pg_catalog.pg_get_object_address(%(kind)s, %(names)s::text[], %(args)s::text[])
), wanted AS MATERIALIZED (
    SELECT classid, objid, 0 AS subid FROM own
    UNION SELECT d.classid, d.objid, 0 FROM own JOIN pg_catalog.pg_depend d ON d.refclassid = own.classid AND d.refobjid = own.objid
     WHERE d.deptype IN ('a', 'i') AND (d.classid IN ('pg_catalog.pg_rewrite'::pg_catalog.regclass,
           'pg_catalog.pg_constraint'::pg_catalog.regclass, 'pg_catalog.pg_attrdef'::pg_catalog.regclass)
        OR (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND (SELECT relkind IN ('i', 'I') FROM pg_catalog.pg_class c WHERE c.oid = d.objid)))
    UNION SELECT own.classid, own.objid, attnum FROM own JOIN pg_catalog.pg_attribute ON attrelid = own.objid
     WHERE own.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND attnum > 0 AND attgenerated <> ''
), called AS (
    SELECT d.classid, d.objid, d.objsubid AS subid, d.refclassid, d.refobjid, 0::int8 AS calls
      FROM wanted w JOIN pg_catalog.pg_depend d ON d.classid = w.classid AND d.objid = w.objid AND d.objsubid = w.subid
     WHERE d.refobjid >= 16384 AND d.refclassid IN ('pg_catalog.pg_operator'::pg_catalog.regclass,
           'pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_collation'::pg_catalog.regclass)
    UNION ALL
    SELECT classid, objid, 0, 'pg_catalog.pg_operator'::pg_catalog.regclass, operator, calls FROM ({_COUNTED}) AS c
)
SELECT o.type || ' ' || o.identity, r.type || ' ' || r.identity, c.calls
  FROM wanted w CROSS JOIN LATERAL pg_catalog.pg_identify_object(w.classid, w.objid, w.subid) AS o
  LEFT JOIN called c ON c.classid = w.classid AND c.objid = w.objid AND c.subid = w.subid
  LEFT JOIN LATERAL pg_catalog.pg_identify_object(c.refclassid, c.refobjid, 0) AS r ON true
"""
"""The object of an address, and what came with it: a view's rule, a table's checks and defaults, a constraint's index.

A row without a call for each of them that calls nothing.
"""


def operators(session: Session) -> Iterator[tuple[str, str, int]]:
    """For CatalogFacts, as the server prints them. Raises SourceError"""
    for dependent, operator, calls in session.rows(_OF_ALL, doing="reading expressions"):
        if dependent is not None and operator is not None:
            yield dependent, operator, calls


def calls_of(connection: Connection, identity: Identity) -> dict[Address, Calls]:
    """What the object of `identity`, and each that came with it, calls. Raises psycopg.Error"""
    values = {"kind": identity.kind, "names": list(identity.names), "args": list(identity.args)}
    rows = [
        (read_address(dependent), None if called is None else read_address(called), calls)
        for dependent, called, calls in connection.execute(text(_OF_ONE), values).fetchall()
        if dependent is not None
    ]
    edges = [(dependent, called, "n") for dependent, called, calls in rows if called is not None and not calls]
    counted = [(dependent, called, calls) for dependent, called, calls in rows if called is not None and calls]
    known = meanings(edges, counted).of
    return {address: known.get(address, {}) for address in {caller(dependent) for dependent, _, _ in rows}}
