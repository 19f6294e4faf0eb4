"""Policies keep what restic keeps, where the rules are the same (spec 82-retention says where they are not)."""

from __future__ import annotations

import pytest

from tests.restic_policies import compare, rounds
from tests.restic_repository import RESTIC

SETS = 600
"""`python -m tests.restic_policies --sets 50000` is the long form."""


@pytest.mark.spec("RET-4", "RET-5")
@pytest.mark.skipif(RESTIC is None, reason="MISSING: restic, which `python3 tests/check.py` installs on Debian as root")
def test_policies_keep_what_restic_keeps() -> None:
    kept = sum(compare(one) for one in rounds(SETS, seed=20_261_129))
    assert kept > SETS, "most sets have something to keep"
