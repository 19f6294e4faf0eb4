"""Names of tables and of captured files as paths of the view."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.model import TableName
from vault.model.files import path_text
from vault.ops.view.paths import encode_name, read_path, table_files
from vault.sql.names import one_line


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("users", "users"),
        ("a.b", "a%2Eb"),
        ("../../x", "%2E%2E%2F%2E%2E%2Fx"),
        ("-rf", "%2Drf"),
        ("100%", "100%25"),
        ("two\nlines", "two%0Alines"),
        ("Grün ß", "Grün ß"),
        ("u\u0085", "u%C2%85"),
    ],
)
def test_names_lose_what_could_lead_out_of_a_directory(name: str, encoded: str) -> None:
    assert encode_name(name) == encoded


def test_dots_in_names_do_not_make_two_tables_one() -> None:
    names = [TableName(schema="a.b", name="c"), TableName(schema="a", name="b.c")]
    assert len(table_files(names)) == 2


def test_names_that_differ_in_case_alone_get_a_suffix_and_others_do_not() -> None:
    names = [TableName(schema="public", name=name) for name in ("Users", "users", "orders", "Straße", "STRASSE")]
    files = table_files(names)
    assert sorted(files.values()) == sorted(names)
    assert "public.orders" in files
    assert len({path.casefold() for path in files}) == 5
    assert sum("~" in path for path in files) == 4


@given(st.sets(st.tuples(st.text(min_size=1, max_size=6), st.text(min_size=1, max_size=6)), max_size=8))
def test_no_two_tables_share_a_path(pairs: set[tuple[str, str]]) -> None:
    names = [TableName(schema=schema, name=name) for schema, name in pairs]
    files = table_files(names)
    assert len(files) == len(names)
    assert not any("/" in path or path.startswith("-") or "\0" in path for path in files)


@given(st.binary(max_size=20))
def test_captured_paths_survive_being_shown(path: bytes) -> None:
    assert read_path(path_text(path)) == path


def test_a_percent_sign_that_is_no_escape_stands_for_itself() -> None:
    assert read_path("100%.txt") == b"100%.txt"


@given(st.text())
def test_one_line_never_holds_a_line_end(text: str) -> None:
    shown = one_line(text)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(letter) < 32 for letter in shown)
