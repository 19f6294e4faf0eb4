"""Run by the Python that has Spark: prints the rows of a table's dataset, a JSON list a row, with values that mean the same everywhere.

    PYTHON tests/spark_reader.py FOLDER COLUMN...

Moments are numbers (days, microseconds), which a Python of its own would not reach; bytes are hexadecimal, floats as float.hex prints them.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from typing import Any


def main() -> None:
    from pyspark.sql import SparkSession  # type: ignore[import-not-found,unused-ignore]

    folder, *names = sys.argv[1:]
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.parquet.datetimeRebaseModeInRead", "CORRECTED")
        .config("spark.driver.memory", "1g")
        .config("spark.sql.caseSensitive", "false")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    frame = session.read.parquet(folder)
    shown = frame.selectExpr(*(_expression(frame.schema[name].dataType, _quoted(name)) for name in names))
    for row in shown.toLocalIterator():
        print(json.dumps([_plain(value) for value in row]))
    session.stop()


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _expression(kind: Any, value: str) -> str:
    called = kind.typeName()
    if called == "date":
        return f"datediff({value}, date'1970-01-01')"
    if called in {"timestamp", "timestamp_ntz"}:
        return f"unix_micros(cast({value} as timestamp))"
    if called == "array":
        return f"transform({value}, one -> {_expression(kind.elementType, 'one')})"
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return {"float": value.hex()}
    if isinstance(value, Decimal):
        return {"decimal": f"{value:f}"}
    if isinstance(value, bytes | bytearray):
        return {"bytes": value.hex()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value


if __name__ == "__main__":
    main()
