"""COPY text as Arrow columns, and these as the bytes of a Parquet file. The only module that imports pyarrow. Pure: bytes in, bytes out.

Columns are converted whole: values one at a time would take ten times as long. What the bulk conversion does not take (infinity, dates
BC, numeric NaN) is looked at one by one; what the type does not have is NULL, with its COPY text in the column for exact texts.
Invariant: nothing is converted that does not come back as the same COPY text.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.csv as pa_csv  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from vault.errors import Malformed, UsageError
from vault.ops.datasets.arrays import elements_of
from vault.ops.datasets.declared import DataType, TypeKind
from vault.ops.datasets.moments import days_of, microseconds_of
from vault.ops.datasets.shape import TableShape
from vault.pipeline.copytext import unescape

_NULL: Final = "\\N"
_MARK: Final = b"\xff"
"""No byte of UTF-8: stands for an escaped backslash until the other escapes are gone."""
_MEANINGS: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_BOM: Final = b"\xef\xbb\xbf"
"""Arrow takes it for a mark of the encoding where a text begins with it; here it is the first letter of a value."""
_CSV_BLOCK_BYTES_MIN: Final = 4 * 1024 * 1024
_LEVEL: Final = 1
_PLAIN_TYPES: Final[Mapping[TypeKind, Any]] = {
    TypeKind.BOOL: pa.bool_(),
    TypeKind.INT16: pa.int16(),
    TypeKind.INT32: pa.int32(),
    TypeKind.INT64: pa.int64(),
    TypeKind.OID: pa.int64(),
    TypeKind.FLOAT32: pa.float32(),
    TypeKind.FLOAT64: pa.float64(),
    TypeKind.DATE: pa.date32(),
    TypeKind.TIMESTAMP: pa.timestamp("us"),
    TypeKind.TIMESTAMPTZ: pa.timestamp("us", tz="UTC"),
    TypeKind.BYTES: pa.binary(),
}
_DECIMAL: Final = r"^-?[0-9]+(\.[0-9]+)?$"
_DATE: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_TIMESTAMP: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?$"
_TIMESTAMPTZ: Final = _TIMESTAMP.replace("$", r"\+00$")
_EXACT_OF: Final[Mapping[TypeKind, tuple[str, Callable[[str], int | None]]]] = {
    TypeKind.DATE: (_DATE, days_of),
    TypeKind.TIMESTAMP: (_TIMESTAMP, lambda text: microseconds_of(text, zoned=False)),
    TypeKind.TIMESTAMPTZ: (_TIMESTAMPTZ, lambda text: microseconds_of(text, zoned=True)),
}
"""What is converted in bulk, and what knows the rest."""


class ArrowColumns:
    """How rows of a table become Arrow columns. `is_ascii`: text is bytes of nobody knows which encoding."""

    def __init__(self, shape: TableShape, *, is_ascii: bool, metadata: Mapping[str, str]) -> None:
        self._shape = shape
        self._is_ascii = is_ascii
        self._text = pa.binary() if is_ascii else pa.string()
        fields = [pa.field(one.name, self._column_type(one.type)) for one in shape.columns]
        if shape.exact is not None:
            fields.append(pa.field(shape.exact, pa.map_(pa.string(), self._text)))
        self.schema = pa.schema(fields, metadata=dict(metadata))

    def table(self, blocks: Sequence[bytes]) -> Any:
        """A pyarrow.Table of blocks of whole rows. Raises  Malformed: they are not rows of this table; UsageError: not valid UTF-8"""
        try:
            return self._table(blocks)
        except pa.ArrowInvalid as error:
            raise self._refusal(blocks) from error

    def _refusal(self, blocks: Sequence[bytes]) -> Malformed | UsageError:
        """What a library says of a value holds it, and is not passed on."""
        table = f"{self._shape.name.schema}.{self._shape.name.name}"
        if not self._is_ascii and not all(map(_is_utf8, blocks)):
            return UsageError(
                f"a row of {table} is not valid in the server's encoding",
                hint="take its rows with: pgvault table --format copy",
            )
        return Malformed(f"a row of {table} is not as the table's columns say")

    def _table(self, blocks: Sequence[bytes]) -> Any:
        columns = self._shape.columns
        if not columns:
            rows = sum(block.count(b"\n") for block in blocks)
            return pa.table([pa.nulls(rows, self.schema.field(0).type)], schema=self.schema)
        texts = self._texts(blocks, len(columns))
        arrays, inexact = [], {}
        for shown, text in zip(columns, texts, strict=True):
            value, mask = self._typed(shown.type, text)
            arrays.append(_annotated(value) if shown.type.kind is TypeKind.JSON and not self._is_ascii else value)
            if mask is not None:
                inexact[shown.name] = (text, mask)
        if self._shape.exact is not None:
            arrays.append(_exact(inexact, len(texts[0]), self.schema.field(self._shape.exact).type))
        return pa.table(arrays, schema=self.schema)

    def _column_type(self, kind: DataType) -> Any:
        if kind.kind is TypeKind.JSON and not self._is_ascii:
            return pa.json_(pa.string())
        return self._type(kind)

    def _type(self, kind: DataType) -> Any:
        if kind.kind is TypeKind.DECIMAL:
            return pa.decimal128(kind.precision, kind.scale)
        if kind.element is not None:
            return pa.list_(self._type(kind.element))
        return _PLAIN_TYPES.get(kind.kind, self._text)

    # --- text ------------------------------------------------------------------------------------

    def _texts(self, blocks: Sequence[bytes], count: int) -> list[Any]:
        """The fields of each column, without escapes, NULL where they are."""
        text = blocks[0] if len(blocks) == 1 else b"".join(blocks)
        begins_with_mark = text.startswith(_BOM)
        if begins_with_mark:
            text = b"\t".join([_NULL.encode()] * count) + b"\n" + text
        names = [str(at) for at in range(count)]
        read = pa_csv.read_csv(
            pa.BufferReader(text),
            read_options=pa_csv.ReadOptions(
                column_names=names, block_size=max(_CSV_BLOCK_BYTES_MIN, 1 + max(map(len, blocks)))
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter="\t", quote_char=False, escape_char=False, newlines_in_values=False, ignore_empty_lines=False
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, self._text),
                null_values=[_NULL],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                check_utf8=not self._is_ascii,
            ),
        )
        if begins_with_mark:
            read = read.slice(1)
        escaped = b"\\" in text
        return [self._unescaped(column) if escaped else column for column in map(_whole, read.columns)]

    def _unescaped(self, fields: Any) -> Any:
        raw = fields.cast(pa.binary())
        if not _has(raw, b"\\"):
            return fields
        if self._is_ascii:
            return _one_by_one(raw)
        raw = pc.replace_substring(raw, pattern=b"\\\\", replacement=_MARK)
        for letter, meaning in _MEANINGS.items():
            if _has(raw, b"\\" + letter):
                raw = pc.replace_substring(raw, pattern=b"\\" + letter, replacement=meaning)
        if _has(raw, b"\\"):
            return _one_by_one(fields.cast(pa.binary())).cast(pa.string())
        return pc.replace_substring(raw, pattern=_MARK, replacement=b"\\").cast(pa.string())

    # --- values ----------------------------------------------------------------------------------

    def _typed(self, kind: DataType, texts: Any) -> tuple[Any, Any | None]:
        """The values, NULL also where the type does not have one; and where that is, if it is anywhere."""
        if kind.kind in {TypeKind.TEXT, TypeKind.JSON}:
            return texts, None
        if kind.element is not None:
            return self._lists(kind.element, texts)
        if self._is_ascii:
            texts = texts.cast(pa.string())
        if kind.kind is TypeKind.BOOL:
            return pc.equal(texts, "t"), None
        if kind.kind is TypeKind.BYTES:
            return pa.array([None if text is None else _bytes(text) for text in texts.to_pylist()], pa.binary()), None
        if kind.kind is TypeKind.DECIMAL:
            return _decimals(texts, self._type(kind))
        if kind.kind in _EXACT_OF:
            return _moments(texts, kind.kind)
        return texts.cast(self._type(kind)), None

    def _lists(self, element: DataType, texts: Any) -> tuple[Any, Any | None]:
        codec = "latin-1" if self._is_ascii else "utf-8"  # of bytes, each is a letter; what parts elements is ASCII
        rows = [
            None if text is None else elements_of(text.decode(codec)) for text in texts.cast(pa.binary()).to_pylist()
        ]
        values, mask = self._elements(element, rows, codec)
        if mask is not None:
            inexact, at = mask.to_pylist(), 0
            for row, elements in enumerate(rows):
                end = at + len(elements or ())
                rows[row] = None if any(inexact[at:end]) else elements
                at = end
            values, _ = self._elements(element, rows, codec)
        offsets = [0]
        for elements in rows:
            offsets.append(offsets[-1] + len(elements or ()))
        missing = pa.array([elements is None for elements in rows], pa.bool_())
        lists = pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()), values, type=pa.list_(values.type), mask=missing
        )
        return lists, _or_none(pc.and_(missing, pc.is_valid(texts)))

    def _elements(self, element: DataType, rows: list[list[str | None] | None], codec: str) -> tuple[Any, Any | None]:
        flat = [
            None if one is None else one.encode(codec) for elements in rows if elements is not None for one in elements
        ]
        return self._typed(element, pa.array(flat, pa.binary()).cast(self._text))


def _whole(column: Any) -> Any:
    joined = column.combine_chunks()
    return joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined


def _has(raw: Any, pattern: bytes) -> bool:
    return bool(pc.any(pc.match_substring(raw, pattern=pattern)).as_py())


def _one_by_one(raw: Any) -> Any:
    return pa.array([None if field is None else unescape(field) for field in raw.to_pylist()], pa.binary())


def _bytes(text: str) -> bytes:
    if not text.startswith("\\x"):
        raise pa.ArrowInvalid("not hexadecimal")
    return bytes.fromhex(text[2:])


def _annotated(strings: Any) -> Any:
    return pa.ExtensionArray.from_storage(pa.json_(pa.string()), strings)


def _decimals(texts: Any, kind: Any) -> tuple[Any, Any | None]:
    try:
        return texts.cast(kind), None
    except pa.ArrowInvalid:
        regular = pc.match_substring_regex(texts, pattern=_DECIMAL)
        return pc.if_else(regular, texts, None).cast(kind), _or_none(pc.invert(regular))


def _moments(texts: Any, kind: TypeKind) -> tuple[Any, Any | None]:
    pattern, one = _EXACT_OF[kind]
    wanted = _PLAIN_TYPES[kind]
    regular = pc.match_substring_regex(texts, pattern=pattern)
    if pc.all(regular).as_py():
        return texts.cast(wanted), None
    bulk = pc.if_else(regular, texts, None).cast(wanted)
    rest = pc.if_else(regular, None, texts).to_pylist()
    number = pa.int32() if kind is TypeKind.DATE else pa.int64()
    others = pa.array([None if text is None else one(text) for text in rest], number).cast(wanted)
    values = pc.coalesce(bulk, others)
    return values, _or_none(pc.and_(pc.is_null(values), pc.is_valid(texts)))


def _or_none(mask: Any) -> Any | None:
    return mask if pc.any(mask).as_py() else None


def _exact(inexact: Mapping[str, tuple[Any, Any]], rows: int, kind: Any) -> Any:
    """Column -> COPY text, of the columns whose value the type does not have; NULL where there is none."""
    if not inexact:
        return pa.nulls(rows, kind)
    found: list[list[tuple[str, object]] | None] = [None] * rows
    for name, (texts, mask) in inexact.items():
        for row in pc.indices_nonzero(mask).to_pylist():
            found[row] = [*(found[row] or []), (name, texts[row].as_py())]
    return pa.array(found, kind)


def _is_utf8(block: bytes) -> bool:
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Sink(io.RawIOBase):
    """Keeps what a writer wrote until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> list[bytes]:
        pieces, self._pieces = self._pieces, []
        return pieces


def parquet_file(schema: Any, tables: Iterable[Any]) -> Iterator[bytes]:
    """The bytes of one file: each table is a row group. Holds one table and its encoded form."""
    sink = _Sink()
    with pq.ParquetWriter(sink, schema, compression="zstd", compression_level=_LEVEL) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=max(1, table.num_rows))
            yield from sink.taken()
    yield from sink.taken()
