"""Why a snapshot's tables were read again: told afterwards, by comparing a snapshot with the parent that it was taken against.

Nothing of this is stored. It repeats the decision of backup_reuse on what both snapshots hold, so it says why rows could not be taken over,
not what a sample or `--full` read besides.
"""

from __future__ import annotations

from dataclasses import dataclass

from vault.errors import IntegrityError, NotThere
from vault.model import TableItem
from vault.ops.backup.reuse import HEAP, UNPLANNED, snapshot_reason, table_reason
from vault.ports import SourceTable
from vault.repo.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReading:
    """`reused`: extents equal to the parent's, where taking over was allowed; None if the parent is not there any more.

    `why_read`: why some or all were read; None if none was, or if nobody can tell.
    """

    extents: int
    reused: int | None
    why_read: str | None


def readings(snapshot: Snapshot, parent: Snapshot | None) -> list[tuple[TableItem, TableReading]]:
    """Every table in list order. `parent`: the snapshot that its manifest names, None if it is gone. Raises  IntegrityError"""
    if snapshot.manifest.database is None:
        return []
    unknown = parent is None and snapshot.manifest.parent is not None
    reason = snapshot_reason(None if parent is None else parent.manifest, snapshot.manifest.database.server)
    told = []
    for item in snapshot.tables():
        count = 1 if item.inline is not None else item.extents.sums.items
        if unknown:
            reading = TableReading(extents=count, reused=None, why_read=None)
        elif reason or parent is None:
            reading = TableReading(extents=count, reused=0, why_read=reason if count else None)
        else:
            reading = _reading(snapshot, parent, item=item, count=count)
        told.append((item, reading))
    return told


def _reading(snapshot: Snapshot, parent: Snapshot, *, item: TableItem, count: int) -> TableReading:
    try:
        old = parent.table(item.name)
        why = table_reason(old, _as_read(item))
        if why:
            return TableReading(extents=count, reused=0, why_read=why if count else None)
        if _same(item, old):
            return TableReading(extents=count, reused=count, why_read=None)
        before = {extent.start: extent for extent in parent.extents(old)}
    except NotThere:
        return TableReading(extents=count, reused=0, why_read=table_reason(None, _as_read(item)) if count else None)
    except IntegrityError:
        return TableReading(extents=count, reused=None, why_read=None)
    reused = sum(extent == before.get(extent.start) for extent in snapshot.extents(item))
    changed = f"rows changed in {count - reused} of its {count} extents" if reused < count else None
    return TableReading(extents=count, reused=reused, why_read=changed)


def _same(item: TableItem, old: TableItem) -> bool:
    return (item.extents, item.inline) == (old.extents, old.inline)


def _as_read(item: TableItem) -> SourceTable:
    """The table as the backup found it, as far as the rule asks for it, on a server that has TID ranges."""
    whole = item.inline is not None and not item.inline.blocks
    barred = whole and item.access_method == HEAP and not item.condition
    return SourceTable(
        name=item.name,
        oid=item.oid,
        filenode=item.filenode,
        kind=item.kind,
        access_method=item.access_method,
        columns=item.columns,
        generated=item.generated,
        key_columns=item.key_columns,
        fingerprint=item.fingerprint,
        load_via_root=item.load_via_root,
        condition=item.condition,
        blocks=0,
        bytes_estimate=0,
        ranges=not whole,
        unplanned=UNPLANNED if barred else "",
    )
