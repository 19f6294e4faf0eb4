"""Rows that have no text: above 1 GB the server cannot print them, and the run fails with their table named.

One value that is too long takes 15 seconds and 2 GB of memory; a row of two needs as much again: `PGVAULT_TEST_WHOLE_ROWS=1 pytest ...`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.fix_postgres import Cluster, binaries_of, server
from tests.scenarios.capture_support import open_on, ours, rows_of
from vault.errors import Incoherent, SourceError

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.skipif(binaries_of(15) is None, reason="PostgreSQL 15 is not installed"),
]

LONG = "repeat(repeat('x', 1000000), 540)"
"""Prints as 1,080 MB of bytea; two texts of that length do not fit either."""
TABLES = {
    "value": (
        "CREATE TABLE value (id integer, b bytea COMPRESSION lz4)",
        "INSERT INTO value SELECT i, 'x' FROM generate_series(1, 1000) AS i",
        f"INSERT INTO value SELECT 2000, {LONG}::bytea",
    ),
    "whole": (
        "CREATE TABLE whole (id integer, a text COMPRESSION lz4, b text COMPRESSION lz4)",
        f"INSERT INTO whole SELECT 1, {LONG}",
        f"UPDATE whole SET b = {LONG}",
    ),
}
ON_DEMAND = pytest.mark.skipif(
    "PGVAULT_TEST_WHOLE_ROWS" not in os.environ, reason="on demand: PGVAULT_TEST_WHOLE_ROWS=1"
)


@pytest.fixture(scope="module")
def long_rows() -> Iterator[Cluster]:
    with server(15) as cluster:
        with cluster.connect() as connection:
            connection.execute("CREATE TABLE good AS SELECT generate_series(1, 1000) AS id")
        yield cluster


@pytest.mark.parametrize("large_table_bytes", [0, 1 << 40], ids=["psql", "psycopg"])
@pytest.mark.parametrize("table", ["value", pytest.param("whole", marks=ON_DEMAND)])
def test_row_above_one_gigabyte_of_text_fails_with_its_table_named(
    long_rows: Cluster, table: str, large_table_bytes: int
) -> None:
    with long_rows.connect() as connection:
        if connection.execute("SELECT to_regclass(%s) IS NULL", [table]).fetchone() == (True,):
            for statement in TABLES[table]:
                connection.execute(statement)
    with open_on(long_rows.dsn(), large_table_bytes=large_table_bytes) as capture:
        assert rows_of(capture, "good") == {"good": 1000}
        with pytest.raises(
            SourceError, match=f'could not print the rows of "public"."{table}", blocks from 0'
        ) as caught:
            rows_of(capture, table)
    assert not isinstance(caught.value, Incoherent), "trying again would not help"
    assert "more than 1 GB" in caught.value.hint
    assert ours(long_rows) == []
