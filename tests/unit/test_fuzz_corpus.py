"""Every input that fuzzing kept, and every seed, once more; the long form is `python -m tests.fuzz`."""

from __future__ import annotations

import pytest

from tests.fuzz import kept
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_kept_inputs_are_taken_or_refused(name: str) -> None:
    inputs = [*TARGETS[name].seeds(), *kept.load(name)]
    assert inputs
    for data in inputs:
        TARGETS[name].run(data)


def test_corpus_has_no_leftovers() -> None:
    assert {path.name for path in kept.DIRECTORY.glob("*")} <= {kept.path_of(name).name for name in TARGETS}
