"""What a restore brings to the cluster: roles with their memberships, parameters and settings. Never alters a role that is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vault.errors import SourceError
from vault.model import Membership, Role, RoleSetting
from vault.ops.restore.failures import Failures
from vault.ops.restore.plan.steps import RestorePlan
from vault.ports import TargetSession
from vault.sql.roles import create_role, grant_parameter, grant_role, set_setting


def create_roles(plan: RestorePlan, session: TargetSession, failures: Failures) -> None:
    """Roles, memberships, parameters; what fails is among `failures`. Raises  Unreachable"""
    for role in plan.roles.create:
        try:
            _create_role(plan, session, role, failures=failures)
        except SourceError as error:
            failures.add(f"ROLE {role.name}", error.why or error.message)
    for membership in sorted(plan.roles.memberships, key=lambda granted: not granted.admin):
        try:
            _grant(session, membership, version_num=plan.target.version_num)
        except SourceError as error:
            failures.add(f"MEMBERSHIP {membership.role} {membership.member}", error.why or error.message)
    for parameter in plan.roles.parameters:
        _try(session, f"PARAMETER {parameter.name}", grant_parameter(parameter), failures=failures)


def set_settings(plan: RestorePlan, session: TargetSession, failures: Failures, *, here: bool) -> None:
    """Those of roles in the target alone (`here`), or everywhere. Raises  Unreachable"""
    for setting in plan.roles.settings:
        if setting.here is here:
            statement = set_setting(setting, database=plan.target.database)
            _try(session, _called(setting), [statement], failures=failures)


def _called(setting: RoleSetting) -> str:
    return f"SETTING {setting.name} {setting.role}".rstrip()


def _create_role(plan: RestorePlan, session: TargetSession, role: Role, *, failures: Failures) -> None:
    """With every attribute; a role that is no superuser may not give all of them away."""
    try:
        session.run(create_role(role, unlogged=plan.target.superuser))
    except SourceError:
        if plan.target.superuser:
            raise
        less = replace(role, superuser=False, replication=False, bypass_rls=False)
        session.run(create_role(less, unlogged=False))
        lost = [word for word in ("superuser", "replication", "bypass_rls") if getattr(role, word)]
        failures.add(f"ROLE {role.name}", f"created without {', '.join(lost)}: only a superuser may give it")


def _grant(session: TargetSession, membership: Membership, *, version_num: int) -> None:
    """As its recorded grantor where that is allowed, else as the restoring role."""
    try:
        session.run([grant_role(membership, version_num=version_num, grantor=True)])
    except SourceError:
        session.run([grant_role(membership, version_num=version_num, grantor=False)])


def _try(session: TargetSession, name: str, statements: Sequence[str], *, failures: Failures) -> None:
    try:
        session.run(statements)
    except SourceError as error:
        failures.add(name, error.why or error.message)
