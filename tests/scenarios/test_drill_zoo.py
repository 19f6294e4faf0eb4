"""A drill of everything that a major of PostgreSQL has: nothing differs, and what is not checked was not in the snapshot.

All of it takes a minute a major, mostly for the zoo itself, so it is slow; test_drill.py has a small project on two majors.
"""

from __future__ import annotations

import pytest

from tests.drill_support import drilled, settings_for
from tests.fix_postgres import binaries_of
from tests.fix_zoo import Zoos

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.mark.parametrize("major", [14, 16, 18])
def test_zoo(zoos: Zoos, major: int) -> None:
    """Of 16 the first pg_dump that is found is another one than that of the backup."""
    verdict = drilled(zoos[major].snapshot, settings=settings_for(binaries_of(major)))
    assert verdict.mismatches == ()
    beside = [point for point in verdict.not_checked if "its rows are on another server" not in point.why]
    assert [point.name for point in beside] == (["during_parent_valid_fkey of kinds.during"] if major == 18 else [])
