"""Roles that exist, and settings of the database: never altered unasked, always told [RST-3]."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fix_postgres import Cluster
from tests.restore_support import restored, snapshot_of

pytestmark = pytest.mark.postgres

MADE = """
create role api login noinherit; create role web; create role boss createrole;
alter role api set pgrst.db_schemas to 'secret one'; alter role api in database {db} set app.here to 'x';
alter database {db} set app.key to 'secret two'; alter database {db} set app.other to 'y';
grant web to api with admin option; grant web to boss; grant set on parameter log_min_messages to api;
alter role web password 'x'; alter role boss password 'secret'; grant set on parameter log_min_messages to pg_monitor; alter role boss set "App.Odd" to '1';
"""
CHANGED = """
alter role api reset pgrst.db_schemas; alter role web bypassrls; revoke admin option for web from api; revoke web from boss;
grant boss to web; revoke set on parameter log_min_messages from api; grant alter system on parameter work_mem to web;
alter role web password null; revoke set on parameter log_min_messages from pg_monitor; alter role boss reset all;
alter role boss set app.odd to '1'; create role stranger; grant web to stranger; grant stranger to api; grant pg_read_all_data to stranger;
grant pg_read_all_data to pg_monitor; alter role boss password 'secret too'
"""


@pytest.fixture
def made(postgres: Cluster) -> Iterator[str]:
    name = postgres.createdb()
    with postgres.connect(name) as connection:
        connection.execute(MADE.format(db=name).encode())
        connection.execute("create table t (a int); insert into t values (1)")
    yield name
    postgres.dropdb(name)
    with postgres.connect() as connection:
        connection.execute("revoke all on parameter log_min_messages from pg_monitor; drop role if exists stranger")
        connection.execute("revoke pg_read_all_data from pg_monitor")
        connection.execute("drop owned by api, web, boss; drop role api; drop role web; drop role boss")


def ask(cluster: Cluster, db: str, query: str) -> object:
    with cluster.connect(db) as connection:
        return connection.execute(query.encode()).fetchall()[0][0]


SETTINGS = "select coalesce(string_agg(item, ' ' order by item), '') from pg_db_role_setting, unnest(setconfig) item where setdatabase = (select oid from pg_database where datname = current_database())"


def test_all_that_differs_of_existing_roles_is_told_and_left(postgres: Cluster, made: str) -> None:
    snapshot = snapshot_of(postgres.dsn(made))
    target = postgres.createdb()
    try:
        with postgres.connect() as connection:
            connection.execute(CHANGED.encode())
            connection.execute(f"alter database {target} set app.key to 'secret three'".encode())
        done = restored(snapshot, postgres.dsn(target))
        told = {
            line.removeprefix("differs, not changed: ")
            for line in done.shown.splitlines()
            if line.startswith("differs")
        }
        assert told == {
            "role api: setting pgrst.db_schemas is not set",
            "role web: bypass rls is True, was False",
            "api is a member of web without the option ADMIN",
            "boss is not a member of web",
            "web is a member of boss here, and was not",
            "role api may not SET log_min_messages here, and might",
            "role web: it has no password here, and had one",
            "role pg_monitor may not SET log_min_messages here, and might",
            "stranger is a member of web here, and was not",
            "api is a member of stranger here, and was not",
            "stranger is a member of pg_read_all_data here, and was not",
            "pg_monitor is a member of pg_read_all_data here, and was not",
            "role boss: its password is another here, or the same set once more",
            "role web may ALTER SYSTEM SET work_mem here, and might not",
        }
        assert done.failed == {"SETTING app.key": "has another value on the target; -c replaces it"}
        assert "secret" not in done.shown
        assert ask(postgres, target, SETTINGS) == "app.here=x app.key=secret three app.other=y"
        assert ask(postgres, target, "select rolbypassrls from pg_roles where rolname = 'web'") is True
        assert restored(snapshot, postgres.dsn(target), replace=True).failed == {}
        assert ask(postgres, target, SETTINGS) == "app.here=x app.key=secret two app.other=y"
        assert ask(postgres, target, "select rolbypassrls from pg_roles where rolname = 'web'") is True, "never altered"
    finally:
        postgres.dropdb(target)


def test_a_table_alone_says_nothing_of_the_cluster(postgres: Cluster, made: str) -> None:
    snapshot = snapshot_of(postgres.dsn(made))
    target = postgres.createdb()
    try:
        with postgres.connect() as connection:
            connection.execute(CHANGED.encode())
        done = restored(snapshot, postgres.dsn(target), "public.t")
        assert done.failed == {}
        assert "differs" not in done.shown
        assert ask(postgres, target, SETTINGS) == ""
    finally:
        postgres.dropdb(target)
