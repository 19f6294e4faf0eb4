"""Rate and time left, with times handed in."""

from __future__ import annotations

import pytest

from vault.cli.pace import SURE_S, WINDOW_S, Pace
from vault.cli.progress import bar_line

MIB = 1024 * 1024


def paced(total: int | None, steps: int, each: int, *, every_s: float = 1.0) -> Pace:
    pace = Pace(total)
    for step in range(1, steps + 1):
        pace.advance(each, step * every_s)
    return pace


def test_an_even_pace_tells_what_is_left() -> None:
    pace = paced(100 * MIB, 20, MIB)
    assert pace.rate(20.0) == pytest.approx(MIB)
    assert pace.left_s(20.0) == pytest.approx(80.0)
    assert pace.words(20.0) == "20.0 MiB of 100.0 MiB, 1.0 MiB/s, about 1 min left"


def test_nothing_is_foretold_from_the_first_seconds() -> None:
    pace = paced(100 * MIB, 4, 20 * MIB)
    assert (pace.rate(SURE_S - 1), pace.left_s(SURE_S - 1)) == (None, None)
    assert pace.words(4.0) == "80.0 MiB of 100.0 MiB"


def test_a_wait_before_the_first_bytes_is_no_pace() -> None:
    """A job in the background waits until the machine has time, and then reads a small table first."""
    pace = Pace(1000 * MIB)
    pace.advance(0, 50.0, tables=1)
    assert (pace.rate(59.0), pace.left_s(59.0)) == (None, None)
    pace.advance(41, 60.0)
    for second in range(61, 71):
        pace.advance(10 * MIB, float(second))
    assert pace.rate(70.0) == pytest.approx(10 * MIB)
    assert pace.left_s(70.0) == pytest.approx(90.0, rel=0.01)


def test_nothing_is_foretold_from_a_small_part_of_the_whole() -> None:
    pace = paced(1000 * MIB, 60, 41)
    assert pace.rate(60.0) == pytest.approx(41)
    assert (pace.left_s(60.0), "left" in pace.words(60.0)) == (None, False)
    small = paced(MIB, 60, 200)
    assert small.left_s(60.0) == pytest.approx((MIB - 12_000) / 200)
    large = paced(100_000 * MIB, 60, MIB)
    assert large.left_s(60.0) == pytest.approx(100_000 - 60)


def test_a_slower_stretch_counts_more_than_a_quick_beginning() -> None:
    pace = Pace(1000 * MIB)
    pace.advance(500 * MIB, 1.0)
    for second in range(2, 62):
        pace.advance(MIB, float(second))
    assert pace.rate(61.0) == pytest.approx(MIB, rel=0.05)
    assert WINDOW_S < 60


@pytest.mark.parametrize("total", [None, 10 * MIB])
def test_without_a_total_or_past_it_no_time_is_left_to_tell(total: int | None) -> None:
    pace = paced(total, 20, MIB)
    assert pace.left_s(20.0) is None
    assert pace.words(20.0) == "20.0 MiB, 1.0 MiB/s"


def test_what_stands_still_has_no_end() -> None:
    pace = Pace(100 * MIB)
    assert pace.left_s(60.0) is None
    assert pace.words(60.0) == "0 B of 100.0 MiB"


def test_rows_and_tables_are_told_where_there_are_any() -> None:
    pace = Pace(4 * MIB)
    pace.advance(MIB, 1.0, rows=2300)
    pace.advance(0, 1.0, tables=1)
    assert pace.words(1.0) == "1.0 MiB of 4.0 MiB, 1 table, 2300 rows"
    assert Pace(None).words(1.0) == ""


@pytest.mark.parametrize("plain", [True, False])
def test_the_bar_gives_way_before_the_words_do(plain: bool) -> None:
    pace = Pace(4 * MIB)
    pace.advance(MIB, 1.0)
    wide, narrow, narrowest = (bar_line("rows", pace, 1.0, width=width, plain=plain) for width in (80, 28, 10))
    assert wide == f"rows  {'##########' if plain else '━' * 10}{'-' * 30 if plain else '┄' * 30}  1.0 MiB of 4.0 MiB"
    assert (narrow, narrowest) == ("rows  1.0 MiB of 4.0 MiB", "rows  1.0 ")
