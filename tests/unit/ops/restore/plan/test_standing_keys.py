"""The order in which rows of extensions' tables come. No database."""

from __future__ import annotations

import pytest

from tests.restore_values import edges
from tests.unit.ops.restore.plan.test_plan import table
from vault.model import CatalogFacts
from vault.ops.restore.plan.decision import RowMode, TableRows
from vault.ops.restore.plan.standing_keys import parents_first


def key(child: str, parent: str) -> tuple[str, str, str]:
    return (f"table constraint {child}_fkey on s.{child}", f"table column s.{parent}.id", "n")


CASES = {
    "without keys, as given": ("abc", [], "abc"),
    "child and parent": ("ab", [("a", "b")], "ba"),
    "a chain": ("abc", [("a", "b"), ("b", "c")], "cba"),
    "two parents": ("abc", [("a", "b"), ("a", "c")], "bca"),
    "parents by name": ("gabcdef", [("g", name) for name in "fdbeca"], "abcdefg"),
    "itself": ("ab", [("a", "a")], "ab"),
    "a circle": ("ab", [("a", "b"), ("b", "a")], "ba"),
    "a circle behind a table": ("abc", [("a", "b"), ("b", "c"), ("c", "b")], "cba"),
    "a table that does not come": ("ab", [("a", "z"), ("z", "b")], "ab"),
}


@pytest.mark.parametrize("case", CASES)
def test_members_come_after_what_they_refer_to(case: str) -> None:
    names, keys, expected = CASES[case]
    rows = [
        TableRows(item=table("big", 9), mode=RowMode.NEW),
        *(TableRows(item=table(name, 1), mode=RowMode.MEMBER) for name in names),
    ]
    found = parents_first(rows, CatalogFacts(edges=edges(*(key(child, parent) for child, parent in keys))))
    assert "".join(one.item.name.name for one in found) == expected + "big"
