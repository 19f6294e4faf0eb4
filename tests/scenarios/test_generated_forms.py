"""A digest of a generated column tells every form of value from another: each pair differs in text alone, or hardly."""

from __future__ import annotations

import pytest
from psycopg import sql

from tests.fix_postgres import Cluster
from tests.restore_support import restored, snapshot_of
from tests.scenarios.capture_support import database

pytestmark = pytest.mark.postgres

TYPES = """
create extension citext; create domain amount as numeric(10, 2); create type pair as (a int, b text, c amount);
create type mood as enum ('a', 'B c', 'd"e')
"""
FORMS: list[tuple[str, str | None, str]] = [
    ("double precision", "-0", "0"),
    ("real", "1e-40", "2e-40"),
    ("bytea", r"\x005c0a27ff", r"\x005c0a27fe"),
    ("timestamptz", "2000-01-01 00:00+05:30", "2000-01-01 00:00:00.000001+05:30"),
    ("timestamp", "infinity", "-infinity"),
    ("date", "4713-01-01 BC", "4713-01-01"),
    ("timetz", "12:00+02", "10:00+00"),
    ("interval", "1 day", "24:00:00"),
    ("jsonb", '{"a": 1.00}', '{"a": 1.0}'),
    ("json", '{"a":1}', '{"a": 1}'),
    ("numeric[]", "[2:3]={1,2}", "{1,2}"),
    ("int4range", "empty", "[1,2)"),
    ("numrange", "[1.0,2)", "[1.00,2)"),
    ("amount", "1.00", "1.01"),
    ("citext", "Bob", "bob"),
    ("money", "1", "-1"),
    ("xml", "<a/>", "<a></a>"),
    ("text", "", r"\N"),
    ("text", None, ""),
    ("text", "back\\slash\nand line", "back\\\\slash\nand line"),
    ("char(5)", "a", "b"),
    ("bit varying", "1", "10"),
    ("tsvector", "a:1", "a:2"),
    ("tsquery", "a & b", "b & a"),
    ("inet", "10.0.0.1/8", "10.0.0.1/32"),
    ('"char"', "x", "X"),
    ("pair", '(1,"",2)', "(1,,2)"),
    ("mood", "a", "B c"),
    ("pg_lsn", "0/1", "1/0"),
    ("point", "(0,0)", "(-0,0)"),
    ("uuid", "00000000-0000-4000-8000-000000000007", "00000000-0000-4000-8000-000000000008"),
]
"""Type, what a function gave when rows were written, and what it gives now."""
FUNCTION = "create or replace function {} (int) returns {} language plpgsql immutable as {}"


@pytest.mark.spec("RST-24")
def test_each_form_that_comes_out_otherwise_is_told(pg15: Cluster) -> None:
    """With text forms of the database's own, which a restore does not use."""
    with database(pg15, TYPES) as source, database(pg15) as target:
        with pg15.connect() as connection:
            for setting in ("datestyle to 'sql, dmy'", "bytea_output to escape", "extra_float_digits to -15"):
                connection.execute(f"alter database {source} set {setting}".encode())
        with pg15.connect(source) as connection:
            for at, (kind, before, now) in enumerate(FORMS):
                names = [sql.Identifier(f"{word}_{at}") for word in ("f", "t")]
                for value in (before, now):
                    body = sql.SQL("begin return {}::{}; end").format(sql.Literal(value), sql.SQL(kind)).as_string()
                    connection.execute(sql.SQL(FUNCTION).format(names[0], sql.SQL(kind), sql.Literal(body)))
                    if value is before:
                        column = sql.SQL("create table {} (id int, g {} generated always as ({}(id)) stored)")
                        connection.execute(column.format(names[1], sql.SQL(kind), names[0]))
                        connection.execute(sql.SQL("insert into {} values (1)").format(names[1]))
            connection.execute("create table same as select 1 as id")
        done = restored(snapshot_of(pg15.dsn(source)), pg15.dsn(target))
        assert done.failed.keys() == {f"GENERATED COLUMN public.t_{at}.g" for at in range(len(FORMS))}
