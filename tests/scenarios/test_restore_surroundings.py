"""What a definition does not say and a restore needs all the same: an extension's version, a search path, the order of text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fix_postgres import Cluster
from tests.scenarios.capture_support import open_on
from tests.scenarios.extension_support import extension
from tests.scenarios.test_restore_database import ask, database, differences, restored, snapshot_of, text
from vault.ops.restore import run as restore
from vault.ops.restore.plan.plan import plan
from vault.repo.snapshot import Snapshot
from vault.source.postgres.target.database import connect_target

pytestmark = pytest.mark.postgres


@pytest.fixture
def keeper(postgres: Cluster) -> Iterator[str]:
    with extension(postgres) as name:
        yield name


def warnings(snapshot: Snapshot, cluster: Cluster, db: str) -> list[str]:
    target = connect_target(cluster.dsn(db), {})
    try:
        return list(plan(restore.gather(snapshot), target.facts).warnings)
    finally:
        target.close()


VERSION = "SELECT extversion || ' ' || extnamespace::regnamespace FROM pg_extension WHERE extname ~ 'keeper'"


def test_recorded_version_of_an_extension_is_installed_though_the_default_moved_on(
    postgres: Cluster, keeper: str
) -> None:
    script = f'CREATE SCHEMA "k x"; CREATE EXTENSION {keeper} SCHEMA "k x"'
    with database(postgres, script) as source, database(postgres) as ours, database(postgres) as without:
        snapshot = snapshot_of(postgres, source)
        share = Path(str(ask(postgres, source, "SELECT setting FROM pg_config WHERE name = 'SHAREDIR'"))) / "extension"
        (share / f"{keeper}.control").write_text("default_version = '2'\n")
        assert warnings(snapshot, postgres, ours) == []
        assert restored(snapshot, postgres, ours).failed == ()
        assert ask(postgres, ours, VERSION) == '1 "k x"'
        assert differences((postgres, source), (postgres, ours)) == []
        (share / f"{keeper}--1.sql").unlink()
        said = f"extension {keeper}: version 1 is not offered by the target, its default comes instead"
        assert warnings(snapshot, postgres, without) == [said]
        assert restored(snapshot, postgres, without).failed == ()
        assert ask(postgres, without, VERSION) == '2 "k x"'


def test_owner_of_an_extension_is_told(postgres: Cluster, keeper: str) -> None:
    with database(postgres) as source, database(postgres) as ours:
        try:
            with postgres.connect(source) as connection:
                connection.execute("CREATE ROLE keeper_super SUPERUSER; SET SESSION AUTHORIZATION keeper_super")
                connection.execute(text(f"CREATE EXTENSION {keeper}"))
            said = warnings(snapshot_of(postgres, source), postgres, ours)
            assert [line.partition(":")[0] for line in said] == [
                f"extension {keeper} belonged to keeper_super and will belong to postgres"
            ]
        finally:
            with postgres.connect(source) as connection:
                connection.execute("DROP OWNED BY keeper_super; DROP ROLE keeper_super")


UNQUALIFIED = """
    CREATE SCHEMA app; CREATE TABLE app.known (a int PRIMARY KEY); INSERT INTO app.known VALUES (1), (2);
    CREATE FUNCTION app.half(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 2';
    CREATE FUNCTION app.outer_half(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN half($1); END';
    CREATE FUNCTION app.is_known(int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN EXISTS (SELECT FROM known WHERE a = $1); END';
    CREATE TABLE app.t (a int, h int GENERATED ALWAYS AS (app.outer_half(a)) STORED, CHECK (app.is_known(a)));
    CREATE MATERIALIZED VIEW app.m AS SELECT 1 AS x;
    ALTER TABLE app.t OWNER TO path_owner; ALTER TABLE app.known OWNER TO path_owner; GRANT ALL ON SCHEMA app TO path_owner;
"""


@pytest.mark.spec("RST-10")
@pytest.mark.spec("RST-11")
@pytest.mark.parametrize("whose", ["ROLE path_owner", "DATABASE {}", "ROLE path_owner IN DATABASE {}"])
def test_unqualified_names_in_bodies_are_found_in_the_owners_path(pg15: Cluster, whose: str) -> None:
    """On 15; from 17 on indexes are built and views refreshed with a fixed path, in the source as well."""
    with pg15.connect() as connection:
        connection.execute("CREATE ROLE path_owner")
    try:
        with database(pg15) as source, database(pg15) as ours:
            with pg15.connect(source) as connection:
                connection.execute(text(f"ALTER {whose.format(source)} SET search_path TO app, public"))
                connection.execute(text(UNQUALIFIED))
                connection.execute("SET search_path TO app, public; INSERT INTO app.t VALUES (1), (2)")
                connection.execute("CREATE INDEX by_half ON app.t (app.outer_half(a))")
            snapshot = snapshot_of(pg15, source)
            with pg15.connect() as connection:
                connection.execute("ALTER ROLE path_owner RESET search_path")
            assert restored(snapshot, pg15, ours).failed == ()
            assert ask(pg15, ours, "SELECT array_agg(h ORDER BY a)::text FROM app.t") == "{0,1}"
            assert ask(pg15, ours, "SELECT count(*) FROM pg_index WHERE indexrelid = 'app.by_half'::regclass") == 1
            assert differences((pg15, source), (pg15, ours)) == []
    finally:
        with pg15.connect() as connection:
            connection.execute("DROP ROLE path_owner")


def test_names_that_the_owners_path_does_not_hold_are_reported_by_entry(pg15: Cluster) -> None:
    script = """
        CREATE SCHEMA app; CREATE FUNCTION app.half(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 2';
        CREATE FUNCTION app.outer_half(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN half($1); END';
        CREATE TABLE app.t (a int); INSERT INTO app.t VALUES (1); SET search_path = app; CREATE INDEX by_half ON app.t (app.outer_half(a))
    """
    with database(pg15, script) as source, database(pg15) as ours:
        failed = restored(snapshot_of(pg15, source), pg15, ours).failed
        assert [(one.entry, "half(integer) does not exist" in one.why) for one in failed] == [("INDEX by_half", True)]
        assert ask(pg15, ours, "SELECT count(*) FROM app.t") == 1


def test_versions_of_collations_are_recorded(pg15: Cluster) -> None:
    options = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de' LOCALE 'C'"
    name = pg15.createdb(options=options)
    try:
        with pg15.connect(name) as connection:
            connection.execute('CREATE TABLE t (a text COLLATE "sv-x-icu")')
            connection.execute("UPDATE pg_database SET datcollversion = '1' WHERE datname = current_database()")
        with open_on(pg15.dsn(name)) as capture:
            facts = capture.catalog().database
        assert facts["collversion"]
        assert facts["datcollversion"] == "1"
        assert list(json.loads(facts["collations"] or "")) == ['"sv-x-icu"']
        with database(pg15) as ours:
            said = warnings(snapshot_of(pg15, name), pg15, ours)
        assert "sorts text by libc C, the source by icu de" in said[0]
        assert "created with version 1 of its collation" in said[1]
        assert len(said) == 2
    finally:
        pg15.dropdb(name)
