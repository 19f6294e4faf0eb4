"""Rows of a snapshot with some of their columns."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from vault.model import TableItem
from vault.ops.restore.plan.decision import RowMode, TableRows
from vault.pipeline import copytext
from vault.repo.snapshot import Snapshot


def narrowed(step: TableRows, snapshot: Snapshot) -> tuple[TableItem, Iterator[bytes]]:
    """The table with the columns that come, and their rows in blocks."""
    columns = step.item.columns
    kept = [at for at, column in enumerate(columns) if column.name not in step.without]
    extents = (extent for item in step.items for extent in snapshot.extents(item))
    blocks: Iterator[bytes] = snapshot.rows_of(extents)
    if step.without:
        blocks = copytext.of_columns(copytext.whole_rows(blocks), kept, len(columns))
    return replace(step.item, columns=tuple(columns[at] for at in kept)), blocks


def columns_of(snapshot: Snapshot, item: TableItem, wanted: Collection[str]) -> tuple[TableItem, Iterator[bytes]]:
    """The table with the columns that are `wanted`, and their rows in blocks."""
    without = frozenset(column.name for column in item.columns) - frozenset(wanted)
    return narrowed(TableRows(item=item, mode=RowMode.MERGE, without=without), snapshot)
