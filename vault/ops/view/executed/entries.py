"""An entry as scripts and archives execute it, which cannot look at their target as a restore does. No SQL text is edited. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vault.model import Identity, SchemaEntry
from vault.ops.view.executed.extension_tables import on_members, replacing, with_version
from vault.ops.view.executed.stand_ins import stand_ins
from vault.repo.snapshot import Snapshot
from vault.sql import statements


class Executed:
    """Definitions of one snapshot. `on_members`: positions of entries on tables that CREATE EXTENSION makes."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._versions = {name: (version, schema) for name, version, schema in snapshot.catalog().extensions}
        self._stand_ins = stand_ins(snapshot)
        self._stood_in: frozenset[Identity] = frozenset(
            entry.identity for entries in self._stand_ins.values() for entry in entries
        )
        self.on_members = on_members(snapshot.order())

    def definition(self, at: int, entry: SchemaEntry) -> str:
        """Of the entry at a position of the order."""
        if at in self.on_members:
            return replacing(entry, self._snapshot)
        if entry.identity.desc == "EXTENSION" and entry.tag in self._versions:
            version, schema = self._versions[entry.tag]
            return with_version(entry, self._snapshot, version=version, schema=schema)
        own = statements.create_or_replace(entry) if entry.identity in self._stood_in else None
        early = (one.definition for one in self._stand_ins.get(entry.identity, ()))
        return "".join([*early, own or entry.definition])

    def entries(self) -> Iterator[SchemaEntry]:
        """In pg_dump's order."""
        for at, entry in enumerate(self._snapshot.entries(self._snapshot.order())):
            yield replace(entry, definition=self.definition(at, entry))
