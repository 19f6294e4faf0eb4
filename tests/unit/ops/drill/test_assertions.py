"""An assertion holds if it is one row with one boolean that is true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from vault.errors import SourceError, Unreachable
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


class Readers:
    """Answers by the statement; `gone`: the connection ends at it; `left`: what dropping the login says in the end."""

    def __init__(self, left: SourceError | None = None) -> None:
        self._left = left

    @contextmanager
    def open(self) -> Iterator[Readers]:
        yield self
        if self._left is not None:
            raise self._left

    def answer(self, statement: str) -> Sequence[Sequence[object]]:
        if statement == "gone":
            raise Unreachable("the connection was lost", why="terminated")
        return [(statement == "true",)]


def test_what_was_answered_stays_after_the_connection_is_lost() -> None:
    verdict = ask(["false", "true", "gone", "false"], Readers())
    assert [(point.name, point.why) for point in verdict.mismatches] == [
        ("false", "it is false"),
        ("gone", "the connection was lost while it was asked: terminated"),
    ]
    assert [point.name for point in verdict.not_checked] == ["false"]


def test_what_was_answered_stays_when_the_login_cannot_be_dropped() -> None:
    verdict = ask(["false"], Readers(left=SourceError("no", why="a view needs it")))
    assert [point.why for point in verdict.mismatches] == ["it is false"]
    assert [(point.kind, point.why) for point in verdict.not_checked] == [
        ("reader", "the login that asked may still be there: a view needs it")
    ]
