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
        lacking = [
            membership
            for membership in lacking
            if {membership.role, membership.member} <= there or membership.role.startswith("pg_")
        ]
    memberships = [
        membership for membership in lacking if add_memberships or created & {membership.role, membership.member}
    ]
    settings, kept = _settings(wanted, target, created, everyone=only is None, replace=replace)
    return RoleSteps(
        create=create,
        memberships=tuple(memberships),
        settings=tuple(settings),
        parameters=tuple(
            _own(parameter, created) for parameter in wanted.parameter_acls if _own(parameter, created).acl
        ),
        differences=(
            tuple(differences(wanted, target.roles, added=memberships, verifiers=target.verifiers))
            if only is None
            else ()
        ),
        kept=tuple(kept),
    )


def _settings(
    wanted: Roles, target: TargetFacts, created: set[str], *, everyone: bool, replace: bool
) -> tuple[list[RoleSetting], list[tuple[str, str]]]:
    """Those to be made, and those of the database that stay as they are."""
    there = {(setting.role, setting.here, setting.name.lower()): setting.value for setting in target.roles.settings}
    lacking: list[RoleSetting] = []
    kept: list[tuple[str, str]] = []
    for setting in wanted.settings:
        value = there.get((setting.role, setting.here, setting.name.lower()))
        if value == setting.value or not (setting.role in created or (setting.here and everyone)):
            continue
        if value is None or replace:
            lacking.append(setting)
        else:
            kept.append(
                (f"SETTING {setting.name} {setting.role}".rstrip(), "has another value on the target; -c replaces it")
            )
    return lacking, kept


def _own(parameter: ParameterAcl, created: set[str]) -> ParameterAcl:
    """The grants to roles that the restore creates."""
    acl = tuple(item for item in parameter.acl if read_acl_item(item).grantee in created)
    return ParameterAcl(name=parameter.name, acl=acl)
