"""What a restore needs of a snapshot at hand, as one value. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from vault.model import CatalogFacts, Identity, Roles, SchemaEntry, ServerFacts, TableItem, TableName
from vault.model.meaning import Meanings, are_counts_comparable, meanings

_PARTITIONED: Final = re.compile(r"^PARTITION BY (RANGE|LIST|HASH) \(", re.MULTILINE)
"""In pg_dump's CREATE TABLE: the table holds no rows of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An entry in pg_dump's order. `needs` are positions of earlier or later items."""

    entry: SchemaEntry
    needs: tuple[int, ...]

    @property
    def identity(self) -> Identity:
        return self.entry.identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a snapshot holds, as far as a restore needs it at hand. An item's position is its key in all that a plan decides."""

    server: ServerFacts
    items: tuple[Item, ...]
    roles: Roles
    tables: tuple[TableItem, ...]
    sequences: int
    large_objects: int
    catalog: CatalogFacts = field(default_factory=CatalogFacts)

    @property
    def entries(self) -> Iterator[SchemaEntry]:
        """In pg_dump's order."""
        return (item.entry for item in self.items)

    @property
    def database(self) -> Mapping[str, str | None]:
        """Properties of the source database."""
        return self.catalog.database

    @property
    def without_rows(self) -> tuple[TableName, ...]:
        """Tables that are defined and whose rows are not in the snapshot: it was asked to leave them out, or could not read them."""
        held = {item.name for item in self.tables}
        return tuple(
            entry.identity.relation
            for entry in self.entries
            if entry.identity.desc == "TABLE"
            and entry.identity.relation not in held
            and not _PARTITIONED.search(entry.definition)
        )

    def meanings(self, version_num: int) -> Meanings:
        """What expressions called, to be compared with a server of `version_num`."""
        facts = self.catalog
        counted = are_counts_comparable(self.server.version_num, version_num)
        return meanings(facts.edges, facts.operators, counted=counted)


def rows_of(table: TableItem) -> int:
    return table.extents.sums.rows if table.inline is None else table.inline.rows


def bytes_of(table: TableItem) -> int:
    return table.extents.sums.bytes if table.inline is None else table.inline.bytes
