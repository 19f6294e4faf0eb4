"""Snapshots under concurrent writers equal an independent dump of the very same moment. Thousands of rounds: tests/reuse_fuzz.py."""

from __future__ import annotations

import os

import pytest

from tests.fix_postgres import binaries_of
from tests.reuse_fuzz import fuzz

ROUNDS = 60

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def test_every_snapshot_under_writers_equals_a_dump_of_the_same_moment() -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}; again with: python -m tests.reuse_fuzz --seed {seed}")
    outcome = fuzz(15 if binaries_of(15) else 18, rounds=ROUNDS, seed=seed)
    print(outcome)
    assert outcome.rounds == ROUNDS
    assert outcome.repeated <= outcome.rounds // 4
    assert outcome.extents // 4 < outcome.reused < outcome.extents, "both ways are taken"
