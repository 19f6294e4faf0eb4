"""What makes a database not empty, and the check with which an exported script refuses what it is not for. Text only. Spec 75-restore."""

from __future__ import annotations

from typing import Final, LiteralString

IN_THE_WAY: Final[LiteralString] = """
with member as (
    select classid, objid from pg_catalog.pg_depend where deptype = 'e'
), found (classid, objid) as (
    select 'pg_catalog.pg_namespace'::pg_catalog.regclass::oid, oid from pg_catalog.pg_namespace
     where nspname <> 'public' and nspname <> 'information_schema' and nspname !~ '^pg_'
    union all
    select classid, objid from pg_catalog.pg_depend
     where refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass and deptype = 'n'
       and refobjid = (select oid from pg_catalog.pg_namespace where nspname = 'public')
       and classid <> 'pg_catalog.pg_extension'::pg_catalog.regclass
       and classid <> 'pg_catalog.pg_default_acl'::pg_catalog.regclass
    union all select 'pg_catalog.pg_event_trigger'::pg_catalog.regclass, oid from pg_catalog.pg_event_trigger
    union all select 'pg_catalog.pg_publication'::pg_catalog.regclass, oid from pg_catalog.pg_publication
    union all select 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass, oid from pg_catalog.pg_foreign_data_wrapper
    union all select 'pg_catalog.pg_foreign_server'::pg_catalog.regclass, oid from pg_catalog.pg_foreign_server
    union all select 'pg_catalog.pg_language'::pg_catalog.regclass, oid from pg_catalog.pg_language where oid >= 16384
    union all select 'pg_catalog.pg_cast'::pg_catalog.regclass, oid from pg_catalog.pg_cast where oid >= 16384
    union all select 'pg_catalog.pg_am'::pg_catalog.regclass, oid from pg_catalog.pg_am where oid >= 16384
    union all select 'pg_catalog.pg_transform'::pg_catalog.regclass, oid from pg_catalog.pg_transform where oid >= 16384
    union all select 'pg_catalog.pg_largeobject'::pg_catalog.regclass, oid from pg_catalog.pg_largeobject_metadata
)
select (pg_catalog.pg_identify_object(classid, objid, 0)).type || ' ' || (pg_catalog.pg_identify_object(classid, objid, 0)).identity
  from found where (classid, objid) not in (select classid, objid from member)
 union all select 'subscription ' || pg_catalog.quote_ident(subname) from pg_catalog.pg_subscription
  where subdbid = (select oid from pg_catalog.pg_database where datname = current_database())
 order by 1
"""
"""Anything of a user: schemas, what depends on schema public, and what has no schema. Oids below 16384 come from initdb.
13 shows pg_subscription.oid to superusers only."""

_FOR_SCRIPTS: Final = f"""
DECLARE
  found text;
BEGIN
  IF pg_catalog.current_setting('is_superuser') <> 'on' THEN
    RAISE EXCEPTION 'role % is no superuser: nothing was done', current_user
      USING HINT = 'Definitions of this kind need one. As another role, restore with: pgvault restore';
  END IF;
  SELECT o.name INTO found FROM ({IN_THE_WAY.strip()}) o (name) LIMIT 1;
  IF found IS NOT NULL THEN
    RAISE EXCEPTION 'database % is not empty, it holds %: nothing was done', current_database(), found
      USING HINT = 'Make a new one (createdb -T template0 NAME), or restore what is missing with: pgvault restore --only';
  END IF;
  IF EXISTS (SELECT FROM pg_catalog.pg_default_acl) THEN
    RAISE EXCEPTION 'database % has default privileges, which would add to what was recorded: nothing was done', current_database()
      USING HINT = 'Make a new one (createdb -T template0 NAME), or restore with: pgvault restore';
  END IF;
END
"""

REFUSE_UNFIT: Final = f"SET search_path TO '';\nDO $refuse${_FOR_SCRIPTS}$refuse$;\n"
"""The path first: a database may have one of its own, on which its owner's operators and types lie. Ends in an error on a database for which complete scripts and archives are not: one that is not new, or no superuser's."""
