"""A table without its partitions, or whose partitions nobody may read, is there (spec 60-snapshot)."""

from __future__ import annotations

import pytest

from tests.unit.ops.guard.test_compare import facts, found, name, tables
from vault.ops.guard import codes

PARENTS = {name("e_1"): name("e"), name("e_2"): name("e")}
LEAVES = frozenset(PARENTS)


@pytest.mark.parametrize(
    ("rows", "described", "expected"),
    [
        (50, LEAVES, [(codes.TABLE_EMPTIED, "public.e")]),
        (0, LEAVES, []),
        (50, LEAVES | {name("e")}, [(codes.TABLE_GONE, "public.e")]),
        (0, LEAVES | {name("e")}, [(codes.TABLE_GONE, "public.e")]),
    ],
)
def test_a_table_all_of_whose_partitions_were_dropped_is_there(
    rows: int, described: frozenset[object], expected: list[tuple[str, str]]
) -> None:
    then = facts(tables(e_1=rows, e_2=rows, x=1), parents=PARENTS, described=described)
    assert found(then, facts(tables(x=1))) == expected


@pytest.mark.parametrize("left", [{}, {"e_1": 20}], ids=["none", "one"])
def test_partitions_that_nobody_may_read_are_not_captured(left: dict[str, int]) -> None:
    then = facts(tables(e_1=20, e_2=80, x=1), parents=PARENTS)
    lacking = LEAVES - {name(text) for text in left}
    now = facts(tables(**left, x=1), parents=PARENTS, undescribed=lacking)
    assert found(then, now) == [(codes.ROWS_NOT_CAPTURED, "public.e")]
