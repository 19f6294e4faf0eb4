"""Rows that have no text: above 1 GB the server cannot print them, and the run fails with their table named.

One value that is too long takes 15 seconds and 2 GB of memory; a row of two needs as much again: `PGVAULT_TEST_WHOLE_ROWS=1 pytest ...`.
"""

from __future__ import annotations

import os
import subprocess
import sys
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


MEBIBYTES = 200
# Not ru_maxrss of the process itself: that one counts what forked it, before the exec.
PEAK = """
import resource, sys
from tests.scenarios.capture_support import jobs, open_on
with open_on(sys.argv[1], **eval(sys.argv[2])) as capture:
    reader = capture.reader()
    longest = rows = 0
    for extent in reader.read(jobs(capture.tables)):
        for block in extent.blocks():
            longest = max(longest, len(block))
        rows += extent.rows
    reader.close()
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(longest, rows, peak // 1024, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


@pytest.fixture(scope="module")
def packed_row(long_rows: Cluster) -> str:
    """A database with one row of 200 MiB of text, of which the server stores 2 MiB."""
    name = long_rows.createdb()
    with long_rows.connect(name) as connection:
        connection.execute("CREATE TABLE long (id integer, body text)")
        connection.execute("INSERT INTO long SELECT 1, repeat(repeat('long row ', 116509) || '\n', %s)", [MEBIBYTES])
        connection.execute("INSERT INTO long VALUES (2, 'short')")
    return long_rows.dsn(name)


@pytest.mark.parametrize(
    ("options", "own", "children"),
    [("{}", 150, 3 * MEBIBYTES), ("{'large_table_bytes': 1 << 50}", 150 + 3 * MEBIBYTES, 150)],
    ids=["psql", "psycopg"],
)
def test_a_row_that_is_stored_small_and_printed_long_takes_little_memory(
    packed_row: str, options: str, own: int, children: int
) -> None:
    """libpq holds the row in a buffer that doubles and once more, in psql's process or in ours; it is passed on in pieces either way."""
    command = [sys.executable, "-c", PEAK, packed_row, options]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    print(told)
    longest, rows, here, below = map(int, told.split())
    assert longest <= 1 << 20
    assert rows == 2
    assert here < own
    assert below < children
