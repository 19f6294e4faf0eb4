"""Clocks that jump by years at each look, this machine's and the storage's: nothing is lost, and nothing but a refusal comes of it."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import crash_work, crash_world, small_repository
from tests.crash_place import lay, place_at, ran
from tests.crash_work import WORK
from tests.crash_world import small_limits
from vault.errors import Locked, UsageError

YEARS_S = 80 * 365 * 86_400


class Jumping:
    """Anything from 1890 to 2130, and at times what no calendar holds. It was on for a while, and slept now and then."""

    def __init__(self, choice: random.Random) -> None:
        self._choice = choice
        self._uptime_s = 0.0

    def now_ms(self) -> int:
        wild = (-1, 0, 1 << 53, (1 << 63) - 1)
        return self._choice.choice((*wild, *(self._choice.randint(-YEARS_S, 2 * YEARS_S) * 1000 for _ in range(8))))

    def uptime_s(self) -> float:
        self._uptime_s += self._choice.choice((0.0, 0.1, 3.0, 300.0))
        return self._uptime_s


@pytest.fixture(params=range(2))
def choice(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[random.Random]:
    with small_limits():
        for work in WORK.values():
            work.files()  # made at a time like any other, and kept
        chosen = random.Random(request.param)
        for module in (crash_work, crash_world, small_repository):
            monkeypatch.setattr(module, "CLOCK", Jumping(chosen))
        yield chosen


@pytest.mark.parametrize("name", WORK)
def test_whatever_the_clocks_say_nothing_is_lost(tmp_path: Path, name: str, choice: random.Random) -> None:
    work = WORK[name]
    lay(tmp_path / "repository", work.files())
    place = place_at(tmp_path)
    for _ in range(2):
        for path in (tmp_path / "repository").rglob("*"):
            when = choice.randint(0, 2 * YEARS_S)
            os.utime(path, (when, when))
        try:
            ran(work, place)
        except UsageError as refused:
            if "before 1970" not in refused.message:
                raise
        except Locked:
            pass  # a last look that took hours counts for nothing
        work.whole(place)
