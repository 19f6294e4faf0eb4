"""A snapshot as a Parquet dataset: a folder a table, in it a partition a snapshot, in it files of bounded size. Streams.

    _pgvault/dataset.json                        what this is; written first
    TABLE/snapshot=TIME-ID/part-N-of-M-00001.parquet
    _pgvault/TIME-ID.part-N-of-M.json            what part N holds; written last, so with all M of them the snapshot is whole

Row groups and files are bounded in bytes of text, not in rows: a row may have 100 MB. Nothing here opens a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from vault.model import TableItem
from vault.ops.datasets.arrow import ArrowColumns, parquet_file
from vault.ops.datasets.declared import UserTypes
from vault.ops.datasets.exported import CountedBlocks, DatasetTarget, ExportedRows, user_types
from vault.ops.datasets.rows import ASCII, WHOLE, DatasetRows, Share, encoding_of, grouped
from vault.ops.datasets.shape import TableShape, folders, shape_of
from vault.ports import Progress
from vault.repo.lineage import calendar
from vault.repo.snapshot import Snapshot

GROUP_TEXT_BYTES: Final = 32 * 1024 * 1024
"""Of COPY text in a row group: some 100,000 rows, what DuckDB gives to a thread; and what is held in memory, thrice."""
FILE_TEXT_BYTES: Final = 1024 * 1024 * 1024
"""Of COPY text in a file: engines read files side by side, and a bucket takes a file of this size in parts that fit into memory."""
ABOUT: Final = "_pgvault"
DATASET: Final = f"{ABOUT}/dataset.json"
"""Engines pass over names that begin with `_` or a dot."""
FORMAT: Final = "pgvault parquet 1"


def partition(snapshot: Snapshot) -> str:
    """The value of the partition key: sorts by time, and is text for every engine."""
    return calendar(snapshot.manifest.created_ms).strftime("%Y%m%dT%H%M%SZ-") + snapshot.id.hex()[:8]


def done_path(snapshot: Snapshot, share: Share) -> str:
    """Of the file that says that a part is whole."""
    return f"{ABOUT}/{partition(snapshot)}.part-{share.label}.json"


class ParquetExport:
    """Of some tables of a snapshot, into one target."""

    def __init__(self, snapshot: Snapshot, target: DatasetTarget, *, share: Share = WHOLE, progress: Progress) -> None:
        self._snapshot = snapshot
        self._target = target
        self._share = share
        self._progress = progress
        self._is_ascii = encoding_of(snapshot) == ASCII
        self._done = ExportedRows()

    def run(self, tables: Iterable[TableItem]) -> ExportedRows:
        """Raises  IntegrityError; UsageError: text that is not valid in its encoding; what the target raises"""
        items = list(tables)
        names = folders(item.name for item in items)
        known = user_types(self._snapshot)
        self._write(DATASET, iter([json.dumps({"format": FORMAT}).encode() + b"\n"]), counted=False)
        told = [self._table(item, names[item.name], known) for item in items]
        about = {"format": FORMAT, "snapshot": self._snapshot.id.hex(), "part": self._share.label, "tables": told}
        self._write(done_path(self._snapshot, self._share), iter([json.dumps(about, indent=1).encode() + b"\n"]))
        return self._done

    def _table(self, item: TableItem, folder: str, known: UserTypes) -> dict[str, object]:
        rows = DatasetRows(self._snapshot, item)
        shape = shape_of(item, folder, known, values=rows.has_values)
        columns = ArrowColumns(shape, is_ascii=self._is_ascii, metadata=_metadata(self._snapshot, shape))
        counted = CountedBlocks(rows.blocks(self._share), self._progress)
        files = []
        for number, groups in enumerate(_files(counted, at_least=int(rows.is_in(self._share))), 1):
            name = f"part-{self._share.label}-{number:05}.parquet"
            path = f"{folder}/{shape.key}={partition(self._snapshot)}/{name}"
            self._write(path, parquet_file(columns.schema, map(columns.table, groups)))
            files.append(path)
        self._done.tables += 1
        self._done.rows += counted.rows
        self._done.notes += shape.notes
        self._progress.advance(0, tables=1)
        return {"schema": shape.name.schema, "name": shape.name.name, "rows": counted.rows, "files": files}

    def _write(self, path: str, blocks: Iterator[bytes], *, counted: bool = True) -> None:
        written = self._target.write(path, blocks)
        self._done.files += counted
        self._done.bytes += written if counted else 0


def _files(blocks: Iterable[bytes], *, at_least: int) -> Iterator[Iterator[list[bytes]]]:
    """The row groups of each file, to be taken before the next file is asked for; `at_least` one file, or none."""
    groups = grouped(blocks, GROUP_TEXT_BYTES)
    first = next(groups, None)
    if first is None:
        yield from [iter(())] * at_least
    while first is not None:
        file = _File(first, groups)
        yield iter(file)
        first = file.following


class _File:
    """Row groups up to FILE_TEXT_BYTES; `following` is the one after them, if there is any."""

    def __init__(self, first: list[bytes], groups: Iterator[list[bytes]]) -> None:
        self.following: list[bytes] | None = None
        self._groups = chain([first], groups)

    def __iter__(self) -> Iterator[list[bytes]]:
        size = 0
        for group in self._groups:
            size += sum(map(len, group))
            if size > FILE_TEXT_BYTES and size != sum(map(len, group)):
                self.following = group
                return
            yield group


def _metadata(snapshot: Snapshot, shape: TableShape) -> dict[str, str]:
    """In each file: what its columns are in the database."""
    columns: Sequence[dict[str, str]] = [
        {"name": one.column.name, "type": one.column.type, "called": one.name} for one in shape.columns
    ]
    about = {
        "snapshot": snapshot.id.hex(),
        "schema": shape.name.schema,
        "table": shape.name.name,
        "columns": columns,
        "exact": shape.exact,
    }
    return {"pgvault": json.dumps(about)}
