"""A writer of the model, step by step as in 80-leases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.properties.protocol.rules import Rules
from tests.properties.protocol.state import (
    CONTENTS,
    NONE,
    Actor,
    Fragment,
    Lease,
    Names,
    Place,
    State,
    chains,
    files,
    pack,
    packs_of,
    picks,
    snapshot_of,
    usable,
)

Steps = Iterator[tuple[str, State]]


class Writing(NamedTuple):
    """`hidden`, `seen`: packs of sweeps and of the index as listed; `used`: relied on; `fresh`: put and not yet indexed."""

    hidden: Names = NONE
    seen: Names = NONE
    used: Names = NONE
    fresh: Names = NONE
    lease: int = 0
    slept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """`wants`: what its snapshot needs. `bases`: an object that is not there is stored against that one, if it is."""

    name: str
    wants: Names
    bases: tuple[tuple[str, str], ...] = ()
    answers_lost: bool = False


def steps(state: State, place: int, backup: Backup, rules: Rules) -> Steps:
    actor = state.actors[place]
    if actor.step in _STEPS:
        memory = Writing(*actor.memory)  # type: ignore[arg-type]  # an actor's memory belongs to its role
        yield from _STEPS[actor.step](_At(state, place, backup, rules), memory)


class _At(NamedTuple):
    state: State
    place: int
    backup: Backup
    rules: Rules

    def then(self, step: str, memory: Writing, state: State | None = None) -> State:
        base = self.state if state is None else state
        actors = list(base.actors)
        actors[self.place] = Actor("writer", self.backup.name, step, memory)
        return base._replace(actors=tuple(actors))

    def ended(self, how: str, state: State | None = None) -> State:
        """Without its leases."""
        base = self.state if state is None else state
        return self.then(how, Writing(), base._replace(leases=self._without_leases(base)))

    def leased(self, memory: Writing, packs: Names) -> State:
        lease = Lease(self.backup.name, memory.lease, packs)
        return self.state._replace(leases=self.state.leases | {lease})

    def _without_leases(self, state: State) -> frozenset[Lease]:
        return frozenset(lease for lease in state.leases if lease.owner != self.backup.name)


def _start(at: _At, memory: Writing) -> Steps:
    if at.rules.lease_first:
        yield (
            "publishes a lease",
            at.then("sweeps", memory._replace(lease=1), at.leased(memory._replace(lease=1), NONE)),
        )
    else:
        yield "begins without a lease", at.then("sweeps", memory)


def _sweeps(at: _At, memory: Writing) -> Steps:
    hidden = packs_of(at.state.sweeps) if at.rules.swept_packs_hidden else NONE
    yield f"lists sweeps: {_text(hidden)}", at.then("index", memory._replace(hidden=hidden))


def _index(at: _At, memory: Writing) -> Steps:
    seen = frozenset(name for name in usable(at.state) if name.rstrip("-") not in memory.hidden)
    following = "store" if at.rules.lease_first else "lease"
    yield f"lists index and packs: {_text(seen)}", at.then(following, memory._replace(seen=seen))


def _lease(at: _At, memory: Writing) -> Steps:
    yield "publishes a lease", at.then("store", memory._replace(lease=1), at.leased(memory._replace(lease=1), NONE))


def _store(at: _At, memory: Writing) -> Steps:
    """Adopt what is there, and put the rest into packs of its own."""
    choices = [
        chains(memory.seen, wanted) or _made(at.backup, memory.seen, wanted) for wanted in sorted(at.backup.wants)
    ]
    for told in picks(choices):
        fresh = told - memory.seen
        used = files(told)
        chosen = memory._replace(used=used, fresh=fresh)
        following = "fragment" if fresh and at.rules.indexed_before_snapshot else _naming(at.rules)
        state = at.state._replace(packs=at.state.packs | fresh)
        yield f"adopts {_text(used - fresh)}, puts {_text(fresh)}", at.then(following, chosen, state)


def _made(backup: Backup, seen: Names, wanted: str) -> tuple[Names, ...]:
    """Chains that begin with a new pack."""
    base = dict(backup.bases).get(wanted, "")
    ways: list[Names] = []
    for rest in chains(seen, base) if base else ():
        depth = 1 + max(place.depth for name in rest for place in CONTENTS[name] if place.object == base)
        ways.append(rest | {pack(f"{backup.name}.{wanted}:{depth}", Place(wanted, depth, base))})
    return tuple(ways) or (frozenset({pack(f"{backup.name}.{wanted}", Place(wanted))}),)


def _naming(rules: Rules) -> str:
    if not rules.packs_named:
        return "look"
    return "name" if rules.named_before_look else "look"


def _fragment(at: _At, memory: Writing) -> Steps:
    state = at.state._replace(fragments=at.state.fragments | {Fragment(at.backup.name, memory.fresh)})
    following = _naming(at.rules) if at.rules.indexed_before_snapshot else "confirm"
    yield f"publishes a fragment of {_text(memory.fresh)}", at.then(following, memory, state)


def _name(at: _At, memory: Writing) -> Steps:
    named = memory._replace(lease=memory.lease + 1, slept=False)
    look = "look" if at.rules.sweeps_looked_at_first else "packs"
    following = "put" if not at.rules.named_before_look else look if at.rules.earlier_lease_stays else "settle"
    yield f"publishes a lease of {_text(memory.used)}", at.then(following, named, at.leased(named, memory.used))


def _look(at: _At, memory: Writing) -> Steps:
    following = _after_looking(at.rules)
    if at.rules.look_at_sweeps and packs_of(at.state.sweeps) & memory.used:
        yield "reads sweeps: one names what it relies on; stops", at.ended("refused")
    elif at.rules.packs_looked_at and at.rules.sweeps_looked_at_first:
        yield "reads sweeps", at.then("packs", memory)
    else:
        yield "reads sweeps", at.then(following, memory)


def _packs(at: _At, memory: Writing) -> Steps:
    if memory.used <= at.state.packs:
        following = _after_looking(at.rules) if at.rules.sweeps_looked_at_first else "look"
        yield "lists packs: all there", at.then(following, memory)
    else:
        yield "lists packs: one is gone; stops", at.ended("refused")


def _after_looking(rules: Rules) -> str:
    if not rules.packs_named:
        return "put"
    if not rules.named_before_look:
        return "name"
    return "settle" if rules.earlier_lease_stays else "put"


def _settle(at: _At, memory: Writing) -> Steps:
    kept = frozenset(
        lease for lease in at.state.leases if lease.owner != at.backup.name or lease.number == memory.lease
    )
    following = "put" if at.rules.earlier_lease_stays else "look"
    yield "removes its earlier lease", at.then(following, memory, at.state._replace(leases=kept))
    if at.rules.earlier_lease_stays:
        yield "leaves its earlier lease to the end", at.then(following, memory)


def _put(at: _At, memory: Writing) -> Steps:
    if memory.slept and at.rules.look_again:
        yield "has slept: names and looks again", at.then("name", memory)
        return
    name = snapshot_of(at.backup.name)
    following = "confirm" if at.rules.indexed_before_snapshot or not memory.fresh else "fragment"
    yield f"puts {name}", at.then(following, memory, at.state._replace(snapshots=at.state.snapshots | {name}))
    if at.backup.answers_lost:
        state = at.state._replace(late=at.state.late | {name})
        if at.rules.lease_stays_unanswered:
            yield f"puts {name}, no answer; its lease stays", at.then("unanswered", Writing(), state)
        else:
            yield f"puts {name}, no answer; its lease goes", at.ended("unanswered", state)


def _confirm(at: _At, memory: Writing) -> Steps:
    there = any((lease.owner, lease.number) == (at.backup.name, memory.lease) for lease in at.state.leases)
    if there or not at.rules.lease_looked_for:
        yield "finds its lease, removes it, has succeeded", at.ended("done")
    else:
        name = snapshot_of(at.backup.name)
        yield (
            f"its lease is gone: withdraws {name}",
            at.ended("withdrawn", at.state._replace(snapshots=at.state.snapshots - {name})),
        )


_STEPS: dict[str, Callable[[_At, Writing], Steps]] = {
    "start": _start,
    "sweeps": _sweeps,
    "index": _index,
    "lease": _lease,
    "store": _store,
    "fragment": _fragment,
    "name": _name,
    "look": _look,
    "packs": _packs,
    "settle": _settle,
    "put": _put,
    "confirm": _confirm,
}


def _text(names: Names) -> str:
    return " ".join(sorted(names)) or "none"
