"""COPY text and its renderings. The oracle for csv is PostgreSQL itself, for sql a reload, for jsonl json.loads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fix_postgres import Cluster
from vault.errors import Malformed, UsageError
from vault.model import Column, TableName
from vault.pipeline import copytext

NAME = TableName(schema="public", name='odd "name"')

ODD = 'public."odd ""name"""'
SETTINGS = "SET datestyle = ISO; SET timezone = UTC; SET bytea_output = hex; SET intervalstyle = postgres"
SETUP = r'''
CREATE TABLE public."odd ""name""" (
  id bigint GENERATED ALWAYS AS IDENTITY, small smallint, n numeric, f double precision, b boolean, u uuid,
  t text, "C, ""x""" character varying(40), j json, jb jsonb, ts timestamp(3) with time zone, a text[], num integer[],
  raw bytea, c character(3), dup date);
INSERT INTO public."odd ""name""" (small, n, f, b, u, t, "C, ""x""", j, jb, ts, a, num, raw, c, dup) VALUES
  (1, 12345678901234.5678, 'NaN', true, '6fa459ea-ee8a-3ca4-894e-db77e160355e', E'tab\tnl\ncr\rbs\\ q" c, é', '', E'{"a" :\n 1.10}',
   '{"b": [1, 2.50, null, "x\ty"]}', '2025-01-02 03:04:05.678+00', '{a,"b,c",NULL,"d\\e"}', '{1,NULL,3}', '\x00ff5c', 'ab', '2025-02-03'),
  (NULL, 'NaN', 1e300, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (-3, 'infinity', '-infinity', false, NULL, '\N', 'x', 'null', '"s"', 'infinity', '{}', '{}', '\x', '', 'infinity'),
  (0, -0.5, 5e-324, false, NULL, '\.', E'\v\f\b', '[]', '{}', NULL, '{"\"", "\\N"}', NULL, NULL, ' ', NULL),
  (7, 0, 0.1, true, NULL, 'plain', E'it''s', '1', '1', NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE public.one (t text);
INSERT INTO public.one VALUES (NULL), (''), ('\.'), ('\N'), ('x'), ('"'), (','), (E'\n'), (' y ');
'''


def columns_of(cluster: Cluster, db: str, table: str) -> tuple[Column, ...]:
    with cluster.connect(db) as connection:
        found = connection.execute(
            "SELECT attname, format_type(atttypid, atttypmod), attnum FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
            [table],
        ).fetchall()
    return tuple(Column(name=name, type=kind, attnum=number) for name, kind, number in found)


def copy_out(cluster: Cluster, db: str, table: str, options: str = "") -> bytes:
    with cluster.connect(db) as connection:
        connection.execute(SETTINGS.encode())
        with connection.cursor().copy(f"COPY {table} TO STDOUT {options}".encode()) as stream:
            return b"".join(bytes(block) for block in stream)


def cut(text: bytes, size: int) -> Iterator[bytes]:
    return (text[at : at + size] for at in range(0, len(text), size))


@pytest.fixture(scope="module", params=[15, 18])
def filled(request: pytest.FixtureRequest) -> tuple[Cluster, str]:
    cluster: Cluster = request.getfixturevalue(f"pg{request.param}")
    db = cluster.createdb()
    with cluster.connect(db) as connection:
        connection.execute(SETUP.encode())
    return cluster, db


@pytest.mark.postgres
@pytest.mark.parametrize("table", [ODD, "public.one"])
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_csv_equals_what_the_server_prints(filled: tuple[Cluster, str], table: str, size: int) -> None:
    cluster, db = filled
    blocks = cut(copy_out(cluster, db, table), size)
    ours = b"".join(copytext.render("csv", blocks, NAME, columns_of(cluster, db, table)))
    assert ours == copy_out(cluster, db, table, "(FORMAT csv, HEADER)")


@pytest.mark.postgres
@pytest.mark.parametrize("settings", ["on", "off"])
def test_sql_loads_back_the_same_rows(filled: tuple[Cluster, str], settings: str) -> None:
    cluster, db = filled
    table = ODD
    text = copy_out(cluster, db, table)
    script = b"".join(copytext.render("sql", [text], NAME, columns_of(cluster, db, table)))
    other = cluster.createdb()
    with cluster.connect(other) as connection:
        connection.execute(SETUP.partition("INSERT")[0].encode())
        connection.execute(f"SET standard_conforming_strings = {settings}; SET escape_string_warning = off".encode())
        connection.execute(script)
    assert copy_out(cluster, other, table) == text


@pytest.mark.postgres
def test_jsonl_agrees_with_row_to_json(filled: tuple[Cluster, str]) -> None:
    cluster, db = filled
    table = ODD
    lines = b"".join(copytext.render("jsonl", [copy_out(cluster, db, table)], NAME, columns_of(cluster, db, table)))
    ours = [json.loads(line, parse_float=Decimal) for line in lines.splitlines()]
    assert [row["n"] for row in ours] == [Decimal("12345678901234.5678"), "NaN", "Infinity", Decimal("-0.5"), 0]
    assert b'"n":12345678901234.5678,' in lines
    with cluster.connect(db) as connection:
        connection.execute(SETTINGS.encode())
        found = connection.execute(f"SELECT to_jsonb(whole)::text FROM {table} whole".encode()).fetchall()
    for mine, (text,) in zip(ours, found, strict=True):
        theirs = json.loads(text, parse_float=Decimal)
        for name in ("id", "small", "b", "u", "t", 'C, "x"', "j", "jb", "n", "c"):
            assert mine[name] == theirs[name], name


def test_a_table_without_columns_has_its_rows_in_every_format() -> None:
    found = {form: b"".join(copytext.render(form, [b"\n\n"], NAME, [])) for form in copytext.FORMATS}
    assert found["copy"] == b"\n\n"
    assert found["csv"] == b"\n\n\n"
    assert found["jsonl"] == b"{}\n{}\n"
    assert found["sql"].count(b"DEFAULT VALUES;") == 2


def test_an_empty_table_is_a_header_alone() -> None:
    columns = (Column(name="a", type="text", attnum=1),)
    assert b"".join(copytext.render("csv", [], NAME, columns)) == b"a\n"
    assert b"".join(copytext.render("sql", [], NAME, columns)) == b""


def test_copy_passes_any_bytes() -> None:
    assert b"".join(copytext.render("copy", [b"\xff\x00", b"half"], NAME, [])) == b"\xff\x00half"


@pytest.mark.parametrize("text", [b"a\tb\n", b"a\n\tb\n\n", b"a", b"a\nb"])
@pytest.mark.parametrize("form", ["csv", "jsonl", "sql"])
def test_text_that_does_not_fit_the_columns_is_refused(form: str, text: bytes) -> None:
    with pytest.raises(Malformed):
        b"".join(copytext.render(form, [text], NAME, (Column(name="a", type="text", attnum=1),)))


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        copytext.render("xml", [], NAME, [])
    assert "jsonl" in caught.value.hint


def test_rows_of_another_encoding_become_utf8_and_invalid_ones_are_refused() -> None:
    assert list(copytext.to_utf8([b"\xe9\t\\N\n"], "iso8859_1")) == ["é\t\\N\n".encode()]
    with pytest.raises(UsageError):
        list(copytext.to_utf8([b"\xff\n"], "euc_jp"))
    with pytest.raises(UsageError):
        b"".join(copytext.render("jsonl", [b"\xff\n"], NAME, (Column(name="a", type="text", attnum=1),)))


@given(
    st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line)), st.lists(st.integers(1, 30), min_size=1)
)
def test_blocks_are_cut_again_at_row_ends(lines: list[bytes], sizes: list[int]) -> None:
    text = b"".join(line + b"\n" for line in lines)
    blocks: list[bytes] = []
    at = 0
    while at < len(text):
        blocks.append(text[at : at + sizes[len(blocks) % len(sizes)]])
        at += len(blocks[-1])
    whole = list(copytext.whole_rows(blocks))
    assert b"".join(whole) == text
    assert all(block.endswith(b"\n") for block in whole)


def test_columns_can_be_left_out_whatever_the_fields_hold() -> None:
    blocks = [b"a\\tb\t\\N\tc\\n\n", b"\t2\t3\n4\t\t6\n"]
    assert b"".join(copytext.of_columns(blocks, [0, 2], 3)) == b"a\\tb\tc\\n\n\t3\n4\t6\n"
    assert b"".join(copytext.of_columns(blocks, [1], 3)) == b"\\N\n2\n\n"
    with pytest.raises(Malformed):
        list(copytext.of_columns([b"1\t2\n"], [0], 3))


FIELD = st.sampled_from([b"", b"a", b"\\N", b"\\t", b"x" * 40])
WIDE = st.lists(st.tuples(FIELD, FIELD, FIELD), max_size=12)


@given(WIDE, st.permutations([True, False, False]), st.integers(1, 50), st.integers(1, 50))
def test_columns_are_put_beside_others_wherever_both_are_cut(
    table: list[tuple[bytes, ...]], from_right: list[bool], left_cut: int, right_cut: int
) -> None:
    sides = [
        b"".join(
            b"\t".join(f for f, right in zip(row, from_right, strict=True) if right is side) + b"\n" for row in table
        )
        for side in (False, True)
    ]
    blocks = copytext.beside(cut(sides[0], left_cut), cut(sides[1], right_cut), from_right)
    assert b"".join(blocks) == b"".join(b"\t".join(row) + b"\n" for row in table)


def test_rows_of_no_column_have_others_beside_them() -> None:
    assert list(copytext.beside([b"\n\n"], [b"1\n", b"2\n"], [True])) == [b"1\n", b"2\n"]


@pytest.mark.parametrize(
    ("left", "right"), [(b"a\nb\n", b"1\n"), (b"a\n", b"1\n2\n"), (b"", b"1\n"), (b"a\tb\n", b"1\n"), (b"a\n", b"1")]
)
def test_rows_without_a_counterpart_are_malformed(left: bytes, right: bytes) -> None:
    with pytest.raises(Malformed):
        list(copytext.beside([left] if left else [], [right], [False, True]))


FORMULAS = [
    (b"=1+1", b"'=1+1"),
    (b"+49 30", b"'+49 30"),
    (b"-1 day", b"'-1 day"),
    (b"@SUM(A1)", b"'@SUM(A1)"),
    (b"\\t=1", b"'\t=1"),
    (b"\\n=1", b"'\n=1"),
    ("＝1".encode(), "'＝1".encode()),
    (b"a;=1", b"a;=1"),
    (b'a"b', b'a""b'),
    (b"plain", b"plain"),
    (b"", b""),
]


@pytest.mark.parametrize(("stored", "written"), FORMULAS)
def test_for_a_spreadsheet_no_text_is_a_formula(stored: bytes, written: bytes) -> None:
    """Numbers stay what they are, NULL stays empty."""
    columns = (Column(name="=n", type="numeric", attnum=1), Column(name="t", type="text", attnum=2))
    made = copytext.render("csv", [b"-1\t" + stored + b"\n\\N\t\\N\n"], NAME, columns, no_formulas=True)
    assert b"".join(made) == b'"\'=n","t"\n-1,"' + written + b'"\n,\n'


@pytest.mark.parametrize(
    "kind", ["smallint", "integer", "bigint", "oid", "real", "double precision", "numeric", "numeric(12,2)"]
)
def test_numbers_are_numbers_in_every_format(kind: str) -> None:
    columns = (Column(name="a", type=kind, attnum=1),)
    found = {
        form: b"".join(copytext.render(form, [b"1\n-2.5e+3\nNaN\n\\N\n"], NAME, columns)) for form in ("jsonl", "sql")
    }
    assert found["jsonl"] == b'{"a":1}\n{"a":-2.5e+3}\n{"a":"NaN"}\n{"a":null}\n'
    assert found["sql"].partition(b"VALUES\n")[2] == b"  (1),\n  (-2.5e+3),\n  ('NaN'),\n  (NULL);\n"


@pytest.mark.parametrize("kind", ["text", "integer[]", "numeric(12,2)[]", "money"])
def test_what_only_looks_like_a_number_is_text(kind: str) -> None:
    columns = (Column(name="a", type=kind, attnum=1),)
    assert b"".join(copytext.render("jsonl", [b"1\n"], NAME, columns)) == b'{"a":"1"}\n'
    assert b"".join(copytext.render("sql", [b"1\n"], NAME, columns)).endswith(b"  ('1');\n")


def test_an_insert_has_at_most_a_hundred_rows() -> None:
    columns = (Column(name="a", type="integer", attnum=1),)
    script = b"".join(copytext.render("sql", [b"7\n" * 201], NAME, columns))
    assert [part.count(b"(7)") for part in script.split(b";\n")] == [100, 100, 1, 0]


@given(st.binary(max_size=40))
def test_a_field_comes_back_whatever_it_holds(value: bytes) -> None:
    escaped = copytext.escape(value)
    assert copytext.unescape(escaped) == value
    assert not set(escaped) & set(b"\b\f\n\r\t\v")


def test_every_special_character_has_its_escape() -> None:
    assert copytext.escape(b"a\b\f\n\r\t\v\\z") == rb"a\b\f\n\r\t\v\\z"


def test_records_are_values_by_the_names_of_columns() -> None:
    columns = [Column(name=name, type="text", attnum=at) for at, name in enumerate("ab", 1)]
    found = list(copytext.records([b"1\t\\N\n\\t\t\n", b"x\ty\n"], columns))
    assert found == [{"a": "1", "b": None}, {"a": "\t", "b": ""}, {"a": "x", "b": "y"}]


def test_what_is_no_number_in_a_column_of_numbers_is_a_text() -> None:
    """In a repository that somebody else wrote a type says nothing of the rows."""
    columns = [Column(name="n", type="boolean", attnum=1)]
    flags = b"".join(copytext.render("jsonl", [b"t\nf\n\\N\nyes\n"], NAME, columns)).splitlines()
    assert [json.loads(line)["n"] for line in flags] == [True, False, None, "yes"]
    columns = [Column(name="n", type="integer", attnum=1)]
    rows = b"7\n1'); DROP TABLE t; --\na\\!\\\\\"b\nNaN\n"
    lines = b"".join(copytext.render("jsonl", [rows], NAME, columns)).splitlines()
    assert [json.loads(line)["n"] for line in lines] == [7, "1'); DROP TABLE t; --", 'a!\\"b', "NaN"]
    sql = b"".join(copytext.render("sql", [rows], NAME, columns)).decode()
    assert "(7)" in sql
    assert "('1''); DROP TABLE t; --')" in sql
    assert "(E'a!\\\\\"b')" in sql


@pytest.mark.parametrize("form", ["csv", "jsonl", "sql"])
def test_a_row_that_is_short_by_what_the_next_has_too_many_is_malformed(form: str) -> None:
    columns = [Column(name=name, type="text", attnum=at) for at, name in enumerate("abc", 1)]
    with pytest.raises(Malformed):
        list(copytext.render(form, [b"1\t2\n1\t2\t3\t4\n"], NAME, columns))


@pytest.mark.parametrize("block", [b"", b"abc", b"a\nb", b"a\tb\n"])
def test_what_is_no_block_of_whole_rows_has_no_columns(block: bytes) -> None:
    with pytest.raises(Malformed):
        copytext.by_columns(block, 1)


def test_what_has_not_the_form_of_its_column_is_quoted_and_no_formula() -> None:
    columns = [Column(name="n", type="integer", attnum=1), Column(name="b", type="boolean", attnum=2)]
    rows = b"=A1\tt\n-A1,2\tf\n-7\t\\N\n"
    assert b"".join(copytext.render("csv", [rows], NAME, columns)) == b'n,b\n=A1,t\n"-A1,2",f\n-7,\n'
    inert = b"".join(copytext.render("csv", [rows], NAME, columns, no_formulas=True)).splitlines()[1:]
    assert [line.partition(b",")[0] for line in (inert[0], inert[2])] == [b'"\'=A1"', b'"\'-7"']
    assert inert[1].startswith(b'"\'-A1,2"')
    numbers = b"-7\tt\n1.5e-07\tf\n-Infinity\tt\n\\N\tt\n"
    plain = b"".join(copytext.render("csv", [numbers], NAME, columns, no_formulas=True)).splitlines()[1:]
    assert [line.partition(b",")[0] for line in plain] == [b"-7", b"1.5e-07", b"-Infinity", b""]


def test_a_carriage_return_as_it_stands_ends_no_row_of_csv() -> None:
    columns = [Column(name="t", type="text", attnum=1), Column(name="n", type="integer", attnum=2)]
    found = b"".join(copytext.render("csv", [b"a\rb\t1\rx\nc\tN\\N\n"], NAME, columns))
    assert found == b't,n\n"a\rb","1\rx"\nc,NN\n'


def test_a_negative_zero_keeps_its_sign_in_sql() -> None:
    columns = [Column(name="n", type=type, attnum=at) for at, type in enumerate(("real", "double precision"), 1)]
    assert b"('-0', '-0')" in b"".join(copytext.render("sql", [b"-0\t-0\n"], NAME, columns))


def test_no_formulas_leaves_none_in_a_date_either() -> None:
    columns = [Column(name="d", type="date", attnum=1)]
    rows = b"-infinity\n2026-12-02\n"
    assert b"".join(copytext.render("csv", [rows], NAME, columns)) == b"d\n-infinity\n2026-12-02\n"
    inert = b"".join(copytext.render("csv", [rows], NAME, columns, no_formulas=True)).splitlines()[1:]
    assert inert == [b'"\'-infinity"', b'"2026-12-02"']
