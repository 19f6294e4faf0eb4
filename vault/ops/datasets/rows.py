"""Rows of a table for another engine: in UTF-8, whole rows a block, generated columns at their places; of one part of the extents.

Holds a few chunks. Which extents are of a part is decided by where they start, so every machine draws the same line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from vault.model import Extent, TableItem, TableName
from vault.pipeline import copytext
from vault.repo.snapshot import Snapshot
from vault.sql.encoding import codec_of

ASCII: Final = "SQL_ASCII"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Part `number` of `of`; `has` says whether a name is of it."""

    number: int = 1
    of: int = 1
    has: Callable[[bytes], bool] = lambda _: True

    @property
    def label(self) -> str:
        return f"{self.number}-of-{self.of}"


WHOLE: Final = Share()


class DatasetRows:
    """Of one table of a snapshot. `values` of generated columns come too where they are there (`has_values`), unless not wanted."""

    def __init__(self, snapshot: Snapshot, item: TableItem, *, values: bool = True) -> None:
        self.item = item
        self.has_values = values and bool(item.generated) and snapshot.has_values(item)
        self._snapshot = snapshot

    def blocks(self, share: Share = WHOLE) -> Iterator[bytes]:
        """COPY text of whole rows. Raises  IntegrityError; UsageError: not valid in its encoding"""
        blocks = self._snapshot.rows_of(self._extents(share))
        if self.has_values:
            columns = sorted((*self.item.columns, *self.item.generated), key=lambda column: column.attnum)
            generated = [column in self.item.generated for column in columns]
            blocks = copytext.beside(blocks, self._values(share), generated)
        return copytext.to_utf8(copytext.whole_rows(blocks), codec_of(encoding_of(self._snapshot)))

    def is_in(self, share: Share) -> bool:
        """Whether a part writes the table even if none of its rows are in it."""
        return share.has(_key(self.item.name))

    def _extents(self, share: Share) -> Iterator[Extent]:
        name = _key(self.item.name)
        return (one for one in self._snapshot.extents(self.item) if share.has(b"%b\0%d" % (name, one.start)))

    def _values(self, share: Share) -> Iterator[bytes]:
        extents = (extent for extent in self._extents(share) if extent.values is not None)
        count = len(self.item.generated)
        return chain.from_iterable(self._snapshot.extent_values(extent, count) for extent in extents)


def encoding_of(snapshot: Snapshot) -> str:
    """PostgreSQL's name of it; of a snapshot without a database, that of nothing at all."""
    database = snapshot.manifest.database
    return "UTF8" if database is None else database.server.encoding


def grouped(blocks: Iterable[bytes], bytes_max: int) -> Iterator[list[bytes]]:
    """Blocks put together up to `bytes_max`; what is longer comes alone."""
    group: list[bytes] = []
    size = 0
    for block in blocks:
        if group and size + len(block) > bytes_max:
            yield group
            group, size = [], 0
        group.append(block)
        size += len(block)
    if group:
        yield group


def _key(name: TableName) -> bytes:
    return f"{name.schema}\0{name.name}".encode()
