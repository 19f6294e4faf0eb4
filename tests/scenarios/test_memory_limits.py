"""Commands under a limit of memory; `tests/memory_limits.py` tries all heights."""

from __future__ import annotations

import sys

import pytest

from tests.memory_limits import beginnings, limited, world
from vault.limits import KIB, MIB

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(sys.platform != "linux", reason="no limit of address space"),
]
STEP_BYTES = 24 * MIB


def test_with_too_little_memory_nothing_is_lost_and_it_is_said() -> None:
    with world() as place:
        assert sum(beginnings(place, step_bytes=256 * KIB).values()) == 64
        for name in ("backup", "restore"):
            counts = limited(name, place, step_bytes=STEP_BYTES, well_in_a_row=2)
            assert counts["done"] >= 2
            assert sum(counts.values()) > counts["done"], "the least is too little"
