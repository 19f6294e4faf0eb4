"""Rows that describe files, as the database's view has them, beside the bucket that was captured for them.

Of these rows a backup of the database alone has what it needs; they are asked for once more by their names only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from vault.model import Missing, State, TableName
from vault.ops.backup.files import FilesCapture
from vault.ops.project.components import Selectors
from vault.ops.project.stored_files import FileRow, StoredFiles, compare
from vault.pipeline.copytext import by_columns, unescape, whole_rows
from vault.ports import Capture

ROWS_MAX: Final = 500_000
"""Held in memory while the bucket is read: some 60 MB."""
_WANTED: Final = ("bucket_id", "name", "version")
_NULL: Final = b"\\N"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRows:
    """`unread`: why they could not be had, or empty."""

    table: TableName
    rows: tuple[FileRow, ...] = ()
    unread: str = ""


def read_file_rows(capture: Capture, selectors: Selectors) -> tuple[FileRows, ...]:
    """Of each table that describes files and has Storage's columns. Raises  SourceError; Unreachable"""
    found = []
    for table in capture.tables:
        columns = [name for name in _WANTED if name in {column.name for column in table.columns}]
        if table.name not in selectors.file_tables or columns[:2] != list(_WANTED[:2]):
            continue
        blocks = capture.columns(table, columns) if capture.server.encoding == "UTF8" else None
        if blocks is None:
            found.append(FileRows(table=table.name, unread="its rows cannot be read for that"))
            continue
        rows: list[FileRow] = []
        for row in _rows(blocks, len(columns)):
            if len(rows) == ROWS_MAX:
                found.append(FileRows(table=table.name, unread=f"it has more than {ROWS_MAX} rows"))
                break
            rows.append(row)
        else:
            found.append(FileRows(table=table.name, rows=tuple(rows)))
    return tuple(found)


def with_rows(
    files: Mapping[str, FilesCapture], tables: tuple[FileRows, ...], selectors: Selectors
) -> dict[str, FilesCapture]:
    """`files`, the bucket with these rows' files also with what of both has no counterpart."""
    name = selectors.files_directory
    captured = files.get(name)
    if captured is None or captured.bucket is None:
        return dict(files)
    stored = StoredFiles(
        directory=name,
        paths=captured.paths,
        recent=captured.recent,
        bucket=captured.bucket,
        missing=captured.missing,
    )
    told = [gap for table in tables for gap in _compared(table, stored)]
    return {**files, name: replace(captured, missing=(*captured.missing, *told))}


def _compared(table: FileRows, stored: StoredFiles) -> Iterator[Missing]:
    if not table.unread:
        return compare(table.table, table.rows, stored)
    return iter(
        [
            Missing(
                item=f"rows of {table.table} against their files",
                state=State.NOT_SELECTED,
                why=f"not compared: {table.unread}",
                fix="nothing: rows and files are saved",
            )
        ]
    )


def _rows(blocks: Iterator[bytes], count: int) -> Iterator[FileRow]:
    for block in whole_rows(blocks):
        for values in zip(*by_columns(block, count), strict=True):
            if _NULL in values[:2]:
                continue
            bucket, name, *version = (b"" if value == _NULL else unescape(value) for value in values)
            yield FileRow(bucket=bucket.decode(), name=name.decode(), version=version[0].decode() if version else "")
