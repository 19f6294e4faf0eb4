"""Reuse and the sessions that read: who they are, with which settings, in which snapshot, and what no rule can see.

As in test_reuse_counterexamples every backup is compared with a dump of the same moment. Spec 85-reuse.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.fix_postgres import Cluster
from tests.reuse_support import Series, small_extents
from tests.scenarios.capture_support import database
from vault.errors import PermissionMissing
from vault.source.postgres.capture.database import PostgresCapture

pytestmark = pytest.mark.postgres

ROWS = 2_000
TABLE = (
    f"CREATE TABLE t (id integer, note text); INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, {ROWS}) AS i"
)
POLICY = "ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON t USING (id < 10)"
SETTINGS = {
    "DateStyle": "German",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Tokyo",
    "extra_float_digits": "0",
    "bytea_output": "escape",
    "lc_monetary": "C",
    "search_path": "nowhere",
    "enable_tidscan": "off",
    "synchronize_seqscans": "on",
    "max_parallel_workers_per_gather": "4",
}
TYPED = (
    "CREATE TABLE t AS SELECT i AS id, now() AS at, interval '1 day 2 hours' AS span, 0.1::float8 + i AS f, '\\xff00'::bytea AS b,"
    " i::money AS m, i::text AS note FROM generate_series(1, 3000) AS i"
)


@pytest.fixture(autouse=True)
def _small_extents() -> Iterator[None]:
    with small_extents(8):
        yield


@pytest.fixture
def reader(pg15: Cluster) -> Iterator[str]:
    """A role that may read everything for the moment."""
    with pg15.connect() as connection:
        connection.execute("CREATE ROLE reuse_reader LOGIN BYPASSRLS; GRANT pg_read_all_data TO reuse_reader")
        yield "reuse_reader"
        connection.execute("DROP ROLE reuse_reader")


@contextmanager
def read_by(
    cluster: Cluster, role: str, *setup: str
) -> Iterator[tuple[Series, psycopg.Connection[tuple[object, ...]]]]:
    """A series that `role` reads, and a superuser's connection."""
    with database(cluster, TABLE, *setup) as name, cluster.connect(name) as superuser:
        yield Series(cluster.dsn(name).replace("user=postgres", f"user={role}")), superuser


def snapshots(series: Series) -> int:
    return sum(name.startswith("snapshots/") for name in series.files)


def test_a_reader_who_becomes_filtered_between_two_days_is_refused(pg15: Cluster, reader: str) -> None:
    """Its counts would be too small, or equal by chance, and no row it sees would be new."""
    with read_by(pg15, reader, POLICY) as (series, superuser):
        series.take()
        superuser.execute(f"ALTER ROLE {reader} NOBYPASSRLS")
        with pytest.raises(PermissionMissing, match="may not see all rows"):
            series.take()
        superuser.execute(f"ALTER ROLE {reader} BYPASSRLS")
        assert (snapshots(series), series.take().reused > 0) == (1, True)


def test_a_reader_who_becomes_filtered_while_the_backup_runs_ends_it(pg15: Cluster, reader: str) -> None:
    """The snapshot is open and its tables are locked; counting and reading are still to come."""
    with read_by(pg15, reader, POLICY) as (series, superuser):
        series.take()

        def filter_it(capture: PostgresCapture) -> None:
            superuser.execute(f"ALTER ROLE {reader} NOBYPASSRLS")

        with pytest.raises(PermissionMissing, match="looking for changes"):
            series.take(opened=filter_it)
        superuser.execute(f"ALTER ROLE {reader} BYPASSRLS")
        assert snapshots(series) == 1


def test_a_reader_who_may_read_some_columns_only_is_refused(pg15: Cluster, reader: str) -> None:
    with read_by(pg15, reader) as (series, superuser):
        series.take()
        superuser.execute(f"REVOKE pg_read_all_data FROM {reader}; GRANT SELECT (id) ON t TO {reader}")
        with pytest.raises(PermissionMissing, match=r'tables cannot be read: "public"."t"'):
            series.take()
        assert snapshots(series) == 1
        superuser.execute(f"DROP OWNED BY {reader}")


def test_settings_of_the_database_change_no_text(postgres: Cluster) -> None:
    with database(postgres, TYPED) as name:
        series = Series(postgres.dsn(name))
        before = series.take()
        with postgres.connect(name) as connection:
            for setting, value in SETTINGS.items():
                connection.execute(f"ALTER DATABASE {name} SET {setting} = '{value}'")
        after = series.take()
        assert (after.reused, after.rows) == (before.extents, before.rows)
        assert series.take(full=True).rows == before.rows


def test_ids_used_between_the_snapshot_and_the_question_hide_no_row(postgres: Cluster) -> None:
    """[A6] Ages grow while the backup runs; the horizon's as a number fetched earlier would be too small.

    The new version of the last row lies in the same extent, which has as many rows as before: only its age tells.
    """
    with database(postgres, TABLE) as name, postgres.connect(name) as writer:
        series = Series(postgres.dsn(name))
        series.take()
        writer.execute(f"UPDATE t SET note = 'x' WHERE id = {ROWS}")

        def use_ids(capture: PostgresCapture) -> None:
            for _ in range(40):
                writer.execute("SELECT pg_current_xact_id()")

        after = series.take(opened=use_ids)
        assert f"{ROWS}\tx".encode() in after.rows["public.t"]
        assert 0 < after.reused < after.extents


def test_rows_are_asked_for_in_the_snapshot_that_is_read(postgres: Cluster) -> None:
    """What changes after the export is not of this day, and is seen the next."""
    with database(postgres, TABLE) as name, postgres.connect(name) as writer:
        series = Series(postgres.dsn(name))
        before = series.take()

        def change(capture: PostgresCapture) -> None:
            writer.execute(
                "DELETE FROM t WHERE id = 1; UPDATE t SET note = 'x' WHERE id = 2; INSERT INTO t VALUES (0, 'y')"
            )

        during = series.take(opened=change)
        assert (during.reused, during.rows) == (before.extents, before.rows)
        after = series.take()
        assert {b"2\tx", b"0\ty"} <= set(after.rows["public.t"])
        assert 0 < after.reused < after.extents


def test_definitions_that_change_once_are_printed_as_they_are_at_the_end(pg15: Cluster) -> None:
    """[A9] Rows that were read before the change are thrown away with their attempt."""
    setup = "CREATE TYPE e AS ENUM ('a', 'b'); CREATE TABLE t AS SELECT i AS id, 'a'::e AS v FROM generate_series(1, 9000) AS i"
    with database(pg15, setup) as name, pg15.connect(name) as writer:
        series = Series(pg15.dsn(name))
        series.take()
        renames = ["ALTER TYPE e RENAME VALUE 'a' TO 'x'"]

        def rename(capture: PostgresCapture) -> None:
            if renames:
                writer.execute(renames.pop())

        during = series.take(opened=rename)
        assert (during.reused, during.rows["public.t"][0]) == (0, b"1\tx")
        assert series.take().reused == during.extents


def test_sequences_are_read_every_day(pg15: Cluster) -> None:
    """They change in place, and no horizon tells."""
    with database(pg15, "CREATE SEQUENCE q", TABLE) as name, pg15.connect(name) as connection:
        series = Series(pg15.dsn(name))
        values = []
        for _ in range(2):
            connection.execute("SELECT nextval('q') FROM generate_series(1, 5)")
            taken = series.take()
            values += [item.last_value for item in series.open.indexed(None).snapshot(taken.report.id).sequences()]
        assert (values, taken.reused) == ([5, 10], taken.extents)


SURGERY = {
    "killed": "SELECT heap_force_kill('t'::regclass, ARRAY['(0,3)']::tid[])",
    "brought back": "SELECT heap_force_freeze('t'::regclass, ARRAY['(0,1)']::tid[])",
}


@pytest.mark.parametrize("what", SURGERY)
def test_one_row_that_surgery_took_or_brought_back_is_seen(pg15: Cluster, what: str) -> None:
    """pg_surgery edits tuples in place and leaves no new id; the count tells. Room in its page keeps a deleted row from being pruned."""
    loose = TABLE.replace("text)", "text) WITH (fillfactor = 50, autovacuum_enabled = off)", 1)
    with database(pg15, "CREATE EXTENSION pg_surgery", loose, "DELETE FROM t WHERE id = 1") as name:
        series = Series(pg15.dsn(name))
        before = series.take()
        with pg15.connect(name) as connection:
            connection.execute(SURGERY[what])
        after = series.take()
        assert len(after.rows["public.t"]) == len(before.rows["public.t"]) + (1 if what == "brought back" else -1)
        assert 0 < after.reused < after.extents


@pytest.mark.spec("REUSE-4")
def test_rows_that_surgery_exchanged_are_found_by_the_sample(pg15: Cluster) -> None:
    """One killed, one brought back: equal counts and no new id, which no condition sees. The only extent is always in the sample."""
    small = "CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 100) AS i"
    with database(pg15, "CREATE EXTENSION pg_surgery", small, "DELETE FROM t WHERE id = 1") as name:
        series = Series(pg15.dsn(name))
        assert series.take().extents == 1
        with pg15.connect(name) as connection:
            for statement in SURGERY.values():
                connection.execute(statement)
        after = series.take(suspect=True)
        assert b"1" in after.rows["public.t"]
        assert b"3" not in after.rows["public.t"]
        assert series.take().reused == 0, "its base is what is in doubt"
        assert series.take().reused == 1
