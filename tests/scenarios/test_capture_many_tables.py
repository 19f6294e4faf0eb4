"""Tables that are too many for the server's lock table: read without the leader's locks, and never wrong rows [C3, A1, A2, A10].

Each server has a small lock table, so that 120 tables are too many. What others do between the snapshot and the reading is done
for real, with a second connection.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.fix_postgres import Cluster, server
from tests.scenarios.capture_support import database, jobs, open_on, ours, read_all, rows_of
from vault.errors import Incoherent, SourceError, Unreachable
from vault.source.postgres.capture.database import PostgresCapture

pytestmark = pytest.mark.postgres

SMALL = {"max_locks_per_transaction": "10", "max_connections": "12", "autovacuum": "off"}
TABLES = 64
MANY = (
    "CREATE TABLE t (a integer, b integer)",
    "INSERT INTO t SELECT i, -i FROM generate_series(1, 1000) AS i",
    "CREATE TABLE empty_one (a integer)",
    f"""DO $$ BEGIN FOR i IN 1..{TABLES} LOOP
        EXECUTE format('CREATE TABLE m%s (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text)', i);
        EXECUTE format('INSERT INTO m%s (note) VALUES (%s)', i, i);
        COMMIT;
    END LOOP; END $$""",
)
WAYS = pytest.mark.parametrize("large_table_bytes", [0, 1 << 40], ids=["psql", "psycopg"])


@pytest.fixture(scope="module", params=[15, 18])
def small(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    try:
        with server(request.param, settings=SMALL) as cluster:
            cluster.createdb("model")
            with cluster.connect("model") as connection:
                for statement in MANY:
                    connection.execute(statement)
            yield cluster
    except LookupError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def many(small: Cluster) -> Iterator[str]:
    """A database with more tables than half of the lock table has room for."""
    with database(small, options="TEMPLATE model") as name:
        yield name


@contextmanager
def opened(cluster: Cluster, name: str, **options: Any) -> Iterator[PostgresCapture]:
    with open_on(cluster.dsn(name), **options) as capture:
        assert not capture._parts.taken.held, "the tables must be too many"
        yield capture


@WAYS
def test_all_rows_are_read_and_few_tables_are_locked_at_a_time(
    small: Cluster, many: str, large_table_bytes: int
) -> None:
    with opened(small, many, large_table_bytes=large_table_bytes) as capture, small.connect(many) as other:
        assert len(capture.schema().entries) > TABLES
        sequences = list(capture.sequences())
        reader = capture.reader()
        locked: list[int] = []
        found: dict[str, bytes] = {}
        for result in reader.read(jobs(capture.tables)):
            found[result.job.table.name.name] = b"".join(result.blocks())
            query = (
                "SELECT count(DISTINCT relation) FROM pg_locks JOIN pg_class ON oid = relation WHERE relname ~ '^m|^t$'"
            )
            locked += other.execute(query).fetchone() or ()
        reader.close()
        assert capture.finish() == ()
    assert len(sequences) == TABLES
    assert found["t"].count(b"\n") == 1000
    assert all(found[f"m{i}"] == b"1\t%d\n" % i for i in range(1, TABLES + 1))
    assert found["empty_one"] == b""
    assert max(locked) <= 12, "a table or two with their indexes, on each of two sessions"
    assert ours(small) == []


BAD = [
    "TRUNCATE t",
    "ALTER TABLE t ALTER a TYPE bigint",
    "BEGIN; TRUNCATE t; COPY t FROM STDIN FREEZE; COMMIT",
    "DROP TABLE t",
    "DROP TABLE t; CREATE TABLE t (a integer, b integer); INSERT INTO t VALUES (1, 2)",
    "ALTER TABLE t RENAME TO u; ALTER TABLE m1 RENAME TO t",
    "ALTER TABLE t RENAME a TO x; ALTER TABLE t RENAME b TO a; ALTER TABLE t RENAME x TO b",
    "ALTER TABLE t DROP COLUMN b; ALTER TABLE t ADD COLUMN b integer",
    "ALTER TABLE t DROP COLUMN b",
    "ALTER SCHEMA public RENAME TO old; CREATE SCHEMA public; CREATE TABLE public.t (a integer, b integer)",
]


def act(connection: psycopg.Connection[Any], statement: str) -> None:
    if "STDIN" not in statement:
        connection.execute(statement)
        return
    with connection.transaction():
        connection.execute("TRUNCATE t")
        with connection.cursor().copy("COPY t FROM STDIN (FREEZE)") as stream:
            stream.write(b"1\t1\n2\t2\n")


@WAYS
@pytest.mark.parametrize("statement", BAD)
def test_a_table_changed_between_snapshot_and_reading_is_an_error(
    small: Cluster, many: str, statement: str, large_table_bytes: int
) -> None:
    with opened(small, many, large_table_bytes=large_table_bytes) as capture, small.connect(many) as other:
        capture.schema()
        act(other, statement)
        with pytest.raises(SourceError) as caught:
            rows_of(capture, "t")
    assert isinstance(caught.value, Incoherent) or caught.value.sqlstate == "42703"  # a column of that name is gone
    assert ours(small) == []


@WAYS
@pytest.mark.parametrize("statement", ["DELETE FROM t WHERE a > 10", "INSERT INTO t SELECT 1, 2", "VACUUM t"])
def test_ordinary_traffic_is_not_of_the_snapshot(
    small: Cluster, many: str, statement: str, large_table_bytes: int
) -> None:
    with opened(small, many, large_table_bytes=large_table_bytes) as capture, small.connect(many) as other:
        capture.schema()
        other.execute(statement)
        assert rows_of(capture, "t") == {"t": 1000}
        assert capture.finish() == ()


def test_a_table_emptied_while_sizes_are_read_is_no_empty_table(small: Cluster, many: str) -> None:
    with small.connect(many) as other:

        def hear(said: str) -> None:
            if said == "measuring tables":
                other.execute("TRUNCATE t")

        with pytest.raises(Incoherent, match="replaced"):
            open_on(small.dsn(many), notify=hear)
    assert ours(small) == []


def test_what_was_read_may_be_replaced(small: Cluster, many: str) -> None:
    with opened(small, many) as capture, small.connect(many) as other:
        capture.schema()
        reader = capture.reader()
        wanted = [table for table in capture.tables if table.name.name in ("m1", "t")]
        assert [rows for rows, _ in read_all(reader, jobs(wanted)).values()] == [1, 1000]
        reader.close()
        other.execute("TRUNCATE m1")
        assert capture.finish() == ()


@WAYS
def test_a_lock_is_waited_for_with_no_other_lock_held(small: Cluster, many: str, large_table_bytes: int) -> None:
    with opened(small, many, large_table_bytes=large_table_bytes) as capture, small.connect(many) as other:
        capture.schema()
        other.execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        waiting: list[int] = []

        def release() -> None:
            with small.connect(many) as observer:
                query = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 't'::regclass"
                for _ in range(30_000):
                    waiting.extend(pid for (pid,) in observer.execute(query).fetchall())
                    if waiting:
                        break
                    observer.execute("SELECT pg_sleep(0.01)")
                held = "SELECT count(*) FROM pg_locks WHERE granted AND locktype = 'relation' AND pid = ANY(%s) AND relation > 16384"
                waiting.extend(observer.execute(held, [waiting]).fetchone() or ())
            other.execute("ROLLBACK")

        thread = threading.Thread(target=release)
        thread.start()
        assert rows_of(capture, "t", "m1", "m2") == {"t": 1000, "m1": 1, "m2": 1}
        thread.join()
        assert waiting[1:] == [0]
        assert capture.finish() == ()


@WAYS
def test_a_lock_that_stays_is_an_error_in_time(small: Cluster, many: str, large_table_bytes: int) -> None:
    options = {"large_table_bytes": large_table_bytes, "lock_timeout_s": 0.2}
    with opened(small, many, **options) as capture, small.connect(many) as other:
        capture.schema()
        other.execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Incoherent, match="could not be locked within"):
            rows_of(capture, "t")


@WAYS
def test_without_the_exporter_nothing_is_read(small: Cluster, many: str, large_table_bytes: int) -> None:
    with opened(small, many, large_table_bytes=large_table_bytes) as capture, small.connect(many) as other:
        capture.schema()
        reader = capture.reader()
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [capture._parts.leader.session.pid])
        other.execute("TRUNCATE m7")
        with pytest.raises((SourceError, Unreachable)):
            read_all(reader, jobs(capture.tables))
        with pytest.raises((SourceError, Unreachable)):
            capture.finish()


def test_definitions_are_complete_whatever_views_there_are(small: Cluster, many: str) -> None:
    """The values of sequences are kept from pg_dump by a pattern; it must leave every REFRESH in place."""
    for view in (None, "v", "v_seq"):
        with small.connect(many) as connection:
            if view:
                connection.execute(f"CREATE MATERIALIZED VIEW {view} AS SELECT 1 AS one")
        with opened(small, many) as capture:
            found = [entry.tag for entry in capture.schema().entries if entry.identity.desc == "MATERIALIZED VIEW DATA"]
            kinds = {entry.identity.desc for entry in capture.schema().entries}
            assert len([entry for entry in capture.schema().entries if entry.identity.desc == "TABLE"]) == TABLES + 2
        assert ("MATERIALIZED VIEW DATA" in kinds) is (view is not None)
        assert view is None or view in found
        assert {"TABLE", "CONSTRAINT", "SEQUENCE"} <= kinds


def test_more_tables_than_pg_dump_can_lock_are_refused(small: Cluster) -> None:
    with database(small) as name:
        with small.connect(name) as connection:
            connection.execute(
                "DO $$ BEGIN FOR i IN 1..900 LOOP EXECUTE 'CREATE TABLE t' || i || ' ()'; COMMIT; END LOOP; END $$"
            )
        with pytest.raises(SourceError, match="do not fit in the server's lock table") as caught:
            open_on(small.dsn(name))
        assert "max_locks_per_transaction" in caught.value.hint
