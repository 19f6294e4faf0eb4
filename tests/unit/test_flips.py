"""A sample of bits turned in every kind of file; the long form is `python -m tests.flips`."""

from __future__ import annotations

from tests.damage_world import DIRECTORY_OF, world
from tests.flips import chosen, unnoticed

COUNT = 250


def test_every_bit_that_is_turned_is_noticed() -> None:
    flips = chosen(world(), COUNT, seed=1)
    assert len(flips) == COUNT
    assert {kind for kind, _, _ in chosen(world(), 20_000, seed=1)} == set(DIRECTORY_OF)
    assert list(unnoticed(flips)) == []
