"""`pgvault sql`, `table` and `verify --against` where a snapshot, or the throwaway server, has less than what is asked for: a full answer or none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.command import Command
from tests.fix_postgres import Cluster

pytestmark = pytest.mark.postgres
SCHEMA = """
CREATE FUNCTION public.same(integer) RETURNS integer LANGUAGE internal IMMUTABLE AS 'int4abs';
CREATE EXTENSION lo;
CREATE TABLE public.customers (id integer PRIMARY KEY, name text);
CREATE TABLE public.orders (id integer, customer integer);
CREATE VIEW public.counted AS SELECT c.id, c.name, count(*) AS n FROM public.customers c JOIN public.orders o ON o.customer = c.id GROUP BY c.id;
CREATE VIEW public.over_it AS SELECT * FROM public.counted WHERE n > 1;
CREATE VIEW public.not_made AS SELECT c.id, c.name, public.same(count(*)::integer) AS n FROM public.customers c GROUP BY c.id;
CREATE VIEW public.over_what_is_not_made AS SELECT * FROM public.not_made;
CREATE TABLE public.parts (id integer) PARTITION BY RANGE (id);
CREATE TABLE public.parts_low PARTITION OF public.parts FOR VALUES FROM (0) TO (100);
CREATE TABLE public.parts_high PARTITION OF public.parts FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (public.same(id));
CREATE TABLE public.parts_high_1 PARTITION OF public.parts_high FOR VALUES FROM (0) TO (200);
CREATE TABLE public.parent (id integer);
CREATE TABLE public.child (scan public.lo) INHERITS (public.parent);
CREATE TABLE public.log (id integer);
CREATE FOREIGN DATA WRAPPER elsewhere;
CREATE SERVER there FOREIGN DATA WRAPPER elsewhere;
CREATE FOREIGN TABLE public.far (id integer) SERVER there;
INSERT INTO public.customers VALUES (1, 'Ada'), (2, 'Bob');
INSERT INTO public.orders SELECT n, 1 + n % 2 FROM generate_series(1, 10) n;
INSERT INTO public.parts SELECT n FROM generate_series(90, 109) n;
INSERT INTO public.parent VALUES (1);
INSERT INTO public.child VALUES (2, NULL);
INSERT INTO public.log VALUES (1);
"""


@pytest.fixture(scope="module")
def source(pg15: Cluster) -> Iterator[str]:
    database = pg15.createdb()
    with pg15.connect(database) as connection:
        connection.execute(SCHEMA.encode())
    yield pg15.dsn(database)
    pg15.dropdb(database)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, source: str) -> Command:
    command = Command(home=tmp_path_factory.mktemp("sql"))
    assert command("init", "--no-recovery-kit").code == 0
    done = command("backup", "-d", source, "--exclude-table-data", "public.log")
    assert done.code == 3, done.err  # the foreign table
    return command


@pytest.mark.parametrize("asked", ["counted", "over_it"])
def test_views_over_keys_answer_in_full_beside_what_cannot_be_made(saved: Command, asked: str) -> None:
    done = saved("sql", "latest", f"SELECT count(*), sum(n) FROM {asked}")
    assert (done.code, done.out) == (0, "count,sum\n2,10\n"), done.err


@pytest.mark.parametrize("asked", ["not_made", "over_what_is_not_made", "parts", "parent"])
def test_what_could_not_be_made_in_full_answers_nothing(saved: Command, asked: str) -> None:
    done = saved("sql", "latest", f"SELECT count(*) FROM {asked}")
    assert (done.code, done.out) == (2, ""), done.out + done.err
    assert f'relation "{asked}" does not exist; not made here: ' in done.err


def test_a_table_without_its_rows_answers_nothing(saved: Command) -> None:
    done = saved("sql", "latest", "SELECT count(*) FROM log")
    assert (done.code, done.out) == (2, ""), done.out + done.err
    assert "the rows of public.log are not in the snapshot" in done.err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "parts",
            ("public.parts is partitioned", "public.parts_high_1, public.parts_low", "'SELECT * FROM public.parts'"),
        ),
        ("parts_high", ("public.parts_high is partitioned", "public.parts_high_1")),
        ("public.counted", ("public.counted is a view", "'SELECT * FROM public.counted'")),
        ("log", ("the rows of public.log are not in the snapshot", "pgvault show")),
        ("far", ("the rows of public.far are not in the snapshot",)),
        ("part", ("no table part in the snapshot", "did you mean")),
    ],
)
def test_what_has_no_rows_of_its_own_is_not_called_missing(saved: Command, name: str, said: tuple[str, ...]) -> None:
    for words in (("table", "latest", name), ("rows", "latest", name)):
        done = saved(*words)
        assert (done.code, done.out) == (2, "")
        assert all(part in done.err for part in said), done.err


def test_a_table_without_its_rows_is_not_compared_with_the_live_one(saved: Command, source: str) -> None:
    done = saved("verify", "latest", "--against", "-d", source)
    assert done.code == 3, done.out + done.err
    told = [line for line in done.out.splitlines() if line.startswith("not compared: ")]
    assert told == ["not compared: table public.log: its rows are not in the snapshot"]
