"""Getting back just what was lost, with one command, into the very database that lost it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import Command
from tests.cli.test_journey import conforming
from tests.fix_postgres import Cluster

pytestmark = pytest.mark.postgres

SCHEMA = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id bigserial PRIMARY KEY, customer int NOT NULL REFERENCES customers, note text);
INSERT INTO customers SELECT n, 'customer ' || n FROM generate_series(1, 10) n;
INSERT INTO orders (customer, note) SELECT 1 + n % 10, 'note ' || n FROM generate_series(1, 100) n;
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON orders USING (customer = 1);
CREATE FUNCTION total(customer int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM public.orders o WHERE o.customer = $1';
"""


@pytest.fixture
def damaged(pgvault_ready: Command, postgres: Cluster) -> Iterator[str]:
    """Backed up; the test damages it."""
    name = postgres.createdb()
    with postgres.connect(name) as connection:
        connection.execute(SCHEMA.encode())
    assert pgvault_ready("backup", "-d", postgres.dsn(name)).code == 0
    yield name
    postgres.dropdb(name)


def test_a_dry_run_foresees_rows_that_a_replaced_table_would_strand(
    pgvault_ready: Command, postgres: Cluster, damaged: str
) -> None:
    with postgres.connect(damaged) as connection:
        connection.execute("INSERT INTO customers VALUES (11, 'newer')")
        connection.execute("INSERT INTO orders (customer, note) VALUES (11, 'a'), (11, 'b')")
    into = ("-d", postgres.dsn(damaged), "--into-source", "-c", "--only", "public.customers", "--yes")
    foreseen = pgvault_ready("restore", "latest", *into, "--dry-run", "--json")
    assert conforming(foreseen.json(), "restore plan")["plan"]["steps"][-1] == {
        "action": "strand rows",
        "table": "public.orders",
        "why": "2 rows would refer to nothing, by orders_customer_fkey to public.customers; "
        "without -c newer rows stay; with public.orders beside it, those go too",
    }
    assert "strand rows: public.orders: 2 rows" in pgvault_ready("restore", "latest", *into, "--dry-run").out
    both = pgvault_ready("restore", "latest", *into, "--only", "public.orders", "--dry-run")
    assert both.code == 0, both.err
    assert "strand" not in both.out
    done = pgvault_ready("restore", "latest", *into)
    assert done.code == 9
    assert "FK CONSTRAINT orders_customer_fkey of public.orders: 2 rows" in done.out + done.err


def test_partitions_that_come_along_are_not_stranded(pgvault_ready: Command, postgres: Cluster) -> None:
    name = postgres.createdb()
    with postgres.connect(name) as connection:
        connection.execute(
            "CREATE TABLE c (id int PRIMARY KEY); CREATE TABLE o (c int REFERENCES c) PARTITION BY LIST (c)"
        )
        connection.execute("CREATE TABLE o1 PARTITION OF o FOR VALUES IN (1); CREATE TABLE o2 PARTITION OF o DEFAULT")
        connection.execute("INSERT INTO c VALUES (1), (2); INSERT INTO o VALUES (1), (2)")
    assert pgvault_ready("backup", "-d", postgres.dsn(name)).code == 0
    with postgres.connect(name) as connection:
        connection.execute("INSERT INTO c VALUES (3); INSERT INTO o VALUES (3)")
    into = ("restore", "latest", "-d", postgres.dsn(name), "--into-source", "-c", "--dry-run")
    assert "strand rows" not in pgvault_ready(*into).out
    assert "strand rows: public.o2: 1 row would" in pgvault_ready(*into, "--only", "public.c").out
    assert "strand" not in pgvault_ready(*into, "--only", "public.c", "--only", "public.o").out
    postgres.dropdb(name)


def test_deleted_rows_come_back_and_newer_ones_stay(pgvault_ready: Command, postgres: Cluster, damaged: str) -> None:
    with postgres.connect(damaged) as connection:
        connection.execute("DELETE FROM orders WHERE id <= 40; UPDATE orders SET note = 'newer' WHERE id = 50")
        connection.execute("INSERT INTO orders (customer, note) VALUES (2, 'since')")
    into = ("-d", postgres.dsn(damaged), "--only", "public.orders", "--yes", "--json")
    assert pgvault_ready("restore", "latest", *into).code == 8, "the source wants a word of its own"
    done = pgvault_ready("restore", "latest", *into, "--into-source")
    assert done.code == 0, done.err + done.out
    (merged,) = conforming(done.json(), "restore")["merged"]
    assert merged == {
        "table": "public.orders",
        "added": 40,
        "left_different": 1,
        "changed": 0,
        "deleted": 0,
        "refused": 0,
    }
    with postgres.connect(damaged) as connection:
        notes = "SELECT count(*), count(*) FILTER (WHERE note IN ('newer', 'since')) FROM orders"
        assert connection.execute(notes).fetchall() == [(101, 2)]
    planned = pgvault_ready("restore", "latest", *into, "--into-source", "-c", "--dry-run")
    (step,) = [one for one in conforming(planned.json(), "restore plan")["plan"]["steps"] if "table" in one]
    assert step == {
        "action": "replace rows",
        "table": "public.orders",
        "why": "",
        "rows_added": 0,
        "rows_changed": 1,
        "rows_deleted": 1,
    }
    exact = pgvault_ready("restore", "latest", *into, "--into-source", "-c")
    assert exact.json()["merged"] == [
        {"table": "public.orders", "added": 0, "left_different": 0, "changed": 1, "deleted": 1, "refused": 0}
    ]
    assert exact.code == 0, exact.err + exact.out
    with postgres.connect(damaged) as connection:
        assert connection.execute(notes).fetchall() == [(100, 0)]


def test_plan_shows_what_is_there_what_differs_and_what_is_missing(
    pgvault_ready: Command, postgres: Cluster, damaged: str
) -> None:
    with postgres.connect(damaged) as connection:
        connection.execute(
            "DROP POLICY own ON orders; CREATE OR REPLACE FUNCTION total(customer int) RETURNS bigint"
            " LANGUAGE sql STABLE AS 'SELECT 0::bigint'"
        )
    into = ("restore", "latest", "-d", postgres.dsn(damaged), "--into-source", "--only", "schema")
    shown = pgvault_ready(*into, "--dry-run")
    assert shown.code == 0
    assert "1 POLICY" in shown.out
    assert "not done: FUNCTION total(integer): differs on the target in body; -c replaces it" in shown.out
    left = pgvault_ready(*into, "--yes")
    assert left.code == 9
    assert "FUNCTION total(integer)" in left.out
    assert pgvault_ready(*into, "--yes", "-c").code == 0
    with postgres.connect(damaged) as connection:
        assert connection.execute("SELECT total(1), (SELECT count(*) FROM pg_policies)").fetchall() == [(10, 1)]


def test_table_that_differs_is_not_replaced_without_its_rows(
    pgvault_ready: Command, postgres: Cluster, damaged: str
) -> None:
    with postgres.connect(damaged) as connection:
        connection.execute(
            "ALTER TABLE orders ADD COLUMN extra text; INSERT INTO orders (customer, note) VALUES (3, 'x')"
        )
    into = ("restore", "latest", "-d", postgres.dsn(damaged), "--into-source", "--yes", "-c")
    done = pgvault_ready(*into, "-s")
    assert done.code == 9
    assert "would lose rows of public.orders" in done.out
    with postgres.connect(damaged) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchall() == [(101,)]
    assert pgvault_ready(*into).code == 0
    with postgres.connect(damaged) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchall() == [(100,)]


def test_definitions_and_rows_come_apart(pgvault_ready: Command, postgres: Cluster, damaged: str) -> None:
    target = ("-d", postgres.dsn(postgres.createdb()), "--yes")
    early = pgvault_ready("restore", "latest", *target, "-a")
    assert early.code == 9
    assert "it is not on the target" in early.out
    assert pgvault_ready("restore", "latest", *target, "-s").code == 0
    done = pgvault_ready("restore", "latest", *target, "-a")
    assert done.code == 0, done.err + done.out
    assert "public.orders: 100 rows added" in done.out


def test_words_that_mean_nothing_are_refused(pgvault_ready: Command, postgres: Cluster, damaged: str) -> None:
    into = ("restore", "latest", "-d", postgres.dsn(damaged), "--into-source", "--yes")
    for only, hint in (("public.order", "public.orders"), ("polices", "rls_policies"), ("a.b.c", "SCHEMA.NAME")):
        done = pgvault_ready(*into, "--only", only)
        assert done.code == 2
        assert hint in done.err
    assert pgvault_ready(*into, "-s", "-a").code == 2
    assert pgvault_ready("restore", "latest", "--dir", "migrations=./x", "--only", "users").code == 2


def test_children_that_went_along_are_named_with_the_command_that_brings_them(
    pgvault_ready: Command, postgres: Cluster, damaged: str
) -> None:
    with postgres.connect(damaged) as connection:
        connection.execute(
            'CREATE TABLE "order Items" (id int PRIMARY KEY, "order" bigint REFERENCES orders ON DELETE CASCADE);'
            'INSERT INTO "order Items" SELECT id, id FROM orders; CREATE TABLE notes (id int PRIMARY KEY, "order" bigint'
            " REFERENCES orders ON DELETE SET NULL); INSERT INTO notes SELECT id, id FROM orders"
        )
    dsn = postgres.dsn(damaged)
    assert pgvault_ready("backup", "-d", dsn).code == 0
    with postgres.connect(damaged) as connection:
        connection.execute("DELETE FROM orders WHERE id <= 40; INSERT INTO orders (customer, note) VALUES (2, 'since')")
    into = ("-d", dsn, "--into-source", "--yes")
    planned = pgvault_ready("restore", "latest", *into, "--only", "public.orders", "--dry-run")
    assert (
        'beside it: public."order Items": refers to public.orders, and has 60 rows, 100 in the snapshot' in planned.out
    )
    assert "beside it: public.notes: rows that were cut off stay so" in planned.out
    done = pgvault_ready("restore", "latest", *into, "--only", "public.orders")
    assert done.code == 0, done.err + done.out
    assert "public.notes: 40 rows no longer refer by order to public.orders" in done.out
    for line in done.out.splitlines():
        if line.startswith("to bring that: pgvault "):
            words = shlex.split(line.removeprefix("to bring that: pgvault ").partition(" (")[0])
            again = pgvault_ready(*words, "--yes")
            assert again.code == 0, again.err + again.out
    with postgres.connect(damaged) as connection:
        counted = 'SELECT (SELECT count(*) FROM "order Items"), (SELECT count("order") FROM notes), (SELECT count(*) FROM orders)'
        assert connection.execute(counted).fetchall() == [(100, 100, 101)]
    whole = pgvault_ready("restore", "latest", *into, "--only", "public.orders", "--json")
    assert conforming(whole.json(), "restore")["beside"] == []


@pytest.mark.spec("SEL-12")
def test_a_view_that_stops_a_replacement_is_foreseen_and_named(
    pgvault_ready: Command, postgres: Cluster, damaged: str
) -> None:
    with postgres.connect(damaged) as connection:
        connection.execute("ALTER TABLE orders ADD extra int; CREATE VIEW since AS SELECT extra FROM orders")
    into = ("-d", postgres.dsn(damaged), "--into-source", "--only", "public.orders", "-c", "--yes")
    planned = pgvault_ready("restore", "latest", *into, "--dry-run")
    assert "blocked: orders: view public.since would stop it" in planned.out, planned.out
    assert "DROP VIEW public.since;" in planned.out
    stopped = pgvault_ready("restore", "latest", *into)
    assert stopped.code == 9
    assert "view since depends on table orders" in stopped.out.replace("public.", "")
    with postgres.connect(damaged) as connection:
        connection.execute("DROP VIEW public.since")
    assert "blocked" not in pgvault_ready("restore", "latest", *into, "--dry-run").out
    assert pgvault_ready("restore", "latest", *into).code == 0


def test_a_whole_restore_names_the_directories_that_nobody_asked_for(
    pgvault_ready: Command, pg15: Cluster, tmp_path: Path
) -> None:
    source, target = pg15.createdb(), pg15.createdb()
    for name in ("files", "more"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one").write_text("text")
    places = [word for name in ("files", "more") for word in ("--dir", f"{name}={tmp_path / name}")]
    try:
        with pg15.connect(source) as connection:
            connection.execute("CREATE TABLE t (id int)")
        assert pgvault_ready("backup", "-d", pg15.dsn(source), *places).code == 0
        asked = ("restore", "latest", "-d", pg15.dsn(target), "--dry-run")
        assert "not asked for: directory files, 1 path; with it: --dir files=TARGET" in pgvault_ready(*asked).out
        one = pgvault_ready(*asked, "--dir", f"files={tmp_path / 'new'}").out
        assert [line.split(",")[0] for line in one.splitlines() if "not asked for" in line] == [
            "not asked for: directory more"
        ]
        assert "not asked for" not in pgvault_ready(*asked, "--only", "public.t").out
    finally:
        pg15.dropdb(source)
        pg15.dropdb(target)
