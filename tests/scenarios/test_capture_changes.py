"""What others do to the database while it is captured: every experiment of a single backup, with two connections.

Each either gives the rows of the snapshot, or fails loudly. None may give fewer rows without an error.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.fix_postgres import Cluster
from tests.scenarios.capture_support import database, jobs, open_on, ours, read_all, rows_of
from vault.errors import Incoherent, SourceError, Unreachable
from vault.ports import ExtentRows
from vault.source.postgres.capture.database import PostgresCapture

pytestmark = pytest.mark.postgres

TABLE = "CREATE TABLE t (a integer, note text); INSERT INTO t SELECT i, 'n' FROM generate_series(1, 1000) AS i"
WAYS = pytest.mark.parametrize("large_table_bytes", [0, 1 << 40], ids=["psql", "psycopg"])


def at(step: str, act: Callable[[], Any]) -> Callable[[str], None]:
    """A listener that acts once, before the first step whose name starts with `step`."""
    left = [act]

    def hear(said: str) -> None:
        if said.startswith(step) and left:
            left.pop()()

    return hear


@WAYS
@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("TRUNCATE t", 0),
        ("ALTER TABLE t ALTER a TYPE bigint", 1000),
        ("BEGIN; TRUNCATE t; INSERT INTO t VALUES (1, 'x'), (2, 'y'); COMMIT", 2),
        ("DELETE FROM t WHERE a > 10", 10),
        ("ALTER TABLE t ADD COLUMN more integer DEFAULT 7", 1000),
    ],
)
def test_changes_between_listing_and_locking_belong_to_the_snapshot(
    postgres: Cluster, statement: str, rows: int, large_table_bytes: int
) -> None:
    with database(postgres, TABLE) as name, postgres.connect(name) as other:
        hear = at("locking", lambda: other.execute(statement))
        with open_on(postgres.dsn(name), notify=hear, large_table_bytes=large_table_bytes) as capture:
            assert rows_of(capture, "t") == {"t": rows}
            assert capture.finish() == ()


@pytest.mark.parametrize("statement", ["DROP TABLE t", "ALTER TABLE t RENAME TO u", "DROP SCHEMA s CASCADE"])
def test_names_that_vanish_before_the_lock_start_the_protocol_again(postgres: Cluster, statement: str) -> None:
    with (
        database(postgres, TABLE, "CREATE SCHEMA s; CREATE TABLE s.v (); CREATE TABLE stays (a integer)") as name,
        postgres.connect(name) as other,
    ):
        with open_on(postgres.dsn(name), notify=at("locking", lambda: other.execute(statement))) as capture:
            expected = {"DROP TABLE t": "v", "ALTER TABLE t RENAME TO u": "u", "DROP SCHEMA s CASCADE": "t"}[statement]
            assert expected in {table.name.name for table in capture.tables}
            assert len(capture.tables) == (3 if "RENAME" in statement else 2)
            assert capture.finish() == ()


def test_a_table_made_before_the_export_is_locked_and_read(postgres: Cluster) -> None:
    with database(postgres, TABLE) as name, postgres.connect(name) as other:
        made = "CREATE TABLE late (a integer); INSERT INTO late VALUES (1), (2)"
        with open_on(postgres.dsn(name), notify=at("locking", lambda: other.execute(made))) as capture:
            with postgres.connect(name) as third, pytest.raises(psycopg.errors.LockNotAvailable):
                third.execute("SET lock_timeout = '10ms'; TRUNCATE late")
            assert rows_of(capture, "late", "t") == {"late": 2, "t": 1000}


def test_a_new_table_emptied_between_export_and_lock_starts_again(postgres: Cluster) -> None:
    with database(postgres, TABLE) as name, postgres.connect(name) as other:
        steps: list[str] = []

        def hear(said: str) -> None:
            steps.append(said)
            if steps[-2:-1] == ["listing tables"] and len(steps) == 2:
                other.execute("CREATE TABLE late (a integer); INSERT INTO late VALUES (1), (2)")
            if said.startswith("snapshot") and len(steps) == 3:
                other.execute("TRUNCATE late")

        with open_on(postgres.dsn(name), notify=hear) as capture:
            assert any("starting again" in said for said in steps)
            assert rows_of(capture, "late") == {"late": 0}


@WAYS
@pytest.mark.parametrize("statement", ["TRUNCATE t", "DROP TABLE t", "ALTER TABLE t RENAME TO u", "VACUUM FULL t"])
def test_nobody_replaces_a_table_that_is_captured(postgres: Cluster, statement: str, large_table_bytes: int) -> None:
    with database(postgres, TABLE) as name, postgres.connect(name) as other:
        with open_on(postgres.dsn(name), large_table_bytes=large_table_bytes) as capture:
            other.execute("SET lock_timeout = '50ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute(statement)
            assert rows_of(capture, "t") == {"t": 1000}
            assert capture.finish() == ()
        other.execute(statement)


@WAYS
def test_rows_written_meanwhile_are_not_of_the_snapshot(postgres: Cluster, large_table_bytes: int) -> None:
    with database(postgres, TABLE) as name, postgres.connect(name) as other:
        with open_on(postgres.dsn(name), large_table_bytes=large_table_bytes) as capture:
            other.execute(
                "DELETE FROM t WHERE a <= 500; INSERT INTO t SELECT i, 'new' FROM generate_series(1, 5000) AS i"
            )
            assert rows_of(capture, "t") == {"t": 1000}
            assert capture.finish() == ()


def test_sizes_are_those_after_the_export(postgres: Cluster) -> None:
    grow = "INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 6000) AS i"
    with database(postgres, TABLE) as name, postgres.connect(name) as other:
        with open_on(postgres.dsn(name), notify=at("locking", lambda: other.execute(grow))) as capture:
            reader = capture.reader()
            found = read_all(reader, jobs(capture.tables, blocks=16))
            reader.close()
            assert [rows for rows, _ in found.values()] == [7000]


@WAYS
@pytest.mark.parametrize("moment", ["before", "after"])
def test_schemas_that_are_swapped_by_name_are_noticed(postgres: Cluster, moment: str, large_table_bytes: int) -> None:
    setup = (
        "CREATE SCHEMA app; CREATE SCHEMA app_new; CREATE TABLE app.t (a integer); CREATE TABLE app_new.t (a integer);"
        "INSERT INTO app.t SELECT generate_series(1, 10); INSERT INTO app_new.t SELECT generate_series(1, 7)"
    )
    swap = "BEGIN; ALTER SCHEMA app RENAME TO x; ALTER SCHEMA app_new RENAME TO app; ALTER SCHEMA x RENAME TO app_new; COMMIT"
    with database(postgres, setup) as name, postgres.connect(name) as other:
        with open_on(postgres.dsn(name), large_table_bytes=large_table_bytes, tables=["app.t"]) as capture:
            if moment == "before":
                other.execute(swap)
                with pytest.raises(Incoherent):
                    rows_of(capture, "t", schema="app")
            else:
                assert rows_of(capture, "t", schema="app") == {"t": 10}
                other.execute(swap)
                with pytest.raises(Incoherent, match="replaced"):
                    capture.finish()


@WAYS
def test_a_swap_between_the_check_and_the_last_row_is_noticed(postgres: Cluster, large_table_bytes: int) -> None:
    setup = (
        "CREATE SCHEMA app; CREATE SCHEMA app_new; CREATE TABLE app.t (a text); CREATE TABLE app_new.t (a text);"
        "INSERT INTO app.t SELECT repeat('x', 1000) FROM generate_series(1, 20000)"
    )
    swap = "BEGIN; ALTER SCHEMA app RENAME TO x; ALTER SCHEMA app_new RENAME TO app; ALTER SCHEMA x RENAME TO app_new; COMMIT"
    with database(postgres, setup) as name, postgres.connect(name) as other:
        with open_on(postgres.dsn(name), large_table_bytes=large_table_bytes, tables=["app.t"]) as capture:
            reader = capture.reader()
            results = reader.read(jobs(capture.tables, blocks=1 << 20))
            pieces = next(results).blocks()
            next(pieces)
            other.execute(swap)
            with pytest.raises(Incoherent, match="replaced"):
                _read_on(pieces, results)


def _read_on(pieces: Iterator[bytes], results: Iterator[ExtentRows]) -> None:
    for _ in pieces:
        pass
    for result in results:
        list(result.blocks())


@WAYS
def test_a_table_that_others_queue_for_is_read_by_the_leader(postgres: Cluster, large_table_bytes: int) -> None:
    with database(postgres, TABLE) as name:
        with open_on(postgres.dsn(name), large_table_bytes=large_table_bytes) as capture:
            capture.schema()
            waiter = threading.Thread(target=_truncate, args=(postgres, name))
            waiter.start()
            _until_waiting(postgres, name)
            assert rows_of(capture, "t") == {"t": 1000}
            assert capture.finish() == ()
        waiter.join(300)
        assert not waiter.is_alive()


def test_pg_dump_does_not_queue_behind_somebody_who_waits_for_us(postgres: Cluster) -> None:
    with database(postgres, TABLE) as name:
        waiters: list[threading.Thread] = []

        def queue(_: str) -> None:
            waiters.append(threading.Thread(target=_truncate, args=(postgres, name)))
            waiters[0].start()
            _until_waiting(postgres, name)

        with open_on(postgres.dsn(name), notify=at("snapshot", lambda: queue(""))) as capture:
            with pytest.raises(Incoherent, match="pg_dump"):
                capture.schema()
        waiters[0].join(300)
        assert not waiters[0].is_alive()


def _truncate(cluster: Cluster, name: str) -> None:
    with cluster.connect(name) as connection:
        connection.execute("TRUNCATE t")


def _until_waiting(cluster: Cluster, name: str) -> None:
    with cluster.connect(name) as connection:
        for _ in range(30_000):
            query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass"
            found = connection.execute(query).fetchone()
            if found and found[0]:
                return
            connection.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("nobody waits")


def _end_leader(cluster: Cluster, name: str, capture: PostgresCapture) -> None:
    """End the session that exported the snapshot, and wait until it is gone."""
    with cluster.connect(name) as connection:
        query = "SELECT pid FROM pg_locks WHERE relation = 't'::regclass AND mode = 'AccessShareLock' AND granted"
        for (pid,) in connection.execute(query).fetchall():
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


@WAYS
def test_loss_of_the_exporter_is_an_error_and_not_an_empty_table(postgres: Cluster, large_table_bytes: int) -> None:
    with database(postgres, TABLE) as name, postgres.connect(name) as other:
        with open_on(postgres.dsn(name), large_table_bytes=large_table_bytes) as capture:
            capture.schema()
            reader = capture.reader()
            _end_leader(postgres, name, capture)
            other.execute("TRUNCATE t")
            with pytest.raises((SourceError, Unreachable)):
                read_all(reader, jobs(capture.tables))
            with pytest.raises(Incoherent, match="snapshot is gone"):
                capture.reader()
            with pytest.raises((SourceError, Unreachable)):
                capture.finish()
        assert ours(postgres) == []


def test_loss_of_the_exporter_after_the_last_row_still_fails(postgres: Cluster) -> None:
    with database(postgres, TABLE) as name:
        with open_on(postgres.dsn(name)) as capture:
            capture.schema()
            assert rows_of(capture, "t") == {"t": 1000}
            _end_leader(postgres, name, capture)
            with pytest.raises((SourceError, Unreachable)):
                capture.finish()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 2'", "function public.f()"),
        ("ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'", "type public.mood"),
        ("CREATE TABLE new_one (a integer)", "table public.new_one"),
        ("GRANT SELECT ON v TO PUBLIC", "view public.v"),
        ("COMMENT ON FUNCTION g() IS 'x'", "pg_description"),
        ("ALTER SCHEMA s RENAME TO s2", "schema s2"),
        ("DROP POLICY p ON other", "pg_policy"),
        ("ALTER SEQUENCE q INCREMENT 5", "sequence public.q"),
        ("CREATE INDEX ON other (a)", "table public.other"),
        ("ALTER TABLE other ALTER a SET DEFAULT 1", "table public.other"),
        ("ALTER TABLE other ADD CHECK (a > 0)", "table constraint "),
        ("CREATE INDEX ON other (a); ALTER TABLE other ADD b text; ALTER TABLE other DROP b", "table public.other"),
    ],
)
def test_definitions_that_change_meanwhile_are_named(postgres: Cluster, statement: str, named: str) -> None:
    setup = (
        "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TABLE t (m mood); CREATE VIEW v AS SELECT 1 AS a; CREATE SCHEMA s;"
        "CREATE FUNCTION g() RETURNS integer LANGUAGE sql AS 'SELECT 1'; CREATE TABLE other (a integer);"
        "CREATE POLICY p ON other USING (true); CREATE SEQUENCE q"
    )
    with database(postgres, setup) as name, postgres.connect(name) as other:
        with open_on(postgres.dsn(name), tables=["t"]) as capture:
            other.execute(statement)
            assert any(found.startswith(named) for found in capture.finish())


def test_ordinary_traffic_is_no_change_of_definitions(postgres: Cluster) -> None:
    setup = (
        "CREATE TABLE other (a integer PRIMARY KEY); CREATE MATERIALIZED VIEW m AS SELECT * FROM t; CREATE SEQUENCE q"
    )
    with database(postgres, TABLE, setup) as name, postgres.connect(name) as other:
        with open_on(postgres.dsn(name), tables=["t"]) as capture:
            for statement in (
                *(
                    "CREATE TEMP TABLE x (a integer PRIMARY KEY, b text)",
                    "INSERT INTO other VALUES (1)",
                    "TRUNCATE other",
                ),
                *("REFRESH MATERIALIZED VIEW m", "REINDEX TABLE other", "VACUUM FULL other", "ANALYZE", "VACUUM"),
                *("SELECT nextval('q')", "CREATE TEMP VIEW y AS SELECT 1 AS a", "SELECT lo_create(0)"),
            ):
                other.execute(statement)
            assert capture.finish() == ()
