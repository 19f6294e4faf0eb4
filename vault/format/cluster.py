"""Cluster-wide objects (roles and their kin) and the raw catalog facts. Spec 60-snapshot, field order at its end.

Never judges what the values mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vault.errors import Malformed
from vault.format import codec
from vault.format.codec import Record, Row, Value, map_of, text_of
from vault.limits import META_BYTES_MAX
from vault.model import (
    Address,
    CatalogFacts,
    Membership,
    ParameterAcl,
    Role,
    Roles,
    RoleSetting,
    Tablespace,
    read_address,
)
from vault.model.database import Edge, Owned

_CONNECTIONS_MAX: Final = 2**31 - 1


def encode_roles(roles: Roles) -> bytes:
    """Raises as `decode_roles`"""
    memberships: tuple[Value, ...] = tuple(
        (item.role, item.member, item.grantor, item.admin, item.inherit, item.set) for item in roles.memberships
    )
    tablespaces: tuple[Value, ...] = tuple(
        (item.name, item.owner, item.location, item.acl, item.options) for item in roles.tablespaces
    )
    return codec.encode_proven(
        {
            "memberships": memberships,
            "parameter_acls": tuple((item.name, item.acl) for item in roles.parameter_acls),
            "roles": tuple(_encode_role(role) for role in roles.roles),
            "settings": tuple((item.role, item.here, item.name, item.value) for item in roles.settings),
            "tablespaces": tablespaces,
            "verifiers_read": roles.verifiers_read,
        },
        decode_roles,
    )


def decode_roles(data: bytes) -> Roles:
    """Raises  Malformed, LimitExceeded, Unsupported"""
    fields = Record.decode(data, what="roles", bytes_max=META_BYTES_MAX)
    roles = Roles(
        roles=tuple(_decode_role(value) for value in fields.array("roles")),
        memberships=tuple(_decode_membership(value) for value in fields.array("memberships")),
        settings=tuple(_decode_setting(value) for value in fields.array("settings")),
        tablespaces=tuple(_decode_tablespace(value) for value in fields.array("tablespaces")),
        parameter_acls=tuple(_decode_parameter_acl(value) for value in fields.array("parameter_acls")),
        verifiers_read=fields.flag("verifiers_read"),
    )
    fields.finish()
    return roles


def _encode_role(role: Role) -> Value:
    return (
        role.name,
        role.superuser,
        role.inherit,
        role.create_role,
        role.create_db,
        role.can_login,
        role.replication,
        role.bypass_rls,
        role.connection_limit,
        role.valid_until,
        role.verifier,
        role.comment,
    )


def _decode_role(value: Value) -> Role:
    row = Row(value, length=12, what="role")
    return Role(
        name=row.text(),
        superuser=row.flag(),
        inherit=row.flag(),
        create_role=row.flag(),
        create_db=row.flag(),
        can_login=row.flag(),
        replication=row.flag(),
        bypass_rls=row.flag(),
        connection_limit=row.integer(-1, _CONNECTIONS_MAX),
        valid_until=row.optional_text(),
        verifier=row.optional_text(),
        comment=row.optional_text(),
    )


def _decode_membership(value: Value) -> Membership:
    row = Row(value, length=6, what="membership")
    return Membership(
        role=row.text(),
        member=row.text(),
        grantor=row.text(),
        admin=row.flag(),
        inherit=row.optional_flag(),
        set=row.optional_flag(),
    )


def _decode_setting(value: Value) -> RoleSetting:
    row = Row(value, length=4, what="setting")
    return RoleSetting(role=row.text(), here=row.flag(), name=row.text(), value=row.text())


def _decode_tablespace(value: Value) -> Tablespace:
    row = Row(value, length=5, what="tablespace")
    return Tablespace(
        name=row.text(), owner=row.text(), location=row.text(), acl=row.optional_texts(), options=row.texts()
    )


def _decode_parameter_acl(value: Value) -> ParameterAcl:
    row = Row(value, length=2, what="parameter acl")
    return ParameterAcl(name=row.text(), acl=row.texts())


def encode_catalog(facts: CatalogFacts) -> bytes:
    """Raises as `decode_catalog`; Malformed: the text of an object is another one's"""
    operators = tuple((caller.printed, called.printed, count) for caller, called, count in facts.operators)
    data = codec.encode(
        {
            "acls": tuple((address.printed, owner, acl) for address, owner, acl in facts.acls),
            "database": facts.database,
            "edges": tuple((one.printed, other.printed, letter) for one, other, letter in facts.edges),
            "extensions": facts.extensions,
            "functions": facts.functions,
            "operators": operators,
            "policies": facts.policies,
        }
    )
    if decode_catalog(data) != facts:
        raise Malformed("catalog facts: an object with the text of another one")
    return data


def decode_catalog(data: bytes) -> CatalogFacts:
    """Objects by address, whatever text names them. Raises  Malformed, LimitExceeded, Unsupported"""
    fields = Record.decode(data, what="catalog facts", bytes_max=META_BYTES_MAX)
    facts = CatalogFacts(
        acls=tuple(_decode_acl(value) for value in fields.array("acls")),
        edges=tuple(_decode_edge(value) for value in fields.array("edges")),
        policies=tuple(_decode_policy(value) for value in fields.array("policies")),
        extensions=tuple(_decode_texts3(value) for value in fields.array("extensions")),
        database=_decode_database(fields.value("database")),
        functions=tuple(_decode_function(value) for value in fields.array("functions")),
        operators=tuple(_decode_operator(value) for value in fields.array("operators")),
    )
    fields.finish()
    return facts


def _decode_acl(value: Value) -> Owned:
    row = Row(value, length=3, what="acl")
    return read_address(row.text()), row.text(), row.optional_texts()


def _decode_edge(value: Value) -> Edge:
    dependent, referenced, letter = _decode_texts3(value)
    return read_address(dependent), read_address(referenced), letter


def _decode_texts3(value: Value) -> tuple[str, str, str]:
    row = Row(value, length=3, what="catalog facts")
    return row.text(), row.text(), row.text()


def _decode_policy(value: Value) -> tuple[str, str, str, tuple[str, ...]]:
    row = Row(value, length=4, what="policy")
    return row.text(), row.text(), row.text(), row.texts()


def _decode_function(value: Value) -> tuple[str, str, str, bool, bool]:
    row = Row(value, length=5, what="function")
    return row.text(), row.text(), row.text(), row.flag(), row.flag()


def _decode_operator(value: Value) -> tuple[Address, Address, int]:
    row = Row(value, length=3, what="operator")
    return read_address(row.text()), read_address(row.text()), row.integer()


def _decode_database(value: Value) -> Mapping[str, str | None]:
    what = "catalog facts: database"
    return {key: None if fact is None else text_of(fact, what) for key, fact in map_of(value, what).items()}
