"""Which names a pattern fits, and which thing the words of `log` mean."""

from __future__ import annotations

import pytest

from vault.errors import UsageError
from vault.ops.history.names import Pattern, Thing, Words

ORDERS = Thing(kind="table", names=("public", "orders"))
OWN = Thing(kind="policy", names=("public", "orders", "Own rows"))
ADD = Thing(kind="function", names=("public", "add"), args=("integer", "public.mood"))
MOOD = Thing(kind="type", names=('odd."Mood"',))
ROLE = Thing(kind="role", names=("app",))


@pytest.mark.parametrize(
    ("pattern", "fitting"),
    [
        ("orders", [ORDERS]), ("public.orders", [ORDERS]), ("*orders*", [ORDERS, OWN]), ("public.*", [ORDERS, OWN, ADD]),
        ("Own*", [OWN]), ("add", [ADD]), ("add(*)", [ADD]), ("add(integer,public.mood)", [ADD]), ("Mood", [MOOD]), ("odd.Mood", [MOOD]),
        ("app", [ROLE]), ("ap?", [ROLE]), ("[ab]pp", [ROLE]), ("ORDERS", []), ("order", []), ("public/orders", []),
    ],
)  # fmt: skip
def test_pattern_is_held_against_the_last_and_the_whole_name(pattern: str, fitting: list[Thing]) -> None:
    assert [thing for thing in (ORDERS, OWN, ADD, MOOD, ROLE) if Pattern(pattern).fits(thing)] == fitting


def test_case_counts_unless_it_is_ignored() -> None:
    assert Pattern("ORDERS", ignore_case=True).fits(ORDERS)


def test_pattern_with_a_slash_is_held_against_whole_paths() -> None:
    assert Pattern("*.ts").fits_path("edge/hello/index.ts")
    assert not Pattern("*.ts").fits_path("edge/a.ts/readme")
    assert Pattern("edge/*.ts").fits_path("edge/hello/index.ts")
    assert not Pattern("hello/*").fits_path("edge/hello/index.ts")


def test_nothing_is_no_pattern() -> None:
    with pytest.raises(UsageError):
        Pattern("")


@pytest.mark.parametrize(
    ("words", "thing", "rank"),
    [
        ("public.orders", ORDERS, 0), ("orders", ORDERS, 1), ("Orders", ORDERS, 1), ('"Orders"', ORDERS, None), ("order", ORDERS, None),
        ('public.orders."Own rows"', OWN, 0), ("public.orders.Own rows", OWN, 0), ('"Own rows"', OWN, 2), ("orders", OWN, None),
        ("add", ADD, 1), ("add(integer, public.mood)", ADD, 1), ("add(integer)", ADD, None), ("public.add(integer,public.mood)", ADD, 0),
        ('"Mood"', MOOD, 2), ('odd."Mood"', MOOD, 0), ("app", ROLE, 0), ("orders(integer)", ORDERS, None), ('"', ORDERS, None),
    ],
)  # fmt: skip
def test_words_rank_what_they_could_mean(words: str, thing: Thing, rank: int | None) -> None:
    assert Words(words).rank(thing) == rank


@pytest.mark.parametrize("thing", [ORDERS, OWN, ADD, MOOD, ROLE])
def test_what_is_shown_can_be_typed(thing: Thing) -> None:
    assert Words(str(thing)).rank(thing) == 0
