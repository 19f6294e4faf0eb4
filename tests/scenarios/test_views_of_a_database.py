"""What a user sees of a database in a snapshot: the rendered files do in a real server what they say."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from tests.fix_postgres import Cluster
from tests.fix_views import ViewRepository
from vault.demo import project
from vault.errors import NotThere, UsageError
from vault.ops.project.summary import count_target
from vault.ops.view.table import find_table, table_rows
from vault.ops.view.tree import View
from vault.ports import Capture
from vault.repo.snapshot import Snapshot
from vault.source.postgres.capture.database import open_capture
from vault.source.postgres.capture.reach import CaptureOptions
from vault.source.postgres.connection.connect import Session
from vault.source.postgres.connection.programs import Programs
from vault.source.postgres.connection.throwaway_server import embedded_bin

pytestmark = pytest.mark.postgres

POLICIES = "SELECT * FROM pg_policies ORDER BY schemaname, tablename, policyname"
FUNCTIONS = "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY oid::regprocedure::text"


def capture_of(cluster: Cluster, db: str) -> Callable[[], Capture]:
    return partial(
        open_capture,
        cluster.dsn(db),
        options=CaptureOptions(),
        programs=Programs(search_path="/usr/bin", embedded=embedded_bin()),
        environment={},
        notify=print,
    )


@dataclass(frozen=True)
class Demo:
    cluster: Cluster
    db: str
    snapshot: Snapshot
    view: View

    def text(self, path: str) -> str:
        return b"".join(self.view.open(path)).decode()

    def clone(self) -> str:
        return self.cluster.createdb(options=f'TEMPLATE "{self.db}"')

    def psql(self, db: str, script: str) -> str:
        done = subprocess.run(
            [
                str(self.cluster.bin / "psql"),
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                self.cluster.dsn(db),
            ],
            input=script.encode(),
            capture_output=True,
            env={"PATH": "/usr/bin"},
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def rows(self, db: str, query: str) -> list[tuple[object, ...]]:
        with self.cluster.connect(db) as connection:
            return connection.execute(query.encode()).fetchall()


@pytest.fixture(scope="module", params=[15, 18])
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    cluster: Cluster = request.getfixturevalue(f"pg{request.param}")
    db = cluster.createdb()
    with cluster.connect(db) as connection:
        for script in project.database_sql():
            connection.execute(script.encode())
    root = tmp_path_factory.mktemp("project")
    directories: dict[str, Path] = {}
    for name, files in (("migrations", project.migrations()), ("edge_functions", project.edge_functions())):
        directories[name] = root / name
        for path, content in files.items():
            (root / name / path).parent.mkdir(parents=True, exist_ok=True)
            (root / name / path).write_bytes(content)
    snapshot = ViewRepository().take(directories, capture_of(cluster, db))
    return Demo(cluster, db, snapshot, View(snapshot))


def test_the_snapshot_counts_the_inventory_of_a_real_project(demo: Demo) -> None:
    counts = demo.snapshot.manifest.counts
    assert replace(counts, records=0) == project.INVENTORY
    with demo.cluster.connect(demo.db) as connection:
        here = count_target(Session(connection), files={})
    assert counts.records == here.records


def test_the_root_has_the_fixed_names(demo: Demo) -> None:
    names = {entry.path for entry in demo.view.ls()}
    assert names == {
        "BACKUP_MANIFEST.md",
        "complete_database_with_data.dump",
        "complete_database_with_data.sql",
        "data_records",
        "database_settings.sql",
        "edge_functions",
        "encryption_system.sql",
        "migration_history.sql",
        "migrations",
        "restore_complete_backup.sh",
        "rls_policies_complete.sql",
        "roles.sql",
        "rpc_functions_complete.sql",
        "schema",
        "schema.sql",
        "user_roles_complete.sql",
        "users_complete.csv",
        "users_with_encrypted_passwords.sql",
    }
    assert "data_records/public.ai_providers_unified.csv" in {entry.path for entry in demo.view.ls("data_records")}


def test_the_manifest_holds_the_fixed_lines_with_true_counts(demo: Demo) -> None:
    text = demo.text("BACKUP_MANIFEST.md")
    for line in (
        "- Total Users: 6",
        "- Encrypted Passwords: ✅ Included",
        "- Total Roles: 6",
        "- Permissions Matrix: ✅ Included",
        "- Total Policies: 88",
        "- Total Functions: 20",
        "- Total Functions: 73",
        "- Total Migrations: 24",
        "- Encryption Functions: 4",
        "- Total Tables: 23 tables",
        "| public.tasks | 1500 |",
    ):
        assert line in text
    assert "✅ captured" in text


def test_every_csv_is_what_the_server_prints(demo: Demo) -> None:
    for item in demo.snapshot.tables():
        ours = b"".join(demo.view.open(f"data_records/{item.name}.csv"))
        with demo.cluster.connect(demo.db) as connection:
            connection.execute("SET timezone = UTC")
            query = f"COPY (SELECT * FROM {item.name.schema}.{item.name.name}) TO STDOUT (FORMAT csv, HEADER)"
            with connection.cursor().copy(query.encode()) as rows:
                assert ours == b"".join(bytes(row) for row in rows)


def test_users_come_with_their_hashes_and_with_what_was_computed(demo: Demo) -> None:
    header, *lines = demo.text("users_complete.csv").splitlines()
    assert len(lines) == 6
    assert all("$2a$10$" in line for line in lines)
    assert "encrypted_password" in header
    assert "confirmed_at" in header.split(",")


def test_policies_are_recreated_by_their_file(demo: Demo) -> None:
    db = demo.clone()
    drop = demo.rows(db, "SELECT format('DROP POLICY %I ON %I.%I', policyname, schemaname, tablename) FROM pg_policies")
    with demo.cluster.connect(db) as connection:
        for (statement,) in drop:
            connection.execute(str(statement).encode())
        connection.execute("ALTER TABLE public.tasks DISABLE ROW LEVEL SECURITY")
    assert demo.rows(db, POLICIES) == []
    demo.psql(db, demo.text("rls_policies_complete.sql"))
    assert demo.rows(db, POLICIES) == demo.rows(demo.db, POLICIES)
    assert demo.rows(db, "SELECT relrowsecurity FROM pg_class WHERE relname = 'tasks'") == [(True,)]


def test_functions_are_recreated_by_their_file(demo: Demo) -> None:
    text = demo.text("rpc_functions_complete.sql")
    assert text.count("\nCREATE OR REPLACE FUNCTION ") == 20
    db = demo.clone()
    with demo.cluster.connect(db) as connection:
        connection.execute("DROP FUNCTION public.usage_by_day(date)")
        connection.execute(
            "CREATE OR REPLACE FUNCTION public.is_admin() RETURNS boolean LANGUAGE sql AS 'SELECT false'"
        )
    demo.psql(db, text)
    assert demo.rows(db, FUNCTIONS) == demo.rows(demo.db, FUNCTIONS)


def test_the_history_says_that_it_has_no_times_and_loads(demo: Demo) -> None:
    text = demo.text("migration_history.sql")
    assert "-- This table has no column for the time of application" in text
    db = demo.clone()
    query = "SELECT * FROM supabase_migrations.schema_migrations ORDER BY version"
    with demo.cluster.connect(db) as connection:
        connection.execute("TRUNCATE supabase_migrations.schema_migrations")
    demo.psql(db, text)
    assert demo.rows(db, query) == demo.rows(demo.db, query)


def test_the_schema_file_builds_an_equal_database(demo: Demo) -> None:
    db = demo.cluster.createdb()
    demo.psql(db, demo.text("schema.sql"))
    dump = [str(demo.cluster.bin / "pg_dump"), "-s", "--no-comments", "-d"]
    texts = []
    for name in (demo.db, db):
        done = subprocess.run(
            [*dump, demo.cluster.dsn(name)], capture_output=True, check=True, env={"PATH": "/usr/bin"}
        )
        texts.append([line for line in done.stdout.splitlines() if b"restrict " not in line])
    assert texts[0] == texts[1]


def rows_of(demo: Demo, db: str, *tables: str) -> list[list[tuple[object, ...]]]:
    return [demo.rows(db, f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]


def test_users_come_back_by_their_file_once(demo: Demo) -> None:
    db, tables = demo.clone(), ("auth.users", "auth.identities")
    with demo.cluster.connect(db) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM auth.identities; DELETE FROM auth.users WHERE email LIKE '%a%'")
    script = demo.text("users_with_encrypted_passwords.sql")
    for _ in range(2):
        demo.psql(db, script)
        assert rows_of(demo, db, *tables) == rows_of(demo, demo.db, *tables)


def test_roles_of_users_come_back_by_their_file_once_and_silently(demo: Demo) -> None:
    db, tables = demo.clone(), ("public.user_roles", "public.role_permissions", "public.role_grant_audit")
    with demo.cluster.connect(db) as connection:
        connection.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")
    script = demo.text("user_roles_complete.sql")
    for _ in range(2):
        demo.psql(db, script)
        assert rows_of(demo, db, *tables) == rows_of(demo, demo.db, *tables)
    with demo.cluster.connect(db) as connection:
        connection.execute("UPDATE user_roles SET role = role")


def test_roles_without_their_users_are_refused_and_change_nothing(demo: Demo) -> None:
    db = demo.clone()
    with demo.cluster.connect(db) as connection:
        connection.execute("TRUNCATE public.user_roles; SET session_replication_role = replica")
        connection.execute("DELETE FROM auth.users")
    with pytest.raises(AssertionError, match=r"have no counterpart in auth\.users"):
        demo.psql(db, demo.text("user_roles_complete.sql"))
    assert demo.rows(db, "SELECT FROM public.user_roles") == []


ENCRYPTION = """
    SELECT pg_get_functiondef(oid) || array(SELECT unnest(proacl)::text ORDER BY 1)::text FROM pg_proc WHERE proname ~ 'crypt' AND pronamespace = 'public'::regnamespace
    UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname ~ 'crypt'
    UNION ALL SELECT pg_get_viewdef(oid) || array(SELECT unnest(relacl)::text ORDER BY 1)::text FROM pg_class WHERE relname = 'ai_providers_masked' ORDER BY 1
"""


def test_encryption_comes_back_by_its_file_with_triggers_views_and_grants(demo: Demo) -> None:
    db = demo.clone()
    with demo.cluster.connect(db) as connection:
        connection.execute(
            "DROP FUNCTION public.is_encrypted, public.encrypt_api_key, public.decrypt_api_key CASCADE;"
            "DROP FUNCTION public.encrypt_api_key_on_write CASCADE"
        )
        assert connection.execute(ENCRYPTION.encode()).fetchall() == []
    for _ in range(2):
        demo.psql(db, demo.text("encryption_system.sql"))
        assert demo.rows(db, ENCRYPTION) == demo.rows(demo.db, ENCRYPTION)
    assert len(demo.rows(db, ENCRYPTION)) == 6


def test_captured_files_and_rendered_ones_are_one_tree(demo: Demo) -> None:
    name, content = next(iter(project.migrations().items()))
    assert demo.text(f"migrations/{name}") == content.decode()
    assert len(list(demo.view.ls("migrations"))) == 24
    paths = [entry.path for entry in demo.view.ls(recursive=True)]
    assert len(paths) == len(set(paths))


def test_one_table_comes_in_every_format(demo: Demo) -> None:
    item = find_table(demo.snapshot, "PUBLIC.app_settings")
    rows = {form: b"".join(table_rows(demo.snapshot, item, form)).decode() for form in ("csv", "copy", "jsonl", "sql")}
    values = [json.loads(line)["value"] for line in rows["jsonl"].splitlines()]
    assert values == ["dark", {"chat": True, "beta": [1, 2.5, None]}, "help@demo.example"]
    assert rows["copy"].startswith('theme\t"dark"\t\\N\t')
    assert rows["csv"].startswith("key,value,note,updated_at\n")
    assert rows["sql"].startswith('INSERT INTO "public"."app_settings" ("key", "value", "note", "updated_at")')


OWNED = Path(tempfile.gettempdir()) / f"pgvault-owned-{os.getpid()}"
"""What a name asks psql to make."""
ODD = rf"""
CREATE SCHEMA "a.b"; CREATE TABLE "a.b".c (i int); CREATE SCHEMA a; CREATE TABLE a."b.c" (i int);
CREATE TABLE public."Users" (i int); CREATE TABLE public.users (i int); INSERT INTO public."Users" VALUES (1);
CREATE TABLE public."../../x" (i int); CREATE TABLE a.same (i int); CREATE TABLE "a.b".same (i int);
CREATE TABLE public."new
\! touch {OWNED}
line" (i int);
CREATE FUNCTION public."f
SELECT 1/0;"() RETURNS int LANGUAGE sql AS 'SELECT 1';
"""


def test_odd_names_stay_apart_and_harmless(pg15: Cluster, view_repository: ViewRepository) -> None:
    db = pg15.createdb()
    with pg15.connect(db) as connection:
        connection.execute(ODD.encode())
    snapshot = view_repository.take(capture=capture_of(pg15, db))
    view = View(snapshot)
    names = [entry.path.removeprefix("data_records/") for entry in view.ls("data_records")]
    assert {"a%2Eb.c.csv", "a.b%2Ec.csv", "public.%2E%2E%2F%2E%2E%2Fx.csv"} <= set(names)
    assert len({name.casefold() for name in names}) == 8
    assert all("\n" not in name for name in names)
    assert len([name for name in names if name.casefold().startswith("public.users~")]) == 2
    texts = [b"".join(view.open(entry.path)) for entry in view.ls("data_records") if "Users~" in entry.path]
    assert texts == [b"i\n1\n"]
    demo = Demo(pg15, db, snapshot, view)
    other = pg15.createdb()
    demo.psql(other, demo.text("schema.sql"))
    assert not OWNED.exists()
    demo.psql(other, demo.text("rpc_functions_complete.sql"))
    assert "\n\\! touch" not in demo.text("rls_policies_complete.sql")
    assert len(demo.text("BACKUP_MANIFEST.md").split("\n| public.new")) == 2


def test_a_table_is_found_by_psqls_rules(pg15: Cluster, view_repository: ViewRepository) -> None:
    db = pg15.createdb()
    with pg15.connect(db) as connection:
        connection.execute(ODD.encode())
    snapshot = view_repository.take(capture=capture_of(pg15, db))
    assert find_table(snapshot, "USERS").name.name == "users"
    assert find_table(snapshot, 'public."Users"').name.name == "Users"
    assert find_table(snapshot, '"a.b".c').name.schema == "a.b"
    assert find_table(snapshot, 'a."b.c"').name.name == "b.c"
    with pytest.raises(UsageError):
        find_table(snapshot, "same")
    for text in ("", "a.", 'public."Users', "a.b.c.d"):
        with pytest.raises(UsageError):
            find_table(snapshot, text)
    with pytest.raises(NotThere) as caught:
        find_table(snapshot, "public.usrs")
    assert 'public."Users"' in caught.value.hint
