"""A real database through the real command: saved, shown, taken apart, restored, refused."""

from __future__ import annotations

import csv
import io
import shlex
import signal
import subprocess
import time

import pytest

from tests.cli.command import HANG_S, Command
from tests.cli.test_journey import conforming
from tests.fix_postgres import Cluster

pytestmark = pytest.mark.postgres

SCHEMA = """
CREATE TABLE "Odd ""Name" (id int PRIMARY KEY, note text);
INSERT INTO "Odd ""Name" SELECT n, CASE WHEN n % 3 = 0 THEN NULL ELSE 'note, "' || n || E'"\\n' END FROM generate_series(1, 300) n;
CREATE TABLE items (id bigint GENERATED ALWAYS AS IDENTITY, price numeric, kind text CHECK (kind <> ''));
INSERT INTO items (price, kind) SELECT n / 7.0, 'k' || n % 5 FROM generate_series(1, 5000) n;
ALTER TABLE items ENABLE ROW LEVEL SECURITY;
CREATE POLICY everybody ON items USING (true);
CREATE FUNCTION total() RETURNS numeric LANGUAGE sql STABLE AS 'SELECT sum(price) FROM public.items';
"""
WAITING = """
CREATE FUNCTION wait() RETURNS bool LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(42); RETURN true; END';
CREATE TABLE t (id int CHECK (wait()));
INSERT INTO t VALUES (1);
"""
COUNTING = """
CREATE TABLE seen (id int);
CREATE FUNCTION look() RETURNS int LANGUAGE sql AS 'INSERT INTO public.seen VALUES (1) RETURNING id';
CREATE MATERIALIZED VIEW looks AS SELECT look();
"""
"""A refresh of the view, which a restore does last, adds a row."""
SUMMARY = [
    "✅ Database tables: 2 tables",
    "✅ Data records: 5300 total records",
    "✅ Users: 0 users (with encrypted passwords)",
    "✅ User roles: 0 role assignments",
    "✅ RLS policies: 1 policy",
    "✅ RPC functions: 1 function",
]


@pytest.fixture(scope="module")
def database(postgres: Cluster) -> str:
    name = postgres.createdb()
    with postgres.connect(name) as connection:
        connection.execute(SCHEMA.encode())
    return name


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, postgres: Cluster, database: str) -> Command:
    """A repository with a snapshot of the database; the tests only add to it."""
    command = Command(home=tmp_path_factory.mktemp("saved"))
    assert command("init", "--no-recovery-kit").code == 0
    done = command("backup", "-d", postgres.dsn(database))
    assert done.code == 0, done.err
    assert done.out.splitlines()[2:8] == SUMMARY
    return command


def test_backup_tells_what_it_did(saved: Command, postgres: Cluster, database: str) -> None:
    done = conforming(saved("backup", "-d", postgres.dsn(database), "--json").json(), "backup")
    assert (done["tables"], done["rows"]) == (2, 5300)
    assert done["new_bytes"] < done["source_bytes"]
    shown = conforming(saved("show", "latest", "--json").json(), "show")
    assert {table["name"]: table["rows"] for table in shown["tables"]} == {
        'public.Odd "Name': 300,
        "public.items": 5000,
    }
    assert shown["snapshot"]["source"].startswith(f"{database}@")
    sizes = conforming(saved("stats", "--json").json(), "stats")
    assert sizes["snapshots"] == 2
    assert {table["rows"] for table in sizes["tables"]} == {300, 5000}


def test_backup_of_a_part_says_what_was_not_selected(pgvault_ready: Command, postgres: Cluster) -> None:
    name = postgres.createdb()
    with postgres.connect(name) as connection:
        connection.execute(b"CREATE SCHEMA app; CREATE TABLE app.t (id int); CREATE TABLE public.other (id int)")
        connection.execute("SELECT lo_from_bytea(0, 'x')")
    done = pgvault_ready("backup", "-d", postgres.dsn(name), "-n", "app", "-T", "app.none", "--json")
    assert done.code == 0, done.err
    coverage = conforming(done.json(), "backup")["coverage"]
    assert coverage["large_objects"]["state"] == "not_selected"
    assert coverage["users"]["state"] == "not_selected"
    assert coverage["data"]["state"] == "captured"
    told = [item["item"] for item in coverage["data"]["missing"]]
    assert told == ["what -n app leaves out", "what -T app.none leaves out"]


def test_table_is_printed_as_csv(saved: Command) -> None:
    done = saved("table", "latest", 'public."Odd ""Name"')
    rows = list(csv.DictReader(io.StringIO(done.out, newline="")))
    assert len(rows) == 300
    assert rows[0] == {"id": "1", "note": 'note, "1"\n'}
    assert saved("table", "latest", "odd").code == 2
    assert saved("table", "latest", "items", "--format", "jsonl", "-o", "items.jsonl").code == 0
    assert len((saved.home / "items.jsonl").read_text().splitlines()) == 5000


def test_restore_brings_back_and_counts_in_the_target(saved: Command, postgres: Cluster) -> None:
    target = postgres.createdb()
    done = saved("restore", "latest", "-d", postgres.dsn(target), "--yes")
    assert done.code == 0, done.err + done.out
    assert done.out.splitlines()[-9:-3] == SUMMARY
    with postgres.connect(target) as connection:
        assert connection.execute("SELECT count(*), sum(id) FROM public.items").fetchone() == (5000, 12_502_500)
        assert connection.execute("SELECT relrowsecurity FROM pg_class WHERE relname = 'items'").fetchone() == (True,)
    again = saved("restore", "latest", "-d", postgres.dsn(target), "--yes", "--json")
    assert again.code == 8
    assert conforming(again.json(), "error")["code"] == "UNSAFE"


def test_restore_result_has_its_shape(saved: Command, postgres: Cluster) -> None:
    done = saved("restore", "latest", "-d", postgres.dsn(postgres.createdb()), "--yes", "--json")
    result = conforming(done.json(), "restore")
    assert (result["tables"], result["rows"], result["failed"]) == (2, 5300, [])


def test_target_that_counts_otherwise_than_the_snapshot_exits_9(pgvault_ready: Command, postgres: Cluster) -> None:
    source = postgres.createdb()
    with postgres.connect(source) as connection:
        connection.execute(COUNTING)
    assert pgvault_ready("backup", "-d", postgres.dsn(source)).code == 0
    done = pgvault_ready("restore", "latest", "-d", postgres.dsn(postgres.createdb()), "--yes", "--json")
    result = conforming(done.json(), "restore")
    assert result["failed"] == [{"entry": "records", "why": "1 in the snapshot, 2 in the target"}]
    assert done.code == 9


def test_dry_run_and_missing_terminal_write_nothing(saved: Command, postgres: Cluster) -> None:
    target = postgres.createdb()
    assert saved("restore", "latest", "-d", postgres.dsn(target), "--dry-run").code == 0
    assert saved("restore", "latest", "-d", postgres.dsn(target)).code == 2
    with postgres.connect(target) as connection:
        assert connection.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        ).fetchone() == (0,)


def test_restore_into_the_source_is_refused(saved: Command, postgres: Cluster, database: str) -> None:
    assert saved("restore", "latest", "-d", postgres.dsn(database), "--yes").code == 8


def test_missing_database_exits_6_and_says_how_to_make_it(pgvault_ready: Command, postgres: Cluster) -> None:
    done = pgvault_ready("backup", "-d", postgres.dsn("nowhere"))
    assert done.code == 6
    assert 'database "nowhere" does not exist' in done.err
    assert "createdb" in done.err


def test_interrupted_restore_says_so_and_leaves_no_session(pgvault_ready: Command, postgres: Cluster) -> None:
    """The rows of the target wait for an advisory lock, so the signal always meets a COPY. Before, it is told who holds the lock."""
    source, target = postgres.createdb(), postgres.createdb()
    with postgres.connect(source) as connection:
        connection.execute(WAITING)
    assert pgvault_ready("backup", "-d", postgres.dsn(source)).code == 0
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with postgres.connect(target) as holder:
        holder.execute("SELECT pg_advisory_lock(42)")
        running = pgvault_ready.start("restore", "latest", "-d", postgres.dsn(target), "--yes")
        while holder.execute(waiting).fetchone() != (1,):
            assert running.poll() is None
        assert running.stderr is not None
        heard = next(line for line in running.stderr if "for a lock" in line)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=HANG_S)
        ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgvault'"
        hang_at = time.monotonic() + HANG_S
        while holder.execute(ours).fetchone() != (0,):  # the server takes a moment to see that a client is gone
            assert time.monotonic() < hang_at
    assert running.returncode == 130
    stands = (
        f"database {target} holds a part of the snapshot, and has to be made anew: the restore was at its step: rows"
    )
    assert stands in said
    assert "stays" not in said, "it is to be made anew"
    assert "canceling statement" not in said, "we did that"
    (line,) = [line for line in said.splitlines() if line.startswith("  next: ")]
    typed = [shlex.split(words) for words in line.removeprefix("  next: ").split(" && ")]
    assert [words[0] for words in typed] == ["dropdb", "createdb", "pgvault"]
    for words in typed[:2]:
        subprocess.run([str(postgres.bin / words[0]), *words[1:]], check=True, timeout=HANG_S)
    with postgres.connect(target) as connection:
        connection.execute("SELECT 1")
    assert typed[2][2] != "latest", "there may be a later one by now"
    assert pgvault_ready(*typed[2][1:]).code == 0
    assert "for a lock on advisory that pid " in heard


def test_database_named_by_the_environment_is_backed_up(
    pgvault_ready: Command, postgres: Cluster, database: str
) -> None:
    words = dict(word.split("=", 1) for word in postgres.dsn("x").split())
    done = pgvault_ready(
        "backup", "--json", PGHOST=words["host"], PGPORT=words["port"], PGUSER=words["user"], PGDATABASE=database
    )
    assert conforming(done.json(), "backup")["rows"] == 5300
