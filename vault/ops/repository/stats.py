"""Sizes of a repository: what the snapshots hold, what they cost, and what made them grow."""

from __future__ import annotations

from dataclasses import dataclass

from vault.format.lists import TABLES
from vault.ids import SnapshotId
from vault.model import TableName
from vault.repo.state import Indexed


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSize:
    """Of the newest snapshot of each source: rows, and bytes of their text."""

    source: str
    name: TableName
    rows: int
    source_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSize:
    id: SnapshotId
    source: str
    created_ms: int
    source_bytes: int
    new_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """`source_bytes`: text of rows and bytes of files of all snapshots; `stored_bytes`: every file of the repository.

    `objects`: places in packs. Tables by size, largest first; snapshots oldest first.
    """

    source_bytes: int
    stored_bytes: int
    objects: int
    snapshots: tuple[SnapshotSize, ...]
    tables: tuple[TableSize, ...]


def collect(repo: Indexed) -> Stats:
    """Raises  StoreError, IntegrityError"""
    known = repo.open.snapshots()
    sizes = tuple(
        SnapshotSize(
            id=snapshot_id,
            source=manifest.source,
            created_ms=manifest.created_ms,
            source_bytes=(manifest.database.tables.sums.bytes if manifest.database else 0)
            + sum(ref.sums.bytes for ref in manifest.directories.values()),
            new_bytes=manifest.effort.new_bytes,
        )
        for snapshot_id, manifest in known
    )
    newest = {manifest.source: (snapshot_id, manifest) for snapshot_id, manifest in known}
    tables = [
        TableSize(source=source, name=table.name, rows=sums.rows, source_bytes=sums.bytes)
        for source, pair in newest.items()
        for table in repo.known(*pair).tables()
        for sums in (TABLES.sums(table),)
    ]
    return Stats(
        source_bytes=sum(size.source_bytes for size in sizes),
        stored_bytes=sum(stored.size for stored in repo.open.store.list("")),
        objects=len(repo.index),
        snapshots=sizes,
        tables=tuple(sorted(tables, key=lambda table: -table.source_bytes)),
    )
