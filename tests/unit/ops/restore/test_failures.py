"""One cause is one line, and no failure is lost. No database."""

from __future__ import annotations

from tests.fix_views import Listener
from vault.ops.restore.failures import Failure, Failures, folded


def told(*items: tuple[str, str, str]) -> tuple[Failure, ...]:
    failures = Failures(Listener())
    for entry, why, because in items:
        failures.add(entry, why, because=because)
    return failures.all()


def test_what_follows_from_what_follows_has_the_first_cause() -> None:
    found = told(
        ("EXTENSION e", "is not available", ""),
        ("TABLE t", "type does not exist", "EXTENSION e"),
        ("TABLE DATA s.t", "not loaded", "TABLE t"),
        ("INDEX i", "data error", ""),
    )
    assert [one.because for one in found] == ["", "EXTENSION e", "EXTENSION e", ""]
    assert list(folded(found)) == [
        "EXTENSION e: is not available; so 2 more that need it: TABLE t, TABLE DATA s.t",
        "INDEX i: data error",
    ]


def test_many_followers_are_counted() -> None:
    found = told(("EXTENSION e", "why", ""), *((f"TABLE t{at}", "w", "EXTENSION e") for at in range(1000)))
    (line,) = folded(found)
    assert line == "EXTENSION e: why; so 1000 more that need it: TABLE t0, TABLE t1, TABLE t2, TABLE t3, TABLE t4, ..."
    assert len(found) == 1001


def test_a_cause_that_is_not_among_the_failures_hides_nothing() -> None:
    assert list(folded(told(("TABLE t", "w", "TABLE gone"), ("TABLE u", "w", "TABLE u")))) == [
        "TABLE t: w",
        "TABLE u: w",
    ]


def test_a_cause_that_failed_twice_has_its_followers_once() -> None:
    found = told(("TABLE t", "a", ""), ("TABLE t", "b", ""), ("INDEX i", "c", "TABLE t"))
    assert list(folded(found)) == ["TABLE t: a; so 1 more that need it: INDEX i", "TABLE t: b"]
