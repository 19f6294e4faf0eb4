"""Rows that differ between two snapshots, as the COPY text that the target stages: number, kind, mask of columns, S, E. Pure.

A row that only one of them has is NULL on the other side. Rows that differ in columns alone that cannot be written are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, Protocol

from vault.model import TableName
from vault.model.put_back import StagedTable, WantedRows
from vault.ops.diff.rows import RowChange

_NULL: Final = b"\\N"
_BLOCK_BYTES: Final = 1 << 17
BATCH_BYTES: Final = 4 << 20
"""Of rows that a chooser is asked about at once."""


class RowChooser(Protocol):
    """Which rows of the good snapshot are meant."""

    def matching(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The rows, as they came and in their order, that are; blocks of whole rows in UTF-8."""


class StagedRows:
    """Iterate once. `deleted`, `updated`, `inserted` count what passed, `left_out` what `chooser` left out of it; inserted rows are staged only beside deleted ones,
    since one of each may be one row whose key the server calls the same. Rows that `chooser` leaves out are staged too, not wanted,
    and so are those of other partitions than `leaves`, if any are named."""

    def __init__(
        self,
        changes: Iterable[RowChange],
        table: StagedTable,
        columns: Sequence[str],
        *,
        wanted: WantedRows,
        chooser: RowChooser | None = None,
        leaves: Collection[TableName] = (),
    ) -> None:
        self._changes = _chosen(changes, chooser)
        self._leaves = leaves
        self._kept = [columns.index(name) for name in table.columns]
        self._extra = [_NULL] * len(table.extra)
        mask = b"1" * len(table.all_columns) if table.asked else _NULL
        self._masks = {
            b"d": mask if wanted is not WantedRows.CHANGED else _NULL,
            b"u": mask if wanted is not WantedRows.MISSING else _NULL,
            b"i": _NULL,
        }
        self.deleted = self.updated = self.inserted = self.left_out = 0

    def __iter__(self) -> Iterator[bytes]:
        block, length = [], 0
        for number, (change, is_meant) in enumerate(self._changes, 1):
            if (kind := self._counted(change)) is None:
                continue
            is_within = self._is_within(change.leaf_before)
            self.left_out += is_within and not is_meant and self._masks[kind] != _NULL
            is_meant = is_meant and is_within
            mask, meant = (self._masks[kind], b"t") if is_meant else (_NULL, b"f")
            sides = (*self._side(change.before), *self._side(change.after))
            line = b"\t".join((b"%d" % number, kind, meant, mask, *sides))
            block.append(line)
            length += len(line)
            if length >= _BLOCK_BYTES:
                yield b"\n".join(block) + b"\n"
                block, length = [], 0
        if block:
            yield b"\n".join(block) + b"\n"

    def _is_within(self, leaf: TableName | None) -> bool:
        return not self._leaves or leaf in self._leaves

    def _counted(self, change: RowChange) -> bytes | None:
        if change.before is None:
            self.inserted += self._is_within(change.leaf_after)
            return b"i" if self.deleted else None
        if change.after is None:
            self.deleted += 1
            return b"d"
        if self._side(change.before) == self._side(change.after):
            return None
        self.updated += 1
        return b"u"

    def _side(self, fields: tuple[bytes, ...] | None) -> list[bytes]:
        values = [_NULL] * len(self._kept) if fields is None else [fields[at] for at in self._kept]
        return values + self._extra


def _chosen(changes: Iterable[RowChange], chooser: RowChooser | None) -> Iterator[tuple[RowChange, bool]]:
    """Each change, and whether its row in the good snapshot is one of those that are meant."""
    if chooser is None:
        yield from ((change, True) for change in changes)
        return
    for batch in _batches(changes):
        asked = b"".join(line + b"\n" for change, line in batch if change.before is not None)
        lines = iter(b"".join(chooser.matching([asked])).split(b"\n")[:-1] if asked else ())
        meant = next(lines, None)
        for change, line in batch:
            is_meant = change.before is not None and line == meant
            if is_meant:
                meant = next(lines, None)
            yield change, is_meant


def _batches(changes: Iterable[RowChange]) -> Iterator[list[tuple[RowChange, bytes]]]:
    """Each with its row in the good snapshot as a line; what chooses is asked about a batch at once."""
    batch, size = [], 0
    for change in changes:
        line = b"\t".join(change.before or ())
        batch.append((change, line))
        size += len(line) + sum(map(len, change.after or ()))
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
