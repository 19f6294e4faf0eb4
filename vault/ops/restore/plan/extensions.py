"""Which version of an extension a restore installs: the recorded one where the target offers it. Pure.

pg_dump's definition names no version, so that a restore by it brings whatever is the default. Functions, operators and the
tables' columns then differ from those that the rows come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from vault.model import CatalogFacts, SchemaEntry, TableName, TargetFacts
from vault.sql import statements

_MEMBER: Final = "e"
"""pg_depend's letter."""


def brought_members(catalog: CatalogFacts, target: TargetFacts) -> frozenset[TableName]:
    """Tables of extensions that were not on the target before: rows in them are what CREATE EXTENSION puts there."""
    there = set(target.extensions_installed)
    return frozenset(
        member.relation
        for member, extension, kind in catalog.edges
        if kind == _MEMBER
        and member.kind == "table"
        and extension.kind == "extension"
        and extension.names[0] not in there
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensions:
    """`recorded`: name -> (version, schema as SQL); `offered`: (name, version) pairs; `owners`: of the source's extensions."""

    recorded: Mapping[str, tuple[str, str]]
    offered: frozenset[tuple[str, str]]
    owners: Mapping[str, str]

    @classmethod
    def of(cls, catalog: CatalogFacts, target: TargetFacts) -> Extensions:
        return cls(
            recorded={name: (version, schema) for name, version, schema in catalog.extensions},
            offered=frozenset(target.extension_versions),
            owners={address.names[0]: owner for address, owner, _ in catalog.acls if address.kind == "extension"},
        )

    def executed(self, entry: SchemaEntry) -> SchemaEntry:
        """`entry`, with the recorded version if it is an extension's and the target has that."""
        recorded = self.recorded.get(entry.tag) if entry.identity.desc == "EXTENSION" else None
        if recorded is None or (entry.tag, recorded[0]) not in self.offered:
            return entry
        version, schema = recorded
        return replace(entry, definition=statements.create_extension(entry.tag, schema=schema, version=version))

    def warnings(self, target: TargetFacts, wanted: frozenset[str]) -> Iterator[str]:
        """For extensions `wanted` that the target does not have yet."""
        for name in sorted(wanted - set(target.extensions_installed)):
            recorded = self.recorded.get(name)
            if recorded is not None and name in target.extensions and (name, recorded[0]) not in self.offered:
                yield f"extension {name}: version {recorded[0]} is not offered by the target, its default comes instead"
            owner = self.owners.get(name)
            if owner not in (None, target.user):
                yield f"extension {name} belonged to {owner} and will belong to {target.user}: an extension has no ALTER ... OWNER"
