"""What a user's condition or statement may do in a server, and what it may not: by a login that has no rights but to read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fix_postgres import Cluster
from tests.values import table_item
from vault.errors import UsageError
from vault.model import Column, TableName
from vault.source.postgres.connection.connect import Session
from vault.source.postgres.connection.resolve import resolve
from vault.source.postgres.target.query_database import QueryReader
from vault.source.postgres.target.row_filter import BATCH_BYTES, RowFilter
from vault.source.postgres.target.temporary_reader import TemporaryReaders

pytestmark = pytest.mark.postgres
SCHEMA = """
CREATE SCHEMA app;
CREATE TYPE app.state AS ENUM ('new', 'paid');
CREATE FUNCTION app.is_large(total numeric) RETURNS boolean LANGUAGE sql AS 'SELECT total > 900';
CREATE TABLE app.other (id integer);
INSERT INTO app.other VALUES (1), (2);
CREATE FUNCTION app.looks(id bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN RETURN EXISTS (SELECT FROM app.other o WHERE o.id = $1); END $$;
CREATE FUNCTION app.writes() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN EXECUTE 'CREATE TABLE app.written ()'; RETURN true; END $$;
CREATE FUNCTION app.runs() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN COPY (SELECT 1) TO PROGRAM 'touch /tmp/pgvault-was-here'; RETURN true; END $$;
"""
COLUMNS = (("id", "bigint"), ("state", "app.state"), ("total", "numeric(10,2)"), ("note", "text"))
ROWS = (
    b"".join(b"%d\t%s\t%d.00\tnote %d\n" % (n, b"paid" if n % 2 == 0 else b"new", n, n) for n in range(1, 1001))
    + b"1001\tnew\t\\N\ta\\tb\\\\c\n"
)


@pytest.fixture(scope="module")
def reader(pg15: Cluster) -> Iterator[Session]:
    database = pg15.createdb()
    with pg15.connect(database) as connection:
        connection.execute(SCHEMA.encode())
    server = resolve(pg15.dsn(database), {}, allow_cleartext=False)
    with TemporaryReaders(server, os.urandom).open() as opened:
        yield opened.session
    pg15.dropdb(database)


def made(reader: Session, expression: str) -> RowFilter:
    columns = tuple(Column(name=name, type=kind, attnum=at) for at, (name, kind) in enumerate(COLUMNS, 1))
    item = replace(table_item(TableName(schema="app", name="orders")), columns=columns)
    return RowFilter(reader, item, expression, encoding="UTF8", path=("app", "public"))


def found(reader: Session, expression: str, blocks: Iterator[bytes]) -> bytes:
    matcher = made(reader, expression)
    matcher.check()
    return b"".join(matcher.matching(blocks))


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("total > 990", 10),
        ("state = 'paid' AND is_large(total)", 50),
        ("orders.total BETWEEN 5 AND 6 -- a comment", 2),
        ("total IS NULL", 1),
        ("true) or (false", 1001),
        ("(SELECT true)", 1001),
        ("note ~ E'\\t'", 1),
        ("false", 0),
    ],
)
def test_rows_come_as_they_are(reader: Session, where: str, count: int) -> None:
    rows = found(reader, where, iter([ROWS]))
    assert rows.count(b"\n") == count
    assert set(rows.split(b"\n")) <= set(ROWS.split(b"\n"))


def test_batches_have_their_own_rows(reader: Session) -> None:
    long = b"%d\tnew\t1.00\t" + b"x" * (BATCH_BYTES // 3) + b"\n"
    blocks = [long % n for n in range(7)]
    assert found(reader, "id % 3 = 1", iter(blocks)) == blocks[1] + blocks[4]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("true) union all select 1 where (true", "union"),
        ("true) limit (1", "limit"),
        ("true) group by (total", "GROUP BY"),
        ("true; drop table app.orders", "syntax error"),
        ("totl > 5", 'column "totl" does not exist'),
        ("total >", "syntax error"),
        ("total", "boolean"),
        ("id in (select id from app.other)", "it reads app.other"),
        ("looks(id)", "it reads app.other"),
        ("id in (select id from orders)", "does not exist"),
        ("writes()", "read-only transaction"),
        ("runs()", "superuser"),
        ("note::integer = 1", "22P02"),
        ("id = $1", "parameter"),
        ("true /*", "comment"),
        ("'", "quoted string"),
        ("pg_read_file('/etc/passwd') is not null", "permission denied"),
        ("set_config('transaction_read_only', 'off', true) = 'off'", "read-write mode"),
        ("set_config('role', 'postgres', true) = ''", "permission denied"),
        ("set_config('session_authorization', 'postgres', true) = ''", "permission denied"),
    ],
)
def test_what_is_no_condition_is_refused_without_a_row(reader: Session, where: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        found(reader, where, iter([ROWS]))
    assert said in refused.value.why
    assert "note 1" not in str(refused.value) + refused.value.why
    assert not Path("/tmp/pgvault-was-here").exists()
    assert found(reader, "id = 1", iter([ROWS])).count(b"\n") == 1


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("selekt 1", "syntax error"),
        ("", "syntax error"),
        ("select * from app.ordrs", "does not exist"),
        ("select 1; select 2", "multiple commands"),
        ("delete from app.other", "permission denied"),
        ("with x as (delete from app.other returning 1) select * from x", "permission denied"),
        ("select * from app.other for update", "permission denied"),
        ("select app.writes()", "read-only transaction"),
        ("select app.runs()", "superuser"),
        ("select pg_read_file('/etc/passwd')", "permission denied"),
        ("select 1 into x", "not allowed here"),
        ("analyze select 1", "syntax error"),
        ("explain select 1", "syntax error"),
    ],
)
def test_a_statement_reads_and_does_nothing_else(reader: Session, statement: str, said: str) -> None:
    asked = QueryReader(reader, ["public"])
    with pytest.raises(UsageError) as refused:
        _ = asked.touched(statement), asked.run(statement, lambda rows: None)
    assert said in refused.value.why or "must not" in refused.value.why
    assert not Path("/tmp/pgvault-was-here").exists()


def test_a_statement_tells_what_it_read_also_in_functions(reader: Session) -> None:
    asked = QueryReader(reader, ["public"])
    rows: list[object] = []
    other = asked.touched("table app.other") - asked.touched("select 1")
    assert not asked.touched("select app.looks(1)") & other
    columns, read = asked.run("select app.looks(1), null::bytea, E'a\\tb', 1.50::numeric(5,2)", rows.extend)
    assert [column.type for column in columns] == ["boolean", "bytea", "text", "numeric(5,2)"]
    assert rows == [[b"t", None, b"a\tb", b"1.50"]]
    assert other <= read


def test_large_answers_come_in_pieces(reader: Session) -> None:
    pieces: list[int] = []
    QueryReader(reader, []).run(
        "select repeat('x', 1000000) from generate_series(1, 40)", lambda rows: pieces.append(len(rows))
    )
    assert sum(pieces) == 40
    assert max(pieces) <= 4
