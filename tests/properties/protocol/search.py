"""Every state that can be reached, breadth first, so that the first loss comes with the shortest trace.

Where a scenario bounds how often actors interrupt each other, a state is reached by who took the last step, and how often somebody was
interrupted before: orders of any length are searched, with so few interruptions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.properties.protocol import pruner, writer
from tests.properties.protocol.rules import Rules
from tests.properties.protocol.scenarios import Scenario
from tests.properties.protocol.state import Actor, State, lost
from tests.properties.protocol.writer import Writing

STATES_MAX = 1_000_000
ASLEEP = ("look", "packs", "settle", "put")
"""Steps of a writer between its last lease and its snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`snapshot` lost an object after the steps of `trace`; None: no order of steps loses one."""

    snapshot: str | None
    trace: tuple[str, ...]
    states: int


class Reached(NamedTuple):
    """`last`: who took the last step; both stay at their first value where nothing is bounded."""

    state: State
    last: str = ""
    preemptions: int = 0


def search(scenario: Scenario, rules: Rules) -> Found:
    start = Reached(scenario.start())
    came_from: dict[Reached, tuple[str, Reached] | None] = {start: None}
    todo = deque([start])
    while todo:
        reached = todo.popleft()
        snapshot = lost(reached.state, scenario.needs)
        if snapshot is not None:
            return Found(snapshot=snapshot, trace=_trace(came_from, reached), states=len(came_from))
        for label, following in _bounded(reached, scenario, rules):
            if following not in came_from:
                came_from[following] = (label, reached)
                todo.append(following)
        assert len(came_from) < STATES_MAX, "make the scenario smaller"
    return Found(snapshot=None, trace=(), states=len(came_from))


def _bounded(reached: Reached, scenario: Scenario, rules: Rules) -> Iterator[tuple[str, Reached]]:
    steps = list(_steps(reached.state, scenario, rules))
    if scenario.preemptions_max is None:
        yield from ((label, Reached(state)) for label, state in steps)
        return
    goes_on = any(_who(label) == reached.last for label, _ in steps)
    for label, state in steps:
        preemptions = reached.preemptions + (goes_on and _who(label) != reached.last)
        if preemptions <= scenario.preemptions_max:
            yield label, Reached(state, _who(label), preemptions)


def _who(label: str) -> str:
    return label.partition(":")[0]


def _trace(came_from: dict[Reached, tuple[str, Reached] | None], reached: Reached) -> tuple[str, ...]:
    labels = []
    while (step := came_from[reached]) is not None:
        label, reached = step
        labels.append(label)
    return tuple(reversed(labels))


def _steps(state: State, scenario: Scenario, rules: Rules) -> Iterator[tuple[str, State]]:
    backups = {backup.name: backup for backup in scenario.backups}
    prunes = {prune.name: prune for prune in scenario.prunes}
    for place, actor in enumerate(state.actors):
        if actor.role == "writer":
            found = writer.steps(state, place, backups[actor.name], rules)
        elif actor.role == "pruner":
            found = pruner.steps(state, place, prunes[actor.name], rules, scenario.needs)
        else:
            found = _once(state, place, actor)
        for label, following in found:
            yield f"{actor.name}: {label}", following
    for snapshot in state.late:
        landed = state._replace(late=state.late - {snapshot}, snapshots=state.snapshots | {snapshot})
        yield f"store: the late put of {snapshot} lands", landed


def _once(state: State, place: int, actor: Actor) -> Iterator[tuple[str, State]]:
    """What happens at any one moment."""
    if actor.step != "start":
        return
    actors = list(state.actors)
    actors[place] = actor._replace(step="end")
    if actor.role == "forget":
        yield "removes S0", state._replace(snapshots=state.snapshots - {"S0"}, actors=tuple(actors))
    elif actor.role == "unlock":
        if state.leases:
            yield "removes every lease", state._replace(leases=frozenset(), excused=True, actors=tuple(actors))
    else:
        old = frozenset(lease._replace(old=True) for lease in state.leases)
        if actor.role == "night":
            actors = [_after_a_night(one) for one in actors]
        excused = state.excused or actor.role == "clock"
        yield "a day passes", state._replace(leases=old, excused=excused, actors=tuple(actors))


def _after_a_night(actor: Actor) -> Actor:
    if actor.role != "writer" or actor.step not in ASLEEP:
        return actor
    return actor._replace(memory=Writing(*actor.memory)._replace(slept=True))  # type: ignore[arg-type]
