"""`pgvault restore --rows ... --where EXPR`: the rows that `pgvault rows --where EXPR` shows come back, and no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.command import Command, Done
from tests.fix_postgres import Cluster

pytestmark = pytest.mark.postgres

SCHEMA = """
CREATE SCHEMA app;
CREATE TYPE app.state AS ENUM ('new', 'paid');
CREATE FUNCTION app.is_large(total numeric) RETURNS boolean LANGUAGE sql AS 'SELECT total > 90';
CREATE TABLE app.orders (
    id bigint PRIMARY KEY, state app.state NOT NULL, total numeric(10, 2), note text,
    twice numeric GENERATED ALWAYS AS (total * 2) STORED
);
INSERT INTO app.orders SELECT n, CASE WHEN n % 2 = 0 THEN 'paid'::app.state ELSE 'new' END, n, 'secret ' || n FROM generate_series(1, 100) n;
CREATE TABLE app.other (id integer);
INSERT INTO app.other VALUES (1), (2);
CREATE FUNCTION app.looks(id bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN RETURN EXISTS (SELECT FROM app.other o WHERE o.id = $1); END $$;
CREATE FUNCTION app.writes() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN EXECUTE 'CREATE TABLE app.written ()'; RETURN true; END $$;
"""
DAMAGE = "DELETE FROM app.orders WHERE id > 80; UPDATE app.orders SET note = 'oops' WHERE id <= 10"
LEFT = "SELECT count(*) FILTER (WHERE note <> 'oops'), count(*) FROM app.orders"


class Damaged:
    """A database whose damage has a snapshot."""

    def __init__(self, pgvault: Command, cluster: Cluster, name: str) -> None:
        self._pgvault, self._cluster, self._name = pgvault, cluster, name

    def restore(self, where: str, *flags: str, rows: str = "all") -> Done:
        dsn = self._cluster.dsn(self._name)
        words = ("-d", dsn, "--into-source", "--only", "app.orders", "--rows", rows, "--where", where)
        return self._pgvault("restore", "latest~1", *words, "--yes", *flags)

    def rows(self, where: str) -> int:
        done = self._pgvault("rows", "latest~1", "app.orders", "--where", where)
        assert done.code == 0, done.err
        return done.out.count("\n") - 1

    def ask(self, query: str) -> tuple[object, ...] | None:
        with self._cluster.connect(self._name) as connection:
            return connection.execute(query.encode()).fetchone()


@pytest.fixture
def damaged(pgvault_ready: Command, postgres: Cluster) -> Iterator[Damaged]:
    name = postgres.createdb()
    for script in (SCHEMA, DAMAGE):
        with postgres.connect(name) as connection:
            connection.execute(script.encode())
        assert pgvault_ready("backup", "-d", postgres.dsn(name)).code in (0, 5)
    yield Damaged(pgvault_ready, postgres, name)
    postgres.dropdb(name)


def test_rows_that_the_condition_chooses_come_back_and_no_other(damaged: Damaged) -> None:
    one = damaged.restore("id = 81", "--damaged-by", "latest", "--json")
    assert (one.code, one.json()["rows"]) == (0, 1), one.err
    assert "server" not in one.err, "a key needs none"
    where = "state = 'paid' AND app.is_large(orders.total)"
    some = damaged.restore(where, "--damaged-by", "latest", "--json")
    assert (some.code, some.json()["rows"]) == (0, damaged.rows(where)), some.err
    assert damaged.ask(LEFT) == (76, 86)
    assert "left out by --where: 25 rows" in some.out
    overwritten = damaged.restore("total < 5", rows="changed")
    assert overwritten.code == 0, overwritten.err
    assert "without evidence of the damage" in overwritten.out
    assert damaged.ask(LEFT) == (80, 86)
    nothing = damaged.restore("total < 0", "--damaged-by", "latest")
    assert (nothing.code, "nothing was put back" in nothing.out) == (0, True)


WRONG = [
    ("totl > 1 + 1", 'column "totl" does not exist', "write a condition"),
    ("100 / (id - 90) > 1", "22012", "write a condition"),
    ("app.writes()", "read-only transaction", "changes nothing"),
    ("app.looks(id)", "it reads app.other", "pgvault sql"),
    ("twice > 10", 'column "twice" does not exist', "choose by other columns"),
]


def test_what_is_no_condition_is_told_and_nothing_is_written(damaged: Damaged) -> None:
    for where, why, hint in WRONG:
        done = damaged.restore(where, "--damaged-by", "latest")
        said = " ".join(done.err.split())
        assert (done.code, why in said, hint in said, "secret" in said) == (2, True, True, False), (where, done.err)
    assert damaged.ask(LEFT) == (70, 80)
    assert damaged.ask("SELECT to_regclass('app.written')") == (None,)
