"""`pgvault rows`: rows by a condition, without a restore; what a condition may do, and what it may not."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cli.command import Command, Done
from tests.cli.test_journey import conforming
from tests.fix_postgres import Cluster

pytestmark = pytest.mark.postgres
SCHEMA = """
CREATE SCHEMA app;
CREATE TYPE app.state AS ENUM ('new', 'paid');
CREATE FUNCTION app.is_large(total numeric) RETURNS boolean LANGUAGE sql AS 'SELECT total > 900';
CREATE TABLE app.orders (
    id bigint PRIMARY KEY, state app.state NOT NULL, total numeric(10, 2), note text, "Odd" integer,
    twice numeric GENERATED ALWAYS AS (total * 2) STORED
);
INSERT INTO app.orders SELECT n, CASE WHEN n % 2 = 0 THEN 'paid'::app.state ELSE 'new' END, n, 'note ' || n, n % 7
  FROM generate_series(1, 1000) n;
INSERT INTO app.orders VALUES (1001, 'new', NULL, E'tab\\tand ''quote''', NULL);
CREATE TABLE app.other (id integer);
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, pg15: Cluster) -> Iterator[Command]:
    command = Command(home=tmp_path_factory.mktemp("rows"))
    database = pg15.createdb()
    with pg15.connect(database) as connection:
        connection.execute(SCHEMA.encode())
    assert command("init", "--no-recovery-kit").code == 0
    assert command("backup", "-d", pg15.dsn(database)).code == 0
    yield command
    pg15.dropdb(database)


def ids(done: Done) -> list[str]:
    assert done.code == 0, done.err
    return [line.partition(",")[0] for line in done.out.splitlines()[1:]]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("id = 42", ["42"]),
        ("id='42' AND note = 'note 42'", ["42"]),
        ("id = 42 and note = 'note 41'", []),
        ('"Odd" = 3 and id = 10', ["10"]),
        ("note = E'x' or id = 7", ["7"]),
        ("id = 99999", []),
    ],
)
def test_rows_by_key(saved: Command, where: str, found: list[str]) -> None:
    assert ids(saved("rows", "latest", "app.orders", "--where", where)) == found


def test_no_server_is_started_for_a_key(saved: Command) -> None:
    done = saved("rows", "latest", "app.orders", "--where", "id = 1001", "--columns", 'note,"Odd",id')
    assert done.out == "note,Odd,id\ntab\tand 'quote',,1001\n"
    assert "starting" not in done.err


def test_postgresql_evaluates_the_rest_with_the_snapshots_own_types_and_functions(saved: Command) -> None:
    where = "state = 'paid' AND app.is_large(orders.total) AND twice < 1810 -- a comment"
    assert ids(saved("rows", "latest", "app.orders", "--where", where)) == ["902", "904"]
    done = saved("rows", "latest", "app.orders", "--where", "id in (select id from app.other)")
    assert done.code == 2
    assert "it reads app.other" in done.err
    assert "pgvault sql" in done.err


def test_limit_columns_and_forms(saved: Command) -> None:
    done = saved("rows", "latest", "orders", "--limit", "2", "--columns", "id,state", "--format", "jsonl", "--json")
    assert [json.loads(line) for line in done.out.splitlines()] == [
        {"id": 1, "state": "new"},
        {"id": 2, "state": "paid"},
    ]
    assert conforming(json.loads(done.err.splitlines()[-1]), "rows")["rows"] == 2
    assert saved("rows", "latest", "orders", "--limit", "0").out == "id,state,total,note,Odd,twice\n"
    assert saved("rows", "latest", "orders", "--where", "id = 3", "--format", "table").out.split() == [
        "id", "state", "total", "note", "Odd", "twice", "3", "new", "3.00", "note", "3", "3", "6.00",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("app.ordrs",), "did you mean app.orders"),
        (("app.orders", "--columns", "id,noot"), "did you mean note"),
        (("app.orders", "--columns", 'id,"'), "not names of columns"),
        (("app.orders", "--format", "table", "-o", "x"), "for a terminal"),
        (("app.orders", "--limit", "-1"), "-1"),
    ],
)
def test_mistakes_are_told_apart(saved: Command, arguments: tuple[str, ...], said: str) -> None:
    done = saved("rows", "latest", *arguments)
    assert done.code == 2
    assert said in done.err
