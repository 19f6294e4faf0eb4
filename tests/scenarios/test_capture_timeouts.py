"""Timeouts that a hosting platform sets for roles end neither the reading nor the session that holds the snapshot."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.fix_postgres import Cluster
from tests.scenarios.capture_support import database, jobs, open_on

pytestmark = pytest.mark.postgres

ROWS = 100_000
LARGE = f"CREATE TABLE t AS SELECT i, repeat('x', 500) AS note FROM generate_series(1, {ROWS}) AS i"
TIMEOUTS = (
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
)
PATIENCE_S = 1.0


@pytest.fixture
def hurried(postgres: Cluster) -> Iterator[str]:
    """A superuser whose sessions end after PATIENCE_S of anything."""
    with postgres.connect() as connection:
        connection.execute("CREATE ROLE hurried LOGIN SUPERUSER")
        known = connection.execute("SELECT name FROM pg_settings WHERE name = ANY(%s)", [list(TIMEOUTS)]).fetchall()
        for (name,) in known:
            connection.execute(f"ALTER ROLE hurried SET {name} = '{int(PATIENCE_S * 1000)}ms'")
        yield "hurried"
        connection.execute("DROP ROLE hurried")


@pytest.mark.parametrize("large_table_bytes", [0, 1 << 40], ids=["psql", "psycopg"])
def test_a_backup_outlasts_the_timeouts_of_its_role(postgres: Cluster, hurried: str, large_table_bytes: int) -> None:
    with database(postgres, LARGE) as name, postgres.connect() as other:
        dsn = postgres.dsn(name).replace("user=postgres", f"user={hurried}")
        with open_on(dsn, large_table_bytes=large_table_bytes) as capture:
            reader = capture.reader()
            rows = next(reader.read(jobs(capture.tables, blocks=1 << 20)))
            pieces = rows.blocks()
            assert next(pieces)
            other.execute("SELECT pg_sleep(%s)", [2 * PATIENCE_S])
            for _ in pieces:
                pass
            assert rows.rows == ROWS
            assert capture.schema().entries
            assert capture.finish() == ()


def test_the_timeouts_do_end_an_ordinary_session(postgres: Cluster, hurried: str) -> None:
    with psycopg.connect(postgres.superuser.replace("user=postgres", f"user={hurried}")) as connection:
        with pytest.raises(psycopg.Error) as ended:
            connection.execute("SELECT pg_sleep(60)")
    assert ended.value.sqlstate in ("57014", "25P04")
