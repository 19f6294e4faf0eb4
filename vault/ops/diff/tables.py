"""Which tables of two snapshots stand against each other: by name, what is left over by oid in one database. Never reads rows.

A partitioned table is one, with all its leaves: a row that moved from one to another is a row that changed. Tables that did not change
are passed over without reading what the two snapshots share. A table that is there and whose rows were not captured is no empty one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vault.model import CatalogFacts, TableItem, TableName
from vault.repo import differing
from vault.repo.snapshot import Snapshot

_PARTITION: Final = "a"
"""pg_depend's letter between a partition and the table that it is one of."""
_TABLE: Final = "table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A table that holds rows, as it was and as it is. At least one is there."""

    before: TableItem | None
    after: TableItem | None

    @property
    def name(self) -> TableName:
        """As it is called now, if it is there."""
        item = self.after or self.before
        assert item is not None, "one of the two is there"
        return item.name


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePair:
    """A table, or the root of a partitioned one; None where it is not there.

    leaves      those that may have changed
    uncaptured  leaves that are there, before or after, and whose rows are not: none of `leaves`
    """

    before: TableName | None
    after: TableName | None
    leaves: tuple[Leaf, ...]
    uncaptured: tuple[TableName, ...] = ()

    @property
    def name(self) -> TableName:
        """As it is called now, if it is there."""
        name = self.after or self.before
        assert name is not None, "one of the two is there"
        return name


def same_database(before: Snapshot, after: Snapshot) -> bool:
    """Whether oids mean the same in both."""
    was, now = before.manifest.database, after.manifest.database
    return was is not None and now is not None and was.server.database_key == now.server.database_key


def changed_pairs(before: Snapshot, after: Snapshot) -> Iterator[TablePair]:
    """By name. Raises  NotThere: a snapshot holds no database; IntegrityError"""
    was, now = differing.database(before), differing.database(after)
    if after.can_read(before) and was.tables == now.tables and was.catalog == now.catalog:
        return
    sides = _Side(before.catalog()), _Side(after.catalog())
    for side, items in zip(sides, zip(*_changed(before, after, sides), strict=True), strict=False):
        side.add(items)
    yield from _Pairing(*sides, by_oid=same_database(before, after)).pairs()


def _changed(
    before: Snapshot, after: Snapshot, sides: Sequence[_Side]
) -> Iterator[tuple[TableItem | None, TableItem | None]]:
    """What differs, and what is equal but lies below another root now."""
    changed: set[TableName] = set()
    for pair in differing.tables(before, after):
        changed.update(item.name for item in pair if item is not None)
        yield pair
    moved = {name for side in sides for name in side.parents if sides[0].root(name) != sides[1].root(name)} - changed
    if moved:
        yield from ((item, item) for item in after.tables() if item.name in moved)


def table_names(snapshot: Snapshot) -> dict[TableName, TableName]:
    """Every table of a snapshot that has rows, or leaves with rows -> the one that it is compared as part of."""
    side = _Side(snapshot.catalog())
    names = {item.name: side.root(item.name) for item in snapshot.tables()}
    return names | {root: root for root in names.values()}


class _Side:
    """Of one snapshot. `leaves`: root -> its leaves by name, of those that were added; `names`: every table that there is."""

    def __init__(self, catalog: CatalogFacts) -> None:
        self.leaves: dict[TableName, dict[TableName, TableItem]] = {}
        self._added: set[TableName] = set()
        self.names = {address.relation for address, _, _ in catalog.acls if address.kind == _TABLE}
        self.parents: Mapping[TableName, TableName] = {
            child.relation: parent.relation
            for child, parent, letter in catalog.edges
            if letter == _PARTITION and child.kind == parent.kind == _TABLE and child != parent
        }
        self._roots = set(self.parents.values())

    def root(self, name: TableName) -> TableName:
        """The table itself if it is no partition."""
        seen = {name}
        while (parent := self.parents.get(name)) is not None and parent not in seen:
            seen.add(parent)
            name = parent
        return name

    def add(self, items: Iterable[TableItem | None]) -> None:
        for item in items:
            if item is not None:
                self.leaves.setdefault(self.root(item.name), {})[item.name] = item
                self.names.add(item.name)
                self._added.add(item.name)

    def lacks_rows_of(self, item: TableItem | None) -> bool:
        """Whether a table of that name is there, and no partitioned one, whose rows were not captured."""
        return item is not None and (
            item.name in self.names and item.name not in self._roots and item.name not in self._added
        )


class _Pairing:
    def __init__(self, was: _Side, now: _Side, *, by_oid: bool) -> None:
        self._was, self._now, self._by_oid = was, now, by_oid
        self._old = {name: name for name in now.leaves if name in was.names}
        self._old |= {name: name for name in was.leaves if name in now.names}
        if by_oid:
            self._old |= self._renamed()

    def pairs(self) -> Iterator[TablePair]:
        there = set(self._old.values())
        gone = [name for name in self._was.leaves if name not in there]
        for name in sorted({*self._old, *self._now.leaves}):
            yield self._pair(self._old.get(name), name)
        for name in sorted(gone):
            yield self._pair(name, None)

    def _renamed(self) -> dict[TableName, TableName]:
        """New name -> old name of tables without a namesake, one of whose leaves has the oid that it had."""
        new = {
            item.oid: name
            for name, leaves in self._now.leaves.items()
            if name not in self._old
            for item in leaves.values()
        }
        found: dict[TableName, TableName] = {}
        for name, leaves in self._was.leaves.items():
            known = next((new[item.oid] for item in leaves.values() if item.oid in new), None)
            if name not in self._old and known is not None:
                found.setdefault(known, name)
        return found

    def _pair(self, old: TableName | None, new: TableName | None) -> TablePair:
        was = self._was.leaves.get(old, {}) if old is not None else {}
        now = self._now.leaves.get(new, {}) if new is not None else {}
        leaves: list[Leaf] = []
        uncaptured: list[Leaf] = []
        for leaf in self._leaves(was, now):
            lacking = (leaf.before is None and self._was.lacks_rows_of(leaf.after)) or (
                leaf.after is None and self._now.lacks_rows_of(leaf.before)
            )
            (uncaptured if lacking else leaves).append(leaf)
        return TablePair(
            before=old, after=new, leaves=tuple(leaves), uncaptured=tuple(leaf.name for leaf in uncaptured)
        )

    def _leaves(self, was: Mapping[TableName, TableItem], now: Mapping[TableName, TableItem]) -> Iterator[Leaf]:
        """By name of `now`, then what is gone."""
        oids = {item.oid: item for name, item in was.items() if name not in now} if self._by_oid else {}
        taken: set[TableName] = set()
        for name in sorted(now):
            old = was.get(name) or oids.get(now[name].oid)
            if old is not None:
                taken.add(old.name)
            yield Leaf(before=old, after=now[name])
        for name in sorted(was.keys() - taken):
            yield Leaf(before=was[name], after=None)
