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
from vault.ops.restore.plan.graph import RELATIONS
from vault.ops.restore.plan.in_place import REPLACED, keeps_its_shape
from vault.sql import statements
from vault.sql.addresses import may_belong_to
from vault.sql.names import forms, qualified

IN_PLACE: Final = frozenset(
    {
        *("FUNCTION", "PROCEDURE", "VIEW", "COMMENT", "SECURITY LABEL", "ROW SECURITY", "DEFAULT"),
        "SEQUENCE OWNED BY",
    }
)
"""Entries that change without being dropped; so does what has no DROP statement, and so do privileges (`decide_privileges`)."""


def exchanges(situation: Situation, decisions: dict[int, Decision]) -> list[Exchange]:
    """Exchanges for all that is replaced by dropping; `decisions` gets what they create anew, and what they must leave."""
    groups: list[set[int]] = []
    for seed in sorted(at for at, decision in decisions.items() if decision.action is Action.REPLACE):
        in_place = decisions[seed].in_place
        if in_place and not _is_held(situation, decisions, seed):
            continue
        group = _gone_with(situation, decisions, seed)
        if in_place and _obstacle(situation, decisions, group):
            continue  # replacing it may do
        for other in [earlier for earlier in groups if not earlier.isdisjoint(group)]:
            groups.remove(other)
            group |= other
        groups.append(group)
    exchanged = []
    for group in groups:
        why = _obstacle(situation, decisions, group)
        if why:
            for at in group:
                if at in decisions and decisions[at].action is Action.REPLACE and not decisions[at].in_place:
                    decisions[at] = Decision(action=Action.KEEP, why=why, present=decisions[at].present, lacking=True)
            continue
        exchanged.append(
            Exchange(
                replaced=tuple(
                    sorted(at for at in group if at in decisions and decisions[at].action is Action.REPLACE)
                ),
                drops=tuple(_drops(situation, group)),
                entries=tuple(sorted(group)),
                awaited=tuple(sorted(at for at in group if not _is_there(situation, at))),
                beside=tuple(_beside(situation, group)),
            )
        )
        decisions.update({at: Decision(action=Action.CREATE) for at in group})
    return exchanged


def _gone_with(situation: Situation, decisions: dict[int, Decision], seed: int) -> set[int]:
    """Everything that does not outlast dropping an entry, and what is to be created and needs it."""
    gone: set[int] = set()
    waiting = [seed]
    while waiting:
        at = waiting.pop()
        if at in gone or _stays_away(situation, decisions, at, gone):
            continue
        gone.add(at)
        around = [*situation.graph.parts(at), *situation.graph.about(at)]
        waiting += [other for other in around if other in decisions or _is_there(situation, other)]
        waiting += [
            other for other in situation.graph.dependents(at) if other in decisions or _is_equal(situation, other)
        ]
    return gone


def _stays_away(situation: Situation, decisions: dict[int, Decision], at: int, gone: set[int]) -> bool:
    """What is missing and misses its other side, or could not be created: in the exchange it would fail with all the rest.

    What may not be added to a table that is another's may be to the one that is created in its place, which is in `gone` before
    its parts.
    """
    if at not in decisions or decisions[at].action is not Action.SKIP or _is_there(situation, at):
        return False
    return at in situation.picked.left or situation.graph.home(at) not in gone


def _is_held(situation: Situation, decisions: dict[int, Decision], at: int) -> bool:
    """Whether it could only be replaced by being dropped, and something that is there would not let it go."""
    entry, present = situation.contents.items[at].entry, decisions[at].present
    assert present is not None, "what is replaced is there"
    if entry.identity.desc not in REPLACED or keeps_its_shape(entry, present):
        return False
    own = {*situation.graph.parts(at), *situation.graph.about(at)}
    return any(_is_there(situation, other) for other in situation.graph.dependents(at) if other not in own)


def equal(entry: SchemaEntry, present: SchemaEntry) -> bool:
    """Where it lies (tablespace, access method) is the target's business; what has no owner of its own shows its relation's."""
    if statements.set_owner(entry) is not None and entry.owner != present.owner:
        return False
    return compared(entry) == compared(present)


def compared(entry: SchemaEntry) -> str:
    """All that is compared of it but its owner. FORCE ROW LEVEL SECURITY has an entry of its own: no table is dropped for it.

    Never executed.
    """
    if entry.identity.desc != "TABLE":
        return entry.definition
    definition = entry.definition
    for name in forms(entry.identity.relation):
        definition = definition.replace(f"\nALTER TABLE ONLY {name} FORCE ROW LEVEL SECURITY;\n", "")
    return definition


def _is_equal(situation: Situation, at: int) -> bool:
    """What is there as it was recorded comes back as it was, though nobody asked for it."""
    entry = situation.contents.items[at].entry
    present = situation.present.entries.get(entry.identity)
    return present is not None and equal(entry, present)


def _is_there(situation: Situation, at: int) -> bool:
    return situation.contents.items[at].identity in situation.present.entries


def _obstacle(situation: Situation, decisions: dict[int, Decision], group: set[int]) -> str:
    """Why the group may not be exchanged; empty if it may."""
    for at in sorted(group):
        identity = situation.contents.items[at].identity
        if at in decisions and decisions[at].action is Action.SKIP and _is_there(situation, at):
            return f"differs on the target; {situation.contents.items[at].entry.label} could not be created again"
        if identity.desc == "TABLE":
            name = identity.relation
            if name in situation.present.columns and name not in {item.name for item in situation.picked.tables}:
                way = "they are not in the snapshot" if name in situation.contents.without_rows else "select these too"
                return f"differs on the target; replacing it would lose rows of {name}: {way}"
            if (other := _unknown_partition(situation, group, name)) is not None:
                return f"differs on the target; replacing it would drop its partition {other}"
        values = situation.picked.sequences
        valued = identity.desc == "SEQUENCE" and _is_there(situation, at)
        if valued and values is not None and identity.relation not in values:
            return f"differs on the target; replacing it would lose the value of {identity.relation}"
    return ""


def _unknown_partition(situation: Situation, group: set[int], parent: TableName) -> TableName | None:
    """A table attached below `parent` on the target that dropping it would take along for good."""
    named = qualified(parent)
    detached = {situation.contents.items[at].identity for at in group}
    for identity in situation.present.entries:
        if identity.desc == "TABLE ATTACH" and identity.sub == named and identity not in detached:
            return identity.relation
    return None


def _drops(situation: Situation, group: set[int]) -> Iterator[str]:
    """Last first; what goes with its relation is not dropped by itself."""
    going: set[int] = set()
    for at in group:
        if _is_there(situation, at):
            going.update(situation.graph.parts(at))
    for at in sorted(group, reverse=True):
        present = situation.present.entries.get(situation.contents.items[at].identity)
        if present is not None and present.drop and at not in going:
            yield present.drop


def _beside(situation: Situation, group: set[int]) -> Iterator[str]:
    """What hangs on what is dropped of the target and is not in the snapshot, in words."""
    going = [situation.contents.items[at].identity for at in group]
    relations = {identity.names for identity in going if identity.desc in RELATIONS}
    objects = {identity.address for identity in going}
    known = {item.identity for item in situation.contents.items}
    for identity, entry in situation.present.entries.items():
        home = situation.present.homes.get(identity, identity.names[:2])
        hangs = home in relations or not objects.isdisjoint(may_belong_to(identity.address))
        if hangs and identity not in known and identity.desc not in ("ACL", "COMMENT"):
            yield entry.label
