"""Privileges of an object are one thing, whatever entries they come in: of the object, and of each of its columns. Pure.

An ACL entry is a difference to the built-in privileges, so on an object that is there it is exact only after these were
brought back, and then all entries of the object have to run. Invariant: no object that was asked for ends, after -c, with
more than was recorded. Spec 76-selection.
"""

from __future__ import annotations

from collections.abc import Iterable

from vault.model import Identity, SchemaEntry
from vault.ops.restore.plan.decision import Action, Decision, Situation
from vault.ops.restore.plan.graph import Key, subject


def decide_privileges(now: Situation, found: dict[int, Decision]) -> list[Identity]:
    """Decide for the ACL entries in `found`, an object at a time.

    Returns  objects that were asked for, are there, and have privileges of which the snapshot has none
    """
    recorded = _by_object(now.contents.entries)
    there = _by_object(now.present.entries.values())
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
        for place, at in enumerate(own):
            if now.replace and asked and key[0]:
                present = next(iter(there.get(key, {}).values()), None)
                first = Decision(action=Action.REPLACE, present=present, in_place=True)
                found[at] = first if place == 0 else Decision(action=Action.CREATE)
            elif at in differing or place == 0:
                found[at] = Decision(action=Action.KEEP, why="differs on the target", lacking=asked)
    return [
        identity
        for at in sorted(now.picked.explicit & found.keys())
        if (identity := now.contents.order[at].identity) in now.present.entries
        and identity.desc not in ("ACL", "COMMENT", "SECURITY LABEL")
        and not identity.sub
        and now.contents.entries[at].namespace not in now.selectors.platform_schemas
        and subject(identity) in there
        and subject(identity) not in recorded
    ]


def _by_object(entries: Iterable[SchemaEntry]) -> dict[Key, dict[Identity, SchemaEntry]]:
    found: dict[Key, dict[Identity, SchemaEntry]] = {}
    for entry in entries:
        if entry.identity.desc == "ACL":
            found.setdefault(subject(entry.identity), {})[entry.identity] = entry
    return found
