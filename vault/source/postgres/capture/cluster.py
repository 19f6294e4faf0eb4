"""What belongs to the cluster, not to the database: roles, memberships, settings, tablespaces, parameter ACLs.

Shared catalogs are ordinary MVCC tables: read in the exported snapshot they fit the data exactly. Verifiers are read where
pg_authid is readable; otherwise `verifiers_read` is False.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vault.model import Membership, Missing, ParameterAcl, Role, Roles, RoleSetting, State, Tablespace
from vault.source.postgres.connection.connect import Session
from vault.sql.names import quote

_ROLES: Final = """
SELECT rolname::text, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,
       rolconnlimit, rolvaliduntil::text, {verifier}, shobj_description(oid, 'pg_authid')
  FROM {catalog} WHERE rolname !~ '^pg_' ORDER BY rolname COLLATE "C"
"""

_MEMBERSHIPS: Final = """
SELECT r.rolname::text, m.rolname::text, coalesce(g.rolname, '')::text, x.admin_option,
       (to_jsonb(x)->>'inherit_option')::bool, (to_jsonb(x)->>'set_option')::bool
  FROM pg_auth_members x JOIN pg_roles r ON r.oid = x.roleid JOIN pg_roles m ON m.oid = x.member
  LEFT JOIN pg_roles g ON g.oid = x.grantor
 WHERE NOT (m.rolname = 'pg_monitor' AND r.rolname IN ('pg_read_all_settings', 'pg_read_all_stats', 'pg_stat_scan_tables')) ORDER BY r.rolname COLLATE "C", m.rolname COLLATE "C", 3
"""
"""All but what initdb makes."""

_SETTINGS: Final = """
SELECT coalesce(r.rolname, '')::text, s.setdatabase <> 0, split_part(c.item, '=', 1), substr(c.item, strpos(c.item, '=') + 1)
  FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole, LATERAL unnest(s.setconfig) AS c(item)
 WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
 ORDER BY 1, 2, 3
"""

_TABLESPACES: Final = """
SELECT spcname::text, pg_get_userbyid(spcowner)::text, pg_tablespace_location(oid), spcacl::text[], coalesce(spcoptions, '{}')
  FROM pg_tablespace WHERE spcname !~ '^pg_' ORDER BY spcname COLLATE "C"
"""

_PARAMETERS: Final = """SELECT parname, paracl::text[] FROM pg_parameter_acl ORDER BY parname COLLATE "C" """
PARAMETER_ACL_VERSION: Final = 150000

_VERIFIERS_READABLE: Final = "SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT'), current_user::text"
PASSWORDS: Final = "passwords of roles"
"""The gap's name in the ledger."""


def roles(session: Session, *, version: int) -> Roles:
    """Read all of it as `session` sees it. Raises SourceError"""
    doing = "reading roles"
    readable: bool = session.row(_VERIFIERS_READABLE, doing=doing)[0]
    catalog, verifier = ("pg_authid", "rolpassword") if readable else ("pg_roles", "NULL::text")
    parameters = session.rows(_PARAMETERS, doing=doing) if version >= PARAMETER_ACL_VERSION else []
    return Roles(
        roles=tuple(
            Role(
                **dict(zip(_ROLE_FIELDS, row, strict=True)),
            )
            for row in session.rows(_ROLES.format(catalog=catalog, verifier=verifier), doing=doing)
        ),
        memberships=tuple(
            Membership(role=role, member=member, grantor=grantor, admin=admin, inherit=inherit, set=may_set)
            for role, member, grantor, admin, inherit, may_set in session.rows(_MEMBERSHIPS, doing=doing)
        ),
        settings=tuple(
            RoleSetting(role=role, here=here, name=name, value=value)
            for role, here, name, value in session.rows(_SETTINGS, doing=doing)
        ),
        tablespaces=tuple(
            Tablespace(name=name, owner=owner, location=location, acl=_acl(acl), options=tuple(options))
            for name, owner, location, acl, options in session.rows(_TABLESPACES, doing=doing)
        ),
        parameter_acls=tuple(ParameterAcl(name=name, acl=tuple(acl)) for name, acl in parameters),
        verifiers_read=readable,
    )


def missing(session: Session) -> Iterator[Missing]:
    """The roles' passwords, where pg_authid may not be read."""
    readable, user = session.row(_VERIFIERS_READABLE, doing="reading roles")
    if not readable:
        yield Missing(
            item=PASSWORDS,
            state=State.NOT_PERMITTED,
            why=f"role {user} may not read pg_authid: a restore creates roles without passwords",
            fix=f"GRANT pg_read_all_data TO {quote(user)}, or back up as a superuser",
        )


_ROLE_FIELDS: Final = (
    *("name", "superuser", "inherit", "create_role", "create_db", "can_login", "replication", "bypass_rls"),
    *("connection_limit", "valid_until", "verifier", "comment"),
)


def _acl(items: list[str] | None) -> tuple[str, ...] | None:
    return None if items is None else tuple(items)
