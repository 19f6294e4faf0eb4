"""`find` and `log` over days of a real database: what changes of its shape do to them, and what the commands say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import jsonschema
import pytest

from tests.cli.command import Command, Done
from tests.cli.shapes import SHAPES
from tests.fix_postgres import Cluster
from vault.cli.exit_codes import ExitCode

Change = dict[str, Any]


@dataclass
class Project:
    """A database, of which each day is a snapshot."""

    command: Command
    cluster: Cluster
    db: str
    days: int = field(default=0)

    def day(self, *statements: str) -> None:
        with self.cluster.connect(self.db) as connection:
            for statement in statements:
                connection.execute(statement.encode())
        done = self.command("backup", "-q", "-d", self.cluster.dsn(self.db))
        assert done.code in (ExitCode.OK, ExitCode.RUIN), done.err
        self.days += 1

    def log(self, *words: str) -> list[tuple[int, str, str]]:
        """(day, what, change), newest first."""
        return [(one["sequence"], one["what"], one["change"]) for one in self.changes(*words)]

    def changes(self, *words: str, code: int = 0) -> list[Change]:
        done = self.command("log", "--json", *words)
        assert done.code == code, done.out + done.err
        lines = [json.loads(line) for line in done.out.splitlines()]
        for line in lines[:-1]:
            jsonschema.validate(line, SHAPES["log change"])
        jsonschema.validate(lines[-1], SHAPES["log"])
        assert lines[-1]["changes"] == len(lines) - 1
        return lines[:-1]

    def said(self, *words: str) -> Done:
        return self.command(*words)


@pytest.fixture
def project(pgvault_ready: Command, pg15: Cluster) -> Iterator[Project]:
    db = pg15.createdb()
    yield Project(pgvault_ready, pg15, db)
    pg15.dropdb(db)


def test_a_table_is_told_by_rows_and_by_definitions(project: Project) -> None:
    project.day(
        "CREATE TABLE public.orders (id int PRIMARY KEY, note text)",
        "INSERT INTO orders SELECT i, 'n' FROM generate_series(1, 50) i",
    )
    project.day(
        "DELETE FROM orders WHERE id <= 5",
        "UPDATE orders SET note = 'x' WHERE id > 48",
        "INSERT INTO orders VALUES (99, 'new')",
    )
    project.day()
    project.day("CREATE INDEX by_note ON orders (note)", "COMMENT ON TABLE orders IS 'all of them'")
    project.day("DROP TABLE orders")
    told = project.changes("orders")
    assert [(one["sequence"], one["what"], one["change"]) for one in told] == [
        (5, "definition", "dropped"),
        (5, "rows", "dropped"),
        (4, "definition", "changed"),
        (2, "rows", "changed"),
        (1, "definition", "there"),
        (1, "rows", "there"),
    ]
    counts = [(one["inserted"], one["deleted"], one["updated"]) for one in told if one["what"] == "rows"]
    assert counts == [(0, 46, 0), (1, 5, 2), (50, 0, 0)]
    assert any("CREATE INDEX by_note" in line for line in told[2]["patch"])
    assert "1 inserted, 5 deleted, 2 updated" in project.said("log", "public.orders").out
    assert project.log("schema/public/tables/orders.sql") == [
        (5, "definition", "dropped"),
        (4, "definition", "changed"),
        (1, "definition", "there"),
    ]


def test_a_row_is_followed_through_other_names_and_columns(project: Project) -> None:
    project.day(
        "CREATE TABLE public.orders (id int PRIMARY KEY, note text, gone int)",
        "INSERT INTO orders SELECT i, 'n', i FROM generate_series(1, 50) i",
    )
    project.day("ALTER TABLE orders RENAME COLUMN id TO number", "ALTER TABLE orders RENAME COLUMN note TO id_text")
    project.day("ALTER TABLE orders ADD COLUMN at date DEFAULT '2026-01-01'")
    project.day("ALTER TABLE orders DROP COLUMN gone", "UPDATE orders SET id_text = 'later' WHERE number = 7")
    project.day("ALTER TABLE orders RENAME TO purchases")
    told = project.changes("purchases", "number=7")
    assert [(one["sequence"], one["change"]) for one in told] == [(4, "updated"), (1, "there")]
    assert told[0]["values"] == [{"name": "id_text", "before": "n", "after": "later"}]
    assert {one["name"] for one in told[1]["values"]} == {"id", "note", "gone"}
    said = project.said("log", "purchases", "number=7").out
    assert "id_text: n -> later" in said


def test_what_cannot_be_told_is_said(project: Project) -> None:
    project.day("CREATE TABLE public.orders (id int PRIMARY KEY)", "INSERT INTO orders VALUES (7)")
    project.day("ALTER TABLE orders ADD COLUMN code text DEFAULT 'a'")
    (told,) = project.changes("orders", "code=a", code=3)
    assert (told["change"], "no code before" in told["notes"][0]) == ("unknown", True)


def test_a_row_that_moves_between_partitions_is_one(project: Project) -> None:
    project.day(
        "CREATE TABLE public.events (id int, part int) PARTITION BY LIST (part)",
        "CREATE TABLE public.e1 PARTITION OF events FOR VALUES IN (1)",
        "CREATE TABLE public.e2 PARTITION OF events FOR VALUES IN (2)",
        "ALTER TABLE events ADD PRIMARY KEY (id, part)",
        "INSERT INTO events SELECT i, 1 FROM generate_series(1, 20) i",
    )
    project.day("UPDATE events SET part = 2 WHERE id = 7")
    told = project.changes("events", "id=7")
    assert [(one["sequence"], one["change"]) for one in told][-1] == (1, "there")
    assert {one["change"] for one in told if one["sequence"] == 2} == {"appeared", "went"}
    assert [(one["inserted"], one["deleted"]) for one in project.changes("events") if one["what"] == "rows"] == [
        (1, 1),
        (20, 0),
    ]
    assert project.log("e1", "id=8") == [(1, "row", "there")]
    done = project.said("log", "e1")
    assert (done.code, "pgvault log public.events" in done.err) == (2, True)


def test_rows_of_another_encoding_are_looked_for_and_shown_as_text(project: Project, pg15: Cluster) -> None:
    latin = Project(
        project.command, pg15, pg15.createdb(options="ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    )
    latin.day("CREATE TABLE public.t (id int PRIMARY KEY, w text)", "INSERT INTO t VALUES (1, U&'K\\00E4se'), (2, 'x')")
    latin.day("UPDATE t SET w = U&'\\00D6l' WHERE id = 1")
    told = latin.changes("t", "id=1")
    assert told[0]["values"] == [{"name": "w", "before": "Käse", "after": "Öl"}]
    assert latin.log("t", "w=Käse") == [(2, "row", "went"), (1, "row", "there")]
    pg15.dropdb(latin.db)


def test_when_a_text_came_and_went(project: Project) -> None:
    project.day(
        "CREATE TABLE public.t (id int PRIMARY KEY, w text)",
        "INSERT INTO t SELECT i, 'old' FROM generate_series(1, 3) i",
    )
    project.day(r"UPDATE t SET w = E'a\tsecret\\n' WHERE id = 2")
    project.day("UPDATE t SET w = w || ' still' WHERE id = 2")
    project.day("DELETE FROM t WHERE id = 2", "CREATE VIEW public.v AS SELECT 'secret' AS s")
    told = project.changes("-S", "secret")
    assert [(one["sequence"], one["what"], one["change"]) for one in told] == [
        (4, "definition", "appeared"),
        (4, "row", "went"),
        (2, "row", "appeared"),
    ]
    assert (told[2]["key"], told[2]["values"][0]["after"]) == ({"id": "2"}, "a\tsecret\\n")
    assert project.log("-S", "old", "t") == [(2, "row", "went"), (1, "rows", "there")]
    assert project.log("-S", "secret\\n", "t") != []
    assert project.said("log", "-S", "tsecret", "t").code == 2
    done = project.said("log", "-S", "never there")
    assert (done.code, "never there" in done.err) == (2, False)


def test_policies_functions_roles_and_settings_have_a_history(project: Project) -> None:
    project.day(
        "CREATE TABLE public.orders (id int PRIMARY KEY)",
        "CREATE POLICY own ON public.orders USING (id > 0)",
        "CREATE FUNCTION public.add(a int) RETURNS int LANGUAGE sql AS 'SELECT a'",
        "DROP ROLE IF EXISTS zoe",
        "CREATE ROLE zoe",
    )
    project.day(
        "ALTER POLICY own ON public.orders USING (id > 1)",
        "CREATE OR REPLACE FUNCTION public.add(a int) RETURNS int LANGUAGE sql AS 'SELECT a + 1'",
        "ALTER ROLE zoe LOGIN PASSWORD 'hunter2-in-a-role'",
        "ALTER ROLE zoe SET work_mem = '5MB'",
    )
    project.day("DROP POLICY own ON public.orders", "ALTER ROLE zoe RESET work_mem", "DROP ROLE zoe")
    assert project.log("public.orders.own") == [
        (3, "definition", "dropped"),
        (2, "definition", "changed"),
        (1, "definition", "there"),
    ]
    assert (
        project.log("add(integer)") == project.log("add") == [(2, "definition", "changed"), (1, "definition", "there")]
    )
    role = project.changes("--kind", "role", "zoe")
    assert [(one["sequence"], one["change"]) for one in role] == [(3, "dropped"), (2, "changed"), (1, "there")]
    assert {"can_login", "work_mem"} <= {value["name"] for value in role[1]["values"]}
    assert "SCRAM" not in json.dumps(role)
    assert [(one["sequence"], one["change"]) for one in project.changes("work_mem")] == [(3, "dropped"), (2, "created")]


def test_names_that_could_be_several_things_or_nothing_are_answered(project: Project) -> None:
    project.day(
        "CREATE SCHEMA a", "CREATE SCHEMA b", "CREATE TABLE a.same (id int)", "CREATE TABLE b.same (id int, twice int GENERATED ALWAYS AS (id * 2) STORED)",
        "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE FUNCTION public.f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TABLE public.orders (id int)",
    )  # fmt: skip
    for words, said in (
        (["same"], "a.same"), (["f"], "f(integer)"), (["order"], "find"), (["orders", "nr=1"], "no column nr"), (["b.same", "twice=2"], "generated"),
        (["f()", "id=1"], "has no rows"), (["--kind", "view", "orders"], "it is a table"), (["orders", "id"], "COLUMN=VALUE"), (["orders", "id=1"], "none of the snapshots"),
        (["schema/public/tables/no.sql"], "find"), (["-S", ""], "nothing to look for"),
    ):  # fmt: skip
        done = project.said("log", *words)
        assert done.code == 2, words
        assert said in done.err, (words, done.err)
    found = project.said("find", "--json", "f").json()
    jsonschema.validate(found, SHAPES["find"])
    assert [one["name"] for one in found["found"]] == ["public.f()", "public.f(integer)"]


def test_a_mistyped_name_is_answered_with_what_was_meant(project: Project) -> None:
    project.day(
        "CREATE TABLE notes (id int); ALTER TABLE notes ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON notes USING (true)"
    )
    for typed, meant in (
        ("nots", "public.notes"),
        ("public.nots", "public.notes"),
        ("mien", "public.notes.mine"),
        ("public.notes.mien", "public.notes.mine"),
    ):
        for command in ("find", "log"):
            done = project.said(command, typed)
            assert done.code == 2
            assert f"next: did you mean {meant}? pgvault find -i '*{typed}*'" in done.err, done.err
        assert project.said("log", meant).code == 0
    assert "did you mean" not in project.said("log", "nothing-like-it").err
