"""What was asked for and stays undone, as a restore names it. No database."""

from __future__ import annotations

import pytest

from tests.restore_values import changed, only, part, planned, rows, snapshot, there
from vault.ops.restore.plan.only_words import Wanted


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (only("s.bare", definitions=False), True),
        (only("s.bare"), False),
        (only("s.*", definitions=False), False),
        (Wanted(definitions=False), False),
    ],
)
def test_rows_that_were_named_alone_and_nobody_has_are_told(wanted: Wanted, told: bool) -> None:
    """What was named with its definition comes with that, and what was not named may well be left out of a backup."""
    parts = [part("TABLE s.bare"), part("TABLE s.other"), part("TABLE s.t")]
    made = planned(snapshot(*parts, tables=(rows("s.t"),)), there(*parts), wanted=wanted)
    assert made.refused == ((("TABLE DATA s.bare", "its rows are not in the snapshot"),) if told else ())


def test_what_stays_undone_is_told_in_the_recorded_order() -> None:
    parts = [
        part("TABLE s.gone"),
        part("TABLE s.t"),
        part("FK CONSTRAINT s.t.fk", "TABLE s.t", "TABLE s.gone"),
        part("TABLE s.last"),
    ]
    present = there(*changed(parts[1:2], "TABLE s.t"), *changed(parts[3:], "TABLE s.last"))
    made = planned(snapshot(*parts), present, wanted=only("s.t", "s.last"))
    assert [name for name, _ in made.refused] == ["TABLE t", "FK CONSTRAINT t fk", "TABLE last"]
