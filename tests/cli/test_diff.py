"""`pgvault diff`: what it tells, how it answers scripts, what it refuses."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Command, Done
from tests.cli.terminal import answered
from tests.cli.test_journey import conforming
from tests.fix_postgres import Cluster

BEFORE = """
CREATE TABLE orders (id int PRIMARY KEY, customer text, total numeric(8,2), note text);
INSERT INTO orders SELECT n, 'customer ' || n, n * 1.5, NULL FROM generate_series(1, 50) n;
CREATE TABLE loose (a int);
CREATE TABLE going (id int PRIMARY KEY); INSERT INTO going VALUES (1);
CREATE SEQUENCE numbers;
CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS $$ SELECT $1 + 1 $$;
CREATE POLICY own ON orders USING (customer = current_user);
"""
CHANGES = """
UPDATE orders SET total = 99, note = 'it''s' WHERE id = 7; DELETE FROM orders WHERE id = 8;
INSERT INTO orders VALUES (51, E'tab\\t', 1, repeat('long ', 100));
INSERT INTO loose VALUES (1), (1);
DROP TABLE going; CREATE TABLE coming (id int PRIMARY KEY); INSERT INTO coming VALUES (1), (2);
SELECT nextval('numbers'), nextval('numbers');
CREATE OR REPLACE FUNCTION f(int) RETURNS int LANGUAGE sql AS $$ SELECT $1 + 2 $$;
ALTER POLICY own ON orders USING (true);
GRANT SELECT, INSERT ON orders TO PUBLIC;
SELECT lo_from_bytea(4711, 'large');
"""


class Days:
    """A database and directory, and two snapshots of them."""

    def __init__(self, pgvault: Command, cluster: Cluster) -> None:
        self.pgvault, self.cluster = pgvault, cluster
        self.database = cluster.createdb()
        self.dsn = cluster.dsn(self.database)
        self.files = pgvault.home / "lib"
        self.files.mkdir()
        (self.files / "same").write_text("same")
        (self.files / "other").write_text("before")
        self.run(BEFORE)
        self.backup()

    def run(self, text: str) -> None:
        with self.cluster.connect(self.database) as connection:
            connection.execute(text.encode())

    def backup(self, *arguments: str) -> None:
        done = self.pgvault("backup", "-d", self.dsn, "--dir", f"lib={self.files}", "-q", *arguments)
        assert done.code in (0, 5), done.err  # the guard sees what is gone

    def diff(self, *arguments: str) -> Done:
        return self.pgvault("diff", *arguments)


def made(home: Path, cluster: Cluster) -> Days:
    pgvault = Command(home=home)
    assert pgvault("init", "--no-recovery-kit").code == 0
    days = Days(pgvault, cluster)
    days.run(CHANGES)
    (days.files / "other").write_text("afterwards")
    (days.files / "new").write_text("new")
    days.backup()
    return days


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, pg15: Cluster) -> Days:
    """Two days, to be looked at."""
    return made(tmp_path_factory.mktemp("home"), pg15)


@pytest.fixture
def own(tmp_path: Path, pg18: Cluster) -> Days:
    """Two days, to be changed."""
    return made(tmp_path, pg18)


def lines(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.out.splitlines()]


def test_text_tells_definitions_privileges_rows_and_files(two: Days) -> None:
    done = two.diff("latest~1", "latest")
    assert done.code == 0, done.err
    for line in (
        "~ table public.orders: 1 inserted, 1 deleted, 1 updated, by id",
        "    ~ id=7  total: 10.50 -> 99.00, note: NULL -> 'it's'",
        "    - id=8 customer='customer 8' total=12.00 note=NULL",
        "~ table public.loose: 2 inserted, 0 deleted, 0 updated, by whole rows",
        "- table public.going: 0 inserted, 1 deleted, 0 updated, by id",
        "+ TABLE coming",
        "~ FUNCTION f(integer)",
        "~ POLICY orders own",
        "~ privileges table public.orders",
        "    gained: INSERT, SELECT to PUBLIC",
        "~ sequence public.numbers",
        "+ large object 4711",
        "+ file lib/new",
        "~ file lib/other",
    ):
        assert line in done.out, done.out
    assert (
        "-    SELECT $1 + 1" in done.out.replace("AS $function$", "").replace("    -", "-   ")
        or "SELECT $1 + 2" in done.out
    )
    assert "long long" in done.out
    assert "(500 bytes)" in done.out
    assert "same" not in done.out
    assert "differs: " in done.err


def test_text_shows_the_first_of_many_rows_and_files_and_says_how_to_see_all(own: Days) -> None:
    own.run(
        "INSERT INTO loose SELECT n FROM generate_series(1, 6000) n; SELECT lo_create(n) FROM generate_series(9001, 9060) n"
    )
    for number in range(51):
        (own.files / f"{number}").touch()
    own.backup()
    done = own.diff("latest~1", "latest")
    shown = done.out.splitlines()
    assert done.code == 0, done.err
    assert sum(line.startswith("    + a=") for line in shown) == 50
    assert sum(line.startswith("+ file lib/") for line in shown) == 50
    for line in ("    and 5,950 more", "and 1 more of the files of lib", "and 10 more of the large objects"):
        assert line in shown, done.out
    assert "all of them: pgvault diff latest~1 latest --all; counts alone: --stat" in " ".join(done.err.split())
    whole = own.diff("latest~1", "latest", "--all")
    assert sum(line.startswith("    + a=") for line in whole.out.splitlines()) == 6000
    assert sum(line.startswith("+ file lib/") for line in whole.out.splitlines()) == 51
    assert " more" not in whole.out
    assert len(lines(own.diff("latest~1", "latest", "--json"))) == 6001
    few = own.diff("latest~1", "latest", "--table", "orders")
    assert "--all" not in few.err


def test_json_has_a_line_for_each_row_and_whole_values(two: Days) -> None:
    done = two.diff("latest~1", "latest", "--json")
    *rows, result = lines(done)
    told = conforming(result, "diff")
    assert done.code == 0
    assert told["tables"]["public.orders"]["inserted"] == 1
    assert told["tables"]["public.going"]["change"] == "removed"
    assert told["files"]["lib"]["other"] == {"change": "changed", "details": ["size: 6 -> 10"]}
    assert told["sequences"]["public.numbers"]["change"] == "changed"
    assert told["not_compared"] == []
    new = next(row for row in rows if row["table"] == "public.orders" and row["change"] == "inserted")
    assert (new["before"], new["after"]["customer"], len(new["after"]["note"])) == (None, "tab\t", 500)
    assert len(lines(two.diff("latest~1", "latest", "--stat", "--format", "json"))) == 1


def test_json_leaves_nothing_out_that_is_called_alike(own: Days) -> None:
    own.run("CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.twin (x int); CREATE TABLE b.twin (x int)")
    own.run("ALTER TABLE a.twin ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    own.backup()
    entries = own.diff("latest~1", "latest", "--json", "--stat").json()["entries"]
    assert [name for name in entries if name.startswith("TABLE twin")] == ["TABLE twin", "TABLE twin (table b.twin)"]
    forced = [name for name in entries if name.startswith("ROW SECURITY twin")]
    assert forced == ["ROW SECURITY twin", "ROW SECURITY twin (table a.twin)"]


def test_exit_code_says_whether_anything_differs(two: Days) -> None:
    assert two.diff("latest~1", "latest", "--exit-code", "--stat").code == 20
    assert two.diff("latest~1", "--exit-code", "--stat").code == 20
    equal = two.diff("latest", "latest", "--exit-code")
    assert (equal.code, equal.out) == (0, "")
    assert "nothing differs" in equal.err
    back = two.diff("latest", "latest~1", "--stat")
    assert "A is newer than B" in back.err


def test_one_table_is_compared_with_its_definitions(two: Days) -> None:
    done = two.diff("latest~1", "latest", "--table", "ORDERS")
    assert "POLICY orders own" in done.out
    assert "loose" not in done.out
    assert "FUNCTION" not in done.out
    assert "file" not in done.out


def test_live_is_compared_as_a_snapshot_that_leaves_nothing(own: Days) -> None:
    there = sorted(path for path in own.pgvault.repository.rglob("*") if path.is_file())
    live = ("latest", "--live", "-d", own.dsn, "--dir", f"lib={own.files}", "--exit-code")
    quiet = own.diff(*live)
    assert quiet.code == 0, quiet.err
    own.run("UPDATE orders SET total = 0 WHERE id = 3")
    own.run("VACUUM FULL loose")
    (own.files / "new").unlink()
    done = own.diff(*live)
    assert done.code == 20, done.err
    assert done.out.splitlines() == [
        "- file lib/new",
        "~ table public.orders: 0 inserted, 0 deleted, 1 updated, by id",
        "    ~ id=3  total: 4.50 -> 0.00",
    ]
    assert sorted(path for path in own.pgvault.repository.rglob("*") if path.is_file()) == there
    left = [path for path in (own.pgvault.home / ".cache").rglob("*") if "live" in path.parts and path.name != "lock"]
    assert [path for path in left if path.is_file()] == []
    assert own.pgvault("snapshots", "--json").json()["snapshots"][-1]["sequence"] == 2


def test_a_copy_under_another_name_does_not_differ(own: Days) -> None:
    """What each of two databases has for itself is told, and counts for nothing; what contents depend on counts."""
    own.run(f"COMMENT ON DATABASE {own.database} IS 'mine'; ALTER DATABASE {own.database} CONNECTION LIMIT 7")
    own.run(f"ALTER DATABASE {own.database} SET work_mem = '5MB'")
    own.backup()
    copy = own.cluster.createdb()
    done = own.pgvault("restore", "latest", "-d", own.cluster.dsn(copy), "--yes")
    assert done.code == 0, done.err
    live = ("latest", "--live", "-d", own.cluster.dsn(copy), "--exit-code")
    lacking = own.diff(*live)
    assert (lacking.code, lacking.out) == (3, ""), lacking.out
    assert f"comment: mine -> none; datconnlimit: 7 -> -1; datname: {own.database} -> {copy}" in lacking.err
    line = lacking.err.partition("  next: pgvault ")[2].partition("\n")[0]
    again = own.pgvault(*(str(own.files).join(word.split("PATH")) for word in shlex.split(line)))
    assert (again.code, again.out) == (0, ""), again.err
    told = conforming(own.diff(*live, "--dir", f"lib={own.files}", "--json").json(), "diff")
    assert (told["equal"], set(told["database_itself"])) == (True, {"comment", "datconnlimit", "datname"})


def test_a_comment_that_the_same_database_got_is_a_difference(own: Days) -> None:
    own.run(f"COMMENT ON DATABASE {own.database} IS 'mine'")
    done = own.diff("latest", "--live", "-d", own.dsn, "--dir", f"lib={own.files}", "--exit-code")
    assert (done.code, "~ database comment" in done.out) == (20, True), done.out
    assert "differs: 1 property of the database, 1 definition" in done.err


def test_live_writes_nothing_on_the_server(two: Days) -> None:
    def transactions() -> object:
        """That wrote anything; a message in the log, by which a backup has it flushed, is one."""
        with two.cluster.connect(two.database) as connection:
            return connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())").fetchone()

    before = transactions()
    done = two.diff("latest", "--live", "-d", two.dsn, "--stat")
    assert (done.code, "not compared: directory lib" in done.err) == (3, True), done.err
    assert two.diff("latest", "--live", "-d", two.dsn, "--table", "orders").code == 0
    assert transactions() == before


def test_a_patch_on_stdout_and_what_it_cannot_bring(two: Days, tmp_path: Path) -> None:
    done = two.diff("latest", "latest~1", "--table", "orders", "--format", "sql")
    assert done.code == 0, done.err
    assert done.out.startswith("-- Turns the rows of snapshot ")
    whole = two.diff("latest", "latest~1", "--format", "sql", "--exit-code")
    assert whole.code == 3
    assert "not compared: table public.coming: it is gone, and a patch makes and drops no table" in whole.err, whole.err


def test_what_only_one_snapshot_was_asked_to_have_is_not_compared(own: Days) -> None:
    own.backup("-t", "orders", "--tag", "kind=part")
    done = own.diff("latest~1", "part", "--stat")
    assert done.code == 3
    assert "not compared: rows of public.loose" in done.err
    assert "public.loose" not in done.out


def test_somebody_at_a_terminal_sees_how_far_it_is(two: Days) -> None:
    for words, stage in (
        (("diff", "latest~1", "latest", "--stat"), "comparing public.going"),
        (("diff", "latest~1", "latest"), "comparing public.going"),
        (("log", "public.orders", "--stat"), r"looking through 2 snapshots  [0-9.]+ (?:K|M)?i?B"),
        (("log", "-S", "it's"), r"looking through 2 snapshots  [0-9.]+ (?:K|M)?i?B"),
    ):
        code, shown = answered(two.pgvault, *words, TERM="xterm")
        assert code == 0, shown
        assert re.search(stage, shown), shown
        piped = two.pgvault(*words)
        assert (re.search(stage, piped.out + piped.err), piped.code) == (None, 0)


REFUSED = [
    (("latest",), "is the newest snapshot"),
    (("latest~7", "latest"), "no snapshot latest~7"),
    (("latest~1", "latest", "--live"), "exclude each other"),
    (("latest", "-d", "postgresql:///x"), "not asked about"),
    (("latest~1", "latest", "--table", "order"), "did you mean public.orders?"),
    (("latest~1", "latest", "--format", "sql", "--stat"), "exclude each other"),
    (("latest~1", "latest", "--format", "sqll"), "did you mean --format sql?"),
    (("latest~1", "latest", "--json", "--format", "text"), "exclude each other"),
]


@pytest.mark.parametrize(("arguments", "why"), REFUSED)
def test_what_cannot_be_meant_is_refused(two: Days, arguments: tuple[str, ...], why: str) -> None:
    done = two.diff(*arguments)
    assert done.code == 2
    assert why in (done.err + done.out).replace("\n        ", " "), done.err


def test_a_snapshot_of_files_alone_has_no_database_to_compare(own: Days) -> None:
    done = own.pgvault("backup", "--dir", f"lib={own.files}", "--source", "files", "-q")
    assert done.code == 0, done.err
    (own.files / "new").write_text("newer")
    assert own.pgvault("backup", "--dir", f"lib={own.files}", "--source", "files", "-q").code == 0
    ids = [one["id"] for one in own.pgvault("snapshots", "--json").json()["snapshots"]]
    both = own.diff(ids[-2], ids[-1])
    assert (both.code, both.out.splitlines()) == (0, ["~ file lib/new", "    size: 3 -> 5"])
    mixed = own.diff(ids[0], ids[-1], "--stat")
    assert mixed.code == 3
    assert "not compared: database" in mixed.err
