"""A Supabase project, backed up and restored as `postgres`, which is no superuser, into a platform's own database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fix_supabase import Platform
from tests.restore_support import differences, restored, snapshot_of
from vault.repo.snapshot import Snapshot

pytestmark = pytest.mark.postgres


NOT_WRITABLE = ("pgsodium.key", "vault.secrets", "realtime.messages_2026_01_01")
"""By `postgres`, on a platform; everything else comes back exactly."""


@pytest.fixture(scope="module")
def project(platform: Platform) -> Iterator[str]:
    name = platform.project()
    yield name
    platform.drop(name)


@pytest.fixture(scope="module")
def snapshot(platform: Platform, project: str) -> Snapshot:
    return snapshot_of(platform.dsn(project))


@pytest.fixture
def fresh(platform: Platform) -> Iterator[str]:
    name = platform.empty()
    yield name
    platform.drop(name)


def admin(platform: Platform, db: str) -> str:
    return platform.dsn(db, user="supabase_admin")


@pytest.mark.spec("SEL-7")
def test_project_restored_into_a_fresh_platform_equals_its_source(
    platform: Platform, project: str, snapshot: Snapshot, fresh: str
) -> None:
    done = restored(snapshot, platform.dsn(fresh))
    assert done.failed.keys() == {f"TABLE DATA {name}" for name in NOT_WRITABLE}
    assert all("may not write it" in why for why in done.failed.values())
    found = differences(admin(platform, project), admin(platform, fresh))
    assert {one.name for one in found} == {*NOT_WRITABLE, "pgsodium.key_key_id_seq", "cron.job"}
    jobs = "select jobname, schedule, command, active, username from cron.job order by jobid"
    with platform.admin(project) as source, platform.admin(fresh) as target:
        assert source.execute(jobs).fetchall() == target.execute(jobs).fetchall()


SELECTIONS = {
    "users": ("select count(*) from auth.users where encrypted_password like '$2a$%'", 20),
    "user_roles": ("select count(*) from public.user_roles", 20),
    "rls_policies": ("select count(*) from pg_policies where schemaname = 'public'", 9),
    "rpc_functions": ("select count(*) from pg_proc where proname in ('has_role', 'is_encrypted')", 2),
    "encryption": ("select count(*) from pg_trigger where tgname = 'encrypt_before_write'", 1),
    "migrations": ("select count(*) from supabase_migrations.schema_migrations", 2),
    "roles": ("select count(*) from pg_roles where rolname = 'reporting'", 1),
    "sequences": ("select last_value from public.messages_id_seq", 20),
    "large_objects": ("select count(*) from pg_largeobject_metadata", 1),
    "schema": ("select count(*) from pg_tables where schemaname = 'public'", 7),
    "public.projects": ("select count(*) from public.projects", 20),
    "private": ("select count(*) from private.ledger", 10),
}
"""What is restored alone -> a query and what it finds afterwards."""


LACKING = {
    "user_roles": {"FK CONSTRAINT user_roles user_roles_user_id_fkey"},
    "public.projects": {"FK CONSTRAINT projects projects_owner_fkey"},
}
"""Foreign keys whose other side was not selected: not valid without its rows, or not there."""


@pytest.mark.parametrize("what", SELECTIONS)
def test_each_selection_comes_into_a_fresh_platform(
    platform: Platform, snapshot: Snapshot, fresh: str, what: str
) -> None:
    done = restored(snapshot, platform.dsn(fresh), what)
    assert done.failed.keys() == LACKING.get(what, set())
    query, expected = SELECTIONS[what]
    with platform.connect(fresh) as connection:
        assert connection.execute(query.encode()).fetchall() == [(expected,)]
    again = restored(snapshot, platform.dsn(fresh), what)
    assert again.report.entries == 0, "what is there and equal is left"


@pytest.fixture
def plain(platform: Platform) -> Iterator[str]:
    """A database without a platform's schemas, owned by `postgres`."""
    name = "plain"
    with platform.admin() as connection:
        connection.execute("create database plain owner postgres template template0")
    yield name
    platform.drop(name)


NOT_ALLOWED = (
    "not set: must be ",
    "only a superuser may create it",
    "is not a member of supabase_admin",
    'extension "pg_stat_statements"',
)
"""To `postgres`: giving objects to supabase_admin, and what is the superuser's."""


@pytest.mark.parametrize("what", [*SELECTIONS, "data"])
def test_each_selection_comes_into_an_empty_database(
    platform: Platform, snapshot: Snapshot, plain: str, what: str
) -> None:
    done = restored(snapshot, platform.dsn(plain), what)
    for entry, why in done.failed.items():
        link = entry.startswith("FK CONSTRAINT") and ("neither selected" in why or "created NOT VALID" in why)
        assert link or any(words in why for words in NOT_ALLOWED), (entry, why)
    query, expected = SELECTIONS.get(what, ("select count(*) from public.messages", 20))
    with platform.connect(plain) as connection:
        assert connection.execute(query.encode()).fetchall() == [(expected,)]


MADE_ANEW = {"rows", "large object"}
"""Kinds in which two projects of the fixture differ: ids and times that it draws."""


def unlike_intact(platform: Platform, db: str) -> set[str]:
    intact = platform.project()
    try:
        return {one.kind for one in differences(admin(platform, intact), admin(platform, db))}
    finally:
        platform.drop(intact)


@pytest.fixture
def damaged(platform: Platform) -> Iterator[str]:
    """The project itself, for tests that damage it."""
    name = platform.project()
    yield name
    platform.drop(name)


@pytest.mark.spec("SEL-4")
def test_deleted_users_come_back_and_what_came_since_stays(platform: Platform, damaged: str) -> None:
    snapshot = snapshot_of(platform.dsn(damaged))
    with platform.connect(damaged) as connection:
        connection.execute("set session_replication_role to replica; delete from auth.users where email like 'user1%'")
        connection.execute("delete from auth.identities where user_id not in (select id from auth.users)")
        connection.execute("update auth.users set email = 'changed@example.com' where email = 'user2@example.com'")
        connection.execute(
            "insert into auth.users (id, email) values ('00000000-0000-4000-8000-000000000099', 'new@example.com')"
        )
    done = restored(snapshot, platform.dsn(damaged), "users", into_source=True)
    assert done.failed == {}
    assert {name.name: rows.added for name, rows in done.report.merged.items() if rows.added} == {
        "users": 11,
        "identities": 11,
    }
    (users,) = (rows for name, rows in done.report.merged.items() if name.name == "users")
    assert (users.differing, users.removed, users.refused) == (1, 0, 0)
    with platform.connect(damaged) as connection:
        assert connection.execute("select count(*), max(email) from auth.users").fetchall() == [
            (21, "user9@example.com")
        ]
        assert connection.execute("select count(*) from public.profiles").fetchall() == [(20,)], "no trigger ran"
        rows = connection.execute("select email from auth.users where email !~ '^user' order by 1").fetchall()
        assert rows == [("changed@example.com",), ("new@example.com",)]
    exact = restored(snapshot, platform.dsn(damaged), "users", into_source=True, replace=True)
    assert exact.failed == {}
    with platform.connect(damaged) as connection:
        assert connection.execute("select count(*) from auth.users where email ~ '^user'").fetchall() == [(20,)]
        assert connection.execute("select count(*) from auth.users").fetchall() == [(20,)]


@pytest.mark.spec("SEL-6")
def test_rows_that_refer_to_nothing_are_told(platform: Platform, damaged: str) -> None:
    snapshot = snapshot_of(platform.dsn(damaged))
    with platform.connect(damaged) as connection:
        connection.execute("delete from public.messages; delete from public.projects")
        connection.execute("delete from auth.users where email = 'user3@example.com'")
    done = restored(snapshot, platform.dsn(damaged), "public.user_roles", into_source=True)
    assert done.failed == {
        "FK CONSTRAINT user_roles_user_id_fkey of public.user_roles": "1 rows refer to rows that are not there"
    }


def test_dropped_policy_and_function_come_back_alone(platform: Platform, damaged: str) -> None:
    snapshot = snapshot_of(platform.dsn(damaged))
    with platform.connect(damaged) as connection:
        connection.execute('drop policy "Own roles" on public.user_roles; drop function public.decrypt_api_key')
        connection.execute('drop policy "Avatars are public" on storage.objects')
        connection.execute("drop trigger on_auth_user_created on auth.users")
    policies = restored(snapshot, platform.dsn(damaged), "rls_policies", into_source=True)
    assert (policies.failed, policies.report.entries) == ({}, 2)
    functions = restored(snapshot, platform.dsn(damaged), "rpc_functions", into_source=True)
    assert (functions.failed, functions.report.entries) == ({}, 2), "the function and its privileges"
    users = restored(snapshot, platform.dsn(damaged), "users", into_source=True)
    assert (users.failed, users.report.entries) == ({}, 1)
    assert unlike_intact(platform, damaged) <= MADE_ANEW


@pytest.mark.spec("SEL-1")
def test_dropped_table_comes_back_with_all_that_was_its_own(platform: Platform, damaged: str) -> None:
    snapshot = snapshot_of(platform.dsn(damaged))
    with platform.connect(damaged) as connection:
        connection.execute("drop table public.projects cascade")
    done = restored(snapshot, platform.dsn(damaged), "public.projects", into_source=True)
    assert done.failed == {}
    assert "not selected: VIEW public.open_projects" in done.shown
    with platform.connect(damaged) as connection:
        keys = "select conname from pg_constraint where contype = 'f' and 'public.projects'::regclass in (conrelid, confrelid)"
        assert {name for (name,) in connection.execute(keys)} == {"projects_owner_fkey", "messages_project_fkey"}
        assert connection.execute("select nextval('public.projects_id_seq')").fetchall() == [(21,)]
    rest = restored(snapshot, platform.dsn(damaged), "schema", into_source=True)
    assert rest.failed == {}
    with platform.connect(damaged) as connection:
        connection.execute("select setval('public.projects_id_seq', 20)")
    assert unlike_intact(platform, damaged) <= MADE_ANEW


@pytest.mark.spec("SEL-2")
def test_what_differs_is_shown_and_replaced_only_on_request(platform: Platform, damaged: str) -> None:
    snapshot = snapshot_of(platform.dsn(damaged))
    with platform.connect(damaged) as connection:
        connection.execute(
            "create or replace function public.is_encrypted(value text) returns boolean language sql as 'select true'"
        )
        connection.execute("grant select on public.invoices to anon; alter table public.invoices add column extra text")
    left = restored(snapshot, platform.dsn(damaged), "rpc_functions", into_source=True)
    assert left.failed == {
        "FUNCTION is_encrypted(text)": "differs on the target in arguments, language or options, body; -c replaces it"
    }
    done = restored(snapshot, platform.dsn(damaged), "rpc_functions", into_source=True, replace=True)
    assert done.failed == {}
    table = restored(snapshot, platform.dsn(damaged), "public.invoices", into_source=True, replace=True)
    assert table.failed == {}
    assert unlike_intact(platform, damaged) <= MADE_ANEW
