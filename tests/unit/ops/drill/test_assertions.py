"""An assertion holds if it is one row with one boolean that is true."""

from __future__ import annotations

import pytest

from vault.ops.drill.assertions import SHOWN_MAX, ask, judge, not_asked, shown
from vault.ops.drill.verdict import DrillVerdict


@pytest.mark.spec("DRILL-3")
@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([(True,)], ""),
        ([(False,)], "it is false"),
        ([(None,)], "it is NULL"),
        ([(1,)], "it is no boolean"),
        ([("t",)], "it is no boolean"),
        ([], "it returned no row"),
        ([(True,), (True,)], "it returned more than one row"),
        ([(True, True)], "it returned 2 columns instead of one"),
        ([()], "it returned 0 columns instead of one"),
    ],
)
def test_judge(rows: list[tuple[object, ...]], why: str) -> None:
    assert judge(rows) == why


def test_it_is_shown_on_one_line() -> None:
    assert shown("select\n  true") == "select true"
    assert len(shown("x" * 1000)) == SHOWN_MAX


def test_without_any_nothing_is_asked() -> None:
    assert ask([], None) == DrillVerdict() == not_asked([])  # type: ignore[arg-type]
