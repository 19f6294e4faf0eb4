"""Which table an object is a part of, as 76-selection says: what a table is compared with when it alone is asked for. Pure.

Constraints, triggers, rules, policies and defaults say it by their names; indexes, extended statistics and sequences that a column owns
by the recorded dependencies. A partition is a part of its root.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vault.model import Address, CatalogFacts, TableName

_BY_NAME: Final = frozenset(
    {
        *("table", "foreign table", "table column", "foreign table column", "table constraint"),
        *("trigger", "policy", "rule", "default value"),
    }
)
"""Kinds whose address starts with schema and name of the table."""
_BY_EDGE: Final = frozenset({"index", "sequence", "statistics object"})
_OWNED: Final = frozenset("aiS")
"""pg_depend's letters between an object and what it goes with."""


class TableParts:
    """Of two snapshots: what a table is in either of them counts."""

    def __init__(self, *catalogs: CatalogFacts) -> None:
        self._above: list[dict[tuple[str, tuple[str, ...]], TableName]] = [dict(_edges(one)) for one in catalogs]

    def tables_of(self, about: Address) -> set[TableName]:
        """The table that it is, or is a part of, and those that this one is a partition of; empty: it is none of any."""
        return {name for above in self._above for name in _upwards(about, above)}


def _upwards(about: Address, above: dict[tuple[str, tuple[str, ...]], TableName]) -> Iterator[TableName]:
    whole = about.whole
    name = above.get((whole.kind, whole.names)) if whole.kind in _BY_EDGE else None
    if about.kind in _BY_NAME and len(about.names) > 1:
        name = TableName(schema=about.names[0], name=about.names[1])
    seen: set[TableName] = set()
    while name is not None and name not in seen:
        seen.add(name)
        yield name
        name = above.get(("table", (name.schema, name.name)))


def _edges(catalog: CatalogFacts) -> Iterator[tuple[tuple[str, tuple[str, ...]], TableName]]:
    for part, whole, letter in catalog.edges:
        if letter in _OWNED and part.kind in {*_BY_EDGE, "table"} and whole.whole.kind == "table" and part != whole:
            yield (part.kind, part.names), whole.relation
