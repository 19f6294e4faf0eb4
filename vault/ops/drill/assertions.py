"""What a project knows of itself, as SQL: each assertion is one row with one boolean that is true. Anything else fails it.

The answer is asked of a reader that may write nothing and is no superuser; a value that is no boolean is never shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol

from vault.errors import SourceError, Unreachable
from vault.ops.drill.verdict import DrillVerdict, Point, differs, unchecked

SHOWN_MAX: Final = 200


class AssertionReader(Protocol):
    """A login that may read everything and write nothing."""

    def answer(self, statement: str) -> Sequence[Sequence[object]]:
        """The statement's first rows, two at most. Raises  SourceError: it failed; Unreachable"""


class AssertionReaders(Protocol):
    def open(self) -> AbstractContextManager[AssertionReader]:
        """Raises  SourceError, Unreachable: there can be none"""


def ask(assertions: Sequence[str], readers: AssertionReaders) -> DrillVerdict:
    """Each in a transaction of its own. An assertion that cannot be asked, because nobody may log in to ask it, is not checked.

    What was answered stays, whatever comes after it.
    """
    if not assertions:
        return DrillVerdict()
    verdict: DrillVerdict | None = None
    try:
        with readers.open() as reader:
            verdict = _answers(assertions, reader)
    except (SourceError, Unreachable) as error:
        why = error.why or error.message
        if verdict is None:
            return _not_asked(assertions, f"nobody could log in to ask it: {why}")
        verdict += unchecked(Point(kind="reader", name="", why=f"the login that asked may still be there: {why}"))
    return verdict


def _answers(assertions: Sequence[str], reader: AssertionReader) -> DrillVerdict:
    """One that ends the connection is not true; those after it are not asked."""
    verdict = DrillVerdict()
    for number, assertion in enumerate(assertions, 1):
        try:
            why = _why_not_true(reader, assertion)
        except Unreachable as error:
            why = f"the connection was lost while it was asked: {error.why or error.message}"
            rest = _not_asked(assertions[number:], "the connection was lost at an assertion before it")
            return verdict + differs(Point(kind="assertion", name=shown(assertion), why=why)) + rest
        if why:
            verdict += differs(Point(kind="assertion", name=shown(assertion), why=why))
    return verdict


def not_asked(assertions: Sequence[str]) -> DrillVerdict:
    """Of a snapshot that holds no database."""
    return _not_asked(assertions, "the snapshot holds no database to ask")


def _not_asked(assertions: Sequence[str], why: str) -> DrillVerdict:
    return unchecked(*(Point(kind="assertion", name=shown(one), why=why) for one in assertions))


def _why_not_true(reader: AssertionReader, assertion: str) -> str:
    """Empty: it holds. Raises  Unreachable"""
    try:
        return judge(reader.answer(assertion))
    except SourceError as error:
        return f"it could not be evaluated: {error.why or error.message}"


def judge(rows: Sequence[Sequence[object]]) -> str:
    """Why these rows (two are enough to tell that there are too many) are not `true`; empty: they are."""
    if len(rows) != 1:
        return "it returned no row" if not rows else "it returned more than one row"
    if len(rows[0]) != 1:
        return f"it returned {len(rows[0])} columns instead of one"
    value = rows[0][0]
    if value is None:
        return "it is NULL"
    if not isinstance(value, bool):
        return "it is no boolean"
    return "" if value else "it is false"


def shown(assertion: str) -> str:
    """On one line, shortened."""
    text = " ".join(assertion.split())
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 3] + "..."
