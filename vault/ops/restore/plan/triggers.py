"""Rows into tables whose triggers the restoring role may not switch off: what fires, and which tables come with them. Pure.

A trigger that made rows in other tables when this table got its rows would make them again, with other values. Tables that refer
to this one may be such tables, so their missing rows come in the same step, and what fires is said before and after. Spec
76-selection.
"""

from __future__ import annotations

from collections.abc import Iterator

from vault.model import TableItem, TableName
from vault.ops.restore.plan.contents import rows_of
from vault.ops.restore.plan.decision import RowMode, Situation, TableRows


def referring(situation: Situation) -> tuple[TableItem, ...]:
    """Tables of the project that refer to a picked one with triggers, or to such a table in turn, are there, have rows in the snapshot
    and are not picked."""
    if situation.target.may_replicate:
        return ()
    picked = {item.name for item in situation.picked.tables}
    items = {item.name: item for item in situation.contents.tables}
    brought: dict[TableName, TableItem] = {}
    waiting = list(situation.picked.tables)
    while waiting:
        item = waiting.pop()
        at = situation.graph.relation(item.name)
        if at is None or not situation.present.triggers.get(item.load_via_root or item.name) or not rows_of(item):
            continue
        for link in situation.graph.links_to(at):
            child = situation.contents.items[link].identity.relation
            for name in (child, *situation.graph.below([child])):
                other = items.get(name)
                if (
                    other is None
                    or name in picked
                    or name in brought
                    or name.schema in situation.selectors.platform_schemas
                ):
                    continue
                if name in situation.present.columns and rows_of(other):
                    brought[name] = other
                    waiting.append(other)
    return tuple(brought[name] for name in sorted(brought))


def firing(situation: Situation, rows: list[TableRows]) -> Iterator[str]:
    """What to know of triggers before saying yes."""
    if situation.target.may_replicate:
        return
    merged = [step.item for step in rows if step.mode is RowMode.MERGE]
    for item in merged:
        name = str(item.name)
        triggers = situation.present.triggers.get(item.load_via_root or item.name, ())
        silent = [trigger for trigger, may_silence in triggers if may_silence]
        loud = [trigger for trigger, may_silence in triggers if not may_silence]
        if silent:
            yield f"do nothing while rows of {name} come, because their functions are replaced meanwhile: {', '.join(silent)}"
        if loud:
            yield (
                f"will fire while rows of {name} come, for role {situation.target.user} may not switch them off, and what they write"
                f" is not the snapshot's: {', '.join(loud)}"
            )
    names = [str(item.name) for item in situation.picked.brought]
    if names:
        yield f"missing rows come too, of tables that such triggers may have filled: {', '.join(names)}"
