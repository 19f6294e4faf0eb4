"""The types that a column's text depends on, from rows of the catalogs. No database."""

from __future__ import annotations

from typing import Any

import pytest

from vault.source.postgres.rows.table_fingerprint import _digest, _type

USER = 20_000
TABLE = 30_000
COMPOSITE = 30_001


def row(oid: int, **fields: Any) -> tuple[Any, ...]:
    """As the query of types gives it: of a user, with a built-in output function, unless `fields` say else."""
    values = {
        "oid": oid,
        "name": f"t{oid}",
        "sort": "b",
        "built_in": True,
        "extension": "",
        "element": 0,
        "base": 0,
        "subtype": 0,
        "relation": 0,
        "text": f"type {oid}",
        **fields,
    }
    return tuple(values.values())


def digest(*rows: tuple[Any, ...], columns: dict[int, list[tuple[int, str]]] | None = None) -> bytes:
    """Of a table with one column, whose type is the first row's."""
    attributes = {TABLE: [(rows[0][0], "1 c")], **(columns or {})}
    return _digest(TABLE, attributes, dict(map(_type, rows)))


INNER = row(USER + 1, sort="e", text="labels a, b")
RENAMED = row(USER + 1, sort="e", text="labels a, z")
LEADING = {
    "a range to its subtype": row(USER, sort="r", subtype=USER + 1),
    "a multirange to it": row(USER, sort="m", subtype=USER + 1),
    "an array to its element": row(USER, element=USER + 1),
    "a domain to its base": row(USER, sort="d", base=USER + 1),
    "a composite to its columns": row(USER, sort="c", relation=COMPOSITE),
}
COLUMNS = {COMPOSITE: [(USER + 1, "1 x")]}


@pytest.mark.spec("REUSE-3")
@pytest.mark.parametrize("case", LEADING)
def test_a_type_leads_to_what_its_text_is_made_of(case: str) -> None:
    outer = LEADING[case]
    before, after = (digest(outer, inner, columns=COLUMNS) for inner in (INNER, RENAMED))
    assert len(before) == len(after) == 32
    assert before != after
    assert digest(outer, row(USER + 1, built_in=False), columns=COLUMNS) == b"", "nobody vouches for its text"


@pytest.mark.spec("REUSE-3")
def test_columns_of_a_composite_are_part_of_it() -> None:
    outer = LEADING["a composite to its columns"]
    assert digest(outer, INNER, columns=COLUMNS) != digest(outer, INNER, columns={COMPOSITE: [(USER + 1, "1 y")]})


STABLE: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"built_in": False, "extension": "citext"}, True),
    ({"built_in": False, "extension": "postgis"}, False),
    ({"built_in": False}, False),
    ({"oid": 25}, True),
    ({"oid": 3904, "sort": "r"}, True),
    ({"oid": 4451, "sort": "m"}, True),
    ({"oid": 75, "sort": "c"}, False),
    ({"oid": 2205, "name": "regclass"}, False),
    ({"oid": 2210, "name": "_regclass"}, False),
    ({"oid": 1033, "name": "aclitem"}, False),
]


@pytest.mark.spec("REUSE-3")
@pytest.mark.parametrize(("fields", "stable"), STABLE)
def test_only_output_that_depends_on_the_value_alone_has_a_fingerprint(fields: dict[str, Any], stable: bool) -> None:
    assert (len(digest(row(**{"oid": USER, **fields}))) == 32) is stable
