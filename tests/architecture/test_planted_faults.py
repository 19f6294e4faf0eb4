"""The planted faults follow the code: each replaces a text that is there, and leaves a module that compiles."""

from __future__ import annotations

import pytest

from tests.architecture.sources import ROOT
from tests.planted_faults import FAULTS, Planted


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kind)
def test_a_planted_fault_has_its_place(fault: Planted) -> None:
    compile(fault.source(), fault.path, "exec")
    assert [test for test in fault.tests if not (ROOT / test).is_file()] == []


def test_no_fault_is_planted_twice() -> None:
    assert len({fault.source() for fault in FAULTS}) == len({fault.kind for fault in FAULTS}) == len(FAULTS) > 30
