"""How a role, or a setting of roles and the database, changed. A password is never shown: it is another one, or it is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields

from vault.model import Role, Roles
from vault.ops.history.events import CHANGED, CREATED, DROPPED, THERE, Event, Value
from vault.ops.history.names import ROLE
from vault.repo.snapshot import Snapshot

_PASSWORD = "password"
_HIDDEN = frozenset({"name", "verifier"})


class RoleDiffer:
    """Implements events.Differ. `kind`: ROLE or SETTING, whose name it is."""

    def __init__(self, kind: str, name: str) -> None:
        self._kind, self._name = kind, name

    def between(self, older: Snapshot, newer: Snapshot) -> Iterator[Event]:
        was, now = older.manifest.database, newer.manifest.database
        if was is None or now is None or was.roles == now.roles:
            return
        before, after = self._facts(older.roles()), self._facts(newer.roles())
        values = tuple(_differences(before, after))
        if values:
            change = CHANGED if before and after else CREATED if after else DROPPED
            yield Event(snapshot=newer, what=self._kind, change=change, values=values)

    def first(self, oldest: Snapshot) -> Iterator[Event]:
        facts = self._facts(oldest.roles())
        if facts:
            yield Event(snapshot=oldest, what=self._kind, change=THERE, values=tuple(_differences({}, facts)))

    def _facts(self, roles: Roles) -> Mapping[str, str]:
        return of_role(roles, self._name) if self._kind == ROLE else of_setting(roles, self._name)


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Value]:
    for name in {**before, **after}:
        if before.get(name) != after.get(name):
            if name == _PASSWORD:
                yield Value(
                    name=name,
                    before=_masked(before, "one"),
                    after=_masked(after, "another" if name in before else "one"),
                )
            else:
                yield Value(name=name, before=before.get(name), after=after.get(name))


def _masked(facts: Mapping[str, str], word: str) -> str | None:
    return word if _PASSWORD in facts else None


def of_role(roles: Roles, name: str) -> dict[str, str]:
    """Attributes, memberships and settings of one role; empty if it is not there."""
    role = next((one for one in roles.roles if one.name == name), None)
    if role is None:
        return {}
    facts = {one.name: str(getattr(role, one.name)) for one in fields(Role) if one.name not in _HIDDEN}
    if role.verifier is not None:
        facts[_PASSWORD] = role.verifier
    for member in roles.memberships:
        if member.member == name:
            facts[f"member of {member.role}"] = "with admin option" if member.admin else "yes"
        if member.role == name:
            facts[f"has member {member.member}"] = "with admin option" if member.admin else "yes"
    for setting in roles.settings:
        if setting.role == name:
            facts[f"{setting.name}{' in this database' if setting.here else ''}"] = setting.value
    return facts


def of_setting(roles: Roles, name: str) -> dict[str, str]:
    """Value by whom it holds for."""
    return {
        f"{setting.role or 'everybody'}{' in this database' if setting.here else ''}": setting.value
        for setting in roles.settings
        if setting.name == name
    }
