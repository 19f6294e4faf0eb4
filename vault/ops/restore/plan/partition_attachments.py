"""Which attachments of partitions wait for what makes them whole, and in which order they come. Pure. Spec 76-selection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from vault.ops.restore.plan.decision import Action, Decision, Situation

_AFTER_ALL: Final = -1


def attachments(situation: Situation, decisions: Mapping[int, Decision], apart: set[int]) -> tuple[int, ...]:
    """A table that is there gives a new partition the keys and indexes that it lacks: so it comes with its own first.

    The lowest come first, for an index is whole only with those below it, and ATTACH leaves aside one that is not whole. Foreign
    keys to the tables above come last: the rows that they look for are not theirs before. Rows that find their partition through the root
    need it attached before.
    """
    items, through_root = situation.contents.items, set(_through_roots(situation))
    late: dict[int, int] = {}
    for at, decision in decisions.items():
        identity = items[at].identity
        if identity.desc != "TABLE ATTACH" or decision.action is not Action.CREATE:
            continue
        child = identity.relation
        home = situation.graph.relation(child)
        parents = [need for need in items[at].needs if need != home and items[need].identity.desc == "TABLE"]
        if (
            home is None
            or home in through_root
            or not any(items[parent].identity in situation.present.entries for parent in parents)
        ):
            continue
        depth = situation.graph.depth(home)
        late[at] = depth
        for part in situation.graph.parts(home):
            if part in decisions and items[part].identity.desc == "INDEX ATTACH":
                late[part] = situation.graph.depth_of_index(part)
    above = {table for at in late if items[at].identity.desc == "TABLE ATTACH" for table in situation.graph.above(at)}
    for at in decisions:
        if items[at].identity.desc == "FK CONSTRAINT" and not above.isdisjoint(items[at].needs):
            late[at] = _AFTER_ALL
    done = (at for at in late.keys() - apart if decisions[at].action is Action.CREATE)
    return tuple(sorted(done, key=lambda at: (-late[at], at)))


def _through_roots(situation: Situation) -> Iterator[int]:
    """Tables whose rows come through a root, and what lies between them and it."""
    for item in situation.picked.tables:
        at = situation.graph.relation(item.name) if item.load_via_root is not None else None
        if at is not None:
            yield from (at, *situation.graph.roots(at))
