"""DuckDB and Apache Spark read an exported table, and what they read is the same COPY text again, row for row."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from tests.dataset_reader import array_text, decimal_text, escaped, float_text
from tests.engines import spark_python
from tests.scenarios.test_datasets import ONE_OF, Saved, files
from tests.scenarios.test_datasets import lake as lake
from tests.scenarios.test_datasets import saved as saved
from vault.ops.datasets.moments import date_text, timestamp_text

pytestmark = pytest.mark.postgres
READER = Path(__file__).parents[1] / "spark_reader.py"


def copy_text(rows: Iterator[list[Any]], schema: pa.Schema) -> bytes:
    """Of values as the engines give them, the last one the exact texts; `schema` is what was written."""
    names = schema.names[:-1]
    lines = []
    for *values, exact in rows:
        texts = dict(exact or ())
        fields = [
            escaped(texts.get(name, _text(value, schema.field(name).type)))
            for name, value in zip(names, values, strict=True)
        ]
        lines.append("\t".join(fields).encode() + b"\n")
    return b"".join(lines)


def _text(value: Any, kind: Any) -> str | None:
    if value is None:
        return None
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_list(kind):
        return array_text([_text(one, kind.value_type) for one in value])
    if pa.types.is_decimal(kind):
        return decimal_text(Decimal(value["decimal"]) if isinstance(value, dict) else value, kind.scale)
    if isinstance(value, dict):
        ((form, text),) = value.items()
        if form == "float":
            return float_text(float.fromhex(text), single=kind == pa.float32())
        return f"\\x{text}"
    if pa.types.is_date(kind):
        return date_text(value)
    if pa.types.is_timestamp(kind):
        return timestamp_text(value, zoned=kind.tz is not None)
    return ("t" if value else "f") if isinstance(value, bool) else str(value)


def duckdb_rows(place: Path, schema: pa.Schema) -> Iterator[list[Any]]:
    """Moments as numbers, which Python's own types would not reach."""
    shown = [_expression(schema.field(name).type, '"' + name.replace('"', '""') + '"') for name in schema.names[:-1]]
    query = f"SELECT {', '.join(shown)}, \"{schema.names[-1]}\" FROM read_parquet('{place}/**/*.parquet', hive_partitioning = true)"
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1; SET TimeZone = 'UTC'")
        for row in connection.execute(query).fetchall():
            yield [_plain(value, schema.field(at).type) for at, value in enumerate(row)]


def _expression(kind: Any, value: str) -> str:
    if pa.types.is_date(kind):
        return f"date_diff('day', DATE '1970-01-01', {value})"
    if pa.types.is_timestamp(kind):
        return f"epoch_us({value})"
    if pa.types.is_list(kind) and pa.types.is_timestamp(kind.value_type):
        return f"list_transform({value}, lambda one: epoch_us(one))"
    return value


def _plain(value: Any, kind: Any) -> Any:
    if isinstance(value, float):
        return {"float": value.hex()}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, list):
        return [_plain(one, kind) for one in value]
    return value


@pytest.mark.parametrize("table", [ONE_OF])
def test_duckdb_reads_the_same_rows(saved: Saved, lake: Path, table: str) -> None:
    schema = pq.read_schema(files(lake, table)[0])
    found = copy_text(duckdb_rows(lake / table, schema), schema)
    assert found.split(b"\n") == saved.copy(table).split(b"\n")


def test_duckdb_sees_snapshots_as_partitions(lake: Path) -> None:
    with duckdb.connect() as connection:
        query = f"SELECT typeof(snapshot), count(*) FROM read_parquet('{lake}/public.computed/**/*.parquet', hive_partitioning = true) GROUP BY ALL"
        assert connection.execute(query).fetchall() == [("VARCHAR", 100)]


@pytest.mark.slow
def test_spark_reads_the_same_rows(saved: Saved, lake: Path) -> None:
    python = spark_python()
    if python is None:
        pytest.skip("`python3 tests/engines.py` fetches Spark where Java is installed")
    schema = pq.read_schema(files(lake, ONE_OF)[0])
    command = [str(python), str(READER), str(lake / ONE_OF), *schema.names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = (json.loads(line) for line in done.stdout.splitlines())
    by_id = sorted(rows, key=lambda row: row[0])
    found = copy_text(iter(by_id), schema)
    assert found.split(b"\n") == saved.copy(ONE_OF).split(b"\n")
