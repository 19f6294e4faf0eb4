"""Which conditions need no server, and what they find."""

from __future__ import annotations

import pytest

from vault.model import Column
from vault.ops.datasets.declared import UserTypes
from vault.ops.query.equalities import equal_rows, read_equalities
from vault.ops.query.rows import first_rows, read_names

TYPES = {
    "id": "bigint", "small": "smallint", "b": "boolean", "t": "text", "v": "character varying(3)", "c": "character(3)", "u": "uuid",
    "d": "date", "n": "numeric(5,2)", "ci": "public.citext", "Odd": "integer", "ts": "timestamp with time zone", "dom": "public.dom",
}  # fmt: skip
COLUMNS = [Column(name=name, type=kind, attnum=at) for at, (name, kind) in enumerate(TYPES.items(), 1)]
KNOWN = UserTypes(domains={"public.dom": "text"})
UUID = "6fa459ea-ee8a-3ca4-894e-db77e160355e"


def read(text: str, *, plain_text: bool = True) -> dict[str, bytes] | None:
    found = read_equalities(text, COLUMNS, KNOWN, plain_text=plain_text)
    return None if found is None else {COLUMNS[at].name: value for at, value in found}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("id=42", {"id": b"42"}),
        (" ID = '042' ", {"id": b"42"}),
        ("id = -0", {"id": b"0"}),
        ("\"Odd\" = 1 AND b = TRUE and t = 'it''s\ta \"b\\'", {"Odd": b"1", "b": b"t", "t": b"it's\\ta \"b\\\\"}),
        (f"u = '{UUID.upper()}'", {"u": UUID.encode()}),
        ("d = '2024-02-28'", {"d": b"2024-02-28"}),
        ("dom = ''", {"dom": b""}),
        ("v = 'longer than it can be'", {"v": b"longer than it can be"}),
    ],
)
def test_equalities_of_columns_with_one_text(text: str, found: dict[str, bytes]) -> None:
    assert read(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "", "id", "id = 1 or id = 2", "id = 1 and", "id = 1 and t", "odd = 1", "nothing = 1", "c = 'ab '", "n = 1", "n = 1.0", "ci = 'A'",
        "id = 1.0", "id = 1e0", "small = 32768", "id = 9223372036854775808", "t = 1", "t = E'x'", "t = 'a' || 'b'", "b = 't'", "b = 1",
        "d = '2024-02-30'", "d = 'today'", "u = '6FA459EA'", "ts = '2024-01-01'", "id = 1;", "id = 1 -- x", "t = id", "orders.id = 1",
        "id = 1 andt = 'x'", "id = NULL", "id == 1", "(id = 1)",
    ],
)  # fmt: skip
def test_everything_else_is_the_servers(text: str) -> None:
    assert read(text) is None


def test_texts_are_the_servers_where_a_collation_may_call_others_equal() -> None:
    assert read("t = 'a'", plain_text=False) is None
    assert read("id = 1", plain_text=False) == {"id": b"1"}


def test_rows_are_found_whole() -> None:
    blocks = [b"1\ta\n42\tb\n", b"3\t42\n421\tx\n42\t\\N\n", b"5\tx\n"]
    assert list(equal_rows(blocks, [(0, b"42")])) == [b"42\tb\n", b"42\t\\N\n"]
    assert list(equal_rows(blocks, [(0, b"42"), (1, b"b")])) == [b"42\tb\n"]


@pytest.mark.parametrize(
    ("limit", "rows"), [(0, b""), (1, b"1\n"), (2, b"1\n2\n"), (3, b"1\n2\n3\n"), (9, b"1\n2\n3\n")]
)
def test_no_more_rows_than_asked_for(limit: int, rows: bytes) -> None:
    assert b"".join(first_rows([b"1\n2\n", b"3\n"], limit)) == rows


def test_names_of_columns() -> None:
    assert read_names('id, Name,"Odd, ""x"""') == ["id", "name", 'Odd, "x"']
