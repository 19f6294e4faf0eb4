"""The order of rows whose foreign keys stand before they come: tables of extensions, which CREATE EXTENSION brings whole. Pure.

Spec 75-restore, "Rows".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from vault.model import CatalogFacts, TableName
from vault.ops.restore.plan.decision import RowMode, TableRows


def parents_first(rows: Sequence[TableRows], catalog: CatalogFacts) -> tuple[TableRows, ...]:
    """Members of extensions before all others, each after those that it refers to; a circle is opened where it is met first."""
    members = {step.item.name: step for step in rows if step.mode is RowMode.MEMBER}
    parents = _parents(catalog, members.keys()) if members else {}
    ordered: dict[TableName, TableRows] = {}
    for name in members:
        waiting = [(name, iter(sorted(parents.get(name, ()))))]
        on_the_way = {name}
        while waiting:
            here, above = waiting[-1]
            parent = next(
                (candidate for candidate in above if candidate not in ordered and candidate not in on_the_way), None
            )
            if parent is None:
                ordered.setdefault(here, members[here])
                waiting.pop()
            else:
                on_the_way.add(parent)
                waiting.append((parent, iter(sorted(parents.get(parent, ())))))
    return (*ordered.values(), *(step for step in rows if step.mode is not RowMode.MEMBER))


def _parents(catalog: CatalogFacts, members: Collection[TableName]) -> dict[TableName, set[TableName]]:
    """Table -> tables that its foreign keys refer to, by the recorded dependencies."""
    parents: dict[TableName, set[TableName]] = {}
    for dependent, referenced, _ in catalog.edges:
        if dependent.kind != "table constraint" or referenced.kind not in ("table column", "table"):
            continue
        table, parent = dependent.relation, referenced.relation
        if {table, parent} <= set(members):
            parents.setdefault(table, set()).add(parent)
    return parents
