"""What a restore does to the cluster: roles that are missing, their memberships and settings. Pure.

Invariant: a role that exists on the target is never altered; how it differs is said (`role_differences`). Settings of the
database are the database's own: those that are missing are set, those that differ only on request. Spec 75-restore.
"""

from __future__ import annotations

from dataclasses import dataclass

from vault.model import Membership, ParameterAcl, Role, Roles, RoleSetting, TargetFacts
from vault.ops.restore.plan.role_differences import differences
from vault.sql.statements import read_acl_item


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSteps:
    """What is done to the cluster. Roles that exist are never altered; `differences` says how they differ.

    kept  settings of the database that have another value and stay, with the reason
    """

    create: tuple[Role, ...]
    memberships: tuple[Membership, ...]
    settings: tuple[RoleSetting, ...]
    parameters: tuple[ParameterAcl, ...]
    differences: tuple[str, ...]
    kept: tuple[tuple[str, str], ...] = ()


def role_steps(
    wanted: Roles,
    target: TargetFacts,
    *,
    only: frozenset[str] | None = None,
    add_memberships: bool = False,
    replace: bool = False,
) -> RoleSteps:
    """Steps for the roles of a snapshot, or for `only` those.

    add_memberships  also those that existing roles lack
    replace          settings of the database that differ become as recorded
    """
    existing = {role.name for role in target.roles.roles}
    selected = [role for role in wanted.roles if only is None or role.name in only]
    create = tuple(role for role in selected if role.name not in existing and not role.name.startswith("pg_"))
    created = {role.name for role in create}
    there = created | existing
    here = {(member.role, member.member) for member in target.roles.memberships}
    lacking = [member for member in wanted.memberships if (member.role, member.member) not in here]
    if only is not None:
        lacking = [one for one in lacking if {one.role, one.member} <= there or one.role.startswith("pg_")]
    memberships = [one for one in lacking if add_memberships or created & {one.role, one.member}]
    settings, kept = _settings(wanted, target, created, everyone=only is None, replace=replace)
    return RoleSteps(
        create=create,
        memberships=tuple(memberships),
        settings=tuple(settings),
        parameters=tuple(_own(one, created) for one in wanted.parameter_acls if _own(one, created).acl),
        differences=(
            tuple(differences(wanted, target.roles, added=memberships, passwords=target.with_password))
            if only is None
            else ()
        ),
        kept=tuple(kept),
    )


def _settings(
    wanted: Roles, target: TargetFacts, created: set[str], *, everyone: bool, replace: bool
) -> tuple[list[RoleSetting], list[tuple[str, str]]]:
    """Those to be made, and those of the database that stay as they are."""
    there = {(one.role, one.here, one.name.lower()): one.value for one in target.roles.settings}
    made: list[RoleSetting] = []
    kept: list[tuple[str, str]] = []
    for one in wanted.settings:
        value = there.get((one.role, one.here, one.name.lower()))
        if value == one.value or not (one.role in created or (one.here and everyone)):
            continue
        if value is None or replace:
            made.append(one)
        else:
            kept.append((f"SETTING {one.name} {one.role}".rstrip(), "has another value on the target; -c replaces it"))
    return made, kept


def _own(parameter: ParameterAcl, created: set[str]) -> ParameterAcl:
    """The grants to roles that the restore creates."""
    acl = tuple(item for item in parameter.acl if read_acl_item(item).grantee in created)
    return ParameterAcl(name=parameter.name, acl=acl)
