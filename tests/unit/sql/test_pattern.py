"""Patterns mean what they mean to psql and pg_dump; pg_dump itself is asked."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.fix_postgres import Cluster
from vault.errors import UsageError
from vault.sql import archive
from vault.sql.pattern import Selection, condition, split, without_rows


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("users", (None, "users")),
        ("Public.Us*", ("public", "us.*")),
        ("a?.b", ("a.", "b")),
        ('"A.b"."c""d"', ("A\\.b", 'c"d')),
        ("cash$", (None, "cash\\$")),
        ("[ab]c", (None, "[ab]c")),
        ('"*"', (None, "\\*")),
        ("*.*", (".*", ".*")),
    ],
)
def test_patterns_become_regular_expressions(pattern: str, expected: tuple[str | None, str]) -> None:
    assert split(pattern) == expected


@pytest.mark.parametrize("pattern", ['"open', "a.b.c", 'x."y'])
def test_patterns_that_make_no_sense_are_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="not understood"):
        split(pattern)


def test_a_schema_pattern_with_a_dot_is_refused() -> None:
    with pytest.raises(UsageError, match="has a dot"):
        condition(Selection(schemas=["a.b"]), [])


def test_options_of_pg_dump_say_the_same() -> None:
    options = Selection(schemas=["a"], exclude_schemas=["b"], tables=["-c"], exclude_tables=["d"]).options()
    assert [option for option in options if "pg_" not in option and "information" not in option] == [
        *("--schema=a", "--exclude-schema=b", "--table=-c", "--exclude-table=d")
    ]
    assert {"--exclude-schema=pg_catalog", "--exclude-table=pg_catalog.*"} <= set(options)
    assert not Selection().options()


@pytest.fixture(scope="module")
def named(pg15: Cluster) -> Iterator[str]:
    name = pg15.createdb()
    with pg15.connect(name) as connection:
        connection.execute(
            'CREATE SCHEMA app; CREATE SCHEMA "App"; CREATE SCHEMA a$b; CREATE TABLE users (); CREATE TABLE app.users ();'
            'CREATE TABLE app.users_old (); CREATE TABLE "App".users (); CREATE TABLE app."Users" (); CREATE TABLE app."u.s" ();'
            'CREATE TABLE a$b.c$d (); CREATE TABLE public."x*y" (); CREATE TABLE xzy (); CREATE TABLE "it\'s" ()'
        )
    yield name
    pg15.dropdb(name)


@pytest.mark.postgres
@pytest.mark.parametrize(
    "selection",
    [
        Selection(tables=["users"]),
        Selection(tables=["app.users"]),
        Selection(tables=["app.us*"]),
        Selection(tables=["*.users"], exclude_tables=["app.*"]),
        Selection(tables=['"App".users', 'app."u.s"']),
        Selection(tables=['app."Users"']),
        Selection(tables=["x*y"]),
        Selection(tables=['"x*y"']),
        Selection(tables=["x?y"]),
        Selection(tables=["a$b.c$d"]),
        Selection(tables=["it's"]),
        Selection(tables=["app.users|users_old"]),
        Selection(tables=["*.*"], exclude_tables=["app.*"]),
        Selection(schemas=["app"]),
        Selection(schemas=["APP", "a$*"]),
        Selection(schemas=["*"], exclude_schemas=["public"]),
        Selection(exclude_schemas=['"App"'], exclude_tables=["app.users*"]),
        Selection(schemas=["app"], tables=["xzy"]),
        Selection(tables=["app.[tu]sers"]),
    ],
    ids=str,
)
def test_selections_are_those_of_pg_dump(pg15: Cluster, named: str, selection: Selection) -> None:
    command = [str(pg15.bin / "pg_dump"), "-Fc", "-s", *selection.options(), "-d", pg15.dsn(named)]
    dumped = archive.decode(subprocess.run(command, capture_output=True, check=True).stdout)
    expected = {
        ((entry.namespace or b"").decode(), (entry.tag or b"").decode())
        for entry in dumped.entries
        if entry.desc == b"TABLE"
    }
    with pg15.connect(named) as connection:
        found = connection.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND "
            + condition(selection, ["public"])
        ).fetchall()
    assert set(found) == expected


@pytest.mark.postgres
def test_rows_stay_out_by_the_first_pattern_that_matches(pg15: Cluster, named: str) -> None:
    def excluded(*patterns: str) -> dict[str, str]:
        query = "SELECT n.nspname || '.' || c.relname, {} FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        text = without_rows(Selection(exclude_table_data=patterns), ["public"])
        with pg15.connect(named) as connection:
            found = connection.execute(query.format(text) + " WHERE n.nspname IN ('app', 'public')").fetchall()
        return {name: pattern for name, pattern in found if pattern}

    assert excluded() == {}
    assert excluded("users", "app.us*", "*.users") == {
        "public.users": "users",
        "app.users": "app.us*",
        "app.users_old": "app.us*",
    }
    assert excluded("it's", "nowhere.*") == {"public.it's": "it's"}


def test_what_leaves_rows_out_is_no_option_of_pg_dump_and_the_selection_stays_whole() -> None:
    selection = Selection(exclude_table_data=["a"])
    assert selection.options() == []
    assert selection.whole
