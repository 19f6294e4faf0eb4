"""Which roles, memberships and settings of roles differ. Never shows a verifier, nor the value of a setting that sounds like a secret."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import fields
from typing import Final, TypeVar

from vault.model import Membership, ParameterAcl, Role, Roles, Tablespace
from vault.ops.diff.found import ChangeKind, FoundChange, change_of, turned

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_SECRET: Final = re.compile(r"secret|passw|token|credential|(?:^|[._-])key|apikey|api_key|private", re.IGNORECASE)
"""Names of settings whose values are nobody's business: projects keep keys of theirs in them."""
_HIDDEN: Final = "another value, not shown"


def roles(before: Roles, after: Roles) -> Iterator[FoundChange]:
    """By kind and name."""
    hidden = not (before.verifiers_read and after.verifiers_read)
    for name, old, new in _pairs(*({role.name: role for role in side.roles} for side in (before, after))):
        change = change_of(old, new)
        details = tuple(_role_details(old, new, hidden=hidden)) if old is not None and new is not None else ()
        if details or change is not ChangeKind.CHANGED:
            yield FoundChange(kind="role", name=name, change=change, details=details)
    sides = ({(one.role, one.member, one.grantor): one for one in side.memberships} for side in (before, after))
    for (role, member, grantor), was, now in _pairs(*sides):
        details = () if was is None or now is None else tuple(_field_details(was, now))
        name = f"{member} in {role}, granted by {grantor}"
        yield FoundChange(kind="membership", name=name, change=change_of(was, now), details=details)
    yield from _settings(before, after)
    yield from _spaces(before, after)


def _role_details(old: Role, new: Role, *, hidden: bool) -> Iterator[str]:
    yield from _field_details(old, new, without=("verifier",))
    if old.verifier != new.verifier and not hidden:
        yield "password: changed"


def _settings(before: Roles, after: Roles) -> Iterator[FoundChange]:
    sides = ({(one.role, one.here, one.name): one.value for one in side.settings} for side in (before, after))
    for (role, here, name), old, new in _pairs(*sides):
        subject = f"{name} of {role or 'all roles'}{' in this database' if here else ''}"
        detail = _HIDDEN if _SECRET.search(name) else turned("value", old, new)
        yield FoundChange(kind="setting", name=subject, change=change_of(old, new), details=(detail,))


def _spaces(before: Roles, after: Roles) -> Iterator[FoundChange]:
    spaces: tuple[Mapping[str, Tablespace], Mapping[str, Tablespace]] = (
        {one.name: one for one in before.tablespaces},
        {one.name: one for one in after.tablespaces},
    )
    for name, old, new in _pairs(*spaces):
        details = () if old is None or new is None else tuple(_field_details(old, new))
        yield FoundChange(kind="tablespace", name=name, change=change_of(old, new), details=details)
    parameters: tuple[Mapping[str, ParameterAcl], Mapping[str, ParameterAcl]] = (
        {one.name: one for one in before.parameter_acls},
        {one.name: one for one in after.parameter_acls},
    )
    for name, was, now in _pairs(*parameters):
        details = () if was is None or now is None else tuple(_field_details(was, now))
        yield FoundChange(kind="parameter", name=name, change=change_of(was, now), details=details)


def _field_details(
    old: Role | Membership | Tablespace | ParameterAcl,
    new: Role | Membership | Tablespace | ParameterAcl,
    *,
    without: tuple[str, ...] = (),
) -> Iterator[str]:
    for field in fields(old):
        was, now = getattr(old, field.name), getattr(new, field.name)
        if was != now and field.name not in without:
            yield turned(field.name.replace("_", " "), was, now)


def _pairs(before: Mapping[K, V], after: Mapping[K, V]) -> Iterator[tuple[K, V | None, V | None]]:
    """Of what is not equal, by key."""
    for key in sorted(before.keys() | after.keys(), key=str):
        if before.get(key) != after.get(key):
            yield key, before.get(key), after.get(key)
