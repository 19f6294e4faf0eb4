"""What a restore does to the cluster: roles that are missing, their memberships and settings. Pure.

Invariant: a role that exists on the target is never altered; how it differs is said. Spec 75-restore.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vault.model import Membership, ParameterAcl, Role, Roles, RoleSetting
from vault.ports import TargetFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSteps:
    """What is done to the cluster. Roles that exist are never altered; `differences` says how they differ."""

    create: tuple[Role, ...]
    memberships: tuple[Membership, ...]
    settings: tuple[RoleSetting, ...]
    parameters: tuple[ParameterAcl, ...]
    differences: tuple[str, ...]


def role_steps(wanted: Roles, target: TargetFacts) -> RoleSteps:
    existing = {role.name: role for role in target.roles.roles}
    create = tuple(role for role in wanted.roles if role.name not in existing and not role.name.startswith("pg_"))
    created = {role.name for role in create}
    here = {(member.role, member.member) for member in target.roles.memberships}
    memberships = [member for member in wanted.memberships if (member.role, member.member) not in here]
    differences = [
        *(line for role in wanted.roles if role.name in existing for line in _differences(role, existing[role.name])),
        *(
            f"{member.member} is not a member of {member.role}"
            for member in memberships
            if not created & {member.role, member.member}
        ),
    ]
    return RoleSteps(
        create=create,
        memberships=tuple(member for member in memberships if created & {member.role, member.member}),
        settings=tuple(one for one in wanted.settings if one.here or one.role in created),
        parameters=tuple(_own(one, created) for one in wanted.parameter_acls if _own(one, created).acl),
        differences=tuple(differences),
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
