"""Real small file systems that are full at some moment; `tests/disk_fills.py` tries all works at every page."""

from __future__ import annotations

import pytest

from tests.crash_rig import WORKS
from tests.disk_fills import SYSTEMS, full
from tests.file_systems import NoMount

pytestmark = pytest.mark.root
SAMPLE = 17


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("name", WORKS)
def test_on_a_full_disk_nothing_is_lost_and_with_room_again_it_goes_on(name: str, system: str) -> None:
    try:
        assert full(name, system, one_in=SAMPLE)
    except NoMount as missing:
        pytest.skip(f"MISSING: {missing}")
