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


OF_A = "table constraint a_fkey on s.a"
EDGES = {
    "a table of that name": ([(OF_A, "table s.b", "n")], "ba"),
    "a function of that name": ([(OF_A, "function s.b(integer)", "n")], "ab"),
    "what is no key": ([("trigger g on s.a", "table column s.b.id", "n")], "ab"),
    "neither": ([("trigger g on s.a", "function s.b(integer)", "n")], "ab"),
    "a key after what is none": ([("trigger g on s.a", "table s.a", "a"), key("a", "b")], "ba"),
}


@pytest.mark.parametrize("case", EDGES)
def test_keys_are_constraints_that_rest_on_a_table_or_its_columns(case: str) -> None:
    found, expected = EDGES[case]
    rows = [TableRows(item=table(name, 1), mode=RowMode.MEMBER) for name in "ab"]
    ordered = parents_first(rows, CatalogFacts(edges=edges(*found)))
    assert "".join(one.item.name.name for one in ordered) == expected


@pytest.mark.parametrize("case", CASES)
def test_members_come_after_what_they_refer_to(case: str) -> None:
    names, keys, expected = CASES[case]
    rows = [
        TableRows(item=table("big", 9), mode=RowMode.NEW),
        *(TableRows(item=table(name, 1), mode=RowMode.MEMBER) for name in names),
    ]
    found = parents_first(rows, CatalogFacts(edges=edges(*(key(child, parent) for child, parent in keys))))
    assert "".join(one.item.name.name for one in found) == expected + "big"
