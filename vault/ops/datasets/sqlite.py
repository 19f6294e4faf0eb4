"""A snapshot as one SQLite file: a strict table a table, a value as the column's type says. Streams.

A table of `public` has its name, any other one is called SCHEMA.NAME. Floating point is declared ANY: a strict REAL column refuses the
text NaN, and one that is not strict makes 0 of -0. The table `_pgvault` says what each column was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol

from vault.errors import Malformed
from vault.model import TableItem, TableName
from vault.ops.datasets.declared import DataType, TypeKind
from vault.ops.datasets.exported import CountedBlocks, ExportedRows, user_types
from vault.ops.datasets.rows import ASCII, DatasetRows, encoding_of
from vault.ops.datasets.shape import TableShape, distinct, folders, shape_of
from vault.pipeline.copytext import by_columns, unescape
from vault.ports import Progress
from vault.repo.snapshot import Snapshot
from vault.sql.names import one_line, show_name

ABOUT: Final = "_pgvault"
_ABOUT_COLUMNS: Final = ("snapshot", "table_name", "table_in_sqlite", "column_name", "column_in_sqlite", "type")
_NO_COLUMN: Final = "_exact"
_NULL: Final = b"\\N"
_INTEGERS: Final = frozenset({TypeKind.BOOL, TypeKind.INT16, TypeKind.INT32, TypeKind.INT64, TypeKind.OID})
_FLOATS: Final = frozenset({TypeKind.FLOAT32, TypeKind.FLOAT64})

Value = int | float | str | bytes | None


class SqliteTarget(Protocol):
    def create(self, table: str, columns: Sequence[tuple[str, str]]) -> None:
        """A strict table of columns (name, type)."""

    def insert(self, table: str, rows: Iterable[Sequence[Value]], columns: int) -> None:
        """Raises  UsageError: a value is longer than SQLite takes"""


def export_sqlite(
    snapshot: Snapshot, items: Sequence[TableItem], target: SqliteTarget, progress: Progress
) -> ExportedRows:
    """Raises  IntegrityError; UsageError; SourceError: the file cannot be written"""
    known, is_ascii, done = user_types(snapshot), encoding_of(snapshot) == ASCII, ExportedRows(files=1)
    target.create(ABOUT, [(name, "TEXT") for name in _ABOUT_COLUMNS])
    names, paths = table_names([item.name for item in items]), folders(item.name for item in items)
    for item in items:
        rows = DatasetRows(snapshot, item)
        shape = shape_of(item, paths[item.name], known, values=rows.has_values)
        name = names[item.name]
        target.create(
            name,
            [(one.name, _declared(one.type, is_ascii=is_ascii)) for one in shape.columns] or [(_NO_COLUMN, "TEXT")],
        )
        target.insert(ABOUT, _about(snapshot, shape, name), len(_ABOUT_COLUMNS))
        counted = CountedBlocks(rows.blocks(), progress)
        for block in counted:
            target.insert(name, values(block, shape, is_ascii=is_ascii), max(1, len(shape.columns)))
        done.rows += counted.rows
        done.tables += 1
        done.notes += _notes(shape, name)
        progress.advance(0, tables=1)
    return done


def table_names(tables: Sequence[TableName]) -> dict[TableName, str]:
    """What each is called. SQLite keeps names that begin with `sqlite_`, and does not tell upper from lower case."""
    wanted = [
        name.name
        if name.schema == "public" and not name.name.lower().startswith("sqlite_") and name.name != ABOUT
        else f"{name.schema}.{name.name}"
        for name in tables
    ]
    return dict(zip(tables, distinct(wanted), strict=True))


def values(block: bytes, shape: TableShape, *, is_ascii: bool) -> Iterator[Sequence[Value]]:
    """Rows of a block as SQLite takes them. Raises  Malformed: the text does not fit the columns; UsageError: not valid UTF-8"""
    if not shape.columns:
        return iter([(None,)] * block.count(b"\n"))
    converts = [_converter(one.type, is_ascii=is_ascii) for one in shape.columns]
    try:
        ready = [
            [None if field == _NULL else convert(field) for field in fields]
            for fields, convert in zip(by_columns(block, len(converts)), converts, strict=True)
        ]
    except ValueError as error:
        raise Malformed(f"a row of {show_name(shape.name)} is not as the table's columns say") from error
    return zip(*ready, strict=True)


def _declared(kind: DataType, *, is_ascii: bool) -> str:
    if kind.kind in _INTEGERS:
        return "INTEGER"
    if kind.kind in _FLOATS:
        return "ANY"
    return "BLOB" if kind.kind is TypeKind.BYTES or is_ascii else "TEXT"


def _converter(kind: DataType, *, is_ascii: bool) -> Callable[[bytes], Value]:
    if kind.kind is TypeKind.BOOL:
        return lambda field: int(field == b"t")
    if kind.kind in _INTEGERS:
        return int
    if kind.kind in _FLOATS:
        return lambda field: "NaN" if field == b"NaN" else float(field)
    if kind.kind is TypeKind.BYTES:
        return lambda field: bytes.fromhex(unescape(field)[2:].decode("ascii"))
    if is_ascii:
        return unescape
    return lambda field: unescape(field).decode()


def _about(snapshot: Snapshot, shape: TableShape, name: str) -> Iterator[Sequence[Value]]:
    for one in shape.columns:
        yield snapshot.id.hex(), show_name(shape.name), name, one.column.name, one.name, one.column.type


def _notes(shape: TableShape, name: str) -> list[str]:
    """Without what is about partitions and exact texts, which this form has not."""
    called = {shape.name.name, f"{shape.name.schema}.{shape.name.name}"}
    told = (
        []
        if name in called
        else [f"{show_name(shape.name)} is called {one_line(name)}, as another differs in case alone"]
    )
    return told + shape.renamed + shape.notes_of_rows
