"""A backup by a superuser of a database in which somebody else owns tables: nothing of theirs may run with its rights.

`evil` is what any owner can write: marked immutable, it calls a volatile function that asks who it is; as a superuser it leaves a file
beside the server's data. Each case is one place where a planner, a type or a name might evaluate it.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.fix_postgres import Cluster
from tests.restore_support import PROGRAMS, differences
from tests.reuse_support import Series, small_extents
from tests.scenarios.capture_support import database, jobs, open_on, read_all
from vault.errors import Incoherent, SourceError
from vault.model import TableName
from vault.ops.backup.reuse import UNPLANNED
from vault.ops.backup.why_read import readings
from vault.ops.project.summary import count_target
from vault.ports import ExtentJob
from vault.source.postgres.connection.connect import connect
from vault.source.postgres.connection.resolve import resolve
from vault.source.postgres.target.database import connect_target

MARK = "evil-was-here"

EVIL = f"""
CREATE SCHEMA app AUTHORIZATION mallory;
SET ROLE mallory;
CREATE FUNCTION app.act() RETURNS int VOLATILE LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
  IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
    COPY (SELECT 1) TO PROGRAM 'cat > {MARK}';
  END IF;
  RETURN 1;
END $$;
CREATE FUNCTION app.evil(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN app.act(); END';
CREATE FUNCTION app.evil_equal(int, int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN app.act() = 1; END';
CREATE OPERATOR app.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = app.evil_equal);
CREATE TABLE app.t (a int, b int);
INSERT INTO app.t SELECT n, n FROM generate_series(1, 500) n;
"""

CASES = {
    "index expression": "CREATE INDEX ON app.t ((a + app.evil(1)))",
    "index predicate": "CREATE INDEX ON app.t (a) WHERE a > app.evil(1)",
    "operator": "CREATE INDEX ON app.t (a) WHERE 1 OPERATOR(app.===) 1",
    "statistics expression": "CREATE STATISTICS app.s ON (a + app.evil(1)), b FROM app.t",
    "exclusion": "ALTER TABLE app.t ADD EXCLUDE USING btree ((a + app.evil(1)) WITH =)",
    "partition": "CREATE TABLE app.root (a int, b int) PARTITION BY RANGE (a); CREATE INDEX ON app.root ((a + app.evil(1)));"
    " ALTER TABLE app.root ATTACH PARTITION app.t FOR VALUES FROM (0) TO (1000)",
    "partition key": "CREATE TABLE app.root (a int, b int) PARTITION BY RANGE ((a + app.evil(1)));"
    " CREATE TABLE app.leaf PARTITION OF app.root FOR VALUES FROM (0) TO (10000); INSERT INTO app.root SELECT a, b FROM app.t",
    "check": "ALTER TABLE app.t ADD CHECK (a > app.evil(1) - 1)",
    "domain in an index": "CREATE DOMAIN app.d AS int CHECK (VALUE > app.evil(1) - 1);"
    " CREATE INDEX ON app.t ((a::app.d)) WHERE 1::app.d > 0",
    "domain of a column": "CREATE DOMAIN app.d AS int CHECK (VALUE > app.evil(1) - 1); ALTER TABLE app.t ADD c app.d DEFAULT 5",
    "generated column": "ALTER TABLE app.t ADD c int GENERATED ALWAYS AS (a + app.evil(1)) STORED",
    "default": "ALTER TABLE app.t ADD c int; ALTER TABLE app.t ALTER c SET DEFAULT app.evil(1)",
    "policy": "ALTER TABLE app.t ENABLE ROW LEVEL SECURITY; ALTER TABLE app.t FORCE ROW LEVEL SECURITY;"
    " CREATE POLICY p ON app.t USING (a > app.evil(1))",
    "view and rule": "CREATE VIEW app.v AS SELECT app.evil(1) AS a; CREATE RULE r AS ON UPDATE TO app.t DO ALSO SELECT app.evil(1)",
    "cast": "CREATE TYPE app.pair AS (x int); CREATE FUNCTION app.cast(app.pair) RETURNS text IMMUTABLE LANGUAGE plpgsql AS"
    " 'BEGIN RETURN app.act(); END'; CREATE CAST (app.pair AS text) WITH FUNCTION app.cast(app.pair) AS IMPLICIT;"
    " ALTER TABLE app.t ADD c app.pair DEFAULT ROW(1)::app.pair",
    "composite with a domain": "CREATE DOMAIN app.d AS int CHECK (VALUE > app.evil(1) - 1); CREATE TYPE app.pair AS (x app.d);"
    " CREATE INDEX ON app.t (a) WHERE ROW(1)::app.pair = ROW(1)::app.pair",
    "array of a domain": "CREATE DOMAIN app.d AS int CHECK (VALUE > app.evil(1) - 1);"
    " CREATE INDEX ON app.t (a) WHERE a = ANY (ARRAY[1, 2]::app.d[])",
    "domain of a domain": "CREATE DOMAIN app.d AS int CHECK (VALUE > app.evil(1) - 1); CREATE DOMAIN app.e AS app.d;"
    " CREATE INDEX ON app.t ((a + 1::app.e))",
    "domain over a composite": "CREATE DOMAIN app.d AS int CHECK (VALUE > app.evil(1) - 1); CREATE TYPE app.pair AS (x app.d);"
    " CREATE DOMAIN app.e AS app.pair; CREATE INDEX ON app.t (a) WHERE (ROW(1)::app.e) IS NOT NULL",
    "check that came after the index": "CREATE DOMAIN app.d AS int; CREATE INDEX ON app.t ((a + 1::app.d));"
    " ALTER DOMAIN app.d ADD CHECK (VALUE > app.evil(1) - 1)",
    "operator in a check of a domain": "CREATE DOMAIN app.d AS int CHECK (VALUE OPERATOR(app.===) 1);"
    " CREATE INDEX ON app.t ((a + 1::app.d))",
    "range with a difference": "CREATE FUNCTION app.difference(int, int) RETURNS float8 IMMUTABLE LANGUAGE plpgsql AS"
    " 'BEGIN RETURN app.act(); END'; CREATE TYPE app.r AS RANGE (subtype = int, subtype_diff = app.difference);"
    " CREATE INDEX ON app.t USING gist (app.r(a, a + 1)) WHERE app.r(1, 3) && app.r(2, 4)",
    "constraint exclusion": "ALTER TABLE app.t ADD CHECK (a > app.evil(1) - 1); RESET ROLE;"
    " DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET constraint_exclusion = on', current_database()); END $$",
    "index of a root's owner on a leaf of the reader": "CREATE TABLE app.root (a int, b int) PARTITION BY RANGE (a);"
    " RESET ROLE; CREATE TABLE app.leaf PARTITION OF app.root FOR VALUES FROM (0) TO (1000); INSERT INTO app.leaf VALUES (1, 1);"
    " SET ROLE mallory; CREATE INDEX ON app.root (a) WHERE a > app.evil(1)",
    "function of somebody else on the reader's table": "RESET ROLE; ALTER TABLE app.t OWNER TO postgres;"
    " CREATE INDEX ON app.t ((a + app.evil(1)))",
    "function of the reader that returns somebody's domain": "CREATE DOMAIN app.d AS int; RESET ROLE; ALTER TABLE app.t OWNER TO postgres;"
    " CREATE FUNCTION app.f(int) RETURNS app.d IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';"
    " CREATE INDEX ON app.t (a) WHERE a > app.f(1); SET ROLE mallory; ALTER DOMAIN app.d ADD CHECK (VALUE > app.evil(1) - 1)",
    "function of the reader with somebody's in its body": "RESET ROLE; ALTER TABLE app.t OWNER TO postgres;"
    " CREATE FUNCTION app.f(int) RETURNS int IMMUTABLE LANGUAGE sql RETURN app.evil($1);"
    " CREATE INDEX ON app.t (a) WHERE a > app.f(1)",
    "names for psql": """CREATE TABLE app."x\\! touch evil-was-here
\\! touch evil-was-here
:'a' `touch evil-was-here`" (":a" int, "\\gexec" int); INSERT INTO app."x\\! touch evil-was-here
\\! touch evil-was-here
:'a' `touch evil-was-here`" VALUES (1, 2)""",
}


@pytest.fixture(scope="module", autouse=True)
def mallory(postgres: Cluster) -> Iterator[None]:
    with postgres.connect() as connection:
        connection.execute("CREATE ROLE mallory LOGIN")
        yield
        connection.execute("DROP ROLE mallory")


def acted(cluster: Cluster) -> bool:
    """Whether the program ran since the last question."""
    with cluster.connect() as connection:
        found = connection.execute("SELECT (pg_stat_file(%s, true)).size IS NOT NULL", [MARK]).fetchall()[0][0]
        if found:
            connection.execute(f"COPY (SELECT 1) TO PROGRAM 'cat; rm {MARK}'")
        return bool(found)


@contextmanager
def hostile(cluster: Cluster, *statements: str) -> Iterator[str]:
    with database(cluster, EVIL, *statements) as name:
        yield name


@pytest.mark.spec("CODE-2")
@pytest.mark.parametrize("case", CASES)
def test_backups_of_a_superuser_run_nothing_of_a_tables_owner(postgres: Cluster, case: str) -> None:
    with hostile(postgres, CASES[case]) as name, small_extents(1):
        acted(postgres)  # building an index of the reader's table runs what is in it, with the reader's knowledge
        series = Series(postgres.dsn(name))
        first = series.take()
        second = series.take()
        assert not acted(postgres)
        assert second.rows == first.rows
        assert len(first.rows["app.t"]) == 500
        assert not Path(MARK).exists()


def test_what_an_owner_wrote_would_run_if_the_table_was_planned(postgres: Cluster) -> None:
    """The other tests would pass if `evil` did nothing."""
    with hostile(postgres, CASES["index predicate"]) as name, postgres.connect(name) as connection:
        connection.execute("BEGIN READ ONLY; SELECT count(*) FROM app.t; COMMIT")
        assert acted(postgres)


SHADOWS = """
CREATE FUNCTION app.current_setting(text) RETURNS text VOLATILE LANGUAGE plpgsql AS 'BEGIN PERFORM app.act(); RETURN pg_catalog.current_setting($1); END';
CREATE FUNCTION app.pg_is_in_recovery() RETURNS bool VOLATILE LANGUAGE plpgsql AS 'BEGIN RETURN app.act() = 0; END';
CREATE FUNCTION app.pg_backend_pid() RETURNS int VOLATILE LANGUAGE plpgsql AS
  'BEGIN PERFORM app.act(); RETURN pg_catalog.pg_backend_pid(); END';
CREATE FUNCTION app.pg_current_wal_insert_lsn() RETURNS pg_lsn VOLATILE LANGUAGE plpgsql AS
  'BEGIN PERFORM app.act(); RETURN pg_catalog.pg_current_wal_insert_lsn(); END';
CREATE FUNCTION app.pg_current_wal_flush_lsn() RETURNS pg_lsn VOLATILE LANGUAGE plpgsql AS
  'BEGIN PERFORM app.act(); RETURN pg_catalog.pg_current_wal_flush_lsn(); END';
CREATE FUNCTION app.pg_logical_emit_message(bool, text, text) RETURNS pg_lsn VOLATILE LANGUAGE plpgsql AS
  'BEGIN PERFORM app.act(); RETURN pg_catalog.pg_logical_emit_message($1, $2, $3); END';
CREATE FUNCTION app.overlap(int[], int[]) RETURNS bool VOLATILE LANGUAGE plpgsql AS 'BEGIN RETURN app.act() = 0; END';
CREATE OPERATOR app.&& (LEFTARG = int[], RIGHTARG = int[], FUNCTION = app.overlap);
CREATE FUNCTION app.same(name, name) RETURNS bool VOLATILE LANGUAGE plpgsql AS
  'BEGIN PERFORM app.act(); RETURN $1 OPERATOR(pg_catalog.=) $2; END';
CREATE OPERATOR app.= (LEFTARG = name, RIGHTARG = name, FUNCTION = app.same);
CREATE FUNCTION app.same(text, text) RETURNS bool VOLATILE LANGUAGE plpgsql AS
  'BEGIN PERFORM app.act(); RETURN $1 OPERATOR(pg_catalog.=) $2; END';
CREATE OPERATOR app.= (LEFTARG = text, RIGHTARG = text, FUNCTION = app.same);
CREATE FUNCTION app.format(text, int, name, text) RETURNS text VOLATILE LANGUAGE plpgsql AS
  'BEGIN PERFORM app.act(); RETURN pg_catalog.format($1, $2, $3, $4); END';
CREATE FUNCTION app.has_schema_privilege(oid, text) RETURNS bool VOLATILE LANGUAGE plpgsql AS 'BEGIN RETURN app.act() = 1; END';
CREATE VIEW app.pg_roles AS SELECT *, app.act() AS acted FROM pg_catalog.pg_roles;
CREATE VIEW app.pg_locks AS SELECT *, app.act() AS acted FROM pg_catalog.pg_locks;
"""
"""What a database's owner can put before pg_catalog, and operators that fit better than PostgreSQL's own wherever they lie."""


def shadowed(cluster: Cluster, name: str) -> None:
    with cluster.connect(name) as connection:
        connection.execute("SET ROLE mallory")
        connection.execute(SHADOWS)
        connection.execute("RESET ROLE")
        connection.execute(f"ALTER DATABASE {name} OWNER TO mallory; SET ROLE mallory")
        connection.execute(f"ALTER DATABASE {name} SET search_path = app, pg_catalog")


@pytest.mark.spec("CODE-1")
def test_no_statement_of_a_backup_takes_a_name_from_the_databases_search_path(postgres: Cluster) -> None:
    with hostile(postgres) as name:
        shadowed(postgres, name)
        said: list[str] = []
        with (
            postgres.connect(name) as writer,
            open_on(postgres.dsn(name), stall_s=0.2, old_transaction_s=0) as capture,
            ThreadPoolExecutor() as pool,
        ):
            writer.execute("BEGIN; SET LOCAL search_path = ''; SELECT pg_current_xact_id()")
            watching = pool.submit(capture.watch, said.append)
            blocked = pool.submit(writer.execute, "LOCK TABLE app.t")
            with pytest.raises(Incoherent, match="had waited"):
                watching.result()
            capture.abort()
            blocked.result()
            writer.execute("ROLLBACK")
        Series(postgres.dsn(name)).take()
        assert not acted(postgres)


def test_no_statement_of_a_restores_plan_takes_a_name_from_the_targets_search_path(postgres: Cluster) -> None:
    with hostile(postgres) as name:
        shadowed(postgres, name)
        target = connect_target(postgres.dsn(name), {}, programs=PROGRAMS)
        target.present()
        target.session("UTF8").close()
        target.close()
        assert not acted(postgres)


@pytest.mark.spec("CODE-3")
@pytest.mark.parametrize("large_table_bytes", [0, 1 << 30])
def test_an_index_that_came_after_the_snapshot_is_not_planned(postgres: Cluster, large_table_bytes: int) -> None:
    with hostile(postgres) as name, open_on(postgres.dsn(name), large_table_bytes=large_table_bytes) as capture:
        (table,) = capture.tables
        assert table.ranges
        with postgres.connect(name) as owner:
            owner.execute("SET ROLE mallory; CREATE STATISTICS app.s ON (a + app.evil(1)), b FROM app.t")
        reader = capture.reader()
        with pytest.raises(Incoherent, match=r"came to call app\.evil"):
            read_all(reader, jobs([table]))
        with pytest.raises(Incoherent, match=r"came to call app\.evil"):
            reader.states([ExtentJob(table=table, start=0, blocks=1)], capture.server.horizon)
        assert not acted(postgres)


def test_functions_of_the_reader_and_of_superusers_are_planned(postgres: Cluster) -> None:
    with (
        database(
            postgres,
            "CREATE FUNCTION public.f(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1'",
            "CREATE TABLE t (a int); CREATE INDEX ON t (public.f(a)) WHERE a > public.f(1)",
        ) as name,
        open_on(postgres.dsn(name)) as capture,
    ):
        (table,) = capture.tables
        assert (table.ranges, table.unplanned) == (True, "")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX ON t (a) WHERE a > public.outer(1)",
        "CREATE STATISTICS s ON (public.outer(1) + a), b FROM t",
        "ALTER TABLE t ADD EXCLUDE USING btree ((a + public.outer(1)) WITH =)",
        "CREATE INDEX ON t (a) WHERE a > 1 / public.zero()",
    ],
)
def test_a_table_whose_own_functions_fail_when_planned_is_backed_up_whole(postgres: Cluster, statement: str) -> None:
    """An SQL function that calls another one unqualified works for the application and not with an empty search path."""
    with database(
        postgres,
        "CREATE FUNCTION public.inner(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1'",
        "CREATE FUNCTION public.outer(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1'",
        "CREATE FUNCTION public.zero() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'",
        "CREATE TABLE t (a int, b int)",
        "INSERT INTO t SELECT n, n FROM generate_series(1, 100) n",
        statement,
        "CREATE OR REPLACE FUNCTION public.outer(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT inner($1)'",
        "CREATE OR REPLACE FUNCTION public.zero() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 0'",
        "CREATE TABLE clean AS SELECT 1 AS a",
    ) as name:
        series = Series(postgres.dsn(name))
        taken = series.take()
        again = series.take()
        told = {
            item.name.name: reading.why_read
            for item, reading in readings(
                series.open.indexed(None).snapshot(again.report.id), series.open.indexed(None).snapshot(taken.report.id)
            )
        }
        assert told == {"clean": None, "t": UNPLANNED}
        assert len(again.rows["public.t"]) == 100


def test_a_function_that_fails_inside_a_statement_of_ours_is_no_change_of_the_database(postgres: Cluster) -> None:
    with (
        database(
            postgres,
            "CREATE FUNCTION public.outer(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1'",
            "CREATE TABLE t (a int)",
        ) as name,
        open_on(postgres.dsn(name)) as capture,
        postgres.connect(name) as owner,
    ):
        owner.execute("CREATE INDEX ON t (a) WHERE a > public.outer(1)")
        owner.execute("SET check_function_bodies = off")
        owner.execute(
            "CREATE OR REPLACE FUNCTION public.outer(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT inner($1)'"
        )
        with pytest.raises(SourceError, match="a function of the database failed") as failed:
            read_all(capture.reader(), jobs(capture.tables))
        assert not isinstance(failed.value, Incoherent)
        assert "SCHEMA.NAME" in failed.value.hint


def test_a_table_of_an_extension_with_somebody_elses_condition_is_read_without_it(postgres: Cluster) -> None:
    """As a trusted-language extension could bring: the condition is text of its script."""
    with hostile(postgres, "RESET ROLE", "CREATE EXTENSION citext") as name, postgres.connect(name) as connection:
        connection.execute(
            "SET allow_system_table_mods = on; UPDATE pg_extension SET extowner = 'mallory'::regrole,"
            " extconfig = ARRAY['app.t'::regclass::oid], extcondition = ARRAY['WHERE a > app.evil(1)'] WHERE extname = 'citext'"
        )
        taken = Series(postgres.dsn(name)).take()
        assert len(taken.rows["app.t"]) == 500
        assert not acted(postgres)


@pytest.mark.spec("CODE-4")
def test_counting_a_target_plans_no_table_of_somebody_else(postgres: Cluster) -> None:
    with hostile(postgres, CASES["index predicate"]) as name:
        with closing(connect(resolve(postgres.dsn(name), {}, allow_cleartext=False))) as session:
            with session.apart(doing="counting"):
                counts = count_target(session, files={})
        assert (counts.tables, counts.records) == (1, 500)
        assert not acted(postgres)


@pytest.mark.spec("CODE-5")
def test_verifying_foreign_keys_plans_no_table_that_the_restore_does_not_write(postgres: Cluster) -> None:
    refer = "RESET ROLE; CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1); GRANT REFERENCES ON parent TO mallory;"
    child = "SET ROLE mallory; CREATE TABLE app.child (id int REFERENCES public.parent); CREATE INDEX ON app.child (id) WHERE id > app.evil(1)"
    with hostile(postgres, refer, child) as name:
        target = connect_target(postgres.dsn(name), {}, programs=PROGRAMS)
        session = target.session("UTF8")
        (found,) = session.broken_references([TableName(schema="public", name="parent")])
        assert (found.rows, found.unverified) == (0, "that would run app.evil(integer)")
        target.close()
        assert not acted(postgres)


@pytest.mark.parametrize("case", ["index expression", "domain in an index"])
def test_a_comparison_reads_hostile_tables_without_planning_them(postgres: Cluster, case: str) -> None:
    with hostile(postgres, CASES[case]) as name:
        assert differences(postgres.dsn(name), postgres.dsn(name)) == []
        assert not acted(postgres)


def test_a_table_in_place_of_a_sequence_is_not_planned(postgres: Cluster) -> None:
    with hostile(postgres, "CREATE SEQUENCE app.numbers") as name, open_on(postgres.dsn(name)) as capture:
        with postgres.connect(name) as owner:
            owner.execute(
                "SET ROLE mallory; DROP SEQUENCE app.numbers; CREATE TABLE app.numbers (last_value int8, is_called bool);"
                " CREATE INDEX ON app.numbers (last_value) WHERE last_value > app.evil(1)"
            )
        with pytest.raises(Incoherent, match=r"numbers.* was replaced"):
            list(capture.sequences())
        assert not acted(postgres)


ESCAPE = """
CREATE FUNCTION app.escape() RETURNS int VOLATILE LANGUAGE plpgsql AS $$
BEGIN
  BEGIN
    PERFORM pg_catalog.set_config('role', 'none', true);
  EXCEPTION WHEN OTHERS THEN NULL;
  END;
  RETURN app.act();
END $$;
CREATE FUNCTION app.evil_escape(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN app.escape(); END';
CREATE INDEX ON app.t (a) WHERE a > app.evil_escape(1);
RESET ROLE;
"""


def test_whoever_a_database_makes_of_its_guests_is_not_trusted(postgres: Cluster) -> None:
    """Its owner can have a superuser's session begin as himself; code that then runs goes back to the superuser."""
    with hostile(postgres, ESCAPE) as name:
        with postgres.connect(name) as connection:
            connection.execute("ALTER ROLE mallory BYPASSRLS; GRANT pg_read_all_data TO mallory")
            connection.execute(f"ALTER DATABASE {name} SET role = mallory")
        acted(postgres)
        with closing(connect(resolve(postgres.dsn(name), {}, allow_cleartext=False))) as session:
            with session.apart(doing="counting"):
                assert session.row("SELECT current_user", doing="asking") == ("mallory",)
                count_target(session, files={})
        with open_on(postgres.dsn(name)) as capture:
            read_all(capture.reader(), jobs(capture.tables))
            assert [table.ranges for table in capture.tables] == [False]
        assert not acted(postgres)
        with postgres.connect() as connection:
            connection.execute("ALTER ROLE mallory NOBYPASSRLS; REVOKE pg_read_all_data FROM mallory")
