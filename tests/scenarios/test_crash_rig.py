"""Whatever changes a repository may be stopped at any call to the disk, or of the store: `tests/crash_rig.py`, which tries more states."""

from __future__ import annotations

import os

import pytest

from tests.crash_rig import WORKS, error, power, store, twice

STATES = 16
"""After one call here: all of them up to four names that are not synced, of more those at the edges; all by `python -m tests.crash_rig`."""
OPEN_MAX = 500
"""Files of a process that runs these and other tests; each index keeps some, and hundreds are opened here."""


@pytest.mark.spec("STORE-4", "STORE-7")
@pytest.mark.parametrize("name", WORKS)
def test_whatever_a_loss_of_power_leaves_is_whole_and_the_next_run_succeeds(name: str) -> None:
    counts = power(name, most=STATES)
    assert counts["states after a loss of power"] >= 2, "a name that goes is there or is not"


@pytest.mark.parametrize("name", WORKS)
def test_a_disk_that_refuses_from_any_call_on_loses_nothing(name: str) -> None:
    assert error(name)
    assert len(os.listdir("/proc/self/fd")) < OPEN_MAX, "what an error hangs on is not kept"


@pytest.mark.parametrize("name", WORKS)
def test_an_end_at_any_call_of_the_store_loses_nothing(name: str) -> None:
    assert store(name)


@pytest.mark.spec("STORE-4")
@pytest.mark.parametrize("name", WORKS)
def test_what_a_run_found_of_one_that_was_killed_is_durable_when_it_ends(name: str) -> None:
    assert twice(name, most=STATES, only_at_syncs=True)
