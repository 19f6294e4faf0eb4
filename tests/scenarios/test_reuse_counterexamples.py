"""Everything known that could make a changed extent look unchanged, done to a real server between two backups.

Each: back up, do it, back up again; `Series.take` compares every backup with an independent COPY in the very same snapshot. How much is
reused is asserted too, where it tells that a condition works, or that reuse happens at all. Spec 85-reuse.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fix_postgres import Cluster
from tests.reuse_support import Series, Taken, small_extents
from tests.scenarios.capture_support import database
from vault.ops.backup.reuse import snapshot_reason
from vault.source.postgres.capture.database import PostgresCapture

pytestmark = pytest.mark.postgres

BLOCKS = 8
ROWS = 2_000
TABLE = (
    f"CREATE TABLE t (id integer, note text); INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, {ROWS}) AS i"
)
LABELS = (
    "CREATE TYPE e AS ENUM ('a', 'b'); CREATE TABLE t AS SELECT i AS id, 'a'::e AS v FROM generate_series(1, 9000) AS i"
)
PRINTED = (
    "CREATE TYPE p; CREATE FUNCTION p_in(cstring) RETURNS p LANGUAGE internal IMMUTABLE STRICT AS 'textin';"
    "CREATE FUNCTION p_out(p) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';"
    "CREATE TYPE p (INPUT = p_in, OUTPUT = p_out, LIKE = text);"
    "CREATE TABLE t AS SELECT i, i::text::p AS v FROM generate_series(1, 3000) AS i"
)
ACLS = (
    "CREATE ROLE reuse_c; CREATE TABLE r (); GRANT SELECT ON r TO reuse_c;"
    "CREATE TABLE t AS SELECT i, (SELECT ARRAY[c] FROM pg_class AS c WHERE relname = 'r') AS v FROM generate_series(1, 999) AS i"
)
AT_ONCE = "CREATE ROLE reuse_a; CREATE TABLE t AS SELECT i AS id, makeaclitem('reuse_a'::regrole, 'postgres'::regrole, 'SELECT', false) AS v FROM generate_series(1, 3000) AS i"


@pytest.fixture(autouse=True)
def _small_extents() -> Iterator[None]:
    with small_extents(BLOCKS):
        yield


def two_days(cluster: Cluster, setup: str, change: str) -> tuple[Taken, Taken]:
    with database(cluster, setup) as name:
        series = Series(cluster.dsn(name))
        before = series.take()
        with cluster.connect(name) as connection:
            for statement in change.split("\n"):
                connection.execute(statement)
        return before, series.take()


ALL_READ = {
    "vacuum full": (TABLE, "DELETE FROM t WHERE id % 2 = 0\nVACUUM FULL t"),
    "vacuum full of the same rows": (TABLE, "VACUUM FULL t"),
    "cluster": (TABLE + "; CREATE INDEX i ON t (note)", "CLUSTER t USING i"),
    "truncate": (TABLE, f"TRUNCATE t; INSERT INTO t SELECT i, md5((-i)::text) FROM generate_series(1, {ROWS}) AS i"),
    "other access method": (
        "CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler; " + TABLE.replace("text)", "text) USING other", 1),
        "SELECT 1",
    ),
    "set access method": (
        "CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler; " + TABLE,
        "ALTER TABLE t SET ACCESS METHOD other",
    ),
    "set unlogged": (TABLE, "ALTER TABLE t SET UNLOGGED"),
    "set logged": (TABLE.replace("TABLE t", "UNLOGGED TABLE t"), "ALTER TABLE t SET LOGGED"),
    "enum label renamed": (LABELS, "ALTER TYPE e RENAME VALUE 'a' TO 'x'"),
    "enum labels swapped": (
        LABELS,
        "ALTER TYPE e RENAME VALUE 'a' TO 'x'\nALTER TYPE e RENAME VALUE 'b' TO 'a'\nALTER TYPE e RENAME VALUE 'x' TO 'b'",
    ),
    "label of an array's enum": (
        LABELS.replace("'a'::e", "ARRAY['a', 'b']::e[]"),
        "ALTER TYPE e RENAME VALUE 'b' TO 'c'",
    ),
    "label below a domain": (
        "CREATE TYPE e AS ENUM ('a'); CREATE DOMAIN d AS e; CREATE TABLE t AS SELECT i, 'a'::d AS v FROM generate_series(1, 3000) AS i",
        "ALTER TYPE e RENAME VALUE 'a' TO 'x'",
    ),
    "label below a range": (
        "CREATE TYPE e AS ENUM ('a', 'b'); CREATE TYPE r AS RANGE (SUBTYPE = e); CREATE TABLE t AS SELECT i, r('a', 'b') AS v FROM generate_series(1, 3000) AS i",
        "ALTER TYPE e RENAME VALUE 'a' TO '0'",
    ),
    "attribute of a composite": (
        "CREATE TYPE c AS (a integer); CREATE TABLE t AS SELECT i, ROW(i)::c AS v FROM generate_series(1, 3000) AS i",
        "ALTER TYPE c ADD ATTRIBUTE b text",
    ),
    "attribute of a composite dropped": (
        "CREATE TYPE c AS (a integer, b text); CREATE TABLE t AS SELECT i, ROW(i, 'x')::c AS v FROM generate_series(1, 3000) AS i",
        "ALTER TYPE c DROP ATTRIBUTE b",
    ),
    "column of a row type": (
        "CREATE TABLE r (a integer); CREATE TABLE t AS SELECT i, ROW(i)::r AS v FROM generate_series(1, 3000) AS i",
        "ALTER TABLE r ADD COLUMN b text",
    ),
    "timestamptz to timestamp": (
        "CREATE TABLE t AS SELECT i, now() AS v FROM generate_series(1, 3000) AS i",
        "SET TimeZone = 'UTC'; ALTER TABLE t ALTER v TYPE timestamp",
    ),
    "longer varchar": (
        "CREATE TABLE t AS SELECT i, i::text::varchar(9) AS v FROM generate_series(1, 3000) AS i",
        "ALTER TABLE t ALTER v TYPE varchar(10)",
    ),
    "wider numeric": (
        "CREATE TABLE t AS SELECT i, i::numeric(8, 2) AS v FROM generate_series(1, 3000) AS i",
        "ALTER TABLE t ALTER v TYPE numeric(9, 2)",
    ),
    "output function replaced": (
        PRINTED,
        "CREATE OR REPLACE FUNCTION p_out(p) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'byteaout'",
    ),
    "extension updated": (
        "CREATE EXTENSION hstore VERSION '1.4'; CREATE TABLE t AS SELECT i, hstore('k', i::text) AS v FROM generate_series(1, 3000) AS i",
        "ALTER EXTENSION hstore UPDATE",
    ),
    "setting of an output function": (
        "CREATE EXTENSION cube; CREATE TABLE t AS SELECT i, cube(i / 7.0::float8) AS v FROM generate_series(1, 3000) AS i",
        "ALTER FUNCTION cube_out(cube) SET extra_float_digits = -9",
    ),
    "regclass": (
        "CREATE TABLE r (); CREATE TABLE t AS SELECT i, 'r'::regclass AS v FROM generate_series(1, 3000) AS i",
        "ALTER TABLE r RENAME TO r2",
    ),
    "role below an array of catalog rows": (ACLS, "ALTER ROLE reuse_c RENAME TO reuse_d\nREVOKE SELECT ON r FROM reuse_d\nDROP ROLE reuse_d"),
    "role below an aclitem": (AT_ONCE, "ALTER ROLE reuse_a RENAME TO reuse_b\nDROP ROLE reuse_b"),
    "fast default": (TABLE, "ALTER TABLE t ADD COLUMN more integer DEFAULT 7"),
    "column dropped": (TABLE, "ALTER TABLE t DROP COLUMN note"),
    "column dropped and added": (TABLE, "ALTER TABLE t DROP COLUMN note\nALTER TABLE t ADD COLUMN note text DEFAULT 'x'"),
    "column renamed": (TABLE, "ALTER TABLE t RENAME note TO remark"),
    "created again": (TABLE, "DROP TABLE t; " + TABLE),
    "swapped names": (TABLE + "; CREATE TABLE u AS SELECT id, upper(note) AS note FROM t",
                      "ALTER TABLE t RENAME TO x; ALTER TABLE u RENAME TO t; ALTER TABLE x RENAME TO u"),
}  # fmt: skip
"""What -> (first, then): storage or text changes though no row was written."""


@pytest.mark.parametrize("what", ALL_READ)
def test_other_storage_or_other_text_is_read_again(pg15: Cluster, what: str) -> None:
    before, after = two_days(pg15, *ALL_READ[what])
    assert before.extents > 0
    assert after.reused == 0


@pytest.mark.parametrize("what", ["enum labels swapped", "fast default", "vacuum full", "attribute of a composite"])
def test_the_newest_server_hides_no_change_either(pg18: Cluster, what: str) -> None:
    assert two_days(pg18, *ALL_READ[what])[1].reused == 0


SOME_READ = {
    "one row": "UPDATE t SET note = 'x' WHERE id = 1000",
    "one row gone": "DELETE FROM t WHERE id = 1",
    "one gone and one new in the same extent": "DELETE FROM t WHERE id = 1\nVACUUM t\nINSERT INTO t VALUES (1, 'x')",
    "gone and new in one statement": "DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (2, 'x')",
    "rolled back to a savepoint": "BEGIN; UPDATE t SET note = 'a' WHERE id = 1; SAVEPOINT s; UPDATE t SET note = 'b'; ROLLBACK TO s; COMMIT",
    "end of the table gone": f"DELETE FROM t WHERE id > {ROWS // 2}\nVACUUM t",
    "moved between extents": "UPDATE t SET id = id WHERE id = 3",
}


@pytest.mark.parametrize("what", SOME_READ)
def test_only_extents_with_changed_rows_are_read(postgres: Cluster, what: str) -> None:
    before, after = two_days(postgres, TABLE, SOME_READ[what])
    assert 0 < after.reused < before.extents


ALL_REUSED = {
    "nothing": (TABLE, "SELECT 1"),
    "locks": (TABLE, "BEGIN; SELECT FROM t FOR UPDATE; COMMIT\nBEGIN; SELECT FROM t FOR SHARE; COMMIT"),
    "aborted rows": (
        TABLE,
        "BEGIN; UPDATE t SET note = 'x' WHERE id = 1; INSERT INTO t VALUES (0, 'x'); DELETE FROM t; ROLLBACK",
    ),
    "freeze": (TABLE, "VACUUM FREEZE t\nANALYZE t"),
    "index": (TABLE, "CREATE INDEX ON t (id)"),
    "attach": (
        TABLE + "; CREATE TABLE p (LIKE t) PARTITION BY RANGE (id)",
        "ALTER TABLE p ATTACH PARTITION t FOR VALUES FROM (0) TO (100000)",
    ),
    "detach": (
        "CREATE TABLE p (id integer, note text) PARTITION BY RANGE (id);"
        "CREATE TABLE t PARTITION OF p FOR VALUES FROM (0) TO (99999);" + TABLE.split(";")[1],
        "ALTER TABLE p DETACH PARTITION t",
    ),
    "label added": (LABELS.split(";")[0] + ";" + TABLE, "ALTER TYPE e ADD VALUE 'c'"),
}


@pytest.mark.parametrize("what", ALL_REUSED)
def test_what_writes_no_row_leaves_all_reused(postgres: Cluster, what: str) -> None:
    before, after = two_days(postgres, *ALL_REUSED[what])
    assert after.reused == before.extents > 2
    assert after.report.manifest.effort.read_bytes < before.report.manifest.effort.read_bytes


def test_rows_of_an_inheriting_table_are_not_its_parents(pg15: Cluster) -> None:
    child = "CREATE TABLE child () INHERITS (t)"
    before, after = two_days(pg15, TABLE, child + "\nINSERT INTO child SELECT * FROM t")
    assert (after.reused, len(after.rows["public.t"])) == (before.extents, ROWS)


def test_a_subtransaction_that_is_open_at_the_snapshot_is_seen_later(postgres: Cluster) -> None:
    """[E1] Its id is in no list of the snapshot, and later ids have ended before the snapshot.

    The last row is replaced in its own extent, so that only ages tell.
    """
    later = f"{ROWS}\tlater".encode()
    with database(postgres, TABLE) as name, postgres.connect(name) as writer, postgres.connect(name) as other:
        writer.execute(
            f"BEGIN; SAVEPOINT s; DELETE FROM t WHERE id = {ROWS}; INSERT INTO t VALUES ({ROWS}, 'later'); RELEASE s"
        )
        for _ in range(2):
            other.execute("SELECT pg_current_xact_id()")
        series = Series(postgres.dsn(name))
        assert later not in series.take().rows["public.t"]
        writer.execute("COMMIT")
        after = series.take()
        assert later in after.rows["public.t"]
        assert 0 < after.reused == after.extents - 1


def test_a_parent_that_is_newer_than_the_snapshot_is_not_taken_over(pg15: Cluster) -> None:
    """[A5] While one backup is opened, rows change and another backup begins and ends."""
    with database(pg15, TABLE) as name, pg15.connect(name) as writer:
        series = Series(pg15.dsn(name))
        series.take()
        inner: list[Taken] = []

        def overtake(capture: PostgresCapture) -> None:
            writer.execute("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'newer')")
            inner.append(series.take())
            assert snapshot_reason(inner[0].report.manifest, capture.server) != ""

        outer = series.take(opened=overtake)
        assert outer.rows != inner[0].rows
        assert series.take().rows == inner[0].rows


def test_a_clone_that_was_given_the_databases_name_is_another_database(pg15: Cluster) -> None:
    """[A7] Same table oid, file node and transaction ids."""
    with database(pg15, TABLE) as name:
        clone = pg15.createdb(options=f"TEMPLATE {name}")
        for at, note in ((name, "here"), (clone, "there")):
            with pg15.connect(at) as connection:
                connection.execute(f"DELETE FROM t WHERE id = 7; INSERT INTO t VALUES (7, '{note}')")
        series = Series(pg15.dsn(name))
        series.take()
        with pg15.connect() as connection:
            connection.execute(f"ALTER DATABASE {name} RENAME TO {name}_old")
            connection.execute(f"ALTER DATABASE {clone} RENAME TO {name}")
        after = series.take()
        assert (after.reused, b"7\tthere" in after.rows["public.t"]) == (0, True)
        pg15.dropdb(f"{name}_old")


@pytest.fixture
def tablespace(pg15: Cluster) -> Iterator[str]:
    with pg15.connect() as connection:
        connection.execute("SET allow_in_place_tablespaces = on")
        connection.execute("CREATE TABLESPACE reuse_space LOCATION ''")
        yield "reuse_space"
        connection.execute("DROP TABLESPACE reuse_space")


def test_a_table_that_moved_to_another_tablespace_and_back_is_read_again(pg15: Cluster, tablespace: str) -> None:
    with database(pg15, TABLE) as name, pg15.connect(name) as connection:
        series = Series(pg15.dsn(name))
        series.take()
        for place in (tablespace, "pg_default"):
            connection.execute(f"ALTER TABLE t SET TABLESPACE {place}")
            connection.execute("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'x')")
            assert series.take().reused == 0


def test_a_database_that_moved_as_a_whole_is_read_once_and_then_reused(pg15: Cluster, tablespace: str) -> None:
    with database(pg15, TABLE) as name:
        series = Series(pg15.dsn(name))
        before = series.take()
        with pg15.connect() as connection:
            connection.execute(f"ALTER DATABASE {name} SET TABLESPACE {tablespace}")
        assert series.take().reused == 0, "the database's own row was written: it could be another one with this oid"
        assert series.take().reused == before.extents
        with pg15.connect(name) as connection:
            connection.execute("UPDATE t SET note = 'x' WHERE id = 1")
        assert 0 < series.take().reused < before.extents


def test_a_role_that_sees_other_rows_does_not_matter(pg15: Cluster) -> None:
    """A reader whom row-level security could filter is refused before reuse is asked for; a policy hides nothing from the other."""
    policy = "ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (id < 10)"
    before, after = two_days(pg15, TABLE, policy)
    assert (after.reused, len(after.rows["public.t"])) == (before.extents, ROWS)


def test_what_a_reused_table_is_besides_its_rows_is_told_as_it_is_now(pg15: Cluster) -> None:
    """Rows are taken over; the way in which they must be loaded, and their key, are not [B4]."""
    setup = (
        "CREATE TYPE e AS ENUM ('a', 'b'); CREATE TABLE root (v e, id integer) PARTITION BY HASH (v);"
        "CREATE TABLE t (v e, id integer NOT NULL); INSERT INTO t SELECT 'a', i FROM generate_series(1, 9) AS i;"
        "CREATE TABLE many AS SELECT generate_series(1, 40000) AS i"
    )
    attach = (
        "ALTER TABLE root ATTACH PARTITION t FOR VALUES WITH (MODULUS 1, REMAINDER 0); CREATE UNIQUE INDEX ON t (id)"
    )
    with database(pg15, setup) as name:
        series = Series(pg15.dsn(name))
        before = series.take()
        with pg15.connect(name) as connection:
            connection.execute(attach)
        after = series.take()
        tables = series.open.indexed(None).snapshot(after.report.id).tables()
        [item] = [table for table in tables if table.name.name == "t"]
        assert after.reused == before.extents
        assert item.key_columns == ("id",)
        assert item.load_via_root is not None
        assert item.load_via_root.name == "root"
