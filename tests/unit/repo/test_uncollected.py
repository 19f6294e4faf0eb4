"""Values that are made without a search for garbage among them."""

from __future__ import annotations

import gc
import weakref

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


class Thing: ...


def test_garbage_of_between_two_does_not_stay() -> None:
    """A repository that is opened again and again, as by a mount, each time with an error behind it."""
    with uncollected():
        pass
    thing = Thing()
    thing.itself = thing  # type: ignore[attr-defined]
    gone = weakref.ref(thing)
    del thing
    with uncollected():
        pass
    gc.collect()
    assert gone() is None
