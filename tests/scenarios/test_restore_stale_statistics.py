"""Rows are compared with a table by hash or merge, whatever its statistics say: those of an emptied table made it a nested loop."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from tests.fix_postgres import Cluster
from tests.values import table_item
from vault.model import BrokenReference, Cut, MergedRows, TableItem, TableName
from vault.source.postgres.target.database import connect_target
from vault.source.postgres.target.session import PostgresTargetSession

pytestmark = pytest.mark.postgres

COUNT = 20_000
SCHEMA = """
create table o (id text primary key, n text);
create table c (id text primary key, n text references o);
insert into o values ('1', 'x');
insert into c values ('1', '1');
delete from c;
delete from o;
vacuum (analyze) o, c;
insert into o select i, 'name ' || i from generate_series(1, 20000) i;
insert into c select i, i from generate_series(1, 20000) i;
"""
DEFERRABLE = "alter table c drop constraint c_pkey; alter table c add primary key (id) deferrable;"
KEYED = table_item(TableName(schema="public", name="o"), "id", "n", key_columns=("id",))
KEYLESS = table_item(TableName(schema="public", name="o"), "id", "n")
REFERRING = table_item(TableName(schema="public", name="c"), "id", "n", key_columns=("id",))
SAME = [b"".join(b"%d\tname %d\n" % (at, at) for at in range(1, COUNT + 1))]
OTHER = [b"".join(b"%d\tname %d\n" % (at, at + at % 2) for at in range(3, COUNT + 3))]
REFERENCES = [b"".join(b"%d\t%d\n" % (at, at + 1) for at in range(1, COUNT + 1))]


@pytest.fixture
def database(postgres: Cluster) -> Iterator[str]:
    name = postgres.createdb()
    with postgres.connect(name) as connection:
        for statement in SCHEMA.split(";"):  # VACUUM stands alone
            connection.execute(statement.encode())
    yield name
    postgres.dropdb(name)


def merged(item: TableItem, rows: list[bytes], *, exact: bool) -> Callable[[PostgresTargetSession], Any]:
    return lambda session: session.merge(item, iter(rows), rows=COUNT, exact=exact)


def foreseen(item: TableItem, rows: list[bytes], *, exact: bool) -> Callable[[PostgresTargetSession], Any]:
    return lambda session: session.foresee(item, iter(rows), rows=COUNT, exact=exact)


LOOPS = re.compile(r"\{NESTLOOP|:parParam \(")
"""Of a printed plan: a nested loop, or a subquery that runs once a row since it depends on it."""

SHIFTED = MergedRows(added=2, changed=COUNT // 2 - 1, removed=2)
STRANDED = BrokenReference(name="c_n_fkey", table=TableName(schema="public", name="c"), rows=2)
PARTED = MergedRows(added=COUNT // 2 + 1, removed=COUNT // 2 + 1)


@pytest.mark.parametrize(
    ("run", "told"),
    [
        (merged(KEYED, SAME, exact=True), MergedRows(added=0)),
        (merged(KEYED, OTHER, exact=True), SHIFTED),
        (merged(KEYED, OTHER, exact=False), MergedRows(added=2, differing=COUNT // 2 - 1)),
        (merged(KEYLESS, OTHER, exact=True), PARTED),
        (foreseen(KEYED, OTHER, exact=True), replace(SHIFTED, stranded=(STRANDED,))),
        (foreseen(KEYED, OTHER, exact=False), MergedRows(added=2, differing=COUNT // 2 - 1)),
        (foreseen(KEYLESS, OTHER, exact=True), replace(PARTED, stranded=(STRANDED,))),
        (merged(REFERRING, REFERENCES, exact=False), MergedRows(added=0, differing=COUNT)),
        (lambda session: session.broken_references([KEYED.name]), []),
        (lambda session: session.cut_off(REFERRING, ["n"], iter(REFERENCES), cut=Cut.OTHERWISE), COUNT),
        (lambda session: session.cut_off(REFERRING, ["n"], iter(REFERENCES), cut=Cut.MOVED), 1),
    ],
)
def test_no_comparison_is_a_nested_loop(
    postgres: Cluster, database: str, run: Callable[[PostgresTargetSession], Any], told: object
) -> None:
    answer, plans = planned(postgres, database, run)
    assert answer == told
    assert plans
    assert [plan for plan in plans if LOOPS.search(plan)] == []


def test_conflicts_of_deferrable_keys_are_found_by_a_join(postgres: Cluster, database: str) -> None:
    with postgres.connect(database) as connection:
        connection.execute(DEFERRABLE.encode())
        connection.execute("delete from c where id::int > 10000")
    answer, plans = planned(postgres, database, merged(REFERRING, REFERENCES, exact=False))
    assert answer == MergedRows(added=COUNT // 2, differing=COUNT // 2)
    assert [plan for plan in plans if LOOPS.search(plan)] == []


def planned(postgres: Cluster, database: str, run: Callable[[PostgresTargetSession], Any]) -> tuple[object, list[str]]:
    """What `run` gives, and the plans that the server made for it over tables of ours."""
    target = connect_target(postgres.dsn(database), {})
    try:
        session = target.session("UTF8")
        connection = session._connection
        rows = connection.execute("select oid from pg_class where relname in ('o', 'c')").fetchall()
        words = [f":relid {oid} " for (oid,) in rows]
        connection.execute("select set_config('debug_print_plan', 'on', false)")
        connection.execute("set client_min_messages = log")
        said: list[str] = []
        connection.add_notice_handler(lambda notice: said.append(notice.message_detail or ""))
        answer = run(session)
        return answer, [plan for plan in said if any(word in plan for word in words)]
    finally:
        target.close()


HANGING = """
import sys
from vault.source.postgres.target.database import connect_target

session = connect_target(sys.argv[1], {}).session("UTF8")
session.run(["SET application_name = 'to be killed'; SELECT pg_sleep(3600);"])
"""


def test_the_server_ends_the_statement_of_a_killed_process(postgres: Cluster, database: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", HANGING, postgres.dsn(database)])
    with postgres.connect(database) as connection:
        wait(connection, 1)
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait(connection, 0)


def wait(connection: psycopg.Connection[tuple[Any, ...]], count: int) -> None:
    query = "select count(*) from pg_stat_activity where application_name = 'to be killed' and wait_event = 'PgSleep'"
    for _ in range(600):
        if connection.execute(query).fetchall() == [(count,)]:
            return
        time.sleep(0.1)
    raise AssertionError(f"not {count} statements that sleep")
