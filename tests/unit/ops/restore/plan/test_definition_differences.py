"""In what a definition differs, in words; and never a word of a body or a default. No database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.ops.restore.plan.test_plan import PRE, contents
from vault.model import SchemaEntry
from vault.ops.restore.plan.definition_differences import in_what, is_called_alike


def entry(desc: str, definition: str, owner: str = "a") -> SchemaEntry:
    made = contents((desc, "t", PRE, ())).items[0].entry
    return replace(made, definition=definition, owner=owner, drop=f"DROP {desc} s.t;\n")


def table(*lines: str, end: str = "") -> str:
    body = ",\n".join(f"    {line}" for line in lines)
    return f"CREATE TABLE s.t (\n{body}\n){end};\n"


PLAIN = table("a integer", '"B c" text', "CONSTRAINT ck CHECK ((a > 0))")
COLUMNS = ("a", "B c", "note")
TABLES = {
    "type": (table("a bigint", '"B c" text', "CONSTRAINT ck CHECK ((a > 0))"), "in column a"),
    "quoted": (table("a integer", '"B c" text NOT NULL', "CONSTRAINT ck CHECK ((a > 0))"), "in column B c"),
    "constraint": (table("a integer", '"B c" text', "CONSTRAINT ck CHECK ((a > 1))"), "in constraint ck"),
    "dropped": (table("a integer", "CONSTRAINT ck CHECK ((a > 0))"), "in column B c that is missing there"),
    "added": (
        table("a integer", '"B c" text', "note text", "CONSTRAINT ck CHECK ((a > 0))"),
        "in column note that is there alone",
    ),
    "order": (table('"B c" text', "a integer", "CONSTRAINT ck CHECK ((a > 0))"), "in the order of its columns"),
    "options": (
        PLAIN.replace(");\n", ")\nWITH (fillfactor='70');\n"),
        "in options, partitioning, inheritance or storage",
    ),
    "a default whose next line is not indented": (
        table("a integer DEFAULT 'x\nnote'", '"B c" text', "CONSTRAINT ck CHECK ((a > 0))"),
        "in column a",
    ),
    "a default of several lines": (
        table("a integer", "\"B c\" text DEFAULT 'x\n    secret word'::text", "CONSTRAINT ck CHECK ((a > 0))"),
        "in column B c",
    ),
}


def test_a_column_at_the_end_says_nothing_of_the_one_before_it() -> None:
    short, long = entry("TABLE", table("a integer")), entry("TABLE", table("a integer", "note text"))
    assert in_what(short, long, columns=COLUMNS) == "differs on the target in column note that is there alone"


@pytest.mark.parametrize("case", TABLES)
def test_a_table_says_which_columns_differ(case: str) -> None:
    there, expected = TABLES[case]
    assert in_what(entry("TABLE", PLAIN), entry("TABLE", there), columns=COLUMNS) == f"differs on the target {expected}"


def test_many_columns_are_not_all_named() -> None:
    names = [f"c{number}" for number in range(9)]
    said = in_what(entry("TABLE", table(*names)), entry("TABLE", table("a integer")), columns=(*names, "a"))
    assert said == (
        "differs on the target in column c0 that is missing there, column c1 that is missing there,"
        " column c2 that is missing there, column c3 that is missing there, column c4 that is missing there,"
        " 4 more that is missing there, column a that is there alone"
    )
    assert "more" not in in_what(entry("TABLE", table(*names[:5])), entry("TABLE", table("a integer")), columns=names)


HEAD = "CREATE FUNCTION s.t() RETURNS text\n    LANGUAGE sql"
OTHERS = {
    "body": ("FUNCTION", f"{HEAD}\n    AS $$select 'key'$$;\n", f"{HEAD}\n    AS $$select 'other'$$;\n", "in body"),
    "options": (
        "FUNCTION",
        f"{HEAD}\n    AS $$select 'key'$$;\n",
        f"{HEAD} SECURITY DEFINER\n    AS $$select 'key'$$;\n",
        "in arguments, language or options",
    ),
    "no body": ("FUNCTION", f"{HEAD}", f"{HEAD} STRICT", "in arguments, language or options"),
    "parsed body": ("FUNCTION", f"{HEAD}\n    RETURN 'a';\n", f"{HEAD}\n    RETURN 'b';\n", "in body"),
    "procedure": ("PROCEDURE", "head\n    BEGIN ATOMIC a", "head\n    BEGIN ATOMIC b", "in body"),
    "query": ("VIEW", "CREATE VIEW s.t AS\n SELECT 1;\n", "CREATE VIEW s.t AS\n SELECT 2;\n", "in query"),
    "computed": ("MATERIALIZED VIEW", "head AS\n SELECT 1;\n", "head AS\n SELECT 2;\n", "in query"),
    "view": (
        "VIEW",
        "CREATE VIEW s.t WITH (security_invoker='true') AS\n SELECT 1;\n",
        "CREATE VIEW s.t AS\n SELECT 1;\n",
        "in columns or options",
    ),
    "index": ("INDEX", "CREATE INDEX t ON s.u (a);\n", "CREATE INDEX t ON s.u (b);\n", ""),
}


@pytest.mark.parametrize("case", OTHERS)
def test_a_body_is_told_from_its_head(case: str) -> None:
    desc, recorded, there, expected = OTHERS[case]
    assert in_what(entry(desc, recorded), entry(desc, there)) == f"differs on the target {expected}".rstrip()


def test_an_owner_is_named() -> None:
    said = in_what(entry("TABLE", PLAIN, "a"), entry("TABLE", PLAIN, "b"))
    assert said == "differs on the target in owner (b, was a)"
    index = "CREATE INDEX t ON s.u ({});\n"
    said = in_what(entry("INDEX", index.format("a"), "a"), entry("INDEX", index.format("b"), "b"))
    assert said == "differs on the target", "an index is its table's owner's"


CALLERS = {
    "equal": ("FUNCTION", "x", "x", True),
    "body": ("FUNCTION", f"{HEAD}\n    AS $$a$$;\n", f"{HEAD}\n    AS $$b$$;\n", True),
    "procedure's body": ("PROCEDURE", f"{HEAD}\n    BEGIN ATOMIC a", f"{HEAD}\n    BEGIN ATOMIC b", True),
    "head": ("FUNCTION", f"{HEAD}\n    AS $$a$$;\n", f"{HEAD} STRICT\n    AS $$a$$;\n", False),
    "view": ("VIEW", "CREATE VIEW s.t AS\n SELECT 1;\n", "CREATE VIEW s.t AS\n SELECT 2;\n", False),
    "view like a routine": ("VIEW", f"{HEAD}\n    AS $$a$$;\n", f"{HEAD}\n    AS $$b$$;\n", False),
}


@pytest.mark.parametrize("case", CALLERS)
def test_a_caller_rests_on_all_of_a_definition_but_a_routine_s_body(case: str) -> None:
    desc, recorded, present, alike = CALLERS[case]
    assert is_called_alike(entry(desc, recorded, "a"), entry(desc, present, "b")) is alike
