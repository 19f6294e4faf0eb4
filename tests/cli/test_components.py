"""`[source.NAME.components]` and `accepted_gaps`: what a project calls its things, and what it knows to be elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import Command
from tests.fix_postgres import Cluster
from tests.fix_supabase import Platform

OWN = """
CREATE SCHEMA crm;
CREATE TABLE crm.people (id int PRIMARY KEY, encrypted_password text);
CREATE TABLE crm.sessions (id int);
CREATE TABLE crm."Grants" (id int PRIMARY KEY, who int);
INSERT INTO crm.people SELECT n, 'hash' FROM generate_series(1, 3) n;
INSERT INTO crm."Grants" SELECT n, n FROM generate_series(1, 4) n;
CREATE FUNCTION public.seal(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION crm.report() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TABLE public.user_roles (id int);
"""
COMPONENTS = """
[source.app.components]
users_table = "CRM.people"
role_tables = ['crm."Grants"']
exposed_schemas = ["crm"]
platform_schemas = ["crm", "auth"]
encryption_names = "seal|unseal"
migrations_directory = "changes"
"""


def configure(pgvault: Command, text: str) -> None:
    (pgvault.home / "pgvault.toml").write_text(text)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('user_table = "a.b"', "did you mean 'users_table'?"),
        ('users_table = "people"', "must be SCHEMA.TABLE"),
        ('users_table = "a.b.c"', "must be SCHEMA.TABLE"),
        ("users_table = 3", "must be text"),
        ('role_tables = "a.b"', "must be a list of texts"),
        ('role_tables = ["\\"a.b"]', "must be SCHEMA.TABLE"),
        ('encryption_names = "("', "must be a regular expression"),
    ],
)
def test_what_is_not_understood_is_refused(pgvault: Command, line: str, said: str) -> None:
    configure(pgvault, f"[source.app.components]\n{line}\n")
    done = pgvault("snapshots")
    assert done.code == 2
    assert said in done.err
    assert f"source.app.components.{line.split()[0]}" in done.err


@pytest.mark.postgres
def test_own_names_are_counted_listed_rendered_and_compared_after_a_restore(
    pgvault_ready: Command, pg18: Cluster
) -> None:
    name, copy = pg18.createdb(), pg18.createdb()
    with pg18.connect(name) as connection:
        connection.execute(OWN.encode())
    (pgvault_ready.home / "changes").mkdir()
    (pgvault_ready.home / "changes" / "1.sql").write_text("SELECT 1")
    configure(pgvault_ready, COMPONENTS)
    done = pgvault_ready("backup", "--source", "app", "-d", pg18.dsn(name), "--dir", "changes=changes")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-9:] == [
        "✅ Database tables: 2 tables",
        "✅ Data records: 7 total records",
        "✅ Users: 3 users (with encrypted passwords)",
        "✅ User roles: 4 role assignments",
        "✅ RLS policies: 0 policies",
        "✅ RPC functions: 1 function",
        "✅ Migrations: 1 file",
        "➖ Edge Functions: 0 functions",
        "✅ Encryption functions: 1 function",
    ]
    for file, text in (("users_with_encrypted_passwords.sql", '"people"'), ("user_roles_complete.sql", '"Grants"')):
        assert text in pgvault_ready("cat", f"latest:{file}").out
    functions = pgvault_ready("cat", "latest:rpc_functions_complete.sql").out
    assert "crm.report" in functions
    assert "seal" not in functions
    assert "public.seal" in pgvault_ready("cat", "latest:encryption_system.sql").out
    configure(pgvault_ready, "")
    assert pgvault_ready("cat", "latest:users_with_encrypted_passwords.sql").code == 2
    restored = pgvault_ready("restore", "latest", "-d", pg18.dsn(copy), "--yes")
    assert restored.code == 0, restored.out


@pytest.mark.postgres
def test_a_supabase_project_says_what_lies_elsewhere_until_that_is_accepted(
    pgvault_ready: Command, platform18: Platform
) -> None:
    name = platform18.project()
    arguments = ("backup", "--source", "app", "-d", platform18.dsn(name))
    first = pgvault_ready(*arguments)
    assert first.code == 3, first.err
    assert "dir:storage: files of storage.objects: not exportable" in first.err
    assert "encryption: root key of the vault: not exportable" in first.err
    line = next(line.strip() for line in first.err.splitlines() if line.strip().startswith("accepted_gaps"))
    names = {"files of storage.objects", "root key of the vault"}
    assert set(json.loads(line.partition("= ")[2])) == names
    for told in (pgvault_ready("cat", "latest:BACKUP_MANIFEST.md").out, pgvault_ready("show", "latest").err):
        assert all(item in told for item in names)
    configure(pgvault_ready, f"[source.app]\n{line}\n")
    done = pgvault_ready(*arguments, "--json")
    assert done.code == 0, done.err
    parts = done.json()["coverage"]
    missing = {one["item"]: one for part in parts.values() for one in part["missing"]}
    assert names <= missing.keys()
    assert all(missing[item]["state"] == "not_selected" and "accepted" in missing[item]["why"] for item in names)
    assert (parts["data"]["state"], parts["roles"]["state"], parts["encryption"]["state"]) == ("captured",) * 3
    (Path(pgvault_ready.home) / "files").mkdir()
    kept = pgvault_ready(*arguments, "--dir", "storage=files", "--json").json()["coverage"]
    assert kept["dir:storage"] == {"state": "captured", "count": 1, "missing": []}
    platform18.drop(name)


@pytest.mark.postgres
def test_an_older_supabase_project_is_refused_then_saved_with_its_gaps(
    pgvault_ready: Command, platform18: Platform
) -> None:
    name = platform18.project()
    arguments = ("backup", "--source", "app", "-d", platform18.dsn(name))
    with platform18.as_before_2024():
        refused = pgvault_ready(*arguments)
        assert refused.code == 7
        assert '"realtime"."schema_migrations"' in refused.err
        assert pgvault_ready("snapshots", "--json").json()["snapshots"] == []
        done = pgvault_ready(*arguments, "--allow-gaps", "--json")
    assert done.code == 3, done.err
    parts = done.json()["coverage"]
    of_part = {part: {one["item"] for one in found["missing"]} for part, found in parts.items()}
    table = '"realtime"."schema_migrations"'
    assert table in of_part["data"] & of_part["migrations"]
    assert f"definition of {table}" in of_part["schema"]
    assert f"policies of {table}" in of_part["rls_policies"]
    assert 'sequence "cron"."jobid_seq"' in of_part["sequences"]
    assert "passwords of roles" in of_part["roles"]
    states = {part: found["state"] for part, found in parts.items()}
    assert {part for part, state in states.items() if state == "not_permitted"} == {
        *("schema", "data", "rls_policies", "migrations", "sequences", "roles"),
    }
    assert states["users"] == states["user_roles"] == states["rpc_functions"] == states["large_objects"] == "captured"
    fresh = platform18.empty()
    target = platform18.dsn(fresh, user="supabase_admin")
    plan = pgvault_ready("restore", "latest", "-d", target, "--only", "public.profiles", "--dry-run")
    assert plan.code == 0, plan.err
    assert f"warning: not in this snapshot: {table}: role postgres may not read it" in plan.out.splitlines()
    platform18.drop(name)
    platform18.drop(fresh)
