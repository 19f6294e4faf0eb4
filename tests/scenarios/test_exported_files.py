"""Every exported script ends in what `restore` ends in, as a superuser and as the demoted `postgres`, or in an error before any change."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg import sql

from tests.fix_supabase import Platform
from tests.restore_support import differences, restored, snapshot_of
from vault.ops.compare.facts import Difference
from vault.ops.view.tree import DUMP, SCRIPT, SQL, View
from vault.repo.snapshot import Snapshot

pytestmark = pytest.mark.postgres

SUPERUSER, DEMOTED = "supabase_admin", "postgres"
STOPPED = 3
"""Exit status of psql that stops at an error."""

EXTRAS = r"""
CREATE FUNCTION public."say ""it""; \! touch owned
"(public.app_role, text DEFAULT E'a\\b''c') RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$SELECT '$do$' || $2$$;
REVOKE ALL ON FUNCTION public."say ""it""; \! touch owned
" FROM PUBLIC, anon, authenticated, service_role;
GRANT EXECUTE ON FUNCTION public."say ""it""; \! touch owned
" TO reporting WITH GRANT OPTION;
COMMENT ON FUNCTION public.has_role IS E'who ''may''\n\\! touch owned';
COMMENT ON POLICY "Own roles" ON public.user_roles IS 'mine';
CREATE TABLE public.slices (a integer[], "USER" integer, lo integer, part integer[] GENERATED ALWAYS AS (a[lo:"USER"]) STORED);
CREATE POLICY "select" ON public.slices USING (a[1:"USER"] IS NOT NULL);
CREATE PROCEDURE public.tidy(INOUT n integer) LANGUAGE plpgsql AS $$BEGIN n := 1; END$$;
"""
SETTINGS = (
    (None, "work_mem", "4MB"),
    (None, "default_transaction_read_only", "on"),
    (None, "search_path", '"we""ird", public'),
    (None, "app.motto", "it's\n\\! touch owned\n$do$ %"),
    ("reporting", "app.motto", "here; DROP DATABASE postgres"),
)
WEIRD = 'pro"ject\n\\! touch owned\n%s'
"""A database's name."""


@dataclass(frozen=True)
class Exported:
    platform: Platform
    db: str
    snapshot: Snapshot
    place: Path

    def run(self, db: str, user: str, *names: str) -> subprocess.CompletedProcess[bytes]:
        """psql, without being told to stop at errors."""
        words = ["-X", "-q", "-d", self.platform.dsn(db, user=user)]
        files = [word for name in names for word in ("-f", str(self.place / name))]
        return self._run([str(self.platform.cluster.bin / "psql"), *words, *files])

    def script(self, db: str, user: str, *words: str) -> subprocess.CompletedProcess[bytes]:
        return self._run([str(self.place / SCRIPT), *words, self.platform.dsn(db, user=user)])

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[bytes]:
        environment = {"PATH": f"{self.platform.cluster.bin}:{os.defpath}"}
        done = subprocess.run(command, cwd=self.place, capture_output=True, env=environment, timeout=300)
        print(done.stderr.decode())
        assert not list(self.place.rglob("owned"))
        return done

    def copy(self, name: str, *damage: str) -> str:
        """A copy of the project, with `damage` done to it by a superuser."""
        with self.platform.admin() as connection:
            statement = sql.SQL("CREATE DATABASE {} OWNER postgres TEMPLATE {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(self.db)))
        with self.platform.admin(name) as connection:
            for one in damage:
                connection.execute(one.encode())
        return name

    def new(self, name: str) -> str:
        with self.platform.admin() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        return name

    def unlike(self, first: str, second: str) -> list[Difference]:
        """Differences of two databases, in both directions."""
        return [*self.compared(first, second), *self.compared(second, first)]

    def compared(self, first: str, second: str) -> list[Difference]:
        return differences(*(self.platform.dsn(db, user=SUPERUSER) for db in (first, second)))


@pytest.fixture(scope="module")
def exported(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    db = platform.project()
    with platform.connect(db) as connection:
        connection.execute(EXTRAS)
    with platform.admin() as connection:
        for role, name, value in SETTINGS:
            subject = f"ROLE {role} IN DATABASE" if role else "DATABASE"
            statement = sql.SQL("ALTER {} {} SET {} TO {}")
            words = sql.SQL(".").join(map(sql.Identifier, name.split(".")))
            connection.execute(statement.format(sql.SQL(subject), sql.Identifier(db), words, sql.Literal(value)))
    snapshot = snapshot_of(platform.dsn(db, user=SUPERUSER))
    view = View(snapshot)
    place = tmp_path_factory.mktemp("exported")
    for entry in view.ls():
        if entry.kind == "file":
            (place / entry.path).write_bytes(b"".join(view.open(entry.path)))
            (place / entry.path).chmod(entry.mode)
    yield Exported(platform, db, snapshot, place)
    platform.drop(db)


@pytest.fixture
def dropped(platform: Platform) -> Iterator[list[str]]:
    """Names of databases to drop at the end."""
    names: list[str] = []
    yield names
    for name in names:
        platform.drop(name)


REPLICA = "SET session_replication_role = replica"
PARTS = {
    "users_with_encrypted_passwords.sql": (
        ["users"],
        [REPLICA, "DELETE FROM auth.users WHERE email LIKE 'user1%'", "DELETE FROM auth.identities WHERE true"],
    ),
    "user_roles_complete.sql": (
        ["public.user_roles", "public.role_permissions"],
        [REPLICA, "DELETE FROM public.user_roles WHERE id > 5", "DELETE FROM public.role_permissions"],
    ),
    "rls_policies_complete.sql": (
        ["rls_policies"],
        [
            """DO $$DECLARE one record; BEGIN FOR one IN SELECT * FROM pg_policies WHERE schemaname = 'public' LOOP
              EXECUTE format('DROP POLICY %I ON public.%I', one.policyname, one.tablename); END LOOP; END$$""",
            "ALTER TABLE public.invoices DISABLE ROW LEVEL SECURITY",
            'CREATE POLICY "Own roles" ON public.user_roles USING (true)',
            'COMMENT ON POLICY "Own roles" ON public.user_roles IS NULL',
        ],
    ),
    "rpc_functions_complete.sql": (
        ["rpc_functions"],
        [
            "SET ROLE postgres; DROP FUNCTION public.decrypt_api_key; DROP PROCEDURE public.tidy",
            "CREATE OR REPLACE FUNCTION public.is_encrypted(value text) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
            "GRANT EXECUTE ON FUNCTION public.is_encrypted TO reporting WITH GRANT OPTION",
            "SET ROLE supabase_admin; ALTER FUNCTION public.encrypt_api_key OWNER TO supabase_auth_admin",
            """DO $$BEGIN EXECUTE format('DROP FUNCTION %s', (SELECT oid::regprocedure FROM pg_proc WHERE proname ~ 'say')); END$$""",
        ],
    ),
    "encryption_system.sql": (
        ["encryption"],
        [
            "DROP FUNCTION public.decrypt_api_key; DROP FUNCTION public.encrypt_api_key",
            "CREATE OR REPLACE FUNCTION public.is_encrypted(value text) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
            "GRANT EXECUTE ON FUNCTION public.is_encrypted TO reporting",
        ],
    ),
    "migration_history.sql": (
        ["supabase_migrations.schema_migrations"],
        ["DELETE FROM supabase_migrations.schema_migrations WHERE name = 'more'"],
    ),
}
"""File -> what to restore for the same, and damage that both mend."""
EXACT = (["rls_policies"], ["rpc_functions"], ["encryption"])


@pytest.mark.spec("RST-20")
@pytest.mark.parametrize("user", [SUPERUSER, DEMOTED])
@pytest.mark.parametrize("path", PARTS)
def test_file_of_a_part_ends_where_its_restore_ends(
    exported: Exported, dropped: list[str], path: str, user: str
) -> None:
    only, damage = PARTS[path]
    dropped += ["by_restore", "by_file"]
    first, second = (exported.copy(name, *damage) for name in dropped)
    dsn = exported.platform.dsn(first, user=user)
    assert restored(exported.snapshot, dsn, *only, replace=only in EXACT).failed == {}
    for _ in range(2):
        assert exported.run(second, user, path).returncode == 0
        assert exported.compared(first, second) == []


@pytest.mark.spec("RST-23")
def test_function_of_the_platform_is_left_alone(exported: Exported, dropped: list[str]) -> None:
    dropped += ["by_file"]
    db = exported.copy("by_file", "ALTER FUNCTION graphql_public.graphql COST 7")
    assert exported.run(db, DEMOTED, "rpc_functions_complete.sql").returncode == 0
    with exported.platform.admin(db) as connection:
        assert connection.execute("SELECT procost FROM pg_proc WHERE proname = 'graphql'").fetchall() == [(7.0,)]


def test_function_of_somebody_else_ends_the_file_in_an_error(exported: Exported, dropped: list[str]) -> None:
    dropped += ["by_file"]
    db = exported.copy(
        "by_file",
        "ALTER FUNCTION public.has_role(public.app_role) OWNER TO supabase_admin",
        "ALTER FUNCTION public.has_role(public.app_role) SECURITY INVOKER",
    )
    done = exported.run(db, DEMOTED, "rpc_functions_complete.sql")
    assert done.returncode == STOPPED
    assert b"must be owner of function" in done.stderr


WHOLE = (SQL, "schema.sql", SCRIPT, f"{SCRIPT} -s")


@pytest.mark.spec("RST-20")
@pytest.mark.parametrize("what", WHOLE)
def test_whole_database_ends_where_its_restore_ends(exported: Exported, dropped: list[str], what: str) -> None:
    dropped += ["by restore", WEIRD, exported.db + " renamed"]
    first, second = exported.new(dropped[0]), exported.new(WEIRD)
    done = restored(exported.snapshot, exported.platform.dsn(first, user=SUPERUSER), data=what != "schema.sql")
    assert done.failed == {}
    if what.endswith(".sql"):
        assert exported.run(second, SUPERUSER, what).returncode == 0
    else:
        assert exported.script(second, SUPERUSER, *what.split()[1:]).returncode == 0
    assert exported.unlike(first, second) == []


@pytest.mark.spec("RST-21")
@pytest.mark.parametrize("what", WHOLE)
def test_whole_database_is_refused_where_it_does_not_fit(exported: Exported, dropped: list[str], what: str) -> None:
    dropped += ["not mine", "not empty", "wider", "untouched"]
    for db in dropped:
        exported.new(db)
    with exported.platform.admin("not empty") as connection:
        connection.execute("CREATE SEQUENCE public.something")
    with exported.platform.admin("wider") as connection:
        connection.execute("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO anon")
    cases = (
        ("not mine", DEMOTED, "role postgres is no superuser: nothing was done"),
        ("not empty", SUPERUSER, "it holds sequence public.something: nothing was done"),
        ("wider", SUPERUSER, "has default privileges"),
    )
    for db, user, why in cases:
        run = exported.run(db, user, what) if what.endswith(".sql") else exported.script(db, user, *what.split()[1:])
        assert run.returncode == STOPPED
        assert why in run.stderr.decode()
    assert exported.unlike("not mine", "untouched") == []


EVIL = """
CREATE ROLE lurking; CREATE SCHEMA evil AUTHORIZATION lurking; SET ROLE lurking;
CREATE FUNCTION evil.run(text, text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'ran as %', current_user; END$$;
CREATE OPERATOR evil.<> (leftarg = text, rightarg = text, function = evil.run);
CREATE OPERATOR evil.= (leftarg = text, rightarg = text, function = evil.run);
CREATE FUNCTION evil.checked(text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'ran as %', current_user; END$$;
CREATE DOMAIN evil.text AS pg_catalog.text CHECK (evil.checked(VALUE)); RESET ROLE;
ALTER DATABASE hostile SET search_path TO evil, pg_catalog;
"""


@pytest.mark.spec("RST-25")
@pytest.mark.parametrize("what", [*WHOLE, "roles.sql", *sorted(PARTS)])
def test_no_script_runs_what_lies_on_the_path_of_its_target(exported: Exported, dropped: list[str], what: str) -> None:
    dropped += ["hostile"]
    exported.new("hostile")
    with exported.platform.admin("hostile") as connection:
        connection.execute(EVIL)
    try:
        words = what.split()
        shell = words[0] == SCRIPT
        run = exported.script("hostile", SUPERUSER, *words[1:]) if shell else exported.run("hostile", SUPERUSER, what)
        assert b"ran as" not in run.stderr
    finally:
        exported.platform.drop("hostile")
        with exported.platform.admin() as connection:
            connection.execute("DROP ROLE lurking")


ROLES = r"""
CREATE ROLE "we""ird; \! touch owned
" LOGIN PASSWORD 'it''s' VALID UNTIL '2040-01-01' CONNECTION LIMIT 3;
COMMENT ON ROLE "we""ird; \! touch owned
" IS E'says\n\\! touch owned';
CREATE ROLE "a=b,/c" NOLOGIN CREATEDB;
CREATE ROLE chief; CREATE ROLE deputy; CREATE ROLE staff; CREATE ROLE "passing" BYPASSRLS;
GRANT staff TO chief WITH ADMIN OPTION;
SET ROLE chief; GRANT staff TO deputy WITH ADMIN OPTION; RESET ROLE;
SET ROLE deputy; GRANT staff TO "a=b,/c"; RESET ROLE;
GRANT chief TO "we""ird; \! touch owned
"; GRANT pg_monitor TO deputy; GRANT anon TO deputy;
ALTER ROLE "we""ird; \! touch owned
" SET search_path TO "$user", "x""y"; ALTER ROLE chief SET app.motto TO E'$do$ ''\n\\! touch owned';
GRANT SET ON PARAMETER session_replication_role TO "a=b,/c" WITH GRANT OPTION;
"""
NEW = ['we"ird; \\! touch owned\n', "a=b,/c", "chief", "deputy", "staff", "passing"]
FACTS = (
    (
        "SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit,"
        " rolpassword, rolvaliduntil, shobj_description(oid, 'pg_authid') FROM pg_authid ORDER BY 1"
    ),
    (
        "SELECT to_jsonb(m) - 'oid' - 'roleid' - 'member' - 'grantor' || jsonb_build_object('role', roleid::regrole, 'member',"
        " member::regrole, 'grantor', grantor::regrole) FROM pg_auth_members m ORDER BY 1"
    ),
    "SELECT setdatabase, setrole::regrole::text, setconfig FROM pg_db_role_setting ORDER BY 1, 2",
    "SELECT parname, paracl::text[] FROM pg_parameter_acl ORDER BY 1",
)


@pytest.fixture
def roles(platform: Platform, exported: Exported, tmp_path: Path) -> Iterator[Exported]:
    """An export of a server with further roles, which are gone again."""
    with platform.admin() as connection:
        connection.execute(ROLES)
    empty = platform.empty()
    snapshot = snapshot_of(platform.dsn(empty, user=SUPERUSER))
    (tmp_path / "roles.sql").write_bytes(b"".join(View(snapshot).open("roles.sql")))
    forget(platform)
    yield Exported(platform, empty, snapshot, tmp_path)
    forget(platform)
    platform.drop(empty)


def forget(platform: Platform) -> None:
    with platform.admin() as connection:
        for name in NEW:
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchone() is not None:
                connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
        for name in NEW:
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


def facts(platform: Platform) -> list[list[tuple[object, ...]]]:
    with platform.admin() as connection:
        return [connection.execute(query.encode()).fetchall() for query in FACTS]


@pytest.mark.spec("RST-22")
@pytest.mark.parametrize("user", [SUPERUSER, DEMOTED])
def test_roles_end_where_their_restore_ends(roles: Exported, user: str) -> None:
    platform = roles.platform
    target = platform.empty()
    with platform.admin() as connection:
        connection.execute("ALTER ROLE anon SET statement_timeout TO '7s'; ALTER ROLE reporting CONNECTION LIMIT 9")
    before = facts(platform)
    done = restored(roles.snapshot, platform.dsn(target, user=user), "roles")
    expected = facts(platform)
    forget(platform)
    platform.drop(target)
    assert facts(platform) == before
    run = roles.run("postgres", user, "roles.sql")
    assert facts(platform) == expected
    assert run.returncode == (STOPPED if done.failed else 0)
    assert b"role anon exists and stays as it is" in run.stderr
    if user == SUPERUSER:
        assert done.failed == {}
        assert len(expected[0]) == len(before[0]) + len(NEW)
        assert any("deputy" in str(row) and "chief" in str(row) for row in expected[1])
    else:
        may_give = platform.cluster.major >= 16  # whoever has the attribute
        assert may_give != (b"role passing is created without bypass rls" in run.stderr)
    again = roles.run("postgres", user, "roles.sql")
    assert again.returncode == 0
    assert facts(platform) == expected


@pytest.mark.spec("RST-21")
def test_settings_of_a_database_that_has_the_saved_ones_name_stay(exported: Exported, dropped: list[str]) -> None:
    platform = exported.platform
    setting = "SELECT setconfig FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = %s AND setrole = 0"
    with platform.admin() as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} SET work_mem TO '9MB'").format(sql.Identifier(exported.db)))
        kept = connection.execute(setting, [exported.db]).fetchall()
        dropped.append(exported.new("elsewhere"))
        assert exported.script("elsewhere", SUPERUSER, "-r").returncode == 0
        assert connection.execute(setting, [exported.db]).fetchall() == kept
        (there,) = connection.execute(setting, ["elsewhere"]).fetchone() or ()
        assert "work_mem=4MB" in there
        connection.execute(sql.SQL("ALTER DATABASE {} SET work_mem TO '4MB'").format(sql.Identifier(exported.db)))


def test_every_script_of_the_view_is_in_one_of_these_tests(exported: Exported) -> None:
    scripts = {path.name for path in exported.place.iterdir() if path.suffix in (".sql", ".sh", ".dump")}
    used_by_the_script = {DUMP, "database_settings.sql"}
    assert scripts == {*PARTS, *WHOLE[:3], "roles.sql", *used_by_the_script}
