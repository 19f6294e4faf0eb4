"""How roles that exist on a target differ from those of a snapshot, in words. Pure.

Attributes, comments, memberships with their options and grantors, settings, grants on parameters, tablespaces; in both
directions, for a membership that only the target has lets somebody in. Values of settings and verifiers are never shown.
Names of settings are equal whatever their case. Spec 75-restore [RST-3].
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from vault.model import Membership, Role, Roles
from vault.sql.statements import read_acl_item

Pair = tuple[str, str]
_PARAMETER: Mapping[str, str] = {"s": "SET", "A": "ALTER SYSTEM SET"}


def differences(
    source: Roles, target: Roles, *, added: Collection[Membership] = (), verifiers: Mapping[str, str] | None = None
) -> Iterator[str]:
    """`added`: memberships that the restore makes; `verifiers`: of roles of the target that have one, None where that is not known."""
    here = {role.name: role for role in target.roles}
    both = [role for role in source.roles if role.name in here]
    for role in both:
        yield from _attributes(role, here[role.name])
        if source.verifiers_read and verifiers is not None:
            yield from _password(role, verifiers.get(role.name))
    yield from _memberships(source, target, {(membership.role, membership.member) for membership in added})
    names = {role.name for role in both}
    yield from _settings(source, target, names)
    supers = {role.name for role in (*source.roles, *target.roles) if role.superuser}
    yield from _parameters(source, target, names - supers)
    yield from _tablespaces(source, target)


def _password(role: Role, here: str | None) -> Iterator[str]:
    """A verifier has a salt: the same password that was set once more is another verifier."""
    if here is None and role.verifier is not None:
        yield f"role {role.name}: it has no password here, and had one"
    elif here is not None and role.verifier is None:
        yield f"role {role.name}: it has a password here, and had none"
    elif here != role.verifier:
        yield f"role {role.name}: its password is another here, or the same set once more"


def _attributes(source: Role, target: Role) -> Iterator[str]:
    """But for its password."""
    for attribute in Role.__dataclass_fields__:
        if attribute == "verifier":
            continue
        there, here = getattr(source, attribute), getattr(target, attribute)
        if attribute == "comment" and there != here:
            yield f"role {source.name}: its comment is {'another' if here and there else 'set here' if here else 'missing'}"
        elif there != here:
            yield f"role {source.name}: {attribute.replace('_', ' ')} is {here}, was {there}"


def _memberships(source: Roles, target: Roles, added: Collection[Pair]) -> Iterator[str]:
    was, now = _by_pair(source), _by_pair(target)
    known = {role.name for role in source.roles}
    grantors: Counter[Pair] = Counter()
    for (role, member), recorded in was.items():
        if (role, member) in added:
            continue
        if (role, member) not in now:
            yield f"{member} is not a member of {role}"
            continue
        other = now[role, member]
        for option in ("admin", "inherit", "set"):
            before, after = _option(recorded, option), _option(other, option)
            if None not in (before, after) and before != after:
                yield f"{member} is a member of {role} {'with' if after else 'without'} the option {option.upper()}"
        granted = _grantors(recorded), _grantors(other)
        grantors[granted] += granted[0] != granted[1]
    for role, member in sorted(now.keys() - was.keys()):
        if role in known or member in known or role.startswith("pg_"):
            yield f"{member} is a member of {role} here, and was not"
    for (by, here), count in sorted(grantors.items()):
        if count:
            yield f"{count} memberships granted by {by} are granted by {here} here"


def _by_pair(roles: Roles) -> dict[Pair, list[Membership]]:
    """From 16 on one membership can be granted by several roles; the options of all count."""
    granted: dict[Pair, list[Membership]] = {}
    for membership in roles.memberships:
        granted.setdefault((membership.role, membership.member), []).append(membership)
    return granted


def _grantors(granted: list[Membership]) -> str:
    return ", ".join(sorted({membership.grantor for membership in granted}))


def _option(granted: list[Membership], option: str) -> bool | None:
    """None: the server does not know it."""
    values = [getattr(membership, option) for membership in granted]
    return None if None in values else any(values)


def _settings(source: Roles, target: Roles, names: Collection[str]) -> Iterator[str]:
    """Of roles in all databases, and what only the target's database has: what the snapshot's has is set or refused."""
    was, now = _values(source), _values(target)
    for role, here, name in sorted(was.keys() | now.keys()):
        if role and role not in names:
            continue
        before, after = was.get((role, here, name)), now.get((role, here, name))
        if before == after or (here and before is not None):
            continue
        subject = f"role {role}" if role else "the database" if here else "all roles"
        state = "is not set" if after is None else "is set here, and was not" if before is None else "has another value"
        yield f"{subject}: setting {name} {state}"


def _values(roles: Roles) -> dict[tuple[str, bool, str], list[str]]:
    """A name that nobody has defined can be set in several spellings."""
    values: dict[tuple[str, bool, str], list[str]] = {}
    for setting in roles.settings:
        values.setdefault((setting.role, setting.here, setting.name.lower()), []).append(setting.value)
    return values


def _parameters(source: Roles, target: Roles, names: Collection[str]) -> Iterator[str]:
    """Superusers may set everything."""
    was, now = _granted(source), _granted(target)
    for name, grantee, letter, grantable in sorted(was ^ now):
        if grantee and grantee not in names and not grantee.startswith("pg_"):
            continue
        may = "may" if (name, grantee, letter, grantable) in now else "may not"
        end = "here, and might not" if may == "may" else "here, and might"
        given = " and grant it" if grantable else ""
        yield f"{f'role {grantee}' if grantee else 'PUBLIC'} {may} {_PARAMETER.get(letter, letter)} {name}{given} {end}"


def _granted(roles: Roles) -> set[tuple[str, str, str, bool]]:
    return {
        (parameter.name, item.grantee, letter, grantable)
        for parameter in roles.parameter_acls
        for item in map(read_acl_item, parameter.acl)
        for letter, grantable in item.privileges
    }


def _tablespaces(source: Roles, target: Roles) -> Iterator[str]:
    here = {tablespace.name: tablespace for tablespace in target.tablespaces}
    for tablespace in source.tablespaces:
        other = here.get(tablespace.name)
        for field in ("owner", "acl", "options") if other is not None else ():
            if getattr(tablespace, field) != getattr(other, field):
                yield f"tablespace {tablespace.name}: {'privileges are' if field == 'acl' else f'{field} is'} not as recorded"
