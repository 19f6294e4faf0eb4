"""`pgvault diff`: that no difference of a definition is left out, told twice or called by a name that several have."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_diff import Days, made
from tests.fix_postgres import Cluster


@pytest.fixture
def own(tmp_path: Path, pg18: Cluster) -> Days:
    """Two days, to be changed."""
    return made(tmp_path, pg18)


def test_what_only_ends_lines_otherwise_differs_and_is_shown(own: Days) -> None:
    for text in ("\\r\\n", "\\n"):
        own.run(f"CREATE OR REPLACE FUNCTION g() RETURNS int LANGUAGE plpgsql AS E'BEGIN{text}RETURN 1;\\nEND'")
        own.run(f"COMMENT ON TABLE loose IS E'a{text}b'")
        own.backup()
    done = own.diff("latest~1", "latest", "--exit-code")
    assert (done.code, "differs: 2 definitions" in done.err) == (20, True), done.err
    assert {"    -COMMENT ON TABLE public.loose IS 'a\\x0d", "    +COMMENT ON TABLE public.loose IS 'a"} <= {
        *done.out.splitlines()
    }
    entries = own.diff("latest~1", "latest", "--json").json()["entries"]
    assert "-COMMENT ON TABLE public.loose IS 'a\r" in entries["COMMENT TABLE loose"]["diff"]
    assert "-AS $function$BEGIN\r" in entries["FUNCTION g()"]["diff"]


def test_that_a_function_depends_on_an_extension_differs(own: Days) -> None:
    own.run("ALTER FUNCTION f(int) DEPENDS ON EXTENSION plpgsql")
    own.backup()
    done = own.diff("latest~1", "latest", "--exit-code")
    assert done.code == 20, done.err
    assert "    +ALTER FUNCTION public.f(integer) DEPENDS ON EXTENSION plpgsql;" in done.out.splitlines()


def test_a_row_that_moved_says_from_where_to_where(own: Days) -> None:
    own.run(
        "CREATE TABLE parts (id int PRIMARY KEY, body text) PARTITION BY RANGE (id); ALTER TABLE orders RENAME COLUMN note TO remark;"
        "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100); UPDATE orders SET remark = 'new' WHERE id = 1;"
        "INSERT INTO parts SELECT id, customer FROM orders WHERE id < 4; DROP TABLE coming; ALTER TABLE parts RENAME TO coming"
    )
    own.backup()
    told = own.diff("latest~1", "latest")
    assert "    column remark was called note" in told.out
    assert own.diff("latest~1", "latest", "--json").json()["tables"]["public.orders"]["columns_renamed"] == {
        "remark": "note"
    }
    own.run(
        "UPDATE orders SET remark = repeat(E'\\n', 100) WHERE id = 2; ALTER TABLE parts_1 RENAME TO low; UPDATE coming SET body = 'x' WHERE id = 1"
    )
    own.backup()
    told = own.diff("latest~1", "latest")
    assert "    ~ id=1  body: 'customer 1' -> 'x'\n" in told.out
    assert "'... (100 bytes)" in told.out
    own.run(
        "CREATE TABLE plain AS TABLE coming; ALTER TABLE plain ADD PRIMARY KEY (id); DROP TABLE coming; ALTER TABLE plain RENAME TO coming"
    )
    own.backup()
    assert "    ~ id=2  moved from public.low to public.coming\n" in own.diff("latest~1", "latest").out


def test_definitions_that_are_called_alike_say_in_which_schema_they_are(own: Days) -> None:
    own.run("CREATE SCHEMA a; CREATE TABLE a.twin (x int); CREATE TABLE twin (x int)")
    own.backup()
    shown = own.diff("latest~1", "latest", "--stat").out.splitlines()
    assert {"+ SCHEMA a", "+ TABLE twin in a", "+ TABLE twin"} <= set(shown)
    entries = own.diff("latest~1", "latest", "--json").json()["entries"]
    assert {entries[name]["object"] for name in entries if name.startswith("TABLE")} == {
        "table a.twin",
        "table public.twin",
    }


def test_what_belongs_to_a_table_is_compared_with_it(own: Days) -> None:
    own.run(
        "CREATE TABLE days (id int PRIMARY KEY, day date) PARTITION BY RANGE (id); CREATE FUNCTION orders() RETURNS int LANGUAGE sql AS 'SELECT 1'"
    )
    own.backup()
    own.run(
        "CREATE INDEX by_total ON orders (total); CREATE INDEX by_text ON orders (lower(note)); CREATE STATISTICS joined ON id, total FROM orders;"
        "CREATE SEQUENCE owned OWNED BY orders.id; CREATE INDEX by_a ON loose (a); DROP FUNCTION orders();"
        "CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM (0) TO (9)"
    )
    own.backup()
    shown = own.diff("latest~1", "latest", "--table", "orders", "--stat").out.splitlines()
    parts = [
        "+ INDEX by_text",
        "+ INDEX by_total",
        "+ SEQUENCE OWNED BY owned",
        "+ SEQUENCE owned",
        "+ STATISTICS joined",
    ]
    assert sorted(shown) == parts
    assert own.diff("latest~1", "latest", "--table", "days", "--stat", "--exit-code").code == 20


def test_snapshots_of_a_part_tell_what_came_and_went_in_it(own: Days) -> None:
    own.run(
        "CREATE SCHEMA other; CREATE TABLE other.t (id int); ALTER TABLE orders ENABLE ROW LEVEL SECURITY; COMMENT ON TABLE loose IS 'loose'"
    )
    own.backup("-n", "public")
    own.run(
        "ALTER TABLE orders DISABLE ROW LEVEL SECURITY; DROP POLICY own ON orders; COMMENT ON TABLE loose IS NULL; DROP FUNCTION f(int);"
        "ALTER TABLE loose ADD CONSTRAINT small CHECK (a < 9000) NOT VALID"
    )
    own.backup("-n", "public")
    told = own.diff("latest~1", "latest", "--stat", "--exit-code")
    expected = [
        "+ CHECK CONSTRAINT loose small",
        "- COMMENT TABLE loose",
        "- FUNCTION f(integer)",
        "- POLICY orders own",
        "- ROW SECURITY orders",
    ]
    assert (told.code, sorted(set(told.out.splitlines()))) == (20, expected), told.err
    own.backup("-n", "other", "-t", "orders")
    other = own.diff("latest~2", "latest", "--stat")
    assert other.code == 3
    assert "- POLICY orders own" in other.out
    assert "COMMENT" not in other.out


def test_what_a_role_may_not_read_is_not_gone(own: Days) -> None:
    role = f"reader_{own.database}".lower()
    own.run(
        f"CREATE ROLE {role} LOGIN BYPASSRLS; CREATE TABLE parted (id int) PARTITION BY RANGE (id);"
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100); INSERT INTO parted SELECT generate_series(1, 50);"
        f"GRANT SELECT ON loose TO {role}"
    )
    own.backup()
    own.pgvault("ack", "--all", "--reason", "these were meant")
    try:
        done = own.pgvault(
            *("backup", "-d", f"{own.dsn} user={role}", "--dir", f"lib={own.files}", "--allow-gaps", "--json")
        )
        assert done.code == 5, done.err
        told = {(one["code"], one["subject"]): one["text"] for one in done.json()["findings"]}
        assert told.keys() == {
            ("large_objects_lost", ""),
            ("rows_not_captured", "public.coming"),
            ("rows_not_captured", "public.parted"),
        }
        assert "others are there and not captured" in told["large_objects_lost", ""]
        result = own.diff("latest~1", "latest", "--json", "--exit-code")
        assert (result.code, result.json()["equal"]) == (3, True), result.out
        reasons = [one["what"] for one in result.json()["not_compared"]]
        assert len(reasons) == len(set(reasons))
        assert {"1 large object", "1 sequence"} <= set(reasons)
    finally:
        own.run(f"DROP OWNED BY {role}; DROP ROLE {role}")
