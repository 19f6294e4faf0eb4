"""What a restore needs of a snapshot at hand, as one value. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vault.model import CatalogFacts, OrderItem, Roles, SchemaEntry, ServerFacts, TableItem
from vault.model.meaning import Meanings, are_counts_comparable, meanings


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a snapshot holds, as far as a restore needs it at hand. `entries[i]` is the entry of `order[i]`."""

    server: ServerFacts
    order: tuple[OrderItem, ...]
    entries: tuple[SchemaEntry, ...]
    roles: Roles
    tables: tuple[TableItem, ...]
    sequences: int
    large_objects: int
    catalog: CatalogFacts = field(default_factory=CatalogFacts)

    @property
    def database(self) -> Mapping[str, str | None]:
        """Properties of the source database."""
        return self.catalog.database

    def meanings(self, version_num: int) -> Meanings:
        """What expressions called, to be compared with a server of `version_num`."""
        facts = self.catalog
        counted = are_counts_comparable(self.server.version_num, version_num)
        return meanings(facts.edges, facts.operators, counted=counted)


def rows_of(table: TableItem) -> int:
    return table.extents.sums.rows if table.inline is None else table.inline.rows


def bytes_of(table: TableItem) -> int:
    return table.extents.sums.bytes if table.inline is None else table.inline.bytes
