"""What a restore does to the cluster: roles that are missing, their memberships and settings. Pure.

Invariant: a role that exists on the target is never altered; how it differs is said. Spec 75-restore.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vault.model import Membership, ParameterAcl, Role, Roles, RoleSetting, TargetFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSteps:
    """What is done to the cluster. Roles that exist are never altered; `differences` says how they differ."""

    create: tuple[Role, ...]
    memberships: tuple[Membership, ...]
    settings: tuple[RoleSetting, ...]
    parameters: tuple[ParameterAcl, ...]
    differences: tuple[str, ...]


def role_steps(
    wanted: Roles, target: TargetFacts, *, only: frozenset[str] | None = None, add_memberships: bool = False
) -> RoleSteps:
    """Steps for the roles of a snapshot, or for `only` those. `add_memberships`: also those that existing roles lack."""
    existing = {role.name: role for role in target.roles.roles}
    selected = [role for role in wanted.roles if only is None or role.name in only]
    create = tuple(role for role in selected if role.name not in existing and not role.name.startswith("pg_"))
    created = {role.name for role in create}
    there = created | existing.keys()
    here = {(member.role, member.member) for member in target.roles.memberships}
    lacking = [member for member in wanted.memberships if (member.role, member.member) not in here]
    if only is not None:
        lacking = [one for one in lacking if {one.role, one.member} <= there or one.role.startswith("pg_")]
    memberships = [one for one in lacking if add_memberships or created & {one.role, one.member}]
    differences = [
        *(line for role in selected if role.name in existing for line in _differences(role, existing[role.name])),
        *(f"{one.member} is not a member of {one.role}" for one in lacking if one not in memberships),
    ]
    return RoleSteps(
        create=create,
        memberships=tuple(memberships),
        settings=tuple(one for one in wanted.settings if (one.here and only is None) or one.role in created),
        parameters=tuple(_own(one, created) for one in wanted.parameter_acls if _own(one, created).acl),
        differences=tuple(differences) if only is None else (),
    )


def _own(parameter: ParameterAcl, created: set[str]) -> ParameterAcl:
    """The grants to roles that the restore creates."""
    acl = tuple(item for item in parameter.acl if item.partition("=")[0].strip('"') in created)
    return ParameterAcl(name=parameter.name, acl=acl)


def _differences(source: Role, target: Role) -> Iterator[str]:
    """Attributes of a role that exists; its password cannot be compared."""
    for attribute in Role.__dataclass_fields__:
        if attribute in ("name", "verifier"):
            continue
        there, here = getattr(source, attribute), getattr(target, attribute)
        if there != here:
            yield f"role {source.name}: {attribute.replace('_', ' ')} is {here}, was {there}"
