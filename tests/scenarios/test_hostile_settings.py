"""A database whose owner set what changes the meaning of text: nothing that is read from it, or brought into it, is another value then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg import sql

from tests.fix_postgres import Cluster
from tests.put_back_support import projects
from tests.restore_support import differences, restored, snapshot_of

pytestmark = pytest.mark.postgres

SCHEMA = r"""
CREATE TABLE t (id int PRIMARY KEY, words text[], numbers int[], at timestamptz, day date, span interval, raw bytea, n float8, m money);
INSERT INTO t VALUES
  (1, ARRAY['a', NULL, 'NULL', 'b\c'], ARRAY[1, NULL], '2026-03-04 05:06:07+02', '2026-03-04', '-1 mons +2 days -03:04:05',
   '\x00ff5c', 0.1::float8 + 0.2, '12.34');
CREATE VIEW never AS SELECT id FROM t WHERE words[1] = NULL;
CREATE POLICY p ON t USING (words[1] = NULL);
CREATE FUNCTION slashed() RETURNS text LANGUAGE sql AS 'SELECT ''a\b''::text';
CREATE FUNCTION nothing(a text DEFAULT 'c:\new') RETURNS bool LANGUAGE sql RETURN a = NULL;
COMMENT ON TABLE t IS 'back\slash ''quote''';
CREATE TABLE constrained (a text CHECK (a <> 'x\y' AND (a = NULL) IS NULL), b int DEFAULT 7);
"""
SETTINGS = {
    "array_nulls": "off",
    "transform_null_equals": "on",
    "standard_conforming_strings": "off",
    "backslash_quote": "on",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Pacific/Auckland",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "xmloption": "document",
    "quote_all_identifiers": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "exit_on_error": "on",
    "check_function_bodies": "on",
    "enable_tidscan": "off",
    "search_path": "nowhere",
    "row_security": "on",
    "client_encoding": "SJIS",
    "statement_timeout": "20min",
    "gin_fuzzy_search_limit": "1",
}


def set_for(cluster: Cluster, name: str) -> None:
    """Sessions of the database begin with SETTINGS from now on."""
    with cluster.connect(name) as connection:
        for setting, value in SETTINGS.items():
            words = sql.SQL("ALTER DATABASE {} SET {} = {}")
            connection.execute(words.format(sql.Identifier(name), sql.Identifier(setting.lower()), sql.Literal(value)))


@contextmanager
def database(cluster: Cluster, *statements: str, odd: bool = True) -> Iterator[str]:
    """`odd`: its sessions begin with SETTINGS."""
    name = cluster.createdb()
    try:
        with cluster.connect(name) as connection:
            for statement in statements:
                connection.execute(statement.encode())
        if odd:
            set_for(cluster, name)
        yield name
    finally:
        cluster.dropdb(name)


@pytest.fixture
def plain(postgres: Cluster) -> Iterator[str]:
    with database(postgres, SCHEMA, odd=False) as name:
        yield name


@pytest.mark.spec("RST-28")
def test_a_target_of_other_settings_gets_the_very_values_and_definitions(postgres: Cluster, plain: str) -> None:
    snapshot = snapshot_of(postgres.dsn(plain))
    with database(postgres) as target:
        done = restored(snapshot, postgres.dsn(target))
        assert done.failed == {}
        assert differences(postgres.dsn(plain), postgres.dsn(target)) == []
        with postgres.connect(target) as connection:
            words = "SELECT words[2] IS NULL, words[3], (SELECT count(*) FROM public.never) FROM public.t"
            assert connection.execute(words.encode()).fetchall() == [(True, "NULL", 0)]


def test_rows_come_back_one_by_one_into_such_a_target(postgres: Cluster, plain: str) -> None:
    snapshot = snapshot_of(postgres.dsn(plain))
    with database(postgres, SCHEMA, "UPDATE t SET words = NULL, numbers = NULL", "DELETE FROM constrained") as target:
        assert restored(snapshot, postgres.dsn(target), "public.t", replace=True, definitions=False).failed == {}
        assert differences(postgres.dsn(plain), postgres.dsn(target)) == []


def test_a_source_of_other_settings_is_read_as_any_other(postgres: Cluster, plain: str) -> None:
    with database(postgres, SCHEMA) as source, database(postgres) as target:
        assert differences(postgres.dsn(plain), postgres.dsn(source)) == []
        assert restored(snapshot_of(postgres.dsn(source)), postgres.dsn(target)).failed == {}
        assert differences(postgres.dsn(plain), postgres.dsn(target)) == []


def test_what_undoes_a_put_back_brings_the_very_values(postgres: Cluster, tmp_path: Path) -> None:
    with projects(postgres, tmp_path) as make:
        project = make("CREATE TABLE t (id int PRIMARY KEY, words text[]); INSERT INTO t VALUES (1, '{a,NULL}')")
        good = project.take()
        project.run("UPDATE t SET words = '{NULL,\"NULL\",b}'")
        bad, before = project.take(), project.rows()
        (name,) = (str(row[0]) for row in project.ask("SELECT current_database()"))
        set_for(postgres, name)
        done = project.put_back(good, bad, "t")
        assert project.ask("SELECT words FROM public.t") == [(["a", None],)]
        assert project.undo(done).returncode == 0
        assert project.rows() == before
