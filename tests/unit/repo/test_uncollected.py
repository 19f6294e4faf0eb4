"""Values that are made without a search for garbage among them."""

from __future__ import annotations

import gc

import pytest

from vault.repo.uncollected import uncollected


@pytest.mark.parametrize("on", [True, False])
def test_garbage_is_not_looked_for_inside_and_afterwards_as_before(on: bool) -> None:
    was_on, frozen = gc.isenabled(), gc.get_freeze_count()
    (gc.enable if on else gc.disable)()
    try:
        with uncollected():
            assert not gc.isenabled()
            made = [[number] for number in range(10_000)]
        assert gc.isenabled() == on
        assert gc.get_freeze_count() >= frozen + len(made), "nor is it looked for among these later"
    finally:
        (gc.enable if was_on else gc.disable)()
