"""What changes a repository, each in a gap of each other; `tests/two_at_once.py` tries all gaps."""

from __future__ import annotations

import pytest

from tests.two_at_once import NAMES, together

SAMPLE = 31


@pytest.mark.parametrize("inner", NAMES)
@pytest.mark.parametrize("outer", ["backup", "prune", "forget"])
def test_nothing_is_lost_whoever_works_meanwhile(outer: str, inner: str) -> None:
    assert together(outer, inner, one_in=SAMPLE)
