"""DuckDB over Parquet files in a directory of our own. The only module that imports duckdb.

Once its views are there it may read that directory alone, and nothing of that can be set back. One statement, and one that reads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Self

import duckdb

from vault.errors import UsageError, VaultError
from vault.model import Column, TableName
from vault.sql.names import literal, qualified, quote

_ROWS: Final = 2_000
_TYPES: Final[Mapping[str, str]] = {
    "BOOLEAN": "boolean",
    "TINYINT": "smallint",
    "SMALLINT": "smallint",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "HUGEINT": "numeric",
    "FLOAT": "real",
    "DOUBLE": "double precision",
    "DATE": "date",
    "UUID": "uuid",
}
"""DuckDB's name -> PostgreSQL's, where it decides how a value is shown; what is not here is shown as text."""


class DuckDatabase:
    """Use as a context. Used by one thread."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
        self._connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = true")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @property
    def version(self) -> str:
        return duckdb.__version__

    def named(self, statement: str) -> set[tuple[str, str]]:
        """Schema (or none) and name of each table that the statement names, in lower case. Raises  UsageError: it is not one that reads"""
        with _refused():
            statements = self._connection.extract_statements(statement)
            if len(statements) != 1 or statements[0].type.name != "SELECT":
                raise UsageError(
                    "the statement cannot be answered", why="it is not one statement that reads", hint=_HINT
                )
            row = self._connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [statement]).fetchone()
        return set(_tables(json.loads(row[0] if row else "{}")))

    def view(self, name: TableName, files: Sequence[Path]) -> None:
        """What the statement knows as this table."""
        listed = ", ".join(literal(str(file)) for file in files)
        with _refused():
            self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(name.schema)}")
            self._connection.execute(
                f"CREATE VIEW {qualified(name)} AS SELECT * FROM read_parquet([{listed}], hive_partitioning = false)"
            )

    def confine(self, directory: Path, path: Sequence[str]) -> None:
        """From now on it reads this directory alone. `path`: schemas in which names are looked for."""
        with _refused():
            for schema in path:
                self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")
            self._connection.execute(f"SET search_path = {literal(','.join(path))}")
            self._connection.execute(f"SET temp_directory = {literal(str(directory / 'spill'))}")
            self._connection.execute(f"SET allowed_directories = [{literal(str(directory))}]")
            self._connection.execute("SET enable_external_access = false; SET lock_configuration = true")

    def run(self, statement: str, write: Callable[[Sequence[Sequence[bytes | None]]], object]) -> Sequence[Column]:
        """Hand rows of the answer to `write`; returns its columns. Raises  UsageError"""
        with _refused():
            cursor = self._connection.execute(statement)
            columns = [
                Column(name=name, type=_declared(str(kind)), attnum=at)
                for at, (name, kind, *_) in enumerate(cursor.description or (), 1)
            ]
            while rows := cursor.fetchmany(_ROWS):
                write([[None if value is None else _shown(value).encode() for value in row] for row in rows])
        return columns


def _tables(node: Any) -> Iterator[tuple[str, str]]:
    """Of a parsed statement, names of WITH among them."""
    if isinstance(node, dict):
        if node.get("type") == "BASE_TABLE":
            yield node.get("schema_name", "").lower(), node.get("table_name", "").lower()
        for value in node.values():
            yield from _tables(value)
    elif isinstance(node, list):
        for value in node:
            yield from _tables(value)


def _declared(kind: str) -> str:
    return "numeric" if kind.startswith("DECIMAL") or kind == "NUMBER" else _TYPES.get(kind, "text")


def _shown(value: Any) -> str:
    """As PostgreSQL would, for what both have."""
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, list):
        return "[" + ", ".join("NULL" if one is None else _shown(one) for one in value) + "]"
    return str(value)


@contextmanager
def _refused() -> Iterator[None]:
    """What DuckDB says of a value may hold it: only what it says of the statement is passed on."""
    try:
        yield
    except (
        duckdb.CatalogException,
        duckdb.ParserException,
        duckdb.BinderException,
        duckdb.PermissionException,
    ) as error:
        why = str(error).splitlines()[0]
        raise UsageError("the statement cannot be answered", why=why, hint=_HINT) from error
    except duckdb.OutOfMemoryException as error:
        raise VaultError(
            "there is not enough memory for this statement",
            why="DuckDB found no more memory, and no more room on the disk to go on there",
            hint="make room in the directory for temporary files (TMPDIR), or raise the limit of memory, or ask for less",
        ) from error
    except (duckdb.IOException, duckdb.InternalException, duckdb.FatalException) as error:
        raise VaultError(
            "the statement was not answered",
            why=f"DuckDB failed: {type(error).__name__}",
            hint="look whether the disk of the directory for temporary files (TMPDIR) is full, then run it again",
        ) from error
    except duckdb.Error as error:
        raise UsageError("the statement cannot be answered", why=type(error).__name__, hint=_HINT) from error


_HINT: Final = "one SELECT in DuckDB's SQL, over SCHEMA.TABLE; list the tables with: pgvault show SNAP"
