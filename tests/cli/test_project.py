"""In the directory of a Supabase project: the database, its password, the migrations and the functions are found."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.cli.command import Command
from tests.fix_postgres import Cluster
from tests.local_stack import local_database, make_project

pytestmark = pytest.mark.postgres
NOTES = "CREATE TABLE notes (id int PRIMARY KEY, body text); INSERT INTO notes SELECT n, 'n' || n FROM generate_series(1, 9) n"


@pytest.fixture(scope="module")
def stack() -> Iterator[tuple[Cluster, int]]:
    with local_database(NOTES) as running:
        yield running


@pytest.fixture
def lilac(pgvault_ready: Command, stack: tuple[Cluster, int]) -> Command:
    """The command in the project's directory, with its repository beside it."""
    root = pgvault_ready.home / "lilac"
    make_project(root, stack[1])
    return replace(pgvault_ready, home=root, environment={"PGVAULT_REPOSITORY": str(pgvault_ready.repository)})


def test_backup_alone_takes_the_whole_project(lilac: Command) -> None:
    done = lilac("backup")
    assert done.code == 0, done.err
    assert f"project lilac of {lilac.home / 'supabase' / 'config.toml'}: its local database, edge_functions" in done.err
    shown = lilac("show", "latest", "--json").json()
    assert shown["snapshot"]["source"] == "lilac"
    assert [table["name"] for table in shown["tables"]] == ["public.notes"]
    assert (shown["coverage"]["migrations"]["count"], shown["coverage"]["edge_functions"]["count"]) == (2, 1)
    assert lilac("backup", "--json").json()["parent"] == shown["snapshot"]["id"]


def test_what_the_project_has_and_a_database_by_name_leaves_out_is_told(
    lilac: Command, stack: tuple[Cluster, int]
) -> None:
    whole = " --dir edge_functions=supabase/functions --dir migrations=supabase/migrations"
    environment = {"PGPASSWORD": "postgres"}
    assert lilac("backup").code == 0
    url = f"postgresql://postgres@127.0.0.1:{stack[1]}/postgres"
    alone = lilac("backup", "-d", url, **environment)
    assert alone.code == 0, alone.err
    assert (
        "not in this snapshot: edge_functions, migrations of project lilac, because -d names a database alone"
        in alone.err
    )
    assert f"to have them too, add{whole}" in alone.err
    told = lilac("status").out
    assert "since the one before: no row or table more or less" in told
    assert "without directory migrations, which" in told
    taken = lilac("backup", "-d", url, *whole.split(), **environment)
    assert "not in this snapshot" not in taken.err
    assert lilac("show", "latest", "--json").json()["coverage"]["migrations"]["count"] == 2
    libpq = {"PGHOST": "127.0.0.1", "PGPORT": str(stack[1]), "PGUSER": "postgres", "PGDATABASE": "postgres"}
    assert "because libpq's variables name" in lilac("backup", **environment, **libpq).err
    files = lilac("backup", "--dir", "a=supabase", "--source", "files")
    assert "not in this snapshot: the database, edge_functions, migrations" in files.err
    (lilac.home / "pgvault.toml").write_text(f'[source.lilac]\ndatabase = "{url}"\n')
    assert "because the configuration names" in lilac("backup", **environment).err
    with (lilac.home / "pgvault.toml").open("a") as file:
        file.write('directories = { migrations = "supabase/migrations" }\n')
    assert "not in this snapshot" not in lilac("backup", **environment).err, "a list of its own is an answer"


def test_what_is_none_any_more_is_no_success_and_tables_are_counted_by_one_definition(
    pgvault_ready: Command, stack: tuple[Cluster, int]
) -> None:
    cluster, _ = stack
    name, copy = cluster.createdb(), cluster.createdb()
    with cluster.connect(name) as connection:
        connection.execute(
            "CREATE SCHEMA auth; CREATE TABLE auth.users (id int PRIMARY KEY); CREATE TABLE notes (id int)"
        )
        connection.execute("CREATE TABLE auth.identities (id int); INSERT INTO auth.identities VALUES (1)")
        connection.execute("INSERT INTO auth.users VALUES (1); INSERT INTO notes VALUES (1)")
    backup = ("backup", "-d", cluster.dsn(name), "--source", "shop")
    first = pgvault_ready(*backup)
    assert first.code == 0, first.err
    assert "✅ Database tables: 2 tables" in first.out
    assert "✅ User roles: 0 role assignments" in first.out, "there were none before"
    plan = pgvault_ready("restore", "latest", "--source", "shop", "-d", cluster.dsn(copy), "--dry-run")
    assert "3 rows of 3 tables (1 of them the platform's own)" in plan.out
    with cluster.connect(name) as connection:
        connection.execute("DELETE FROM auth.users")
    ruin = pgvault_ready(*backup)
    assert ruin.code == 5
    for said in (ruin.out, pgvault_ready("show", "latest", "--source", "shop").out):
        assert "❗ Users: 0 users (with encrypted passwords)" in said
        assert "✅ Data records: 2 total records" in said
        assert "✅ User roles: 0 role assignments" in said
    again = pgvault_ready(*backup)
    assert "❗ Users: 0 users" in again.out, "next to the last good one"


def test_another_password_of_the_stack_comes_from_libpqs_places(lilac: Command, stack: tuple[Cluster, int]) -> None:
    with stack[0].connect() as connection:
        connection.execute("ALTER ROLE postgres PASSWORD 'other'")
    try:
        refused = lilac("backup")
        assert refused.code == 6
        assert 'password authentication failed for user "postgres"' in refused.err
        assert "PGPASSWORD" in refused.err
        assert "~/.pgpass" in refused.err
        assert lilac("backup", "-q", PGPASSWORD="other").code == 0
        (lilac.home / ".pgpass").write_text("*:*:*:postgres:other\n")
        (lilac.home / ".pgpass").chmod(0o600)
        done = lilac("backup", "-q")
        assert done.code == 0, done.err
    finally:
        with stack[0].connect() as connection:
            connection.execute("ALTER ROLE postgres PASSWORD 'postgres'")


def test_a_doctor_looks_at_what_a_backup_would_take(lilac: Command) -> None:
    done = lilac("doctor", "--json").json()
    told = {one["check"]: one["what"] for one in done["findings"]}
    assert done["exit_code"] == lilac("backup", "-q").code == 0
    assert "its local database, edge_functions" in told["source"]
    assert "migrations" in told["directories"]
    assert lilac("doctor", "--linked").code == lilac("backup", "--linked").code == 2
    with local_database() as (_, port):
        make_project(lilac.home, port, major=17)
        other = {one["check"]: one for one in lilac("doctor", "--json").json()["findings"]}
    assert (other["database"]["fix"], other["identity"]["state"]) == ("supabase status", "warn")
    gone = {one["check"]: one for one in lilac("doctor", "--json").json()["findings"]}
    assert gone["database"]["fix"].startswith("supabase start")


def test_a_restore_reaches_it_too(lilac: Command, stack: tuple[Cluster, int]) -> None:
    cluster, _ = stack
    assert lilac("backup", "-q").code == 0
    with cluster.connect() as connection:
        connection.execute("DROP TABLE notes")
    done = lilac("restore", "latest", "--local", "--into-source", "--only", "public.notes", "--yes")
    assert done.code == 0, done.err
    with cluster.connect() as connection:
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (9,)


def test_a_restore_that_names_no_database_is_told_the_line_that_reaches_it(lilac: Command) -> None:
    assert lilac("backup", "-q").code == 0
    typed = ("restore", "latest", "--only", "public.notes", "--into-source", "--dry-run")
    for rows in ((), ("--rows", "missing", "--where", "id = 1")):
        done = lilac(*typed, *rows)
        assert (done.code, "nothing to restore into" in done.err) == (2, True), done.err
        line = done.err.partition(f"into the local database of {lilac.home}: pgvault ")[2].partition(";")[0]
        assert line.endswith(" --local"), done.err
        again = lilac(*shlex.split(line))
        assert again.code == 0, again.err
    folder = lilac("restore", "latest", "--only", "public.notes", "--dir", "migrations=there")
    assert "pgvault restore latest --only public.notes --dir migrations=there --local" in folder.err


def test_another_database_at_the_port_is_not_taken_for_the_projects(lilac: Command) -> None:
    assert lilac("backup", "-q").code == 0
    with local_database() as (_, port):
        make_project(lilac.home, port, major=17)
        done = lilac("backup")
    assert done.code == 3
    assert "db.major_version is 17: is it this project's?" in done.err
    assert "lilac~" in done.err
    assert "(supabase db reset): say --server-moved, once" in done.err


def test_a_stack_that_does_not_run_is_unreachable(lilac: Command) -> None:
    assert lilac("backup", "-q").code == 0
    make_project(lilac.home, 1)
    for arguments in (("backup",), ("restore", "latest", "--local", "--yes")):
        done = lilac(*arguments)
        assert (done.code, "supabase start" in done.err) == (6, True), done.err


def test_a_half_written_configuration_stops_it(lilac: Command) -> None:
    (lilac.home / "supabase" / "config.toml").write_text('project_id = "lilac"\n[db\n')
    done = lilac("backup")
    assert done.code == 2
    assert "config.toml:2: it is no TOML" in done.err
    assert lilac("snapshots").code == 0, "what needs no database goes on"
