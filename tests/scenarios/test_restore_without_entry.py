"""Facts about objects that have no entry in pg_dump's list: schema public, what is built in, languages, members of extensions.

[SNAP-7] [SEL-8] [SEL-9]
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fix_postgres import Cluster
from tests.fix_supabase import Platform
from tests.restore_support import Restored, differences, restored, snapshot_of
from vault.repo.snapshot import Snapshot

pytestmark = pytest.mark.postgres

SCHEMA = """
create table t (a int primary key); insert into t values (1); grant select on t to web_anon;
grant usage on schema public to web_anon; comment on schema public is 'mine';
grant execute on function pg_sleep to web_anon; revoke execute on function pg_stat_get_activity(int) from public;
grant select on pg_authid to web_user; grant usage on language plpgsql to web_user; revoke usage on language sql from public;
create schema ext; create extension citext schema ext; revoke execute on function ext.citext_eq from public;
"""
RECREATED = "drop schema public cascade; create schema public"


class Source:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.name = cluster.createdb()
        with cluster.connect(self.name) as connection:
            connection.execute(SCHEMA.encode())
        self.snapshot: Snapshot = snapshot_of(cluster.dsn(self.name))


@pytest.fixture(scope="module")
def source(postgres: Cluster) -> Iterator[Source]:
    with postgres.connect() as connection:
        connection.execute("create role web_anon; create role web_user")
    made = Source(postgres)
    yield made
    postgres.dropdb(made.name)
    with postgres.connect() as connection:
        connection.execute("drop role web_anon; drop role web_user")


class Damaged:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.name = source.cluster.createdb(options=f"TEMPLATE {source.name}")

    def after(self, damage: str, *only: str, replace: bool = False) -> Restored:
        with self.source.cluster.connect(self.name) as connection:
            connection.execute(damage.encode())
        return restored(self.source.snapshot, self.source.cluster.dsn(self.name), *only, replace=replace)

    def differences(self) -> set[tuple[str, str]]:
        cluster = self.source.cluster
        return {(one.kind, one.name) for one in differences(cluster.dsn(self.source.name), cluster.dsn(self.name))}

    def ask(self, query: str) -> object:
        with self.source.cluster.connect(self.name) as connection:
            return connection.execute(query.encode()).fetchall()[0][0]


@pytest.fixture
def damaged(source: Source) -> Iterator[Damaged]:
    made = Damaged(source)
    yield made
    source.cluster.dropdb(made.name)


@pytest.mark.spec("SEL-9")
@pytest.mark.parametrize(
    ("damage", "only"),
    [(RECREATED, "public"), ("drop schema public cascade", "public"), ("drop schema public cascade", "public.t")],
)
def test_schema_public_comes_back_with_owner_grants_and_comment(damaged: Damaged, damage: str, only: str) -> None:
    assert damaged.after(damage, only, replace=damage == RECREATED).failed == {}
    assert damaged.differences() == set()


def test_grants_that_a_new_public_lacks_come_and_its_owner_is_told(damaged: Damaged) -> None:
    done = damaged.after(RECREATED, "public")
    assert done.failed == {
        "SCHEMA public": "differs on the target in owner (postgres, was pg_database_owner); -c replaces it"
    }
    used = "select has_schema_privilege('web_anon', 'public', 'usage') and has_schema_privilege('web_user', 'public', 'usage')"
    assert damaged.ask(used) is True


@pytest.mark.spec("SEL-8")
def test_a_missing_grant_comes_without_replacing(damaged: Damaged) -> None:
    done = damaged.after("revoke usage on schema public from web_anon; revoke select on t from web_anon", "public")
    assert done.failed == {}
    assert damaged.differences() == set()


def test_grants_beyond_the_snapshot_are_told_and_taken_back_on_request(damaged: Damaged) -> None:
    wider = "grant create on schema public to web_user; revoke usage on schema public from web_anon"
    assert damaged.after(wider, "public").failed == {"ACL SCHEMA public": "differs on the target; -c replaces it"}
    assert damaged.after("", "public", replace=True).failed == {}
    assert damaged.differences() == set()


BUILT_IN = """
grant execute on function pg_stat_get_activity(int) to public; revoke execute on function pg_sleep from web_anon;
grant usage on language sql to public; revoke select on pg_authid from web_user; grant execute on function pg_ls_dir(text) to web_user;
grant execute on function ext.citext_eq to public; revoke execute on function ext.citext_ne from public;
grant create on schema pg_catalog to web_user; alter default privileges grant execute on functions to web_user
"""


@pytest.mark.spec("SNAP-7")
@pytest.mark.parametrize("only", ["schema", "user_roles"])
def test_privileges_of_what_is_built_in_and_of_members_end_as_recorded(damaged: Damaged, only: str) -> None:
    left = damaged.after(BUILT_IN, only)
    assert left.failed.keys() == {"ACL LANGUAGE sql", "ACL function pg_catalog.pg_ls_dir", "ACL schema pg_catalog"}
    done = damaged.after("", only, replace=True)
    assert done.failed == {}
    assert "may admit others than before: DEFAULT ACL DEFAULT PRIVILEGES FOR FUNCTIONS" in done.shown
    assert damaged.differences() == {("entry", "DEFAULT ACL postgres")}


def test_a_platforms_public_gets_a_grant_and_loses_one(platform: Platform) -> None:
    name, target = platform.empty(), platform.empty()
    try:
        with platform.admin() as connection:
            connection.execute("create role partner")
        with platform.connect(name) as connection:
            connection.execute("create table t (a int); grant usage on schema public to partner")
        snapshot = snapshot_of(platform.dsn(name))
        assert restored(snapshot, platform.dsn(target)).failed == {}
        admins = [platform.dsn(one, user="supabase_admin") for one in (name, target)]
        assert differences(*admins) == []
        with platform.admin(target) as connection:
            connection.execute(
                "grant create on schema public to anon; grant execute on function pg_ls_dir(text) to anon"
            )
        done = restored(snapshot, platform.dsn(target), "schema", replace=True)
        assert done.failed == {
            "ACL pg_catalog.pg_ls_dir": "the restoring role may not take back what supabase_admin granted"
        }
        assert {one.name for one in differences(*admins) if one.kind == "privileges"} == {
            "function pg_catalog.pg_ls_dir(pg_catalog.text)"
        }
    finally:
        platform.drop(name)
        platform.drop(target)
        with platform.admin() as connection:
            connection.execute("drop role partner")


def test_a_public_of_another_owner_and_without_tables_comes_back(postgres: Cluster) -> None:
    """Its comment comes after it, and its name is known though nothing lies in it."""
    name = postgres.createdb()
    try:
        with postgres.connect(name) as connection:
            connection.execute(
                "grant usage on schema public to pg_monitor; alter schema public owner to pg_read_all_data"
            )
        snapshot = snapshot_of(postgres.dsn(name))
        target = postgres.createdb(options=f"TEMPLATE {name}")
        with postgres.connect(target) as connection:
            connection.execute("drop schema public cascade")
        assert restored(snapshot, postgres.dsn(target), "public").failed == {}
        assert differences(postgres.dsn(name), postgres.dsn(target)) == []
        postgres.dropdb(target)
    finally:
        postgres.dropdb(name)


@pytest.mark.parametrize(
    ("owned", "damage"),
    [
        ("alter schema public owner to pg_monitor", "grant create on schema public to public"),
        (
            "alter schema public owner to pg_monitor",
            "alter schema public owner to pg_read_all_data; revoke usage on schema public from public",
        ),
        ("drop schema public; create schema public", "grant all on schema public to public"),
    ],
)
def test_privileges_of_a_public_of_another_owner_are_those_of_that_owner(
    postgres: Cluster, owned: str, damage: str
) -> None:
    """pg_init_privs has what initdb granted to the first owner, who would get it back."""
    name = postgres.createdb()
    look = "select nspowner::regrole::text, array(select a::text from unnest(nspacl) a order by 1) from pg_namespace where nspname = 'public'"
    with postgres.connect(name) as connection:
        connection.execute(f"{owned}; grant usage on schema public to pg_signal_backend".encode())
        recorded = connection.execute(look.encode()).fetchall()
        snapshot = snapshot_of(postgres.dsn(name))
        connection.execute(damage.encode())
        for entries in (True, False):
            done = restored(snapshot, postgres.dsn(name), "public", replace=True, into_source=True)
            assert (done.failed, done.report.entries > 0) == ({}, entries)
            assert connection.execute(look.encode()).fetchall() == recorded
