"""Reuse and recovery to a point in time: a physical copy, an archive, a target, and another history from there on.

As in test_reuse_counterexamples every backup is compared with a dump of the same moment. Spec 85-reuse, conditions 10 and 11.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.copied_server import copy_of
from tests.fix_postgres import Cluster, binaries_of, server
from tests.reuse_support import Series, Taken, small_extents
from vault.model import ServerFacts
from vault.source.postgres.connection.throwaway_server import EmbeddedServer

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

MAJOR = 15 if binaries_of(15) else 18
ROWS = 2_000
TABLE = (
    f"CREATE TABLE t (id integer, note text); INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, {ROWS}) AS i"
)
ARCHIVED = "SELECT last_archived_wal >= %s FROM pg_stat_archiver"
TRIES_MAX = 15_000


@contextmanager
def archived_server() -> Iterator[tuple[Cluster, Path]]:
    """A server that archives its WAL, and where."""
    with tempfile.TemporaryDirectory(prefix="pgvault-test-") as place:
        archive = Path(place)
        archive.chmod(0o777)
        settings = {
            "autovacuum": "off",
            "synchronous_commit": "on",
            "archive_mode": "on",
            "archive_command": f"cp %p {archive}/%f",
        }
        with server(MAJOR, settings=settings) as cluster, small_extents(8):
            change(cluster.dsn(), TABLE)
            yield cluster, archive


def change(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def replaced(number: int, note: str) -> str:
    """A row of the first extent becomes another, and the extent has as many rows as before."""
    return f"DELETE FROM t WHERE id = {number}; INSERT INTO t VALUES ({number}, '{note}')"


def archive_all(cluster: Cluster) -> None:
    with cluster.connect() as connection:
        found = connection.execute("SELECT pg_walfile_name(pg_current_wal_insert_lsn())").fetchone()
        connection.execute("SELECT pg_switch_wal()")
        for _ in range(TRIES_MAX):
            done = connection.execute(ARCHIVED, found).fetchone()
            if done == (True,):
                return
            connection.execute("SELECT pg_sleep(0.02)")
    raise AssertionError("the WAL was not archived")


def until_primary(copied: EmbeddedServer) -> str:
    """Its connection string once it takes writes."""
    dsn = copied.dsn()
    with psycopg.connect(dsn, autocommit=True) as connection:
        for _ in range(TRIES_MAX):
            if connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,):
                return dsn
            connection.execute("SELECT pg_sleep(0.02)")
    raise AssertionError("recovery does not end")


def facts(taken: Taken) -> ServerFacts:
    assert taken.report.manifest.database is not None
    return taken.report.manifest.database.server


def test_recovery_to_a_point_in_time_is_another_history_each_time() -> None:
    """Two copies recover to the same point and go on apart, both on timeline 2, since neither archives: only their starts tell."""
    with archived_server() as (cluster, archive), ExitStack() as copies:
        target = {
            "restore_command": f"cp {archive}/%f %p",
            "recovery_target_name": "here",
            "recovery_target_action": "promote",
        }
        first, second = (copies.enter_context(copy_of(cluster, settings=target)) for _ in range(2))
        series = Series(cluster.dsn())
        change(cluster.dsn(), replaced(1, "before"))
        before = series.take()
        change(cluster.dsn(), "SELECT pg_create_restore_point('here')", replaced(2, "undone"))
        later = series.take()
        assert later.reused > 0
        archive_all(cluster)

        series.dsn = until_primary(first.start())
        change(series.dsn, replaced(3, "first"))
        one = series.take()
        assert (facts(later).timeline, facts(one).timeline, one.reused) == (1, 2, 0)
        assert {b"1\tbefore", b"3\tfirst"} <= set(one.rows["public.t"])
        assert b"2\tundone" not in one.rows["public.t"]
        assert series.take().reused > 0, "it goes on from here"

        series.dsn = until_primary(second.start())
        change(series.dsn, replaced(4, "second"), "CREATE TABLE filler AS SELECT generate_series(1, 50000)")
        change(series.dsn, *["SELECT pg_current_xact_id()"] * 20)
        two = series.take()
        assert (facts(two).system_id, facts(two).timeline) == (facts(one).system_id, facts(one).timeline)
        assert facts(two).insert_lsn_before > facts(one).insert_lsn
        assert facts(two).next_xid > facts(one).next_xid
        assert (two.reused, b"3\tfirst" in two.rows["public.t"]) == (0, False)
        assert before.rows.keys() <= two.rows.keys()


def test_a_recovery_that_stopped_at_its_target_is_read_and_is_no_base() -> None:
    """It is paused in recovery: it answers, as a standby does."""
    with archived_server() as (cluster, archive), ExitStack() as copies:
        target = {"restore_command": f"cp {archive}/%f %p", "recovery_target_name": "here", "hot_standby": "on"}
        copied = copies.enter_context(copy_of(cluster, settings=target))
        series = Series(cluster.dsn())
        series.take()
        change(cluster.dsn(), replaced(1, "x"), "SELECT pg_create_restore_point('here')", replaced(2, "undone"))
        series.take()
        archive_all(cluster)
        series.dsn = copied.start().dsn()
        with psycopg.connect(series.dsn, autocommit=True) as connection:
            for _ in range(TRIES_MAX):
                if connection.execute("SELECT pg_get_wal_replay_pause_state()").fetchone() == ("paused",):
                    break
                connection.execute("SELECT pg_sleep(0.02)")
        paused = series.take()
        assert (facts(paused).in_recovery, paused.reused) == (True, 0)
        assert b"2\tundone" not in paused.rows["public.t"]
        with psycopg.connect(series.dsn, autocommit=True) as connection:
            connection.execute("SELECT pg_wal_replay_resume()")
        series.dsn = until_primary(copied)
        change(series.dsn, replaced(3, "after"))
        assert series.take().reused == 0, "its postmaster is the one of the snapshot before, and that was no base"
        assert series.take().reused > 0
