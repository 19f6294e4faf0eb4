"""Tables that refer to what comes, and may have lost rows or their references with it. Pure. Spec 76-selection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from vault.model import TableItem, TableName
from vault.ops.restore.plan.contents import Contents, rows_of
from vault.ops.restore.plan.graph import EntryGraph
from vault.sql.foreign_keys import ForeignKey, read_foreign_key

_INHERITS: Final = "n"
"""pg_depend's letter between two tables; a partition's is another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """`child` refers to `parent` by `columns`; `cuts_off`: what a delete or update there sets them to, in words, or empty; `nulls`:
    always to NULL; `follows`: an update there changes them too.

    `items`, `parents`: the rows of the child and of the parent, by partition; `asked`: the child's come in this restore; `direct`:
    the parent's do.
    """

    child: TableName
    parent: TableName
    columns: tuple[str, ...]
    cuts_off: str
    nulls: bool
    follows: bool
    items: tuple[TableItem, ...]
    parents: tuple[TableName, ...]
    asked: bool
    direct: bool

    @property
    def how(self) -> str:
        """In words; what inherits has no columns that refer."""
        return f"{'refers to' if self.columns else 'inherits from'} {self.parent}"

    @property
    def rows(self) -> int:
        return sum(map(rows_of, self.items))


def references(contents: Contents, graph: EntryGraph, coming: Iterable[TableItem]) -> tuple[Reference, ...]:
    """Foreign keys to tables whose rows come, and to the tables of these keys, and what inherits: as far as deletes can reach."""
    names = {item.name for item in coming}
    items = {item.name: item for item in contents.tables}
    heirs = _heirs(contents)
    waiting = {at for name in names for at in _family(graph, name)}
    direct, seen, reached = frozenset(waiting), set(waiting), []
    while waiting:
        parent = waiting.pop()
        keys = [
            (contents.items[at].identity.relation, read_foreign_key(contents.items[at].entry.definition))
            for at in (*graph.links_to(parent), *_own(contents, graph, parent))
        ]
        keys += [(name, ForeignKey(columns=())) for name in heirs.get(contents.items[parent].identity.relation, ())]
        for child, key in keys:
            home = graph.relation(child)
            if key is None or home is None:
                continue
            leaves = _leaves(graph, home, contents, items)
            reached.append(
                Reference(
                    child=child,
                    parent=contents.items[parent].identity.relation,
                    columns=key.columns,
                    cuts_off=" and ".join(_actions(key)),
                    nulls="SET DEFAULT" not in (key.on_delete, key.on_update),
                    follows=key.follows,
                    items=leaves,
                    parents=tuple(item.name for item in _leaves(graph, parent, contents, items)),
                    asked=bool(leaves) and all(item.name in names for item in leaves),
                    direct=parent in direct,
                )
            )
            if home not in seen and not key.on_delete:
                seen.add(home)
                waiting.add(home)
    return tuple(sorted(reached, key=lambda reference: (reference.child, reference.parent, reference.columns)))


def _heirs(contents: Contents) -> dict[TableName, list[TableName]]:
    """Table -> tables that inherit from it, but for partitions: a delete without ONLY reaches their rows too."""
    heirs: dict[TableName, list[TableName]] = {}
    for child, parent, letter in contents.catalog.edges:
        if (child.kind, parent.kind, letter) == ("table", "table", _INHERITS):
            heirs.setdefault(parent.relation, []).append(child.relation)
    return heirs


def _actions(key: ForeignKey) -> Iterator[str]:
    if key.on_delete:
        yield f"ON DELETE {key.on_delete}"
    if key.on_update:
        yield f"ON UPDATE {key.on_update}"


def _family(graph: EntryGraph, name: TableName) -> list[int]:
    """A table and what it is a partition of: a key may refer to either."""
    at = graph.relation(name)
    return [] if at is None else [at, *graph.roots(at)]


def _own(contents: Contents, graph: EntryGraph, at: int) -> list[int]:
    """Keys by which a table refers to itself."""
    keys = (part for part in graph.parts(at) if contents.items[part].identity.desc == "FK CONSTRAINT")
    tables = {key: [need for need in graph.needs(key) if contents.items[need].identity.desc == "TABLE"] for key in keys}
    return [key for key, needs in tables.items() if set(needs) <= {at}]


def _leaves(
    graph: EntryGraph, at: int, contents: Contents, items: Mapping[TableName, TableItem]
) -> tuple[TableItem, ...]:
    leaves: list[TableItem] = []
    waiting = [at]
    while waiting:
        position = waiting.pop()
        name = contents.items[position].identity.relation
        leaves += [items[name]] if name in items else []
        waiting += graph.partitions(position)
    return tuple(sorted(leaves, key=lambda item: item.name))
