"""What a restore needs of a snapshot at hand, as one value. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from vault.model import CatalogFacts, OrderItem, Roles, SchemaEntry, ServerFacts, TableItem
from vault.model.meaning import Meanings, are_counts_comparable, meanings

CLOSED_PUBLIC_VERSION: Final = 150000
"""First server whose initdb lets only the database's owner create in schema public."""


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


def public_was_open(contents: Contents) -> bool:
    """Everybody could create in schema public, as initdb before 15 makes it, and no entry says so: pg_dump before 15 wrote them."""
    if any(item.identity.desc == "SCHEMA" and item.identity.names == ("public",) for item in contents.order):
        return False
    acl = next((acl for name, _, acl in contents.catalog.acls if name == "schema public"), None)
    return any(item.startswith("=") and "C" in item.partition("/")[0] for item in acl or ())
