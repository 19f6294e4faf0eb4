"""What is replaced by dropping takes others with it: all that goes comes back in the same transaction, rows included. Pure.

An entry that differs and cannot be changed in place is dropped together with its parts and with what depends on it, and all of
it is created anew. Overlapping exchanges are one. Invariant: nothing is dropped that its exchange does not bring back; where
that cannot be, the entry is left and the reason is said. Spec 76-selection.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vault.model import SchemaEntry, TableName
from vault.ops.restore.plan.decision import Action, Decision, Exchange, Situation
from vault.sql import statements
from vault.sql.names import forms, qualified

IN_PLACE: Final = frozenset(
    {
        *("FUNCTION", "PROCEDURE", "VIEW", "ACL", "COMMENT", "SECURITY LABEL", "ROW SECURITY", "DEFAULT"),
        *("SEQUENCE OWNED BY", "EXTENSION"),
    }
)
"""Entries that change without being dropped; so does what has no DROP statement."""


def exchanges(now: Situation, found: dict[int, Decision]) -> list[Exchange]:
    """Exchanges for all that is replaced by dropping; `found` gets what they create anew, and what they must leave."""
    groups: list[set[int]] = []
    for seed in sorted(at for at, one in found.items() if one.action is Action.REPLACE and not one.in_place):
        group = _gone_with(now, found, seed)
        for other in [one for one in groups if not one.isdisjoint(group)]:
            groups.remove(other)
            group |= other
        groups.append(group)
    made = []
    for group in groups:
        why = _obstacle(now, found, group)
        if why:
            for at in group:
                if at in found and found[at].action is Action.REPLACE and not found[at].in_place:
                    found[at] = Decision(action=Action.KEEP, why=why, present=found[at].present, lacking=True)
            continue
        made.append(
            Exchange(
                replaced=tuple(sorted(at for at in group if at in found and found[at].action is Action.REPLACE)),
                drops=tuple(_drops(now, group)),
                entries=tuple(sorted(group)),
                beside=tuple(_beside(now, group)),
            )
        )
        found.update({at: Decision(action=Action.CREATE) for at in group})
    return made


def _gone_with(now: Situation, found: dict[int, Decision], seed: int) -> set[int]:
    """Everything that does not outlast dropping an entry, and what is to be created and needs it."""
    gone: set[int] = set()
    waiting = [seed]
    while waiting:
        one = waiting.pop()
        if one in gone:
            continue
        gone.add(one)
        around = [*now.graph.parts(one), *now.graph.about(one)]
        waiting += [other for other in around if other in found or _is_there(now, other)]
        waiting += [other for other in now.graph.dependents(one) if other in found or _is_equal(now, other)]
    return gone


def equal(entry: SchemaEntry, present: SchemaEntry) -> bool:
    """Where it lies (tablespace, access method) is the target's business; what has no owner of its own shows its relation's."""
    if statements.set_owner(entry) is not None and entry.owner != present.owner:
        return False
    return _compared(entry) == _compared(present)


def _compared(entry: SchemaEntry) -> str:
    """FORCE ROW LEVEL SECURITY has an entry of its own: no table is dropped for it. Compared only, never executed."""
    if entry.identity.desc != "TABLE":
        return entry.definition
    definition = entry.definition
    for name in forms(entry.identity.relation):
        definition = definition.replace(f"\nALTER TABLE ONLY {name} FORCE ROW LEVEL SECURITY;\n", "")
    return definition


def _is_equal(now: Situation, at: int) -> bool:
    """What is there as it was recorded comes back as it was, though nobody asked for it."""
    entry = now.contents.items[at].entry
    present = now.present.entries.get(entry.identity)
    return present is not None and equal(entry, present)


def _is_there(now: Situation, at: int) -> bool:
    return now.contents.items[at].identity in now.present.entries


def _obstacle(now: Situation, found: dict[int, Decision], group: set[int]) -> str:
    """Why the group may not be exchanged; empty if it may."""
    for at in sorted(group):
        identity = now.contents.items[at].identity
        there = _is_there(now, at)
        if at in found and found[at].action is Action.SKIP and there:
            return f"differs on the target; {now.contents.items[at].entry.label} could not be created again"
        if identity.desc == "TABLE" and there:
            name = identity.relation
            if name in now.present.columns and name not in {item.name for item in now.picked.tables}:
                way = "they are not in the snapshot" if name in now.contents.without_rows else "select these too"
                return f"differs on the target; replacing it would lose rows of {name}: {way}"
            if (other := _unknown_partition(now, group, name)) is not None:
                return f"differs on the target; replacing it would drop its partition {other}"
        values = now.picked.sequences
        if identity.desc == "SEQUENCE" and there and values is not None and identity.relation not in values:
            return f"differs on the target; replacing it would lose the value of {'.'.join(identity.names)}"
    return ""


def _unknown_partition(now: Situation, group: set[int], parent: TableName) -> TableName | None:
    """A table attached below `parent` on the target that dropping it would take along for good."""
    named = qualified(parent)
    detached = {now.contents.items[at].identity for at in group}
    for identity in now.present.entries:
        if identity.desc == "TABLE ATTACH" and identity.sub == named and identity not in detached:
            return identity.relation
    return None


def _drops(now: Situation, group: set[int]) -> Iterator[str]:
    """Last first; what goes with its relation is not dropped by itself."""
    going: set[int] = set()
    for at in group:
        if _is_there(now, at):
            going.update(now.graph.parts(at))
    for at in sorted(group, reverse=True):
        present = now.present.entries.get(now.contents.items[at].identity)
        if present is not None and present.drop and at not in going:
            yield present.drop


def _beside(now: Situation, group: set[int]) -> Iterator[str]:
    """What hangs on dropped relations of the target and is not in the snapshot, in words."""
    relations = {now.contents.items[at].identity.names[:2] for at in group}
    known = {item.identity for item in now.contents.items}
    for identity, entry in now.present.entries.items():
        home = now.present.homes.get(identity, identity.names[:2])
        if home in relations and identity not in known and identity.desc not in ("ACL", "COMMENT"):
            yield entry.label
