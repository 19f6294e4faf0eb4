"""Privileges of an object are one thing, whatever entries they come in: of the object, and of each of its columns. Pure.

An ACL entry is a difference to the built-in privileges, so on an object that is there it is exact only after these were
brought back, and then all entries of the object have to run. Where the target's object grants nothing that the snapshot's does
not, that takes nothing from anybody, and is what a missing grant needs; else it is done on request. Invariant: no object that
was asked for ends, after -c, with other privileges than recorded. Spec 76-selection.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from vault.model import Identity, SchemaEntry
from vault.ops.restore.plan.decision import Action, Decision, Situation
from vault.sql.catalog_names import Key, subject
from vault.sql.in_force import Privileges

_ABOUT = frozenset({"ACL", "COMMENT", "SECURITY LABEL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltIn:
    """Objects that were asked for, are there, and of which the snapshot records no privileges beside the built-in ones.

    lacking  the target's grant less than that: nobody loses anything when they become the built-in ones
    wider    the target's grant more, or something else
    """

    lacking: list[Identity] = field(default_factory=list)
    wider: list[Identity] = field(default_factory=list)


def decide_privileges(now: Situation, found: dict[int, Decision]) -> BuiltIn:
    """Decide for the ACL entries in `found`, an object at a time."""
    recorded = _by_object(now.contents.entries)
    there = _by_object(now.present.entries.values())
    in_force = _InForce(now)
    positions: dict[Key, list[int]] = {}
    for at in sorted(found):
        if now.contents.order[at].identity.desc == "ACL":
            positions.setdefault(subject(now.contents.order[at].identity), []).append(at)
    for key, own in positions.items():
        differing = {at for at in own if found[at].action in (Action.REPLACE, Action.KEEP)}
        beyond = there.get(key, {}).keys() - recorded[key].keys()
        if not differing and not beyond:
            continue
        if any(now.contents.entries[at].namespace in now.selectors.platform_schemas for at in own):
            continue
        asked = not now.picked.explicit.isdisjoint(own)
        exact = asked and bool(key[0]) and (now.replace or in_force.fit(key))
        present = next(iter(there.get(key, {}).values()), None) if key[0] else None
        for place, at in enumerate(own):
            if exact:
                first = Decision(action=Action.REPLACE, present=present, in_place=True)
                found[at] = first if place == 0 else Decision(action=Action.CREATE)
            elif at in differing or place == 0:
                found[at] = Decision(action=Action.KEEP, why="differs on the target", present=present, lacking=asked)
    done = BuiltIn()
    for identity in (*_without_record(now, found, recorded, there), *_without_entry(now, recorded, there)):
        (done.lacking if in_force.fit(subject(identity)) else done.wider).append(identity)
    return done


def _without_record(
    now: Situation,
    found: dict[int, Decision],
    recorded: dict[Key, dict[Identity, SchemaEntry]],
    there: dict[Key, dict[Identity, SchemaEntry]],
) -> list[Identity]:
    return [
        identity
        for at in sorted(now.picked.explicit & found.keys())
        if (identity := now.contents.order[at].identity) in now.present.entries
        and identity.desc not in _ABOUT
        and not identity.sub
        and now.contents.entries[at].namespace not in now.selectors.platform_schemas
        and subject(identity) in there
        and subject(identity) not in recorded
    ]


def _without_entry(
    now: Situation, recorded: dict[Key, dict[Identity, SchemaEntry]], there: dict[Key, dict[Identity, SchemaEntry]]
) -> list[Identity]:
    """What is built in, and members of extensions: no entry stands for them, so all privileges together select them."""
    if not now.picked.privileges:
        return []
    objects = {subject(one) for one in now.present.entries if one.desc not in _ABOUT}
    known = Privileges.of(now.contents.catalog.acls)
    return [
        identity
        for key, entries in sorted(there.items())
        if key[0] and key not in recorded and key not in objects
        for identity, entry in [next(iter(entries.items()))]
        if entry.namespace not in now.selectors.platform_schemas
        and (entry.namespace == "pg_catalog" or key[0] == "language" or known.knows(identity))
    ]


class _InForce:
    """Compares what the snapshot's and the target's objects grant."""

    def __init__(self, now: Situation) -> None:
        self._recorded = Privileges.of(now.contents.catalog.acls)
        self._there = Privileges.of(now.present.acls)
        self._version_num = min(now.contents.server.version_num, now.target.version_num)

    def fit(self, key: Key) -> bool:
        """The target's object grants nothing that the snapshot's does not."""
        identity = Identity(desc="", kind=key[0], names=key[1], args=key[2])
        recorded, there = (one.grants(identity, self._version_num) for one in (self._recorded, self._there))
        return recorded is not None and there is not None and there <= recorded


def _by_object(entries: Iterable[SchemaEntry]) -> dict[Key, dict[Identity, SchemaEntry]]:
    found: dict[Key, dict[Identity, SchemaEntry]] = {}
    for entry in entries:
        if entry.identity.desc == "ACL":
            found.setdefault(subject(entry.identity), {})[entry.identity] = entry
    return found
