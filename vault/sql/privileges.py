"""SQL that undoes what default privileges and the version of the target add, and that finds a CHECK to suspend. Text only.

An ACL entry of pg_dump is a difference against the built-in privileges of an object, so it is exact only on an object
that has those. ALTER DEFAULT PRIVILEGES of the target silently adds to them or takes from them. Spec 75-restore.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, LiteralString

from vault.model import Address, CatalogFacts, Identity
from vault.sql.names import literal, quote

KINDS: Final = {
    "AGGREGATE": "f",
    "DOMAIN": "T",
    "FOREIGN TABLE": "r",
    "FUNCTION": "f",
    "MATERIALIZED VIEW": "r",
    "PROCEDURE": "f",
    "SCHEMA": "n",
    "SEQUENCE": "S",
    "TABLE": "r",
    "TYPE": "T",
    "VIEW": "r",
}
"""Entries that default privileges concern, with the letter of pg_default_acl."""

OWN_DEFAULTS: Final[LiteralString] = """
select distinct defaclobjtype::text from pg_catalog.pg_default_acl
 where defaclrole = (select oid from pg_catalog.pg_roles where rolname = current_user)
"""
"""What the restoring role's default privileges concern: they apply at creation, whoever owns the object later."""

_OBJECTS: Final[LiteralString] = """
with object as (
    select a.classid, a.objid, relacl as acl,
           pg_catalog.acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner) as base,
           case relkind when 'S' then 'SEQUENCE' else 'TABLE' end as word
      from address a join pg_catalog.pg_class c
        on a.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and c.oid = a.objid
    union all
    select a.classid, a.objid, proacl, pg_catalog.acldefault('f', proowner), 'ROUTINE'
      from address a join pg_catalog.pg_proc p
        on a.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and p.oid = a.objid
    union all
    select a.classid, a.objid, typacl, pg_catalog.acldefault('T', typowner), 'TYPE'
      from address a join pg_catalog.pg_type t
        on a.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and t.oid = a.objid
    union all
    select a.classid, a.objid, lomacl, pg_catalog.acldefault('L', lomowner), 'LARGE OBJECT'
      from address a join pg_catalog.pg_largeobject_metadata l
        on a.classid = 'pg_catalog.pg_largeobject'::pg_catalog.regclass and l.oid = a.objid
    union all
    select a.classid, a.objid, lanacl, pg_catalog.acldefault('l', lanowner), 'LANGUAGE'
      from address a join pg_catalog.pg_language l
        on a.classid = 'pg_catalog.pg_language'::pg_catalog.regclass and l.oid = a.objid
    union all
    select a.classid, a.objid, fdwacl, pg_catalog.acldefault('F', fdwowner), 'FOREIGN DATA WRAPPER'
      from address a join pg_catalog.pg_foreign_data_wrapper w
        on a.classid = 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass and w.oid = a.objid
    union all
    select a.classid, a.objid, srvacl, pg_catalog.acldefault('S', srvowner), 'FOREIGN SERVER'
      from address a join pg_catalog.pg_foreign_server s
        on a.classid = 'pg_catalog.pg_foreign_server'::pg_catalog.regclass and s.oid = a.objid
    union all
    select a.classid, a.objid, coalesce(nspacl, pg_catalog.acldefault('n', nspowner)),
           case nspname when 'public'
                then array[(owner || '=UC/' || owner)::pg_catalog.aclitem, ('=U/' || owner)::pg_catalog.aclitem]
                else pg_catalog.acldefault('n', nspowner) end,
           'SCHEMA'
      from address a join pg_catalog.pg_namespace n
        on a.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass and n.oid = a.objid,
           lateral (select pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(nspowner)) as owner) o
), subject as (
    select acl, coalesce(initprivs, base) as base, word || ' ' || (pg_catalog.pg_identify_object(classid, objid, 0)).identity as name
      from object left join pg_catalog.pg_init_privs i on i.classoid = classid and i.objoid = objid and i.objsubid = 0
           and word || i.objoid <> 'SCHEMA' || coalesce(pg_catalog.to_regnamespace('public')::pg_catalog.oid, 0)
     where acl is not null and not (acl @> coalesce(initprivs, base) and coalesce(initprivs, base) @> acl)
)
"""
_STATEMENTS: Final[LiteralString] = """
select statement from (
    select distinct 1 as step, pg_catalog.format('REVOKE ALL ON %%s FROM %%s CASCADE', name, who(grantee)) as statement
      from subject, pg_catalog.aclexplode(acl)
    union all
    select 2, pg_catalog.format('GRANT %%s ON %%s TO %%s', pg_catalog.string_agg(privilege_type, ', '), name, who(grantee))
      from subject, pg_catalog.aclexplode(base) group by name, grantee
) all_steps order by step
"""
_WHO: Final[LiteralString] = (
    "case grantee when 0 then 'PUBLIC' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(grantee)) end"
)

_OF_ALL: Final[LiteralString] = _OBJECTS.lstrip().removeprefix("with ")
_REST: Final[LiteralString] = _OF_ALL + _STATEMENTS.replace("who(grantee)", _WHO)

_PARTS: Final[LiteralString] = """
with recursive address as (
    select classid, objid from pg_catalog.pg_get_object_address(%s, %s, %s)
    union
    select d.classid, d.objid from address a join pg_catalog.pg_depend d on d.refclassid = a.classid and d.refobjid = a.objid
     where d.deptype = 'i' and a.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
       and d.classid in ('pg_catalog.pg_type'::pg_catalog.regclass, 'pg_catalog.pg_proc'::pg_catalog.regclass)
), """

RESET: Final[LiteralString] = _PARTS + _REST
"""Parameters: kind, names, args of the object's identity. Returns statements that bring its ACL to the built-in one.

With a range type come its multirange and the constructors of both. Schema public has initdb's instead: {owner=UC/owner,=U/owner} for the
owner of today, which is what pg_dump takes for it; pg_init_privs keeps the grants of its first owner.
"""

BEYOND: Final[LiteralString] = (
    _PARTS
    + _OF_ALL
    + """
select distinct pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantor)) from subject, pg_catalog.aclexplode(acl) a
 where not exists (select from pg_catalog.aclexplode(base) b where b.grantee = a.grantee and b.privilege_type = a.privilege_type)
 order by 1
"""
)
"""The same parameters. Who granted what is there beside the built-in privileges; a REVOKE of those who may not is a mere warning."""

RESET_COLUMNS: Final[LiteralString] = """
select distinct pg_catalog.format('REVOKE ALL (%%I) ON TABLE %%s FROM %%s CASCADE', attname, c.oid::pg_catalog.regclass::text,
         case grantee when 0 then 'PUBLIC' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(grantee)) end)
  from pg_catalog.pg_get_object_address(%s, %s, %s) a
  join pg_catalog.pg_class c on a.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and c.oid = a.objid
  join pg_catalog.pg_attribute t on attrelid = c.oid and attacl is not null and not attisdropped,
       pg_catalog.aclexplode(attacl)
"""
"""The same parameters. Statements that take back what was granted on columns of a relation."""

RESET_MEMBERS: Final[LiteralString] = (
    "with address as (select classid, objid from pg_catalog.pg_depend where deptype = 'e'"
    " and refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass"
    " and refobjid = (select oid from pg_catalog.pg_extension where extname = %s)), " + _REST
)
"""Parameter: an extension. The same for its members, back to what its script granted (pg_init_privs)."""

TABLE_CHECK: Final[LiteralString] = """
with recursive up as (
    select oid, conrelid, coninhcount, convalidated from pg_catalog.pg_constraint
     where contype = 'c' and conname = %(name)s and conrelid = (
           select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = relnamespace
            where nspname = %(schema)s and relname = %(subject)s)
    union
    select c.oid, c.conrelid, c.coninhcount, c.convalidated
      from up join pg_catalog.pg_inherits i on inhrelid = up.conrelid
      join pg_catalog.pg_constraint c on c.conrelid = inhparent and c.contype = 'c' and c.conname = %(name)s
)
select 'TABLE ' || pg_catalog.format('%%I.%%I', nspname, relname), pg_catalog.pg_get_constraintdef(up.oid), up.convalidated,
       pg_catalog.pg_get_userbyid(relowner)::text
  from up join pg_catalog.pg_class c on c.oid = up.conrelid join pg_catalog.pg_namespace n on n.oid = relnamespace
 where coninhcount = 0
"""
"""Where a CHECK of a table is defined, what it is, whether it was validated, and its owner: an inherited one can only be dropped at the top."""

DOMAIN_CHECK: Final[LiteralString] = """
select 'DOMAIN ' || pg_catalog.format('%%I.%%I', nspname, typname), pg_catalog.pg_get_constraintdef(c.oid), c.convalidated,
       pg_catalog.pg_get_userbyid(typowner)::text
  from pg_catalog.pg_constraint c join pg_catalog.pg_type t on t.oid = contypid
  join pg_catalog.pg_namespace n on n.oid = typnamespace
 where contype = 'c' and conname = %(name)s and nspname = %(schema)s and typname = %(subject)s
"""

CLOSED_PUBLIC_VERSION: Final = 150000
"""First server whose initdb lets only the database's owner create in schema public."""
MAINTAIN_VERSION: Final = 170000
"""First server with the privilege MAINTAIN, which ALL includes there."""
_RELATIONS: Final = frozenset({"table", "view", "materialized view", "foreign table"})

_REVOKE_MAINTAIN: Final = """
declare found record;
begin
    for found in {found}
    loop
        execute {prefix} || ' REVOKE MAINTAIN ON ' || {subject} || ' FROM ' || case found.grantee when 0 then 'PUBLIC'
            else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(found.grantee)) end || ' CASCADE';
    end loop;
end
"""

_WITH_MAINTAIN: Final = """
select distinct c.oid::pg_catalog.regclass::text as name, item.grantee from pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) as item
 where c.oid = {name}::pg_catalog.regclass and item.privilege_type = 'MAINTAIN' and item.grantor = c.relowner and item.grantee <> c.relowner
"""

_DEFAULT_WITH_MAINTAIN: Final = """
select item.grantee from pg_catalog.pg_default_acl d, pg_catalog.aclexplode(d.defaclacl) as item
 where d.defaclobjtype = 'r' and d.defaclrole = {role}::pg_catalog.regrole
   and d.defaclnamespace = {schema} and item.privilege_type = 'MAINTAIN' and item.grantee <> d.defaclrole
"""


def without_maintain(identity: Identity, *, before: int, after: int) -> list[str]:
    """What takes MAINTAIN back after an ACL or DEFAULT ACL entry of server version `before` ran on `after`.

    GRANT ALL of a server before 17 gave no MAINTAIN; an owner keeps it, who could do all of it before.
    """
    names = identity.names
    if before >= MAINTAIN_VERSION or after < MAINTAIN_VERSION:
        return []
    if identity.desc == "ACL" and identity.kind in _RELATIONS:
        holders = _WITH_MAINTAIN.format(name=literal(f"{quote(names[0])}.{quote(names[1])}"))
        body = _REVOKE_MAINTAIN.format(found=holders, prefix="''", subject="'TABLE ' || found.name")
    elif identity.desc == "DEFAULT ACL":
        role, schema = names[0], names[1] if len(names) > 1 else None
        holders = _DEFAULT_WITH_MAINTAIN.format(
            role=literal(quote(role)),
            schema="0" if schema is None else f"{literal(quote(schema))}::pg_catalog.regnamespace",
        )
        here = "" if schema is None else f" IN SCHEMA {quote(schema)}"
        prefix = literal(f"ALTER DEFAULT PRIVILEGES FOR ROLE {quote(role)}{here}")
        body = _REVOKE_MAINTAIN.format(found=holders, prefix=prefix, subject="'TABLES'")
    else:
        return []
    return [f"DO {literal(body)}"]


def public_was_open(identities: Iterable[Identity], catalog: CatalogFacts) -> bool:
    """Of entries, and the facts beside them: everybody could create in schema public, as initdb before 15 makes it, and no entry says so: pg_dump before 15 wrote them."""
    if any(identity.desc == "SCHEMA" and identity.names == ("public",) for identity in identities):
        return False
    public = Address(kind="schema", names=("public",))
    acl = next((acl for address, _, acl in catalog.acls if address == public), None)
    return any(item.startswith("=") and "C" in item.partition("/")[0] for item in acl or ())
