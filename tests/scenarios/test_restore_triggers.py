"""Rows into tables whose triggers may not be switched off: nothing is made up, and what fires all the same is told [SEL-13]."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fix_supabase import Platform
from tests.restore_support import restored, snapshot_of
from vault.model import TableName
from vault.repo.snapshot import Snapshot

pytestmark = pytest.mark.postgres


@pytest.fixture
def without_replica(platform: Platform) -> Iterator[Platform]:
    with platform.admin() as connection:
        connection.execute("revoke set on parameter session_replication_role from postgres")
    yield platform
    with platform.admin() as connection:
        connection.execute("grant set on parameter session_replication_role to postgres")


@pytest.fixture
def project(without_replica: Platform) -> Iterator[tuple[str, Snapshot]]:
    """Whose profiles are not what the trigger on users would write; and then all users are gone."""
    platform = without_replica
    name = platform.project()
    with platform.admin(name) as connection:
        connection.execute("update public.profiles set full_name = 'chosen by ' || id")
        connection.execute("create table public.kept as table public.profiles")
        connection.execute("create table public.users_kept as select id, email from auth.users")
    yield name, snapshot_of(platform.dsn(name))
    platform.drop(name)


DEFINITION = "select pg_get_functiondef('public.handle_new_user'::regproc), proacl::text, proowner::regrole::text, proconfig from pg_proc where oid = 'public.handle_new_user'::regproc"
DIFFERENT = """
select (select count(*) from (table public.kept except table public.profiles) x) + (select count(*) from (table public.profiles except table public.kept) y)
     + (select count(*) from (select id, email from auth.users except table public.users_kept) x) + (select 20 - count(*) from auth.users)
"""


@pytest.mark.spec("SEL-13")
def test_users_come_with_their_profiles_and_nothing_made_up(
    without_replica: Platform, project: tuple[str, Snapshot]
) -> None:
    platform, (name, snapshot) = without_replica, project
    with platform.admin(name) as connection:
        before = connection.execute(DEFINITION.encode()).fetchall()
        connection.execute(
            "truncate public.projects cascade; delete from auth.users where id::text <> '00000000-0000-4000-8000-000000000007'"
        )
    done = restored(snapshot, platform.dsn(name), "users", into_source=True)
    assert not any("users" in entry or "profiles" in entry for entry in done.failed)
    assert "do nothing while rows of auth.users come" in done.shown
    assert "missing rows come too, of tables that such triggers may have filled: " in done.shown
    assert "public.profiles" in done.shown
    with platform.admin(name) as connection:
        assert connection.execute(DIFFERENT.encode()).fetchall() == [(0,)]
        assert connection.execute(DEFINITION.encode()).fetchall() == before


def test_a_trigger_that_cannot_be_silenced_is_told_before_and_after(
    without_replica: Platform, project: tuple[str, Snapshot]
) -> None:
    platform, (name, snapshot) = without_replica, project
    with platform.admin(name) as connection:
        connection.execute(
            "truncate public.projects cascade; delete from auth.users; alter function public.handle_new_user() owner to supabase_admin"
        )
    done = restored(snapshot, platform.dsn(name), "users", into_source=True)
    assert "will fire while rows of auth.users come" in done.shown
    assert "what they wrote is not the snapshot's: trigger on_auth_user_created" in done.failed["TABLE DATA auth.users"]


def test_whoever_may_switch_triggers_off_brings_nothing_else(platform: Platform) -> None:
    name = platform.project()
    try:
        snapshot = snapshot_of(platform.dsn(name))
        with platform.admin(name) as connection:
            connection.execute("truncate public.projects cascade; delete from public.profiles")
        done = restored(snapshot, platform.dsn(name), "users", into_source=True)
        assert TableName(schema="public", name="profiles") not in done.report.merged
        assert "do nothing" not in done.shown
    finally:
        platform.drop(name)
