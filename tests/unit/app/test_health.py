"""Waiting for a database: how long, how often, and what ends it. No clock runs here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from vault.app import health
from vault.errors import SourceError, Unreachable

REFUSED = Unreachable("cannot connect", why="connection refused", hint="start it")


@dataclass
class World:
    """A database that answers from the attempt number `answers` on; each attempt takes `attempt_s`."""

    answers: int
    attempt_s: float = 0.0
    now_s: float = 0.0
    asked: int = 0
    pauses: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def attempt(self) -> None:
        self.asked += 1
        self.now_s += self.attempt_s
        if self.asked < self.answers:
            raise REFUSED

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds

    def wait(self, patience_s: float) -> None:
        health.wait_until(
            self.attempt, patience_s=patience_s, uptime_s=lambda: self.now_s, pause=self.pause, tell=self.told.append
        )


def test_database_that_answers_is_not_waited_for() -> None:
    world = World(answers=1)
    world.wait(300)
    assert (world.pauses, world.told) == ([], [])


def test_it_is_asked_again_ever_more_slowly_and_told_once() -> None:
    world = World(answers=7)
    world.wait(300)
    assert world.pauses == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert world.told == ["waiting for the database, 5 min at most: cannot connect: connection refused"]


def test_it_is_not_waited_for_longer_than_asked() -> None:
    world = World(answers=1_000_000)
    with pytest.raises(Unreachable) as caught:
        world.wait(12.25)
    assert sum(world.pauses) == 12.25
    assert caught.value.message == "the database did not answer within 12.25 s"
    assert caught.value.why == "cannot connect: connection refused"
    assert caught.value.hint == "start it"


def test_attempts_that_take_long_count() -> None:
    world = World(answers=1_000_000, attempt_s=15)
    with pytest.raises(Unreachable):
        world.wait(60)
    assert world.asked == 4


def test_who_does_not_want_to_wait_hears_what_the_attempt_said() -> None:
    world = World(answers=2)
    with pytest.raises(Unreachable, match="cannot connect"):
        world.wait(0)
    assert world.pauses == []


def test_machine_that_slept_does_not_give_up_on_waking() -> None:
    world = World(answers=4)
    asleep: Iterator[float] = iter((8 * 3600.0, 0.0, 0.0, 0.0))

    def attempt() -> None:
        world.now_s += next(asleep)
        world.attempt()

    health.wait_until(attempt, patience_s=60, uptime_s=lambda: world.now_s, pause=world.pause, tell=world.told.append)
    assert world.asked == 4


def test_what_waiting_does_not_mend_ends_it_at_once() -> None:
    def attempt() -> None:
        raise SourceError("no such thing")

    with pytest.raises(SourceError):
        health.wait_until(attempt, patience_s=60, uptime_s=lambda: 0.0, pause=lambda s: None, tell=lambda text: None)


def settled(shares: list[float | None], patience_s: float = health.SETTLE_S) -> list[float]:
    """The pauses until the machine, whose shares of idle time these are, counts as calm."""
    pauses: list[float] = []
    told = iter([0.0, *shares])
    health.settle(patience_s=patience_s, idle_share=lambda: next(told, 0.0), pause=pauses.append)
    return pauses


def test_a_calm_machine_is_waited_for_no_longer_than_it_takes_to_see_that() -> None:
    assert sum(settled([0.9] * 10)) == health.CALM_S


def test_a_pause_of_a_start_is_not_its_end() -> None:
    assert sum(settled([0.1, 0.9, 0.9, 0.1, *[0.8] * 10])) == 4 * 0.5 + health.CALM_S


def test_a_machine_that_is_never_calm_is_not_waited_for_for_ever() -> None:
    assert sum(settled([], patience_s=7.0)) == 7.0


@pytest.mark.parametrize(("patience_s", "waited_s"), [(30.0, 10.0), (3.0, 3.0)])
def test_where_nobody_can_say_how_busy_it_is_some_seconds_pass(patience_s: float, waited_s: float) -> None:
    assert sum(settled([None], patience_s=patience_s)) == waited_s
