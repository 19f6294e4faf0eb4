"""Reuse where the server's history is not one line: crashes, prepared transactions, copied files, promotion, ids that wrap.

As in test_reuse_counterexamples every backup is compared with a dump of the same moment; here each server is the test's own.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.copied_server import copy_of
from tests.fix_postgres import Cluster, binaries_of, server
from tests.reuse_support import Series, kill_backend, small_extents

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

MAJOR = 15 if binaries_of(15) else 18
ROWS = 2_000
TABLE = (
    f"CREATE TABLE t (id integer, note text); INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, {ROWS}) AS i"
)
CLOG_PAGE_XIDS = 32_768


@pytest.fixture(autouse=True)
def _small_extents() -> Iterator[None]:
    with small_extents(8):
        yield


@contextmanager
def own_server(**settings: str) -> Iterator[Cluster]:
    with server(MAJOR, settings={"autovacuum": "off", **settings}) as cluster:
        run(cluster, TABLE)
        yield cluster


def run(cluster: Cluster, *statements: str) -> None:
    with cluster.connect() as connection:
        for statement in statements:
            connection.execute(statement)


def data_of(cluster: Cluster) -> Path:
    with cluster.connect() as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    return Path(row[0])


@pytest.mark.spec("REUSE-2")
def test_commits_that_a_crash_took_back_were_flushed_by_the_backup() -> None:
    """[E3] Without the flush the second pair gets the first pair's transaction ids, under the same postmaster."""
    with own_server(synchronous_commit="off", wal_writer_delay="10s", restart_after_crash="on") as cluster:
        series = Series(cluster.dsn())
        series.take()
        run(cluster, "INSERT INTO t VALUES (-1, 'first')", "DELETE FROM t WHERE id = 1")
        series.take()
        kill_backend(cluster)
        run(cluster, "INSERT INTO t VALUES (-2, 'second')", "DELETE FROM t WHERE id = 2")
        after = series.take()
        assert {b"-1\tfirst", b"-2\tsecond"} <= set(after.rows["public.t"])
        assert after.reused > 0, "it is the same postmaster"
        cluster.crash()
        cluster.start()
        run(cluster, "INSERT INTO t VALUES (-3, 'third')", "DELETE FROM t WHERE id = 3")
        series.dsn = cluster.dsn()
        assert series.take().reused == 0


def test_an_unlogged_table_is_empty_after_a_crash() -> None:
    with own_server() as cluster:
        run(cluster, "CREATE UNLOGGED TABLE u AS SELECT * FROM t", "CHECKPOINT")
        series = Series(cluster.dsn())
        assert len(series.take().rows["public.u"]) == ROWS
        kill_backend(cluster)
        after = series.take()
        assert (after.rows["public.u"], len(after.rows["public.t"])) == ([], ROWS)
        assert after.reused > 0
        run(cluster, "INSERT INTO u SELECT id, upper(note) FROM t")
        assert len(series.take().rows["public.u"]) == ROWS


def test_a_transaction_that_was_prepared_at_the_snapshot_is_seen_when_it_commits() -> None:
    with own_server(max_prepared_transactions="5") as cluster:
        series = Series(cluster.dsn())
        run(
            cluster,
            f"BEGIN; SAVEPOINT s; DELETE FROM t WHERE id = {ROWS}; INSERT INTO t VALUES ({ROWS}, 'two'); PREPARE TRANSACTION 'p'",
            "SELECT pg_current_xact_id()",
        )
        before = series.take()
        run(cluster, "COMMIT PREPARED 'p'")
        after = series.take()
        assert f"{ROWS}\ttwo".encode() not in before.rows["public.t"]
        assert f"{ROWS}\ttwo".encode() in after.rows["public.t"]
        assert after.reused > 0


def test_a_data_directory_that_was_copied_back_is_read_again() -> None:
    """[A3] System id, timeline and file nodes are equal, LSN and transaction ids are ahead."""
    with own_server() as cluster:
        data = data_of(cluster)
        run(cluster, "SET synchronous_commit = on; CREATE TABLE durable ()")
        cluster.crash()
        subprocess.run(["cp", "-a", str(data), f"{data}.copy"], check=True)
        cluster.start()
        run(cluster, "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'here')")
        series = Series(cluster.dsn())
        before = series.take()
        cluster.crash()
        shutil.rmtree(data)
        Path(f"{data}.copy").rename(data)
        cluster.start()
        run(cluster, "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'there')")
        run(cluster, *["SELECT pg_current_xact_id()"] * 20, "CREATE TABLE filler AS SELECT generate_series(1, 50000)")
        series.dsn = cluster.dsn()
        after = series.take()
        old, new = before.report.manifest.database, after.report.manifest.database
        assert old is not None
        assert new is not None
        assert (old.server.system_id, old.server.timeline) == (new.server.system_id, new.server.timeline)
        assert new.server.next_xid > old.server.next_xid
        assert new.server.flush_lsn > old.server.flush_lsn
        assert (after.reused, b"1\tthere" in after.rows["public.t"]) == (0, True)


def test_a_standby_never_reuses_and_its_promotion_is_noticed() -> None:
    """[A4] The control file's timeline is stale right after a promotion."""
    with own_server() as cluster, copy_of(cluster, standby=True) as standby:
        standby.start()
        series = Series(standby.dsn())
        series.take()
        assert series.take().reused == 0
        primary = Series(cluster.dsn())
        primary.take()
        with psycopg.connect(standby.dsn(), autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")
            connection.execute("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'promoted')")
        primary.dsn = standby.dsn()
        for after in (series.take(), primary.take()):
            assert after.report.manifest.database is not None
            assert after.report.manifest.database.server.timeline == 2
            assert (after.reused, b"1\tpromoted" in after.rows["public.t"]) == (0, True)
        assert series.take().reused > 0, "the same postmaster goes on as a primary"


def test_rows_older_than_half_of_all_transaction_ids_are_old() -> None:
    """[D3] Their ages are negative. The server is moved on by pg_resetwal, frozen in between as it demands."""
    with own_server() as cluster:
        data = data_of(cluster)
        freeze = [str(cluster.bin / "vacuumdb"), "--all", "--freeze", "--quiet", "--maintenance-db"]
        for next_xid in (CLOG_PAGE_XIDS * 37_000, CLOG_PAGE_XIDS * 88_000):
            run(cluster, "UPDATE pg_database SET datallowconn = true")
            subprocess.run([*freeze, cluster.dsn()], check=True, capture_output=True)
            _move_on(cluster, data, next_xid)
        with cluster.connect() as connection:
            assert connection.execute("SELECT max(age(xmin)) < 0 FROM t").fetchone() == (True,)
        series = Series(cluster.dsn())
        before = series.take()
        run(cluster, "UPDATE t SET note = 'x' WHERE id = 1")
        after = series.take()
        assert 0 < after.reused < before.extents
        _move_on(cluster, data, CLOG_PAGE_XIDS * 100_000)
        series.dsn = cluster.dsn()
        series.take()


def _move_on(cluster: Cluster, data: Path, next_xid: int) -> None:
    run(cluster, "CHECKPOINT")
    cluster._server.stop("fast")
    cluster.run("pg_resetwal", "-x", str(next_xid), "-D", str(data))
    cluster.start()
