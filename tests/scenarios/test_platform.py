"""The fixture of a Supabase-like cluster is what it says: otherwise what is shown on it would show nothing."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.fix_supabase import Platform

pytestmark = pytest.mark.postgres


def refused(platform: Platform, database: str, statement: str) -> bool:
    with platform.connect(database) as connection:
        try:
            connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            return True
    return False


def one(platform: Platform, database: str, query: str) -> Any:
    with platform.admin(database) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def test_postgres_is_no_superuser_and_owns_nothing_of_the_platform(platform: Platform) -> None:
    name = platform.empty()
    for statement in (
        "SET ROLE supabase_admin",
        "CREATE EVENT TRIGGER mine ON sql_drop EXECUTE FUNCTION extensions.pgrst_drop_watch()",
        "INSERT INTO cron.job (schedule, command) VALUES ('* * * * *', 'SELECT 1')",
        "INSERT INTO vault.secrets (secret) VALUES ('x')",
        "DELETE FROM storage.objects",
        "UPDATE realtime.schema_migrations SET version = 0",
        "CREATE TABLE cron.mine ()",
    ):
        assert refused(platform, name, statement), statement
    assert not refused(platform, name, "SET session_replication_role = replica")
    platform.drop(name)


def test_a_project_has_what_a_project_has(platform: Platform) -> None:
    name = platform.project()
    counts = {
        "SELECT count(*) FROM auth.users WHERE length(encrypted_password) = 60": 20,
        "SELECT count(*) FROM public.profiles": 20,
        "SELECT count(*) FROM pg_policies WHERE schemaname IN ('public', 'storage', 'realtime')": 12,
        "SELECT count(*) FROM storage.objects": 20,
        "SELECT count(*) FROM pg_publication_tables WHERE pubname = 'supabase_realtime'": 2,
        "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'auth.users'::regclass AND NOT tgisinternal": 1,
        "SELECT count(*) FROM cron.job WHERE active": 1,
        "SELECT count(*) FROM pg_event_trigger": 6,
        "SELECT count(*) FROM public.api_keys WHERE public.is_encrypted(value)": 5,
        "SELECT has_table_privilege('anon', 'public.invoices', 'SELECT')::int": 0,
        "SELECT has_table_privilege('anon', 'public.profiles', 'SELECT')::int": 1,
    }
    assert {query: one(platform, name, query) for query in counts} == counts
    platform.drop(name)
