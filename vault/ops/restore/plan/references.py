"""Tables that refer to what comes, and may have lost rows or their references with it. Pure. Spec 76-selection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from vault.model import TableItem, TableName
from vault.ops.restore.plan.contents import Contents, rows_of
from vault.ops.restore.plan.graph import EntryGraph
from vault.sql.foreign_keys import ForeignKey, read_foreign_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """`child` refers to `parent` by `columns`; `cuts_off`: what a delete or update there sets them to, in words, or empty; `nulls`:
    always to NULL.

    `items`, `parents`: the rows of the child and of the parent, by partition; `asked`: the child's come in this restore; `direct`:
    the parent's do.
    """

    child: TableName
    parent: TableName
    columns: tuple[str, ...]
    cuts_off: str
    nulls: bool
    items: tuple[TableItem, ...]
    parents: tuple[TableName, ...]
    asked: bool
    direct: bool

    @property
    def rows(self) -> int:
        return sum(map(rows_of, self.items))


def references(contents: Contents, graph: EntryGraph, coming: Iterable[TableItem]) -> tuple[Reference, ...]:
    """Foreign keys to tables whose rows come, and to the tables of these keys, as far as deletes can reach."""
    names = {item.name for item in coming}
    items = {item.name: item for item in contents.tables}
    waiting = {at for name in names for at in _family(graph, name)}
    direct, seen, found = frozenset(waiting), set(waiting), []
    while waiting:
        parent = waiting.pop()
        for at in (*graph.links_to(parent), *_own(contents, graph, parent)):
            key = read_foreign_key(contents.items[at].entry.definition)
            child = contents.items[at].identity.relation
            home = graph.relation(child)
            if key is None or home is None:
                continue
            leaves = _leaves(graph, home, contents, items)
            found.append(
                Reference(
                    child=child,
                    parent=contents.items[parent].identity.relation,
                    columns=key.columns,
                    cuts_off=" and ".join(_actions(key)),
                    nulls="SET DEFAULT" not in (key.on_delete, key.on_update),
                    items=leaves,
                    parents=tuple(item.name for item in _leaves(graph, parent, contents, items)),
                    asked=bool(leaves) and all(item.name in names for item in leaves),
                    direct=parent in direct,
                )
            )
            if home not in seen and not key.on_delete:
                seen.add(home)
                waiting.add(home)
    return tuple(sorted(found, key=lambda one: (one.child, one.parent, one.columns)))


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
    tables = {one: [need for need in graph.needs(one) if contents.items[need].identity.desc == "TABLE"] for one in keys}
    return [one for one, needs in tables.items() if set(needs) <= {at}]


def _leaves(
    graph: EntryGraph, at: int, contents: Contents, items: Mapping[TableName, TableItem]
) -> tuple[TableItem, ...]:
    found: list[TableItem] = []
    waiting = [at]
    while waiting:
        one = waiting.pop()
        name = contents.items[one].identity.relation
        found += [items[name]] if name in items else []
        waiting += graph.partitions(one)
    return tuple(sorted(found, key=lambda item: item.name))
