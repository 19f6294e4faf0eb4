"""Query for the tables to plan a query on which the server would run functions that users wrote. Text only.

`search_path` must be empty. What planning evaluates, and what is done about it: `source.postgres.rows.unplannable`, spec 86-foreign-code.
"""

from __future__ import annotations

from typing import Final

_REACHED: Final = """
WITH RECURSIVE reached (relation, classid, objid) AS (
    SELECT i.indrelid, 'pg_class'::regclass::oid, i.indexrelid FROM pg_index i
     WHERE i.indrelid = {tables} AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
    UNION ALL
    SELECT s.stxrelid, 'pg_statistic_ext'::regclass::oid, s.oid FROM pg_statistic_ext s WHERE s.stxrelid = {tables}{values}
    UNION
    SELECT r.relation, x.classid, x.objid FROM reached r, LATERAL (
        SELECT d.refclassid, d.refobjid FROM pg_depend d
         WHERE d.classid = r.classid AND d.objid = r.objid
           AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass)
        UNION ALL
        SELECT 'pg_proc'::regclass, o.oprcode FROM pg_operator o WHERE r.classid = 'pg_operator'::regclass AND o.oid = r.objid
        UNION ALL
        SELECT 'pg_constraint'::regclass, k.oid FROM pg_constraint k WHERE r.classid = 'pg_type'::regclass AND k.contypid = r.objid
        UNION ALL
        SELECT 'pg_type'::regclass, a.atttypid FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid
         WHERE r.classid = 'pg_type'::regclass AND t.oid = r.objid AND t.oid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT 'pg_opclass'::regclass, c.oid FROM pg_opclass c LEFT JOIN pg_range g ON g.rngtypid = r.objid
         WHERE r.classid = 'pg_type'::regclass AND (c.opcintype = r.objid OR c.oid = g.rngsubopc)
        UNION ALL
        SELECT f.classid, f.objid FROM pg_opclass c, LATERAL (
            SELECT 'pg_operator'::regclass, o.amopopr FROM pg_amop o WHERE o.amopfamily = c.opcfamily
            UNION ALL
            SELECT 'pg_proc'::regclass, p.amproc::oid FROM pg_amproc p WHERE p.amprocfamily = c.opcfamily
        ) AS f (classid, objid)
         WHERE r.classid = 'pg_opclass'::regclass AND c.oid = r.objid AND f.objid >= 16384
    ) AS x (classid, objid)
), trusted AS (
    SELECT oid FROM pg_roles WHERE rolsuper OR rolname = session_user
)
SELECT DISTINCT ON (c.oid) c.oid::int8, n.nspname::text, c.relname::text, p.oid::regprocedure::text, pg_get_userbyid(p.proowner)::text,
       pg_get_userbyid(c.relowner)::text, c.relowner IN (SELECT oid FROM trusted) AND p.proowner IN (SELECT oid FROM trusted)
  FROM reached r JOIN pg_proc p ON r.classid = 'pg_proc'::regclass AND p.oid = r.objid JOIN pg_language l ON l.oid = p.prolang
  JOIN pg_class c ON c.oid = r.relation JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE l.lanname NOT IN ('internal', 'c')
 ORDER BY c.oid, 7, p.oid
"""

_VALUES: Final = """
    UNION ALL
    SELECT a.attrelid, 'pg_type'::regclass::oid, a.atttypid FROM pg_attribute a
     WHERE a.attrelid = {tables} AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384
    UNION ALL
    SELECT i.indrelid, 'pg_opclass'::regclass::oid, c.oid FROM pg_index i JOIN pg_opclass c ON c.oid = ANY(i.indclass)
     WHERE i.indrelid = {tables} AND (i.indisunique OR i.indisexclusion)"""
"""What values of the table's types, and comparing its keys, runs: checks of domains, operators, functions of their classes."""


def reached(tables: str, *, values: bool = False) -> str:
    """Of each table one function in a language other than internal and c, first one that is not trusted, with table, names and owners.

    Columns: oid, schema, name, function, its owner, the table's owner, whether both are superusers or the role that logged in.
    tables   right side of `oid = `: `ANY(...)`
    values   also what is run where values of its columns are read from text, and where its keys are compared
    """
    return _REACHED.replace("{values}", _VALUES if values else "").replace("{tables}", tables)
