"""The inverse of a dataset: COPY text again, from what other engines read. Independent of `vault.ops.datasets`, but for the names of types."""

from __future__ import annotations

import json
import math
import re
import sqlite3
import struct
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from vault.ops.datasets.moments import date_text, timestamp_text

INTEGERS = {"smallint", "integer", "bigint", "oid", "xid", "cid"}
_ESCAPES = {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
_SPECIAL = re.compile("[\\\\\b\f\n\r\t\v]")


def escaped(text: str | None) -> str:
    """A value as a field of COPY text."""
    return "\\N" if text is None else _SPECIAL.sub(lambda found: _ESCAPES[found[0]], text)


def float_text(value: float, *, single: bool = False) -> str:
    """As float8out and float4out of PostgreSQL 12 and later: the shortest digits that are strictly between the neighbours' midpoints."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    sign = "-" if math.copysign(1, value) < 0 else ""
    if value == 0:
        return sign + "0"
    digits, exponent = _shortest(abs(value), single=single)
    if -4 <= exponent < (6 if single else 15):
        if exponent < 0:
            return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
        whole, part = digits[: exponent + 1].ljust(exponent + 1, "0"), digits[exponent + 1 :]
        return sign + whole + (f".{part}" if part else "")
    part = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{part}e{'-' if exponent < 0 else '+'}{abs(exponent):02}"


def _shortest(value: float, *, single: bool) -> tuple[str, int]:
    below, above = _neighbours(value, single=single)
    exact = Fraction(value)
    low = (exact + Fraction(below)) / 2
    high = (exact + Fraction(above)) / 2 if not math.isinf(above) else exact + (exact - low)
    for precision in range(17):
        mantissa, _, power = f"{value:.{precision}e}".partition("e")
        candidate = Fraction(Decimal(f"{mantissa}e{power}"))
        step = Fraction(10) ** (int(power) - precision)
        for one in sorted((candidate, candidate + step, candidate - step), key=lambda near: abs(near - exact)):
            if low < one < high:
                whole = str(int(one / step))
                return whole.rstrip("0") or "0", int(power) + len(whole) - precision - 1
    raise AssertionError("17 digits are always enough")


def _neighbours(value: float, *, single: bool) -> tuple[float, float]:
    if not single:
        return math.nextafter(value, 0), math.nextafter(value, math.inf)
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    below, above = (struct.unpack("<f", struct.pack("<I", bits + step))[0] for step in (-1, 1))
    return below, above


def decimal_text(value: Decimal, scale: int) -> str:
    """With all digits that it is declared to have, whatever an engine's Python makes of them."""
    shown = f"{value:.{scale}f}"
    assert Decimal(shown) == value
    return shown


def array_text(elements: Sequence[str | None]) -> str:
    return "{" + ",".join("NULL" if one is None else _element(one) for one in elements) + "}"


def _element(text: str) -> str:
    if text and text.upper() != "NULL" and not set(text) & set(' \t\n\r\v\f"\\{},'):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def value_text(value: Any, kind: Any) -> str | None:
    """Of a pyarrow value of an Arrow type, as the server prints it."""
    if value is None:
        return None
    if pa.types.is_list(kind):
        return array_text([value_text(one, kind.value_type) for one in value])
    if pa.types.is_boolean(kind):
        return "t" if value else "f"
    if pa.types.is_floating(kind):
        return float_text(value, single=kind == pa.float32())
    if pa.types.is_binary(kind):
        return f"\\x{value.hex()}"
    if pa.types.is_decimal(kind):
        return decimal_text(value, kind.scale)
    return str(value)


def parquet_rows(files: Sequence[Path]) -> Iterator[bytes]:
    """COPY text of every row of the files, one after the other."""
    for path in files:
        file = pq.ParquetFile(path)
        about = json.loads(file.schema_arrow.metadata[b"pgvault"])
        for at in range(file.num_row_groups):
            table = file.read_row_group(at)
            exact = table.column(about["exact"]).to_pylist() if about["exact"] else [None] * table.num_rows
            columns = [_texts(table.column(one["called"])) for one in about["columns"]]
            names = [one["called"] for one in about["columns"]]
            for row, values in enumerate(zip(*columns, strict=True)):
                texts = dict(exact[row] or ())
                yield (
                    "\t".join(
                        escaped(texts.get(name, value)) for name, value in zip(names, values, strict=True)
                    ).encode()
                    + b"\n"
                )


def _texts(column: Any) -> list[str | None]:
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        column, kind = column.cast(kind.storage_type), kind.storage_type
    if pa.types.is_list(kind):
        return [array_text(_scalars(one.values, kind.value_type)) if one.is_valid else None for one in column]
    return _scalars(column, kind)


def _scalars(values: Any, kind: Any) -> list[str | None]:
    if pa.types.is_date(kind):
        return [None if one is None else date_text(one) for one in values.cast(pa.int32()).to_pylist()]
    if pa.types.is_timestamp(kind):
        zoned = kind.tz is not None
        numbers = values.cast(pa.int64()).to_pylist()
        return [None if one is None else timestamp_text(one, zoned=zoned) for one in numbers]
    return [value_text(one, kind) for one in values.to_pylist()]


# --- SQLite ----------------------------------------------------------------------------------------


def sqlite_rows(path: Path, table: str) -> Iterator[bytes]:
    """COPY text of a table, by what `_pgvault` says of its columns."""
    with sqlite3.connect(path) as connection:
        known = connection.execute("SELECT column_in_sqlite, type FROM _pgvault WHERE table_in_sqlite = ?", [table])
        columns: list[tuple[str, str]] = known.fetchall()
        listed = ", ".join('"' + name.replace('"', '""') + '"' for name, _ in columns)
        quoted = table.replace('"', '""')
        for row in connection.execute(f'SELECT {listed} FROM "{quoted}" ORDER BY rowid'):
            texts = [_sqlite_text(value, kind) for value, (_, kind) in zip(row, columns, strict=True)]
            yield "\t".join(map(escaped, texts)).encode() + b"\n"
    connection.close()


def _sqlite_text(value: Any, declared: str) -> str | None:
    if value is None:
        return None
    if declared == "boolean":
        return "t" if value else "f"
    if declared in {"real", "double precision"} and isinstance(value, float):
        return float_text(_single(value) if declared == "real" else value, single=declared == "real")
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    return str(value)


def _single(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


# --- JSON Lines --------------------------------------------------------------------------------------


def json_rows(lines: Sequence[str], types: Mapping[str, str]) -> Iterator[bytes]:
    """COPY text of objects; `types` of the columns, in their order. JSON values come back as they stand."""
    for line in lines:
        members = dict(_members(line))
        texts = [_json_text(members.get(name), kind) for name, kind in types.items()]
        yield "\t".join(map(escaped, texts)).encode() + b"\n"


def _members(line: str) -> Iterator[tuple[str, str]]:
    """Each member of an object with the text of its value."""
    decoder = json.JSONDecoder()
    at = 1
    while line[at] != "}":
        name, at = decoder.raw_decode(line, at)
        start = at + 1
        _, end = decoder.raw_decode(line, start + len(line[start:]) - len(line[start:].lstrip()))
        yield name, line[start:end]
        at = end + (line[end] == ",")


def _json_text(raw: str | None, declared: str) -> str | None:
    if raw is None or declared in {"json", "jsonb"}:
        return raw
    value = json.loads(raw)
    if isinstance(value, bool):
        return "t" if value else "f"
    return value if isinstance(value, str) else raw
