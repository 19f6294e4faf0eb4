"""`pgvault sql`: a statement over one snapshot or several, in a server that has the rows that it reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import Command
from tests.cli.test_journey import conforming
from tests.fix_postgres import Cluster

pytestmark = pytest.mark.postgres
SCHEMA = """
CREATE EXTENSION citext;
CREATE SCHEMA auth;
CREATE TYPE public.state AS ENUM ('new', 'paid');
CREATE TABLE auth.users (id integer PRIMARY KEY, email citext UNIQUE);
CREATE TABLE public.orders (id bigint PRIMARY KEY, user_id integer REFERENCES auth.users, state public.state, total numeric(10, 2));
CREATE TABLE public.large (id integer, pad text);
CREATE TABLE public.parts (id integer, day date) PARTITION BY RANGE (day);
CREATE TABLE public.parts_1 PARTITION OF public.parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE VIEW public.paid AS SELECT o.id, u.email FROM public.orders o JOIN auth.users u ON u.id = o.user_id WHERE state = 'paid';
CREATE MATERIALIZED VIEW public.totals AS SELECT state, sum(total) AS total FROM public.orders GROUP BY state;
CREATE FUNCTION public.orders_of(who integer) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN RETURN (SELECT count(*) FROM public.orders WHERE user_id = who); END $$;
CREATE FUNCTION public.evil() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN DELETE FROM public.orders; RETURN 1; END $$;
ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY nobody ON public.orders USING (false);
INSERT INTO auth.users VALUES (1, 'Ada@example.org'), (2, 'Bob@example.org');
INSERT INTO public.orders SELECT n, 1 + n % 2, CASE WHEN n % 2 = 0 THEN 'paid'::public.state ELSE 'new' END, n FROM generate_series(1, 100) n;
INSERT INTO public.large SELECT n, repeat('x', 100) FROM generate_series(1, 1000) n;
INSERT INTO public.parts SELECT n, '2026-01-05' FROM generate_series(1, 7) n;
REFRESH MATERIALIZED VIEW public.totals;
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, pg15: Cluster) -> Iterator[Command]:
    command = Command(home=tmp_path_factory.mktemp("sql"))
    database = pg15.createdb()
    with pg15.connect(database) as connection:
        connection.execute(SCHEMA.encode())
    assert command("init", "--no-recovery-kit").code == 0
    assert command("backup", "-d", pg15.dsn(database)).code == 0
    with pg15.connect(database) as connection:
        connection.execute("DELETE FROM public.orders WHERE id <= 10")
        connection.execute("ALTER TABLE public.orders ADD COLUMN note text DEFAULT 'n'")
    assert command("backup", "-d", pg15.dsn(database)).code == 0
    yield command
    pg15.dropdb(database)


def answer(saved: Command, *words: str) -> str:
    done = saved("sql", *words)
    assert done.code == 0, done.err
    return done.out


EVERYTHING = """
select (select count(*) || '/' || sum(total) from orders) as orders, (select count(*) from paid) as paid, orders_of(1) as ones,
       (select string_agg(state::text || total, ' ' order by state) from totals) as totals, (select count(*) from parts) as parts,
       (select id from auth.users where email = 'BOB@EXAMPLE.ORG') as bob, '' as nothing, null as no_value;
"""


def test_a_statement_over_one_snapshot(saved: Command) -> None:
    """Through a view, a function's body, a materialized view, partitions and an extension's operators."""
    out = 'orders,paid,ones,totals,parts,bob,nothing,no_value\n90/4995.00,45,45,new2475.00 paid2520.00,7,2,"",\n'
    assert answer(saved, "latest", EVERYTHING) == out


def test_only_rows_that_are_read_are_loaded_and_the_server_is_named(saved: Command) -> None:
    done = saved("sql", "latest", "select count(*) as n from orders", "--format", "jsonl", "--json")
    assert json.loads(done.out) == {"n": 90}
    told = conforming(json.loads(done.err.splitlines()[-1]), "sql")
    assert told["loaded"] == [{"table": "public.orders", "rows": 90}]
    assert any(note.startswith("answered by PostgreSQL 15") for note in told["notes"])


def test_several_snapshots_are_schemas(saved: Command) -> None:
    query = "select id from monday.orders except select id from today.orders order by 1"
    assert answer(saved, "monday=latest~1", "today=latest", query).split() == ["id", *map(str, range(1, 11))]
    both = "select (select count(*) from monday.orders) - (select count(*) from today.orders) as gone, (select count(note) from today.orders) as notes, (select count(*) from monday_auth.users m join today_auth.users t using (email)) as users"
    assert answer(saved, "monday=latest~1", "today=latest", both) == "gone,notes,users\n10,90,2\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("select 1",), "no statement"),
        (("latest", "select * from ordrs"), '"ordrs" does not exist'),
        (("latest", "select public.evil()"), "read-only transaction"),
        (("a=latest", "b", "select 1"), "not a name and a snapshot"),
        (("pg_x=latest", "y=latest", "select 1"), "not a name and a snapshot"),
        (("a=latest", "a=latest~1", "select 1"), "one name"),
        (("latest~9", "select 1"), "latest~9"),
        (("latest", "select 1 as a, 2 as a", "--format", "jsonl"), "two columns"),
        (("latest", "select 1", "--format", "table", "-o", "x"), "for a terminal"),
    ],
)
def test_mistakes_and_tricks_are_refused(saved: Command, words: tuple[str, ...], said: str) -> None:
    done = saved("sql", *words)
    assert done.code == 2, done.out + done.err
    assert said in done.err


def test_duckdb_answers(saved: Command) -> None:
    query = "select state, count(*) as n, sum(total) as total from orders group by state order by state"
    out = "state,n,total\nnew,45,2475.00\npaid,45,2520.00\n"
    assert answer(saved, "latest", query, "--engine", "duckdb") == out
    both = "select count(*) as n from a.orders x anti join b.orders y using (id)"
    assert answer(saved, "a=latest~1", "b=latest", both, "--engine", "duckdb") == "n\n10\n"


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('/etc/passwd')",
        "copy orders to '/tmp/pgvault-was-here'",
        "select 1; select 2",
        "select * from ordrs",
        "install httpfs",
    ],
)
def test_duckdb_reads_nothing_else(saved: Command, query: str) -> None:
    done = saved("sql", "latest", query, "--engine", "duckdb")
    assert done.code == 2, done.out
    assert not Path("/tmp/pgvault-was-here").exists()
