"""Where the rows of a table are: in itself, or in the partitions below it, at any depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vault.model import TableItem, TableName
from vault.repo.snapshot import Snapshot

_PARTITION: Final = "a"
"""pg_depend's letter between a partition and the table that it is one of."""


def leaves(snapshot: Snapshot, table: TableName) -> list[TableItem]:
    """The table, or the partitions below it; none if it is not there."""
    near = [item for item in snapshot.tables_near(table) if item.name == table]
    if near:
        return near
    parents = _parents(snapshot)
    if table not in parents.values():
        return []
    return [item for item in snapshot.tables() if table in _above(item.name, parents)]


def uncaptured(snapshot: Snapshot, table: TableName) -> list[TableName]:
    """The table, or partitions below it, that are there and whose rows are not: it is no empty one."""
    catalog, parents = snapshot.catalog(), _parents(snapshot)
    names = {address.relation for address, _, _ in catalog.acls if address.kind == "table"} - {*parents.values()}
    stored = {item.name for item in snapshot.tables()}
    below = {name for name in names - stored if name == table or table in _above(name, parents)}
    return sorted(below - _partitioned(snapshot, below))


def without_rows(snapshot: Snapshot) -> list[TableName]:
    """Every table that it defines and whose rows it does not have, by name; a partitioned one has none of its own."""
    stored = {item.name for item in snapshot.tables()}
    defined = {item.identity.relation for item in snapshot.entry_items() if item.identity.desc == "TABLE"}
    return sorted(defined - stored - _partitioned(snapshot, defined - stored))


def _partitioned(snapshot: Snapshot, tables: set[TableName]) -> set[TableName]:
    """Those that have no rows of their own, and no partitions yet."""
    items = [
        item
        for item in (snapshot.entry_items() if tables else ())
        if item.identity.desc == "TABLE" and item.identity.relation in tables
    ]
    return {entry.identity.relation for entry in snapshot.entries(items) if "PARTITION BY" in entry.definition}


def roots(snapshot: Snapshot, table: TableName) -> list[TableName]:
    """Partitioned tables that it is below, the nearest first."""
    return _above(table, _parents(snapshot))


def _parents(snapshot: Snapshot) -> Mapping[TableName, TableName]:
    return {
        child.relation: parent.relation
        for child, parent, letter in snapshot.catalog().edges
        if letter == _PARTITION and child.kind == parent.kind == "table" and child != parent
    }


def _above(name: TableName, parents: Mapping[TableName, TableName]) -> list[TableName]:
    above: list[TableName] = []
    while (parent := parents.get(name)) is not None and parent not in above:
        above.append(parent)
        name = parent
    return above
