"""Whether generated columns came out as they were saved: their values are computed again, by functions that may have been replaced since.

Compared are digests over all values of a column (pipeline.generated), before there are indexes that planning could run. Where a
table has other rows too, or a digest was not saved, nothing is known, which is told. Spec 75-restore [RST-24].
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vault.errors import Malformed, SourceError
from vault.model import TableItem, TableName
from vault.ops.restore.failures import Failures
from vault.ops.restore.plan.contents import rows_of
from vault.pipeline.generated import added
from vault.ports import Progress, TargetSession
from vault.repo.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Tables whose rows are in one relation of the target, and perhaps others; more than one through a root, `complete` if all are that do."""

    into: TableName
    items: tuple[TableItem, ...]
    complete: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.items[0].generated)

    @property
    def rows(self) -> int:
        return sum(map(rows_of, self.items))


def loaded(items: Iterable[TableItem], all_tables: Iterable[TableItem]) -> list[Loaded]:
    """By relation; of `items` that have rows and generated columns."""
    through: dict[TableName, list[TableItem]] = {}
    for item in items:
        if item.generated and rows_of(item):
            through.setdefault(item.load_via_root or item.name, []).append(item)
    expected: Mapping[TableName, int] = _counted(
        item.load_via_root for item in all_tables if item.load_via_root and rows_of(item)
    )
    return [
        Loaded(
            into=into,
            items=tuple(together),
            complete=together[0].load_via_root is None or len(together) == expected[into],
        )
        for into, together in through.items()
    ]


def compare(
    session: TargetSession, tables: Iterable[Loaded], snapshot: Snapshot, *, failures: Failures, progress: Progress
) -> None:
    """Add a failure for each column whose values are others. Raises  Unreachable; IntegrityError"""
    for table in tables:
        name = str(table.into)
        try:
            unknown, columns = _differing(session, table, snapshot)
        except (SourceError, Malformed) as error:
            unknown, columns = error.why or error.message, ()
        if unknown:
            progress.event("note", f"generated columns of {name} are not compared: {unknown}")
        for column in columns:
            why = "its values are others than those saved: what computes them was replaced since, or prints otherwise"
            failures.add(f"GENERATED COLUMN {name}.{column}", why)


def _differing(session: TargetSession, table: Loaded, snapshot: Snapshot) -> tuple[str, tuple[str, ...]]:
    """Why nothing is known, or the columns that differ."""
    if not table.complete:
        return "other rows come through it too, which did not come now", ()
    parts = [extent for item in table.items for extent in snapshot.extents(item) if extent.rows]
    if not parts:
        return "", ()
    if any(not part.digests for part in parts):
        return "their values could not be read when the snapshot was taken", ()
    blocks = session.generated(table.into, table.columns, only=table.items[0].load_via_root is None)
    if blocks is None:
        return "reading them would run code of the table's owner", ()
    here = snapshot.digests(blocks, len(table.columns))
    if here.rows != table.rows:
        return "the table holds other rows too", ()
    saved = added((part.digests for part in parts), len(table.columns))
    pairs = zip(table.columns, saved, here.digests, strict=True)
    return "", tuple(column for column, there, now in pairs if there != now)


def _counted(names: Iterable[TableName]) -> dict[TableName, int]:
    counts: dict[TableName, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts
