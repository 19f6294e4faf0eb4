"""`pgvault restore --rows`: what is typed, what is said, and what is left when it is ended in the middle."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import Command
from tests.cli.terminal import answered
from tests.cli.test_journey import conforming
from tests.fix_postgres import Cluster

pytestmark = pytest.mark.postgres

SCHEMA = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES customers ON DELETE CASCADE, note text);
INSERT INTO customers SELECT n, 'secret name ' || n FROM generate_series(1, 20) n;
INSERT INTO orders SELECT n, 1 + n % 20, 'note ' || n FROM generate_series(1, 100) n;
"""


@pytest.fixture
def shop(pgvault_ready: Command, pg15: Cluster) -> Iterator[str]:
    name = pg15.createdb()
    with pg15.connect(name) as connection:
        connection.execute(SCHEMA.encode())
    assert pgvault_ready("backup", "-d", pg15.dsn(name)).code == 0
    yield name
    pg15.dropdb(name)


def damage(pgvault: Command, cluster: Cluster, name: str, statement: str) -> tuple[str, ...]:
    """Do it and take a snapshot; the words with which it is put back."""
    with cluster.connect(name) as connection:
        connection.execute(statement.encode())
    assert pgvault("backup", "-d", cluster.dsn(name)).code in (0, 5)
    return ("restore", "latest~1", "-d", cluster.dsn(name), "--into-source", "--damaged-by", "latest")


def test_one_minute_story(pgvault_ready: Command, pg15: Cluster, shop: str) -> None:
    words = damage(pgvault_ready, pg15, shop, "DELETE FROM customers WHERE id <= 5")
    into = (*words, "--only", "public.customers", "--rows", "missing")
    planned = pgvault_ready(*into, "--dry-run", "--json")
    assert planned.code == 0, planned.err
    plan = conforming(planned.json(), "restore rows plan")["plan"]
    assert [(one["table"], one["rows_added"]) for one in plan["tables"]] == [("public.customers", 5)]
    assert plan["left_out"] == [
        {"table": "public.orders", "reference": "orders_customer_fkey", "gone": 25, "cut_off": 0}
    ]
    assert plan["sample"] == []
    done = pgvault_ready(*into, "--with-references", "--yes", "--json")
    assert done.code == 0, done.err + done.out
    result = conforming(done.json(), "restore rows")
    assert (result["tables"], result["rows"], result["failed"]) == (2, 30, [])
    undo = Path(result["undo"])
    assert oct(undo.stat().st_mode & 0o777) == "0o600"
    again = pgvault_ready(*into, "--with-references", "--yes")
    assert (again.code, "nothing was put back" in again.out) == (0, True)
    undone = subprocess.run(
        ["/usr/bin/psql", "-X", "-d", pg15.dsn(shop), "-f", str(undo)], capture_output=True, timeout=60
    )
    assert undone.returncode == 0, undone.stderr
    with pg15.connect(shop) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (75,)


def test_conflicts_are_listed_and_end_in_9(pgvault_ready: Command, pg15: Cluster, shop: str) -> None:
    words = damage(pgvault_ready, pg15, shop, "UPDATE orders SET note = 'x'")
    with pg15.connect(shop) as connection:
        connection.execute("UPDATE orders SET note = 'wanted' WHERE id = 1")
    done = pgvault_ready(*words, "--only", "public.orders", "--rows", "changed", "--yes")
    assert done.code == 9
    assert "conflict: public.orders: 1 row: a third value by now, which stays (in note)" in " ".join(done.out.split())
    assert "secret" not in done.out + done.err
    assert "(exit code 9): what is in conflict stays as it is, in public.orders" in done.err
    (line,) = [line for line in done.err.splitlines() if "if the snapshot is to win: " in line]
    typed = shlex.split(line.partition("to win: ")[2])
    assert typed[-2:] == ["--even-if-changed", "--dry-run"]
    sampled = pgvault_ready(*typed[1:-2], "--damaged-by", "latest", "--dry-run", "--sample", "1")
    assert "e.g. id 1: conflict, stays as it is: note wanted (in the snapshot note 1)" in sampled.out
    seen = pgvault_ready(*typed[1:])
    assert seen.code == 0, seen.err
    assert "gets values back: 1 row" in seen.out
    undo = next(line for line in done.out.splitlines() if line.startswith("undo it with: "))
    undone = subprocess.run(shlex.split(undo.removeprefix("undo it with: ")), capture_output=True, timeout=60)
    assert undone.returncode == 0, undone.stderr


def test_what_refers_to_the_rows_is_named_with_the_line_that_brings_it(
    pgvault_ready: Command, pg15: Cluster, shop: str
) -> None:
    words = damage(pgvault_ready, pg15, shop, "DELETE FROM customers WHERE id <= 20")
    damage(pgvault_ready, pg15, shop, "INSERT INTO customers VALUES (30, 'new')")
    of_ruin = pgvault_ready(*words, "--only", "public.customers", "--rows", "missing", "--dry-run")
    assert "looks like damage (database_empty)" in " ".join(of_ruin.err.split())
    into = ("restore", "latest~2", *words[2:], "--only", "public.customers", "--rows", "missing", "--yes")
    done = pgvault_ready(*into)
    assert (done.code, "what refers to these rows did not come" in done.err) == (9, True), done.err
    (line,) = [line for line in done.err.splitlines() if line.startswith("  next: pgvault ")]
    assert line.endswith(" --with-references --dry-run")
    seen = pgvault_ready(*shlex.split(line.partition("pgvault ")[2]))
    assert (seen.code, "comes back (along with it): 100 deleted rows" in seen.out) == (0, True), seen.out


def test_values_are_shown_only_where_they_are_asked_for(pgvault_ready: Command, pg15: Cluster, shop: str) -> None:
    words = damage(pgvault_ready, pg15, shop, "DELETE FROM customers WHERE id = 1")
    into = (*words, "--only", "public.customers", "--rows", "missing", "--dry-run")
    quiet = pgvault_ready(*into)
    assert "secret" not in quiet.out + quiet.err
    assert "secret name 1" in pgvault_ready(*into, "--sample", "2").out
    code, seen = answered(pgvault_ready, *into, TERM="xterm")
    stage = "comparing rows of public.customers, here and in the database  "
    assert (code, bool(re.search(f"{stage}[0-9.]+ (?:K|M)?i?B", seen))) == (0, True), seen
    done = pgvault_ready(*into[:-1], "--yes")
    assert re.search(r"put back 1 deleted row, [0-9.]+ s", done.out), "and of values of 0 rows nothing is said"


def test_rows_are_chosen_by_an_expression_and_by_who_wrote_them(
    pgvault_ready: Command, pg15: Cluster, shop: str
) -> None:
    """Without a snapshot of the damage the live database is looked at, and nothing of that is kept."""
    with pg15.connect(shop) as connection:
        connection.execute("UPDATE orders SET note = 'x' WHERE id <= 50")
        connection.execute("UPDATE orders SET note = 'wanted' WHERE id > 90")
        xid = str((connection.execute("SELECT xmin::text FROM orders WHERE id = 1").fetchone() or ("",))[0])
    into = ("restore", "latest", "-d", pg15.dsn(shop), "--into-source", "--only", "public.orders", "--rows", "changed")
    seen = pgvault_ready(*into, "--even-if-changed", "--dry-run", "--json")
    assert [one["rows"] for one in seen.json()["plan"]["writers"]] == [50, 10]
    by_words = pgvault_ready(*into, "--where", "id % 10 = 3 AND note LIKE 'note%'", "--yes", "--json")
    assert by_words.code == 0, by_words.err
    assert by_words.json()["rows"] == 6
    by_xid = pgvault_ready(*into, "--xid", xid, "--yes", "--json")
    assert (by_xid.code, by_xid.json()["rows"]) == (0, 45)
    with pg15.connect(shop) as connection:
        assert connection.execute("SELECT note, count(*) FROM orders WHERE note !~ 'note' GROUP BY 1").fetchall() == [
            ("wanted", 9)
        ]
    assert len(pgvault_ready("snapshots", "--json").json()["snapshots"]) == 1


USAGE = [
    (("--only", "public.orders", "--rows", "changed"), "nothing says which rows are the damage"),
    (("--only", "public.orders", "--damaged-by", "latest"), "--damaged-by is about single rows"),
    (("--rows", "missing", "--damaged-by", "latest"), "--rows is about one table"),
    (("--only", "users", "--rows", "missing", "--damaged-by", "latest"), "no table users in the snapshot"),
    (("--only", "orders", "--rows", "missing", "--where", "true"), "next: did you mean --only public.orders?"),
    (("--only", "orders", "--rows", "missing", "--damaged-by", "latest"), "next: did you mean --only public.orders?"),
    (("--only", "ordres", "--rows", "missing", "--damaged-by", "latest"), "next: did you mean public.orders?"),
    (("--only", "ordres"), "next: did you mean public.orders?"),
    (("--only", "public.orders", "--only", "public.customers", "--rows", "all", "--damaged-by", "latest"), "one table"),
    (("--only", "public.orders", "--rows", "all", "-c", "--damaged-by", "latest"), "--rows and -c exclude each other"),
    (("--only", "public.orders", "--rows", "all", "--damaged-by", "latest", "--even-if-changed"), "exclude each other"),
    (("--only", "public.orders", "--rows", "missing", "--xid", "700"), "--xid tells of overwritten rows alone"),
    (("--only", "public.orders", "--rows", "all", "--damaged-by", "latest"), "not later than the good one"),
    (("--only", "public.orders", "--rows", "all", "--damaged-by", "nonsense"), "nonsense"),
]


@pytest.mark.parametrize(("flags", "said"), USAGE, ids=[" ".join(flags) for flags, _ in USAGE])
def test_what_cannot_be_meant_is_refused(
    pgvault_ready: Command, pg15: Cluster, shop: str, flags: tuple[str, ...], said: str
) -> None:
    done = pgvault_ready("restore", "latest", "-d", pg15.dsn(shop), "--into-source", "--yes", *flags)
    assert done.code == 2, done.err
    assert said in " ".join(done.err.split())
    assert "next:" in done.err


def test_a_table_that_is_not_there_and_a_source_without_the_word(
    pgvault_ready: Command, pg15: Cluster, shop: str
) -> None:
    words = damage(pgvault_ready, pg15, shop, "DROP TABLE orders")
    gone = pgvault_ready(*words, "--only", "public.orders", "--rows", "all", "--yes")
    assert (gone.code, "is not there to get rows back" in gone.err) == (2, True)
    unknown = pgvault_ready(*words, "--only", "public.ordres", "--rows", "all", "--yes")
    assert unknown.code == 2
    without = [word for word in words if word != "--into-source"]
    assert pgvault_ready(*without, "--only", "public.customers", "--rows", "all", "--yes").code == 8


SLOW = "ALTER TABLE orders ADD CONSTRAINT slow CHECK (pg_sleep(0.3) IS NOT NULL) NOT VALID"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_ended_in_the_middle_it_did_not_happen(
    pgvault_ready: Command, pg15: Cluster, shop: str, number: signal.Signals
) -> None:
    words = damage(pgvault_ready, pg15, shop, "DELETE FROM orders WHERE id <= 60")
    into = (*words, "--only", "public.orders", "--rows", "missing", "--yes")
    with pg15.connect(shop) as connection:
        connection.execute(SLOW)
        running = pgvault_ready.start(*into)
        undo = pgvault_ready.home / ".local/state/pgvault/undo"
        deadline = time.monotonic() + 60
        while not any(undo.glob("*.sql")) and time.monotonic() < deadline and running.poll() is None:
            time.sleep(0.05)
        written = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO%' AND state = 'active' AND datname = current_database()"
        while connection.execute(written).fetchone() == (0,) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(running.pid, number)
        running.communicate(timeout=60)
        code = running.returncode
        assert code == (130 if number == signal.SIGINT else -signal.SIGKILL)
        while connection.execute(written).fetchone() != (0,) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (40,)
        kept = list(undo.glob("*.sql"))
        assert len(kept) == (0 if number == signal.SIGINT else 1)
        for path in kept:
            told = subprocess.run(
                ["/usr/bin/psql", "-X", "-d", pg15.dsn(shop), "-f", str(path)],
                capture_output=True,
                timeout=60,
                text=True,
            )
            assert (told.returncode, "nothing was done" in told.stdout) == (0, True), told.stderr
        connection.execute("ALTER TABLE orders DROP CONSTRAINT slow")
    assert pgvault_ready(*into).code == 0
