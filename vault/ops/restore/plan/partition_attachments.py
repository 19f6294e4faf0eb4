"""Which attachments of partitions wait for what makes them whole, and in which order they come. Pure. Spec 76-selection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vault.ops.restore.plan.decision import Action, Decision, Situation


def attachments(situation: Situation, decisions: Mapping[int, Decision], apart: set[int]) -> tuple[int, ...]:
    """A table that is there gives a new partition the keys and indexes that it lacks: so it comes with its own first.

    The lowest come first, for an index is whole only with those below it, and ATTACH leaves aside one that is not whole. Foreign
    keys to the tables above come last: the rows that they look for are not theirs before. Rows that find their partition through the root
    need it attached before.
    """
    items, through_root = situation.contents.items, set(_through_roots(situation))
    late: dict[int, int] = {}
    above: set[int] = set()
    for at, decision in decisions.items():
        if items[at].identity.desc != "TABLE ATTACH" or decision.action is not Action.CREATE:
            continue
        roots = situation.graph.above(at)
        if not roots or items[roots[0]].identity not in situation.present.entries:
            continue
        home = situation.graph.home(at)
        assert home is not None, "it is below something"
        if home in through_root:
            continue
        late[at] = len(roots)
        above.update(roots)
        for part in situation.graph.parts(home):
            if part in decisions and items[part].identity.desc == "INDEX ATTACH":
                late[part] = situation.graph.depth_of_index(part)
    keys = (
        at for at in decisions if items[at].identity.desc == "FK CONSTRAINT" and not above.isdisjoint(items[at].needs)
    )
    ordered = (*sorted(late, key=lambda at: (-late[at], at)), *sorted(keys))
    return tuple(at for at in ordered if at not in apart and decisions[at].action is Action.CREATE)


def _through_roots(situation: Situation) -> Iterator[int]:
    """Tables whose rows come through a root, and what lies between them and it."""
    for item in situation.picked.tables:
        at = situation.graph.relation(item.name) if item.load_via_root is not None else None
        if at is not None:
            yield from (at, *situation.graph.roots(at))
