"""A snapshot as a file a table: CSV as PostgreSQL writes it, or JSON Lines: an object a row, a value as the column's type says, and no key where there is NULL.

jsonb's `null` is a value and SQL's NULL is none, so they differ. What JSON has no number for (NaN, infinity) is a string. JSON values
stand as they were stored, on one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Final, Literal

from vault.model import TableItem
from vault.ops.datasets.declared import DataType, TypeKind
from vault.ops.datasets.exported import CountedBlocks, DatasetTarget, ExportedRows, user_types
from vault.ops.datasets.rows import DatasetRows
from vault.ops.datasets.shape import TableShape, folders, shape_of
from vault.pipeline.copytext import by_columns, json_boolean, json_native, json_number, json_string, render
from vault.ports import Progress
from vault.repo.snapshot import Snapshot

_NULL: Final = b"\\N"
_NUMBERS: Final = frozenset(
    {TypeKind.INT16, TypeKind.INT32, TypeKind.INT64, TypeKind.OID, TypeKind.FLOAT32, TypeKind.FLOAT64, TypeKind.DECIMAL}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextForm:
    """`safe_integers`: as `json_lines`; `no_formulas`: of csv, as `copytext.render`."""

    name: Literal["csv", "jsonl"]
    safe_integers: bool = False
    no_formulas: bool = False


def export_texts(
    snapshot: Snapshot,
    items: Sequence[TableItem],
    target: DatasetTarget,
    *,
    form: TextForm,
    progress: Progress,
) -> ExportedRows:
    """Raises  IntegrityError; UsageError: text that is not valid in its encoding; what the target raises"""
    known, done, paths = user_types(snapshot), ExportedRows(), folders(item.name for item in items)
    for item in items:
        rows = DatasetRows(snapshot, item)
        shape = shape_of(item, paths[item.name], known, values=rows.has_values)
        counted = CountedBlocks(rows.blocks(), progress)
        if form.name == "csv":
            columns = [one.column for one in shape.columns]
            blocks = render(form.name, counted, item.name, columns, no_formulas=form.no_formulas)
        else:
            blocks = json_lines(counted, shape, safe_integers=form.safe_integers)
        done.bytes += target.write(f"{shape.folder}.{form.name}", blocks)
        done.files, done.tables, done.rows = done.files + 1, done.tables + 1, done.rows + counted.rows
        done.notes += shape.notes_of_rows
        progress.advance(0, tables=1)
    return done


def json_lines(blocks: Iterable[bytes], shape: TableShape, *, safe_integers: bool) -> Iterator[bytes]:
    """Blocks of whole rows in UTF-8. `safe_integers`: bigint as a string, for readers whose numbers have 53 bits.

    Raises  Malformed: the text does not fit the columns; UsageError: text that is not valid UTF-8
    """
    columns = shape.columns
    encoders = [_encoder(one.type, safe_integers=safe_integers) for one in columns]
    names = [encode_basestring(one.column.name).encode() + b":" for one in columns]
    for block in blocks:
        if not columns:
            yield block.replace(b"\n", b"{}\n")
            continue
        ready = [
            [b"" if field == _NULL else name + encode(field) for field in fields]
            for fields, encode, name in zip(by_columns(block, len(columns)), encoders, names, strict=True)
        ]
        yield b"".join(b"{" + b",".join(filter(None, row)) + b"}\n" for row in zip(*ready, strict=True))


def _encoder(kind: DataType, *, safe_integers: bool) -> Callable[[bytes], bytes]:
    if kind.kind in _NUMBERS or kind.number:
        return json_string if safe_integers and kind.kind is TypeKind.INT64 else json_number
    if kind.kind is TypeKind.BOOL:
        return json_boolean
    return json_native if kind.kind is TypeKind.JSON else json_string
