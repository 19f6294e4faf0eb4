"""Queries for what pg_dump leaves out; text only. Each part gives rows of one shape, which `beyond_pg_dump` turns into entries.

Columns: desc, rank, class, object, part, sub, tag, schema, owner, definition, drop, tablespace. Definitions are pg_get_*def's
or built from catalog values with quoting. `search_path` must be empty: regclass and regprocedure then print full names.

An extension's own indexes, triggers, ... are no members of it, and nothing in the catalogs says who made them. What tells is
the transaction: xmin and cmin of a row stay as its creator left them. What a script surely wrote is left out (`script`); what
was written after the last command that is surely the script's is taken: once too often is harmless, a restore adopts it.
"""

from __future__ import annotations

from typing import Final

_SAME_COMMAND: Final = "d.xmin = x.xmin AND d.cmin = x.cmin"

FRAME: Final = f"""
WITH written (ext, xid, command) AS (
    SELECT oid, xmin::text, cmin::text::int8 FROM pg_extension
    UNION ALL
    SELECT d.refobjid, d.xmin::text, d.cmin::text::int8 FROM pg_depend d JOIN pg_proc x ON x.oid = d.objid
     WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND {_SAME_COMMAND}
    UNION ALL
    SELECT d.refobjid, d.xmin::text, d.cmin::text::int8 FROM pg_depend d
      JOIN pg_attribute x ON x.attrelid = d.objid AND x.attnum = -6
     WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND {_SAME_COMMAND}
), script AS MATERIALIZED (
    SELECT ext, xid, max(command) AS last FROM written GROUP BY ext, xid
), rel AS MATERIALIZED (
    SELECT c.oid, c.xmin AS changed, c.cmin AS command, c.relkind, c.relname::text AS name, c.oid::regclass::text AS shown, n.nspname::text AS schema,
           pg_get_userbyid(c.relowner)::text AS owner, c.relrowsecurity, c.relforcerowsecurity, c.relispartition, c.reloftype,
           d.refobjid AS ext, c.relkind IN ('r', 'p', 'f', 'm') AND NOT EXISTS (
               SELECT FROM pg_attribute x WHERE x.attrelid = c.oid AND x.attnum = -6 AND {_SAME_COMMAND}) AS added
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
     WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
       AND (%(tables)s::oid[] IS NULL OR c.oid = ANY(%(tables)s::oid[]) OR (%(everything)s AND c.relkind IN ('v', 'm')))
), member AS MATERIALIZED (
    SELECT * FROM rel WHERE ext IS NOT NULL
)
"""
"""Parameters: tables (oids that are selected; null: all), everything (whether objects that are no tables are), own (whether also what scripts wrote)."""


def by_user(row: str, ext: str) -> str:
    """`row` was not surely written by a script of the extension."""
    return f"""(%(own)s OR NOT EXISTS (SELECT FROM script WHERE script.ext = {ext} AND script.xid = {row}.xmin::text AND {row}.cmin::text::int8 <= script.last))"""


def in_member(row: str) -> str:
    return f"(m.added OR {by_user(row, 'm.ext')})"


_NAMED: Final = "m.schema, m.owner"

_DEPENDS: Final = """
coalesce((SELECT string_agg(format(E'ALTER %%s DEPENDS ON EXTENSION %%I;\\n', {what}, e.extname), '' ORDER BY e.extname)
            FROM pg_depend x JOIN pg_extension e ON e.oid = x.refobjid
           WHERE x.classid = '{catalog}'::regclass AND x.objid = {oid} AND x.refclassid = 'pg_extension'::regclass AND x.deptype = 'x'), '')
"""

_ON_INDEX: Final = f"""
       coalesce((SELECT format(E'ALTER INDEX %%s ATTACH PARTITION %%s;\\n', inhparent::regclass, inhrelid::regclass)
                   FROM pg_inherits WHERE inhrelid = i.indexrelid), '')
    || CASE WHEN i.indisclustered THEN format(E'ALTER TABLE %%s CLUSTER ON %%I;\\n', m.shown, ic.relname) ELSE '' END
    || CASE WHEN i.indisreplident THEN format(E'ALTER TABLE ONLY %%s REPLICA IDENTITY USING INDEX %%I;\\n', m.shown, ic.relname) ELSE '' END
    || coalesce((SELECT string_agg(format(E'ALTER INDEX %%s ALTER COLUMN %%s SET STATISTICS %%s;\\n', i.indexrelid::regclass, attnum, attstattarget), '' ORDER BY attnum)
                   FROM pg_attribute WHERE attrelid = i.indexrelid AND attstattarget >= 0), '')
    || {_DEPENDS.format(what="'INDEX ' || i.indexrelid::regclass", catalog="pg_class", oid="i.indexrelid").strip()}
"""

_UNSEEN_INDEX: Final = f"""
    CASE WHEN m.ext IS NULL THEN NOT ((i.indisvalid OR m.relkind = 'p') AND i.indisready) ELSE {in_member("i")} END
"""
"""pg_dump takes no index that is not valid or not ready."""

INDEXES: Final = f"""
SELECT 'INDEX', 4, 'pg_class'::regclass::oid, i.indexrelid, 0, '', ic.relname::text, {_NAMED},
       pg_get_indexdef(i.indexrelid) || E';\\n' || {_ON_INDEX}, format(E'DROP INDEX %%s;\\n', i.indexrelid::regclass),
       coalesce((SELECT spcname::text FROM pg_tablespace WHERE oid = ic.reltablespace), '')
  FROM rel m JOIN pg_index i ON i.indrelid = m.oid JOIN pg_class ic ON ic.oid = i.indexrelid
 WHERE {_UNSEEN_INDEX} AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u', 'x'))
"""

KEYS: Final = f"""
SELECT 'CONSTRAINT', 4, 'pg_constraint'::regclass::oid, k.oid, 0, '', m.name || ' ' || k.conname, {_NAMED},
       format(E'ALTER TABLE ONLY %%s\\n    ADD CONSTRAINT %%I %%s;\\n', m.shown, k.conname, pg_get_constraintdef(k.oid)) || {_ON_INDEX},
       format(E'ALTER TABLE ONLY %%s DROP CONSTRAINT %%I;\\n', m.shown, k.conname),
       coalesce((SELECT spcname::text FROM pg_tablespace WHERE oid = ic.reltablespace), '')
  FROM rel m JOIN pg_constraint k ON k.conrelid = m.oid AND k.contype IN ('p', 'u', 'x')
  JOIN pg_index i ON i.indexrelid = k.conindid JOIN pg_class ic ON ic.oid = i.indexrelid
 WHERE CASE WHEN m.ext IS NULL THEN {_UNSEEN_INDEX} ELSE {in_member("k")} OR {in_member("i")} END
"""

CONSTRAINTS: Final = f"""
SELECT CASE k.contype WHEN 'c' THEN 'CHECK CONSTRAINT' WHEN 'f' THEN 'FK CONSTRAINT' ELSE 'CONSTRAINT' END,
       CASE k.contype WHEN 'f' THEN 5 ELSE 4 END, 'pg_constraint'::regclass::oid, k.oid, 0, '', m.name || ' ' || k.conname, {_NAMED},
       format(E'ALTER TABLE %%s\\n    ADD CONSTRAINT %%I %%s;\\n', m.shown, k.conname, pg_get_constraintdef(k.oid)),
       format(E'ALTER TABLE %%s DROP CONSTRAINT %%I;\\n', m.shown, k.conname), ''
  FROM member m JOIN pg_constraint k ON k.conrelid = m.oid AND k.contype IN ('c', 'f', 'n')
 WHERE k.conislocal AND k.conparentid = 0 AND {in_member("k")}
"""

DOMAIN_CONSTRAINTS: Final = f"""
SELECT 'CHECK CONSTRAINT', 4, 'pg_constraint'::regclass::oid, k.oid, 0, '', t.typname || ' ' || k.conname, t.typnamespace::regnamespace::text,
       pg_get_userbyid(t.typowner)::text,
       format(E'ALTER DOMAIN %%s\\n    ADD CONSTRAINT %%I %%s;\\n', t.oid::regtype, k.conname, pg_get_constraintdef(k.oid)),
       format(E'ALTER DOMAIN %%s DROP CONSTRAINT %%I;\\n', t.oid::regtype, k.conname), ''
  FROM pg_depend d JOIN pg_type t ON t.oid = d.objid AND d.classid = 'pg_type'::regclass AND d.deptype = 'e'
  JOIN pg_constraint k ON k.contypid = t.oid AND k.contype = 'c'
 WHERE %(everything)s AND {by_user("k", "d.refobjid")}
"""

_ENABLED: Final = """
CASE {enabled} WHEN 'O' THEN '' ELSE format(E'ALTER TABLE %%s %%s {kind} %%I;\\n', m.shown,
     CASE {enabled} WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END, {name}) END
"""

TRIGGERS: Final = f"""
SELECT 'TRIGGER', 6, 'pg_trigger'::regclass::oid, t.oid, 0, '', m.name || ' ' || t.tgname, {_NAMED},
       pg_get_triggerdef(t.oid) || E';\\n' || {_ENABLED.format(enabled="t.tgenabled", kind="TRIGGER", name="t.tgname").strip()}
       || {_DEPENDS.format(what="format('TRIGGER %%I ON %%s', t.tgname, m.shown)", catalog="pg_trigger", oid="t.oid").strip()},
       format(E'DROP TRIGGER %%I ON %%s;\\n', t.tgname, m.shown), ''
  FROM member m JOIN pg_trigger t ON t.tgrelid = m.oid AND NOT t.tgisinternal AND t.tgparentid = 0 WHERE {in_member("t")}
"""

RULES: Final = f"""
SELECT 'RULE', 6, 'pg_rewrite'::regclass::oid, r.oid, 0, '', m.name || ' ' || r.rulename, {_NAMED},
       pg_get_ruledef(r.oid) || E'\\n' || {_ENABLED.format(enabled="r.ev_enabled", kind="RULE", name="r.rulename").strip()},
       format(E'DROP RULE %%I ON %%s;\\n', r.rulename, m.shown), ''
  FROM member m JOIN pg_rewrite r ON r.ev_class = m.oid AND r.rulename <> '_RETURN' WHERE {in_member("r")}
"""

POLICIES: Final = f"""
SELECT 'POLICY', 6, 'pg_policy'::regclass::oid, p.oid, 0, '', m.name || ' ' || p.polname, {_NAMED},
       format('CREATE POLICY %%I ON %%s', p.polname, m.shown) || CASE WHEN p.polpermissive THEN '' ELSE ' AS RESTRICTIVE' END
       || CASE p.polcmd WHEN 'r' THEN ' FOR SELECT' WHEN 'a' THEN ' FOR INSERT' WHEN 'w' THEN ' FOR UPDATE' WHEN 'd' THEN ' FOR DELETE' ELSE '' END
       || CASE WHEN p.polroles = '{{0}}' THEN '' ELSE ' TO ' || (
            SELECT string_agg(CASE o.oid WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(o.oid)) END, ', ' ORDER BY o.place)
              FROM unnest(p.polroles) WITH ORDINALITY AS o(oid, place)) END
       || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
       || coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '') || E';\\n',
       format(E'DROP POLICY %%I ON %%s;\\n', p.polname, m.shown), ''
  FROM member m JOIN pg_policy p ON p.polrelid = m.oid WHERE {in_member("p")}
"""

ROW_SECURITY: Final = f"""
SELECT 'ROW SECURITY', 3, 'pg_class'::regclass::oid, m.oid, 0, m.name, m.name, {_NAMED},
       CASE WHEN relrowsecurity THEN format(E'ALTER TABLE %%s ENABLE ROW LEVEL SECURITY;\\n', shown) ELSE '' END
       || CASE WHEN relforcerowsecurity THEN format(E'ALTER TABLE ONLY %%s FORCE ROW LEVEL SECURITY;\\n', shown) ELSE '' END, '', ''
  FROM member m WHERE (relrowsecurity OR relforcerowsecurity)
   AND (added OR NOT EXISTS (SELECT FROM script s WHERE s.ext = m.ext AND s.xid = changed::text AND command::text::int8 <= s.last))
"""

FORCED_ROW_SECURITY: Final = """
SELECT 'ROW SECURITY', 6, 'pg_class'::regclass::oid, m.oid, 0, 'FORCE', m.name, m.schema, m.owner,
       format(E'ALTER TABLE ONLY %%s %%s ROW LEVEL SECURITY;\\n', shown, CASE WHEN relforcerowsecurity THEN 'FORCE' ELSE 'NO FORCE' END), '', ''
  FROM rel m WHERE ext IS NULL AND relkind IN ('r', 'p')
   AND (relrowsecurity OR relforcerowsecurity OR EXISTS (SELECT FROM pg_policy WHERE polrelid = m.oid))
"""
"""pg_dump has it inside TABLE, where no component of policies finds it, and only if it is on."""

DISABLED_ROW_SECURITY: Final = """
SELECT 'ROW SECURITY', 6, 'pg_class'::regclass::oid, m.oid, 0, m.name, m.name, m.schema, m.owner,
       format(E'ALTER TABLE %%s DISABLE ROW LEVEL SECURITY;\\n', shown), '', ''
  FROM rel m WHERE ext IS NULL AND relkind IN ('r', 'p') AND NOT relrowsecurity
   AND (relforcerowsecurity OR EXISTS (SELECT FROM pg_policy WHERE polrelid = m.oid))
"""
"""Of tables whose policies wait to be switched on; pg_dump tells only of those where they are."""

PUBLICATIONS: Final = f"""
SELECT 'PUBLICATION TABLE', 6, 'pg_publication_rel'::regclass::oid, p.oid, 0, '', b.pubname || ' ' || m.name, {_NAMED},
       format('ALTER PUBLICATION %%I ADD TABLE ONLY %%s', b.pubname, m.shown) || {{restricted}} || E';\\n', '', ''
  FROM member m JOIN pg_publication_rel p ON p.prrelid = m.oid JOIN pg_publication b ON b.oid = p.prpubid
"""
PUBLICATION_RESTRICTED: Final = """
coalesce((SELECT ' (' || string_agg(quote_ident(a.attname), ', ' ORDER BY k.place) || ')'
            FROM unnest(p.prattrs::int2[]) WITH ORDINALITY AS k(n, place)
            JOIN pg_attribute a ON a.attrelid = p.prrelid AND a.attnum = k.n), '')
|| coalesce(' WHERE ' || pg_get_expr(p.prqual, p.prrelid), '')
"""
"""Column list and row filter, from 15 on."""

FOREIGN_KEY_STATES: Final = """
SELECT 'TRIGGER', 6, 'pg_constraint'::regclass::oid, k.oid, 0, m.shown, m.name || ' ' || k.conname, m.schema, m.owner,
       string_agg(format(E'DO %%L;\\n', format(
           'DECLARE name pg_catalog.name; BEGIN SELECT tgname INTO STRICT name FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_constraint k ON k.oid = t.tgconstraint'
           ' WHERE t.tgrelid = %%L::pg_catalog.regclass AND k.conrelid = %%L::pg_catalog.regclass AND k.conname = %%L AND t.tgfoid = %%L::pg_catalog.regprocedure;'
           ' EXECUTE pg_catalog.format(%%L, name); END',
           m.shown, k.conrelid::regclass, k.conname, t.tgfoid::regprocedure,
           format('ALTER TABLE ONLY %%s %%s TRIGGER %%%%I', replace(m.shown, '%%', '%%%%'),
                  CASE t.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END))), '' ORDER BY t.tgfoid::regprocedure::text),
       '', ''
  FROM rel m JOIN pg_trigger t ON t.tgrelid = m.oid AND t.tgisinternal AND t.tgenabled <> 'O'
  JOIN pg_constraint k ON k.oid = t.tgconstraint AND k.contype = 'f'
 GROUP BY k.oid, k.conname, k.conrelid, m.shown, m.name, m.schema, m.owner
"""
"""The names of a foreign key's own triggers hold oids, so the statement looks for them."""

LARGE_OBJECT_LABELS: Final = """
SELECT 'SECURITY LABEL', 7, 'pg_largeobject'::regclass::oid, objoid, 0, 'LARGE OBJECT ' || objoid, 'LARGE OBJECT ' || objoid, '', '',
       string_agg(format(E'SECURITY LABEL FOR %%I ON LARGE OBJECT %%s IS %%L;\\n', provider, objoid, label), '' ORDER BY provider), '', ''
  FROM pg_seclabel WHERE classoid = 'pg_largeobject'::regclass AND %(everything)s GROUP BY objoid
"""

INVALID_INDEXES: Final = """
SELECT i.indexrelid::regclass::text FROM rel m JOIN pg_index i ON i.indrelid = m.oid
 WHERE NOT ((i.indisvalid OR m.relkind = 'p') AND i.indisready) ORDER BY 1
"""

STATISTICS: Final = f"""
SELECT 'STATISTICS', 5, 'pg_statistic_ext'::regclass::oid, s.oid, 0, '', s.stxname::text, s.stxnamespace::regnamespace::text, pg_get_userbyid(s.stxowner)::text,
       pg_get_statisticsobjdef(s.oid) || E';\\n' || CASE WHEN s.stxstattarget >= 0
           THEN format(E'ALTER STATISTICS %%s.%%I SET STATISTICS %%s;\\n', s.stxnamespace::regnamespace, s.stxname, s.stxstattarget) ELSE '' END,
       format(E'DROP STATISTICS %%s.%%I;\\n', s.stxnamespace::regnamespace, s.stxname), ''
  FROM member m JOIN pg_statistic_ext s ON s.stxrelid = m.oid WHERE {in_member("s")}
"""

LANGUAGE_PRIVILEGES: Final = """
SELECT 'ACL', 7, 'pg_language'::regclass::oid, l.oid, 0, 'LANGUAGE ' || l.lanname, 'LANGUAGE ' || l.lanname, '', pg_get_userbyid(l.lanowner)::text,
       format(E'REVOKE ALL ON LANGUAGE %%I FROM PUBLIC;\\nREVOKE ALL ON LANGUAGE %%I FROM %%I;\\n', l.lanname, l.lanname, pg_get_userbyid(l.lanowner))
       || coalesce((SELECT string_agg(format(E'GRANT USAGE ON LANGUAGE %%I TO %%s%%s;\\n', l.lanname,
                CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '' ORDER BY a.grantee) FROM aclexplode(l.lanacl) a), ''), '', ''
  FROM pg_language l LEFT JOIN pg_init_privs i ON i.classoid = 'pg_language'::regclass AND i.objoid = l.oid AND i.objsubid = 0
 WHERE NOT l.lanispl AND l.lanacl IS DISTINCT FROM i.initprivs AND %(everything)s
"""
"""Of languages sql, c and internal, which pg_dump never looks at."""

MULTIRANGE_PRIVILEGES: Final = """
SELECT 'ACL', 7, 'pg_type'::regclass::oid, t.oid, 0, 'TYPE ' || t.typname, 'TYPE ' || t.typname, t.typnamespace::regnamespace::text, pg_get_userbyid(t.typowner)::text,
       format(E'DO %%L;\\n', 'BEGIN IF pg_catalog.current_setting(''server_version_num'')::int < 170000 THEN '
       || format('REVOKE ALL ON TYPE %%s FROM PUBLIC; REVOKE ALL ON TYPE %%s FROM %%I; ', t.oid::regtype, t.oid::regtype, pg_get_userbyid(t.typowner))
       || coalesce((SELECT string_agg(format('GRANT USAGE ON TYPE %%s TO %%s%%s; ', t.oid::regtype,
                CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '' ORDER BY a.grantee) FROM aclexplode(t.typacl) a), '')
       || 'END IF; END'), '', ''
  FROM pg_type t LEFT JOIN pg_init_privs i ON i.classoid = 'pg_type'::regclass AND i.objoid = t.oid AND i.objsubid = 0
 WHERE t.typtype = 'm' AND t.oid >= 16384 AND t.typacl IS DISTINCT FROM i.initprivs AND %(everything)s
   AND NOT (t.typacl @> acldefault('T', t.typowner) AND acldefault('T', t.typowner) @> t.typacl)
   AND current_setting('server_version_num')::int < 170000
"""
"""Of 14 to 16; since 17 a multirange has those of its range, and says no to GRANT."""
