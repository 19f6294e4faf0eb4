"""What is replaced takes others with it: what goes when it is dropped, and comes back with it. Pure.

Invariant: nothing is dropped that this restore does not bring back, rows included. Spec 76-selection.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vault.model import TableName
from vault.ops.restore_decisions import Action, Decision, Situation

_IN_PLACE: Final = frozenset({"FUNCTION", "PROCEDURE", "VIEW", "ACL", "COMMENT", "SECURITY LABEL", "ROW SECURITY"})
"""Entries that change without being dropped, where the server allows it."""


def with_replaced(now: Situation, found: dict[int, Decision]) -> dict[int, Decision]:
    """`found`, with what goes with replaced entries created anew, and without replacements that would lose rows."""
    for at in sorted(at for at, one in found.items() if one.action is Action.REPLACE):
        if found[at].action is not Action.REPLACE:
            continue  # it goes with one before
        present = found[at].present
        gone = _gone_with(now, found, at) if present is None or present.drop else set()  # else it is only set anew
        lost = _lost_rows(now, found, {at, *gone})
        if lost:
            why = f"differs on the target; replacing it would lose rows of {lost}: select these too"
            found[at] = Decision(action=Action.KEEP, why=why, present=found[at].present, lacking=True)
            continue
        drops = []
        for one in sorted(gone, reverse=True):
            there = now.present.entries.get(now.contents.order[one].identity)
            if there is not None and there.drop and one not in now.graph.parts(at):
                drops.append(there.drop)
            found[one] = Decision(action=Action.CREATE)
        found[at] = replace(found[at], drops=tuple(drops), takes=tuple(sorted(gone)))
    return found


def _gone_with(now: Situation, found: dict[int, Decision], at: int) -> set[int]:
    """Picked entries that do not outlast dropping one: its parts, what depends on it, and what is said about them all."""
    gone: set[int] = set()
    waiting = [at]
    while waiting:
        one = waiting.pop()
        around = [*now.graph.parts(one), *now.graph.about(one)]
        if now.contents.order[at].identity.desc not in _IN_PLACE:
            around += now.graph.dependents(one)
        for other in around:
            there = now.contents.order[other].identity in now.present.entries
            if other != at and other not in gone and other in found and (there or other in now.graph.parts(one)):
                gone.add(other)
                waiting.append(other)
    return {one for one in gone if found[one].action is not Action.SKIP}


def _lost_rows(now: Situation, found: dict[int, Decision], dropped: set[int]) -> str:
    """A table among what is dropped whose rows are not restored, in words; empty if there is none."""
    coming = {item.name for item in now.picked.tables}
    for at in sorted(dropped):
        identity = now.contents.order[at].identity
        if identity.desc == "TABLE" and identity in now.present.entries:
            name = TableName(schema=identity.names[0], name=identity.names[1])
            if name not in coming and name in now.present.columns:
                return f"{name.schema}.{name.name}"
    return ""
