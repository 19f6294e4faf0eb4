"""Privileges of an object are one thing, whatever entries they come in: of the object, and of each of its columns. Pure.

An ACL entry is a difference to the built-in privileges, so on an object that is there it is exact only after these were
brought back, and then all entries of the object have to run. Where the target's object grants nothing that the snapshot's does
not, that takes nothing from anybody, and is what a missing grant needs; else it is done on request. Invariant: no object that
was asked for ends, after -c, with other privileges than recorded. Spec 76-selection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from vault.model import Address, Identity, SchemaEntry
from vault.ops.restore.plan.decision import Action, Decision, Situation
from vault.sql.in_force import Privileges

_CATALOG = Address(kind="schema", names=("pg_catalog",))
_ByObject = dict[Address, dict[Identity, SchemaEntry]]
"""ACL entries: of an object and its columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltIn:
    """Objects that were asked for, are there, and of which the snapshot records no privileges beside the built-in ones.

    lacking  the target's grant less than that: nobody loses anything when they become the built-in ones
    wider    the target's grant more, or something else
    """

    lacking: list[Identity] = field(default_factory=list)
    wider: list[Identity] = field(default_factory=list)


def decide_privileges(situation: Situation, decisions: dict[int, Decision]) -> BuiltIn:
    """Decide for the ACL entries in `decisions`, an object at a time."""
    recorded = _by_object(situation.contents.entries)
    there = _by_object(situation.present.entries.values())
    in_force = _InForce(situation)
    positions: dict[Address, list[int]] = {}
    for at in sorted(decisions):
        if situation.contents.items[at].identity.desc == "ACL":
            positions.setdefault(situation.contents.items[at].identity.address, []).append(at)
    for address, own in positions.items():
        differing = {at for at in own if decisions[at].action in (Action.REPLACE, Action.KEEP)}
        beyond = there.get(address, {}).keys() - recorded[address].keys()
        if not differing and not beyond:
            continue
        if any(situation.contents.items[at].entry.namespace in situation.selectors.platform_schemas for at in own):
            continue
        asked = not situation.picked.explicit.isdisjoint(own)
        exact = asked and bool(address.kind) and (situation.replace or in_force.fit(address))
        present = next(iter(there.get(address, {}).values()), None) if address.kind else None
        for place, at in enumerate(own):
            if exact:
                first = Decision(action=Action.REPLACE, present=present, in_place=True)
                decisions[at] = first if place == 0 else Decision(action=Action.CREATE)
            elif at in differing or place == 0:
                decisions[at] = Decision(
                    action=Action.KEEP, why="differs on the target", present=present, lacking=asked
                )
    done = BuiltIn()
    for identity in (
        *_without_record(situation, decisions, recorded=recorded, there=there),
        *_without_entry(situation, recorded, there),
    ):
        (done.lacking if in_force.fit(identity.address) else done.wider).append(identity)
    return done


def _without_record(
    situation: Situation,
    decisions: dict[int, Decision],
    *,
    recorded: _ByObject,
    there: _ByObject,
) -> list[Identity]:
    return [
        identity
        for at in sorted(situation.picked.explicit & decisions.keys())
        if (identity := situation.contents.items[at].identity) in situation.present.entries
        and not identity.sub  # as what is said about an object has, and what is done to it
        and situation.contents.items[at].entry.namespace not in situation.selectors.platform_schemas
        and identity.address in there
        and identity.address not in recorded
    ]


def _without_entry(situation: Situation, recorded: _ByObject, there: _ByObject) -> list[Identity]:
    """What is built in, and members of extensions: no entry stands for them, so all privileges together select them."""
    if not situation.picked.privileges:
        return []
    objects = {identity.address for identity in situation.present.entries if not identity.sub}
    known = Privileges.of(situation.contents.catalog.acls)
    return [
        identity
        for address, entries in sorted(there.items())
        if address.kind and address not in recorded and address not in objects
        for identity, entry in [next(iter(entries.items()))]
        if entry.namespace not in situation.selectors.platform_schemas
        and (
            entry.namespace == "pg_catalog" or address.kind == "language" or address == _CATALOG or known.knows(address)
        )
    ]


def future(situation: Situation) -> Iterator[str]:
    """Default privileges that the target alone has: what a restore makes has its own, what is made later has these."""
    if not situation.picked.privileges:
        return
    recorded = {item.identity for item in situation.contents.items}
    alone = [
        entry.label
        for identity, entry in sorted(situation.present.entries.items())
        if identity.desc == "DEFAULT ACL"
        and identity not in recorded
        and entry.namespace not in situation.selectors.platform_schemas
    ]
    if alone:
        yield f"the target alone has these, and they stay; what is made later may admit others than before: {', '.join(alone)}"


class _InForce:
    """Compares what the snapshot's and the target's objects grant."""

    def __init__(self, situation: Situation) -> None:
        self._recorded = Privileges.of(situation.contents.catalog.acls)
        self._there = Privileges.of(situation.present.acls)
        self._version_num = min(situation.contents.server.version_num, situation.target.version_num)

    def fit(self, address: Address) -> bool:
        """The target's object grants nothing that the snapshot's does not."""
        recorded, there = (side.grants(address, self._version_num) for side in (self._recorded, self._there))
        return recorded is not None and there is not None and there <= recorded


def _by_object(entries: Iterable[SchemaEntry]) -> _ByObject:
    acls: _ByObject = {}
    for entry in entries:
        if entry.identity.desc == "ACL":
            acls.setdefault(entry.identity.address, {})[entry.identity] = entry
    return acls
