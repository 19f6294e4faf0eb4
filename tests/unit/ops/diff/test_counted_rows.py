"""Rows without a key, for a patch: each different one once, with how often it is there; hashes are not held in memory."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from tests.fake_source import FakeDatabase
from tests.unit.ops.diff.compared import KEY, captured, changes_of, text_of
from vault.ops.diff.counted_rows import counted_rows
from vault.ops.diff.scratch import Scratch

T = "public.t"


def of(*extents: bytes) -> FakeDatabase:
    return FakeDatabase(tables={T: extents}, keys={T: ()})


@pytest.mark.parametrize("seed", range(5))
def test_each_row_that_is_there_more_or_less_often_is_told_once(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.ops.diff.scratch._HELD_RECORDS", 16)
    chance = random.Random(seed)
    sides = [[(chance.randint(0, 60), "x") for _ in range(200)] for _ in range(2)]
    was, now = captured(*(of(text_of(*side[:90]), text_of(*side[90:])) for side in sides))
    before, after = (Counter((b"%d" % number, b"x") for number, _ in side) for side in sides)
    with changes_of(was, now, tmp_path) as tables:
        found = list(counted_rows(tables[T], scratch=Scratch(tmp_path), key=KEY))
    assert {row: (were, are) for row, were, are in found} == {
        row: (before[row], after[row]) for row in before.keys() | after.keys() if before[row] != after[row]
    }
    assert len(found) == len({row for row, _, _ in found})
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_which_every_row_changed_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.ops.diff.scratch._HELD_RECORDS", 1000)
    count = 40_000
    was, now = captured(*(of(text_of(*((number, word) for number in range(count)))) for word in "ab"))
    with changes_of(was, now, tmp_path) as tables:
        tables[T].match()
        tracemalloc.start()
        try:
            told = sum(1 for _ in counted_rows(tables[T], scratch=Scratch(tmp_path), key=KEY))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert told == 2 * count
    assert peak < 8 << 20
