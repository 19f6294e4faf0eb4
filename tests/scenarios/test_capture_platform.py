"""A Supabase-like database read by its `postgres`, who is no superuser: all of it, or every gap by name."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.fix_supabase import Platform
from tests.scenarios.capture_support import jobs, open_on, read_all
from vault.errors import PermissionMissing
from vault.model import State
from vault.ops.compare.databases import compare

pytestmark = pytest.mark.postgres

UNREADABLE_TABLES = {'"pgsodium"."key"', '"realtime"."messages_2026_01_01"', '"realtime"."schema_migrations"'}
UNREADABLE_SEQUENCES = {
    'sequence "cron"."job_run_details_runid_seq"',
    'sequence "cron"."jobid_seq"',
    'sequence "pgsodium"."key_key_id_seq"',
}


@pytest.fixture(scope="module", params=[15, 17, 18])
def supabase(request: pytest.FixtureRequest) -> Platform:
    found: Platform = request.getfixturevalue(f"platform{request.param}")
    return found


@pytest.fixture(scope="module")
def project(supabase: Platform) -> Iterator[str]:
    name = supabase.project()
    yield name
    supabase.drop(name)


@pytest.mark.parametrize("reader", ["postgres", "supabase_read_only_user"])
def test_who_may_read_all_reads_what_a_superuser_reads(supabase: Platform, project: str, reader: str) -> None:
    with (
        open_on(supabase.dsn(project, user="supabase_admin")) as by_superuser,
        open_on(supabase.dsn(project, user=reader)) as by_reader,
    ):
        assert compare(by_superuser, by_reader, key=os.urandom(32)) == []
        assert by_reader.missing == []
        assert {role.name: role.verifier is None for role in by_reader.roles().roles}["reporting"] is False
        found = read_all(by_reader.reader(), jobs(by_reader.tables))
        rows = {str(name): number for name, (number, _) in found.items()}
        assert by_reader.finish() == by_superuser.finish() == ()
    protected = ("auth.users", "auth.identities", "storage.objects", "public.api_keys", "vault.secrets", "cron.job")
    assert {name: rows[name] for name in protected} == {
        "auth.users": 20,
        "auth.identities": 20,
        "storage.objects": 20,
        "public.api_keys": 5,
        "vault.secrets": 1,
        "cron.job": 2,
    }


def test_what_hangs_on_tables_of_the_platform_is_captured(supabase: Platform, project: str) -> None:
    with open_on(supabase.dsn(project)) as capture:
        entries = {(entry.identity.desc, entry.namespace, entry.tag) for entry in capture.schema().entries}
        roles = capture.roles()
    settings = {(one.role, one.name): one.value for one in roles.settings}
    assert settings[("authenticated", "statement_timeout")] == "8s"
    assert {(one.role, one.member) for one in roles.memberships} >= {
        ("authenticated", "authenticator"),
        ("supabase_auth_admin", "postgres"),
        ("pg_read_all_data", "supabase_read_only_user"),
    }
    assert [one.name for one in roles.parameter_acls] == ["session_replication_role"]
    assert entries >= {
        ("TRIGGER", "auth", "users on_auth_user_created"),
        ("POLICY", "storage", "objects Avatars are public"),
        ("POLICY", "realtime", "messages Members listen"),
        ("PUBLICATION TABLE", "public", "supabase_realtime messages"),
        ("EVENT TRIGGER", "", "pgrst_ddl_watch"),
        ("DEFAULT ACL", "public", "DEFAULT PRIVILEGES FOR TABLES"),
        ("COMMENT", "", "EXTENSION pg_stat_statements"),
        ("TABLE", "supabase_migrations", "schema_migrations"),
    }


def test_an_older_project_is_refused_with_every_object_that_cannot_be_read(supabase: Platform, project: str) -> None:
    with supabase.as_before_2024(), pytest.raises(PermissionMissing) as caught:
        open_on(supabase.dsn(project))
    assert caught.value.message.startswith("6 tables or sequences cannot be read: ")
    assert all(name in caught.value.message for name in UNREADABLE_TABLES | UNREADABLE_SEQUENCES)
    assert 'GRANT pg_read_all_data TO "postgres"' in caught.value.hint


def test_gaps_of_an_older_project_are_all_named_and_nothing_else_is_missing(supabase: Platform, project: str) -> None:
    with open_on(supabase.dsn(project)) as whole:
        everything = read_all(whole.reader(), jobs(whole.tables))
        sequences = {item.name: item for item in whole.sequences()}
        definitions = {entry.identity for entry in whole.schema().entries}
    with supabase.as_before_2024(), open_on(supabase.dsn(project), allow_gaps=True) as capture:
        gaps = {gap.item: gap for gap in capture.missing}
        rows = read_all(capture.reader(), jobs(capture.tables))
        values = {item.name: item for item in capture.sequences()}
        left_out = definitions - {entry.identity for entry in capture.schema().entries}
        assert not any(role.verifier for role in capture.roles().roles)
        assert capture.finish() == ()
    assert set(gaps) == {
        *UNREADABLE_TABLES,
        *UNREADABLE_SEQUENCES,
        *(f"definition of {table}" for table in UNREADABLE_TABLES),
        'policies of "realtime"."schema_migrations"',
        "passwords of roles",
    }
    assert all(gap.state is State.NOT_PERMITTED and gap.why and gap.fix for gap in gaps.values())
    assert rows == {name: everything[name] for name in rows}
    assert {f'"{name.schema}"."{name.name}"' for name in everything.keys() - rows.keys()} == UNREADABLE_TABLES
    assert values == {name: sequences[name] for name in values}
    assert len(sequences.keys() - values.keys()) == len(UNREADABLE_SEQUENCES)
    assert {identity.desc for identity in left_out} <= {
        *("TABLE", "TABLE ATTACH", "CONSTRAINT", "INDEX ATTACH", "ROW SECURITY", "SEQUENCE OWNED BY", "DEFAULT"),
    }
