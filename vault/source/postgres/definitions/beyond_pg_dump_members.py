"""Queries for what users did to an extension's members: added, altered, commented. Text only; rows as in `beyond_pg_dump_sql`.

Every statement here may be run where the member already is as it says: nothing is created twice, and no row is touched.
"""

from __future__ import annotations

from typing import Final

from vault.source.postgres.definitions.beyond_pg_dump_sql import by_user, in_member
from vault.sql.attribute_options import SERVER_ONLY
from vault.sql.names import literal

_MADE: Final = "m.schema, m.owner"
_SERVER_ONLY: Final = f"ARRAY[{', '.join(literal(name) for name in sorted(SERVER_ONLY))}]"

_SEQUENCE_OPTIONS: Final = """
format('START WITH %%s INCREMENT BY %%s MINVALUE %%s MAXVALUE %%s CACHE %%s%%s', q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache,
       CASE WHEN q.seqcycle THEN ' CYCLE' ELSE '' END)
"""
_COLUMN: Final = f"""
format('%%I %%s', a.attname, format_type(a.atttypid, a.atttypmod))
|| CASE WHEN a.attcollation <> t.typcollation THEN ' COLLATE ' || a.attcollation::regcollation ELSE '' END
|| CASE WHEN a.attgenerated <> '' THEN ' GENERATED ALWAYS AS (' || pg_get_expr(f.adbin, f.adrelid) || ')' ||
        CASE a.attgenerated WHEN 's' THEN ' STORED' ELSE '' END ELSE '' END
|| coalesce((SELECT format(' GENERATED %%s AS IDENTITY (SEQUENCE NAME %%s %%s)', CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, o.objid::regclass,
                           {_SEQUENCE_OPTIONS.strip()})
               FROM pg_depend o JOIN pg_sequence q ON q.seqrelid = o.objid WHERE o.classid = 'pg_class'::regclass AND o.refclassid = 'pg_class'::regclass
                AND o.refobjid = a.attrelid AND o.refobjsubid = a.attnum AND o.deptype = 'i'), '')
"""
_COLUMN_TABLES: Final = """
pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
"""

_JOIN: Final = """
format(E'DO %%L;\\n', format('BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE classid = ''pg_catalog.{catalog}''::pg_catalog.regclass'
    ' AND objid = %%L::pg_catalog.{reg} AND deptype = ''e'') THEN ALTER EXTENSION %%I ADD {kind} %%s; END IF; END',
    {name}, e.extname, {name}))
"""
"""Makes an object a member again, unless it is one."""


def _join(catalog: str, reg: str, *, kind: str, name: str) -> str:
    return _JOIN.format(catalog=catalog, reg=reg, kind=kind, name=name).strip()


TABLES: Final = f"""
SELECT 'EXTENSION TABLE', 0, 'pg_class'::regclass::oid, m.oid, 0, '', m.name, {_MADE},
       format(E'CREATE %%sTABLE IF NOT EXISTS %%s (%%s)%%s%%s;\\n', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END, m.shown,
              (SELECT string_agg(E'\\n    ' || {_COLUMN.strip()}, ',' ORDER BY a.attnum)
                 FROM {_COLUMN_TABLES.strip()} WHERE a.attrelid = m.oid AND a.attnum > 0 AND NOT a.attisdropped),
              coalesce((SELECT E'\\nUSING ' || quote_ident(amname) FROM pg_am WHERE oid = c.relam AND amname <> 'heap'), ''),
              E'\\nWITH (' || array_to_string(c.reloptions, ', ') || ')')
       || {_join("pg_class", "regclass", kind="TABLE", name="m.shown")}, '',
       coalesce((SELECT spcname::text FROM pg_tablespace WHERE oid = c.reltablespace), '')
  FROM member m JOIN pg_class c ON c.oid = m.oid JOIN pg_extension e ON e.oid = m.ext
 WHERE m.added AND m.relkind = 'r' AND NOT m.relispartition AND m.reloftype = 0
   AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = m.oid)
"""

_SEQUENCES_ADDED: Final = """
  FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
  JOIN pg_sequence q ON q.seqrelid = c.oid
  LEFT JOIN pg_depend o ON o.classid = 'pg_class'::regclass AND o.objid = c.oid AND o.refclassid = 'pg_class'::regclass AND o.deptype IN ('a', 'i')
  LEFT JOIN pg_attribute a ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid
 WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e'
   AND NOT EXISTS (SELECT FROM pg_attribute x WHERE x.attrelid = c.oid AND x.attnum = -6 AND d.xmin = x.xmin AND d.cmin = x.cmin)
   AND (%(everything)s OR o.refobjid = ANY(%(tables)s::oid[]))
"""
_SEQUENCE: Final = "c.relname::text, c.relnamespace::regnamespace::text, pg_get_userbyid(c.relowner)::text"
_IS_MEMBER: Final = _join("pg_class", "regclass", kind="SEQUENCE", name="c.oid::regclass::text")

SEQUENCES: Final = f"""
SELECT 'EXTENSION SEQUENCE', 0, 'pg_class'::regclass::oid, c.oid, 0, '', {_SEQUENCE},
       format(E'CREATE %%sSEQUENCE IF NOT EXISTS %%s AS %%s %%s;\\n', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END, c.oid::regclass, q.seqtypid::regtype, {_SEQUENCE_OPTIONS.strip()}) || {_IS_MEMBER}, '', ''
  {_SEQUENCES_ADDED.strip()} AND o.deptype IS DISTINCT FROM 'i'
UNION ALL
SELECT 'EXTENSION SEQUENCE', 1, 'pg_class'::regclass::oid, c.oid, 0, 'owner', {_SEQUENCE},
       format(E'ALTER SEQUENCE %%s OWNED BY %%s.%%I;\\n', c.oid::regclass, o.refobjid::regclass, a.attname), '', ''
  {_SEQUENCES_ADDED.strip()} AND o.deptype = 'a'
UNION ALL
SELECT 'EXTENSION SEQUENCE', 2, 'pg_class'::regclass::oid, c.oid, 0, 'identity', {_SEQUENCE},
       format(E'DO %%L;\\n', format('BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = %%L::pg_catalog.regclass AND attname = %%L AND attidentity <> '''')'
              ' THEN ALTER TABLE %%s ALTER COLUMN %%I SET NOT NULL, ALTER COLUMN %%I ADD GENERATED %%s AS IDENTITY (SEQUENCE NAME %%s %%s); END IF; END',
              m.shown, a.attname, m.shown, a.attname, a.attname,
              CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, c.oid::regclass, {_SEQUENCE_OPTIONS.strip()}))
       || CASE WHEN e.oid IS NULL THEN '' ELSE {_IS_MEMBER} END, '', ''
  FROM member m JOIN pg_depend o ON o.refclassid = 'pg_class'::regclass AND o.refobjid = m.oid AND o.classid = 'pg_class'::regclass AND o.deptype = 'i'
  JOIN pg_class c ON c.oid = o.objid AND c.relkind = 'S' JOIN pg_sequence q ON q.seqrelid = c.oid
  JOIN pg_attribute a ON a.attrelid = m.oid AND a.attnum = o.refobjsubid
  LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
  LEFT JOIN pg_extension e ON e.oid = d.refobjid WHERE {in_member("q")}
"""

_ADDED_OBJECT: Final = "NOT EXISTS (SELECT FROM script s WHERE s.ext = d.refobjid AND s.xid = d.xmin::text)"

ROUTINES: Final = f"""
SELECT 'EXTENSION ROUTINE', 0, 'pg_proc'::regclass::oid, p.oid, 0, '', p.proname::text, p.pronamespace::regnamespace::text, pg_get_userbyid(p.proowner)::text,
       format(E'DO %%L;\\n', format('BEGIN IF pg_catalog.to_regprocedure(%%L) IS NULL THEN EXECUTE %%L; END IF; END', p.oid::regprocedure, pg_get_functiondef(p.oid)))
       || {_join("pg_proc", "regprocedure", kind="ROUTINE", name="p.oid::regprocedure::text")}, '', ''
  FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid JOIN pg_proc p ON p.oid = d.objid AND p.prokind <> 'a'
 WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND {_ADDED_OBJECT} AND %(everything)s
UNION ALL
SELECT 'EXTENSION VIEW', 2, 'pg_class'::regclass::oid, m.oid, 0, '', m.name, {_MADE},
       format(E'DO %%L;\\n', format('BEGIN IF pg_catalog.to_regclass(%%L) IS NULL THEN EXECUTE %%L; END IF; END', m.shown,
              format('CREATE VIEW %%s%%s AS %%s', m.shown, ' WITH (' || array_to_string(c.reloptions, ', ') || ')', pg_get_viewdef(m.oid))))
       || {_join("pg_class", "regclass", kind="VIEW", name="m.shown")}, '', ''
  FROM member m JOIN pg_class c ON c.oid = m.oid JOIN pg_extension e ON e.oid = m.ext
  JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = m.oid AND d.deptype = 'e' WHERE m.relkind = 'v' AND {_ADDED_OBJECT}
"""

_IF_VERSION: Final = """
format(E'DO %%L;\\n', format('BEGIN IF (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = %%L) IS DISTINCT FROM %%L THEN'
    ' RAISE EXCEPTION ''it was changed under another version of its extension''; END IF; EXECUTE %%L; END', e.extname, e.extversion, {statement}))
"""
"""What replaces a member's body must not put an old one into a newer extension."""

BODIES: Final = f"""
SELECT 'EXTENSION ROUTINE', 2, 'pg_proc'::regclass::oid, p.oid, 0, 'body', p.proname::text, p.pronamespace::regnamespace::text, pg_get_userbyid(p.proowner)::text,
       {_IF_VERSION.format(statement="pg_get_functiondef(p.oid)").strip()}, '', ''
  FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid JOIN pg_proc p ON p.oid = d.objid AND p.prokind <> 'a'
  JOIN pg_language l ON l.oid = p.prolang AND l.lanname NOT IN ('c', 'internal')
 WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND p.oid >= 16384 AND %(everything)s AND p.xmin <> d.xmin AND {by_user("p", "d.refobjid")}
UNION ALL
SELECT 'EXTENSION VIEW', 2, 'pg_class'::regclass::oid, m.oid, 0, 'body', m.name, {_MADE},
       {_IF_VERSION.format(statement="format('CREATE OR REPLACE VIEW %%s AS %%s', m.shown, pg_get_viewdef(m.oid))").strip()}, '', ''
  FROM member m JOIN pg_extension e ON e.oid = m.ext JOIN pg_rewrite w ON w.ev_class = m.oid AND w.rulename = '_RETURN'
  JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = m.oid AND d.deptype = 'e'
 WHERE m.relkind = 'v' AND w.xmin <> d.xmin AND {by_user("w", "m.ext")}
"""

COLUMNS: Final = f"""
SELECT 'EXTENSION COLUMN', 1, 'pg_class'::regclass::oid, m.oid, a.attnum::int4, '', m.name || ' ' || a.attname, {_MADE},
       format(E'ALTER TABLE %%s ADD COLUMN IF NOT EXISTS %%s;\\n', m.shown, {_COLUMN.strip()})
       || CASE WHEN a.attstorage <> t.typstorage THEN format(E'ALTER TABLE ONLY %%s ALTER COLUMN %%I SET STORAGE %%s;\\n', m.shown, a.attname,
               CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'x' THEN 'EXTENDED' ELSE 'MAIN' END) ELSE '' END
       || CASE WHEN a.attstattarget >= 0 THEN format(E'ALTER TABLE ONLY %%s ALTER COLUMN %%I SET STATISTICS %%s;\\n', m.shown, a.attname, a.attstattarget) ELSE '' END
       || coalesce((SELECT format(E'ALTER TABLE ONLY %%s ALTER COLUMN %%I SET (%%s);\\n', m.shown, a.attname, string_agg(o.option, ', ' ORDER BY o.place))
             FROM unnest(a.attoptions) WITH ORDINALITY AS o(option, place) WHERE NOT split_part(o.option, '=', 1) = ANY({_SERVER_ONLY})
           HAVING count(*) > 0), '')
       || CASE WHEN m.added OR a.attgenerated <> '' THEN '' ELSE
          format(E'DO %%L;\\n', format('BEGIN IF (SELECT pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute WHERE attrelid = %%L::pg_catalog.regclass AND attname = %%L)'
              ' <> %%L THEN ALTER TABLE %%s ALTER COLUMN %%I TYPE %%s USING %%I::%%s; END IF; END', m.shown, a.attname, format_type(a.atttypid, a.atttypmod),
              m.shown, a.attname, format_type(a.atttypid, a.atttypmod), a.attname, format_type(a.atttypid, a.atttypmod))) END, '', ''
  FROM member m JOIN {_COLUMN_TABLES.strip()} ON a.attrelid = m.oid
 WHERE m.relkind IN ('r', 'p') AND NOT m.relispartition AND a.attnum > 0 AND NOT a.attisdropped AND a.attislocal AND {in_member("a")}
"""

NOT_NULL: Final = f"""
SELECT 'EXTENSION COLUMN', 4, 'pg_class'::regclass::oid, m.oid, a.attnum::int4, 'NOT NULL', m.name || ' ' || a.attname, {_MADE},
       format(E'ALTER TABLE %%s ALTER COLUMN %%I SET NOT NULL;\\n', m.shown, a.attname), '', ''
  FROM member m JOIN pg_attribute a ON a.attrelid = m.oid
 WHERE m.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND a.attislocal AND a.attnotnull AND {in_member("a")}
"""
"""Up to 17; from then on it is a constraint."""

DEFAULTS: Final = f"""
SELECT 'DEFAULT', 2, 'pg_attrdef'::regclass::oid, f.oid, 0, '', m.name || ' ' || a.attname, {_MADE},
       format(E'ALTER TABLE ONLY %%s ALTER COLUMN %%I SET DEFAULT %%s;\\n', m.shown, a.attname, pg_get_expr(f.adbin, f.adrelid)), '', ''
  FROM member m JOIN pg_attrdef f ON f.adrelid = m.oid JOIN pg_attribute a ON a.attrelid = m.oid AND a.attnum = f.adnum
 WHERE a.attgenerated = '' AND {in_member("f")}
"""

LABELS_OF_TYPES: Final = f"""
SELECT 'EXTENSION TYPE', 0, 'pg_type'::regclass::oid, t.oid, 0, '', t.typname::text, t.typnamespace::regnamespace::text, pg_get_userbyid(t.typowner)::text,
       string_agg(format(E'ALTER TYPE %%s ADD VALUE IF NOT EXISTS %%L %%s;\\n', t.oid::regtype, x.enumlabel,
           coalesce('AFTER ' || quote_literal(x.before), 'BEFORE ' || quote_literal(x.after), '')), '' ORDER BY x.enumsortorder), '', ''
  FROM pg_depend d JOIN pg_type t ON t.oid = d.objid AND t.typtype = 'e'
  JOIN (SELECT *, xmin, cmin, lag(enumlabel) OVER w AS before, lead(enumlabel) OVER w AS after
          FROM pg_enum WINDOW w AS (PARTITION BY enumtypid ORDER BY enumsortorder)) x ON x.enumtypid = t.oid
 WHERE d.classid = 'pg_type'::regclass AND d.deptype = 'e' AND %(everything)s AND {by_user("x", "d.refobjid")}
 GROUP BY t.oid, t.typname, t.typnamespace, t.typowner
"""

_OBJECTS: Final = """
    SELECT d.classid, d.objid, d.refobjid AS ext, coalesce(r.added, false) AS added
      FROM pg_depend d LEFT JOIN rel r ON d.classid = 'pg_class'::regclass AND r.oid = d.objid
     WHERE d.deptype = 'e' AND d.objid >= 16384 AND d.refclassid = 'pg_extension'::regclass AND (%(everything)s OR r.oid IS NOT NULL)
    UNION ALL SELECT 'pg_class'::regclass, i.indexrelid, m.ext, m.added OR m.ext IS NULL FROM rel m JOIN pg_index i ON i.indrelid = m.oid
     WHERE m.ext IS NOT NULL OR NOT ((i.indisvalid OR m.relkind = 'p') AND i.indisready)
    UNION ALL SELECT 'pg_constraint'::regclass, k.oid, m.ext, m.added FROM member m JOIN pg_constraint k ON k.conrelid = m.oid
    UNION ALL SELECT 'pg_constraint'::regclass, k.oid, d.refobjid, false FROM pg_depend d JOIN pg_constraint k ON k.contypid = d.objid
     WHERE d.classid = 'pg_type'::regclass AND d.deptype = 'e' AND %(everything)s
    UNION ALL SELECT 'pg_trigger'::regclass, t.oid, m.ext, m.added FROM member m JOIN pg_trigger t ON t.tgrelid = m.oid AND NOT t.tgisinternal
    UNION ALL SELECT 'pg_policy'::regclass, p.oid, m.ext, m.added FROM member m JOIN pg_policy p ON p.polrelid = m.oid
    UNION ALL SELECT 'pg_rewrite'::regclass, w.oid, m.ext, m.added FROM member m JOIN pg_rewrite w ON w.ev_class = m.oid AND w.rulename <> '_RETURN'
"""
"""Members, what is on members, and indexes that pg_dump does not see."""

_NAME: Final = """
CASE WHEN i.type LIKE '%%column' THEN 'COLUMN ' || i.identity
     WHEN i.type = 'domain constraint' THEN (SELECT format('CONSTRAINT %%I ON DOMAIN %%s', conname, contypid::regtype) FROM pg_constraint k WHERE k.oid = x.objoid)
     WHEN i.type = 'table constraint' THEN 'CONSTRAINT ' || i.identity
     WHEN i.type IN ('function', 'procedure', 'aggregate') THEN 'ROUTINE ' || i.identity
     WHEN i.type = 'composite type' THEN 'TYPE ' || i.identity
     WHEN i.type = 'foreign-data wrapper' THEN 'FOREIGN DATA WRAPPER ' || i.identity
     WHEN i.type = 'statistics object' THEN 'STATISTICS ' || i.identity
     ELSE upper(i.type) || ' ' || i.identity END
"""

_NAME_OF_MEMBER: Final = _NAME.strip().replace("x.objoid", "d.objid")

COMMENTS: Final = f"""
SELECT 'COMMENT', 7, x.classoid, x.objoid, 0, {_NAME.strip()}, {_NAME.strip()}, coalesce(i.schema, ''), '',
       format(E'COMMENT ON %%s IS %%L;\\n', {_NAME.strip()}, x.description), '', ''
  FROM ({_OBJECTS}) AS o JOIN pg_description x ON x.classoid = o.classid AND x.objoid = o.objid,
       LATERAL pg_identify_object(x.classoid, x.objoid, x.objsubid) AS i
 WHERE (o.added OR {by_user("x", "o.ext")})
"""

SECURITY_LABELS: Final = f"""
SELECT 'SECURITY LABEL', 7, x.classoid, x.objoid, 0, {_NAME.strip()}, {_NAME.strip()}, coalesce(i.schema, ''), '',
       string_agg(format(E'SECURITY LABEL FOR %%I ON %%s IS %%L;\\n', x.provider, {_NAME.strip()}, x.label), '' ORDER BY x.provider), '', ''
  FROM ({_OBJECTS}) AS o JOIN pg_seclabel x ON x.classoid = o.classid AND x.objoid = o.objid,
       LATERAL pg_identify_object(x.classoid, x.objoid, x.objsubid) AS i
 WHERE o.added OR {by_user("x", "o.ext")} GROUP BY x.classoid, x.objoid, i.type, i.identity, i.schema
"""

OWNERS: Final = f"""
SELECT 'EXTENSION OWNER', 2, d.classid, d.objid, 0, '', {_NAME_OF_MEMBER}, coalesce(i.schema, ''), x.owner::regrole::text,
       format(E'ALTER %%s OWNER TO %%s;\\n', {_NAME_OF_MEMBER}, x.owner::regrole), '', ''
  FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid LEFT JOIN rel r ON d.classid = 'pg_class'::regclass AND r.oid = d.objid
  CROSS JOIN LATERAL (SELECT CASE d.classid
         WHEN 'pg_class'::regclass THEN (SELECT relowner FROM pg_class c WHERE c.oid = d.objid AND relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND NOT EXISTS (
              SELECT FROM pg_depend o WHERE o.classid = 'pg_class'::regclass AND o.objid = c.oid AND o.refclassid = 'pg_class'::regclass AND o.deptype IN ('a', 'i')))
         WHEN 'pg_proc'::regclass THEN (SELECT proowner FROM pg_proc WHERE oid = d.objid)
         WHEN 'pg_type'::regclass THEN (SELECT typowner FROM pg_type WHERE oid = d.objid AND typtype IN ('b', 'd', 'e', 'r') AND typcategory <> 'A')
         WHEN 'pg_namespace'::regclass THEN (SELECT nspowner FROM pg_namespace WHERE oid = d.objid)
         WHEN 'pg_foreign_server'::regclass THEN (SELECT srvowner FROM pg_foreign_server WHERE oid = d.objid) END AS owner) AS x,
       LATERAL pg_identify_object(d.classid, d.objid, 0) AS i
 WHERE d.deptype = 'e' AND x.owner <> 10 AND (x.owner <> e.extowner OR coalesce(r.added, false)) AND (%(everything)s OR r.oid IS NOT NULL)
"""

SETTINGS: Final = f"""
SELECT 'EXTENSION SETTINGS', 2, d.classid, p.oid, 0, '', p.proname::text, p.pronamespace::regnamespace::text, pg_get_userbyid(p.proowner)::text,
       p.oid::regprocedure::text, p.prosecdef, coalesce(p.proconfig, '{{}}'), a.type, a.object_names, a.object_args
  FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid AND p.prokind <> 'a', LATERAL pg_identify_object_as_address(d.classid, d.objid, 0) AS a
 WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND p.oid >= 16384 AND %(everything)s AND (p.proconfig IS NOT NULL OR p.prosecdef)
   AND {by_user("p", "d.refobjid")}
"""
"""Who hardens an extension sets search_path on its functions."""

NOT_EXPRESSED: Final = """
SELECT m.shown FROM member m
 WHERE m.added AND (m.relkind IN ('p', 'f', 'm') OR m.relispartition OR m.reloftype <> 0
    OR EXISTS (SELECT FROM pg_inherits WHERE inhrelid = m.oid)) ORDER BY 1
"""
