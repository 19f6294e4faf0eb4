"""The real command, killed, cut off and left without its server at random moments: a few of those that `tests/kills.py` tries."""

from __future__ import annotations

import os

import pytest

from tests.kills import Numbers, run

pytestmark = pytest.mark.postgres


def test_whatever_disturbs_a_command_nothing_is_lost_and_the_next_run_works() -> None:
    seed = int.from_bytes(os.urandom(4))
    print(
        f"to repeat it: python -m tests.kills --backups 3 --restores 1 --prunes 4 --cuts 2 --restarts 1 --seed {seed}"
    )
    assert run(Numbers(backups=3, restores=1, prunes=4, cuts=2, restarts=1), seed=seed).total() == 11
