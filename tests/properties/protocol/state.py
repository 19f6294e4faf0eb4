"""The state of the model: what is in the store, what each actor remembers, and when a snapshot has lost an object.

One call of the store is one step. The store does what a call says at once (70-store). Packs, like files, never change, so their names
stand for them; what a name holds is in `CONTENTS`. An actor that sleeps for ever and one that died are the same here: it takes no more
steps, so no step of dying is modelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import product
from typing import NamedTuple

Names = frozenset[str]
NONE: Names = frozenset()
DEPTH_MAX = 9


class Place(NamedTuple):
    """A location: whole at depth 0, else a delta against any place of `base` of smaller depth (OBJ-10)."""

    object: str
    depth: int = 0
    base: str = ""


CONTENTS: dict[str, tuple[Place, ...]] = {}
"""Name of a pack -> what it holds. A name always means the same places, in every scenario."""


def pack(name: str, *places: Place) -> str:
    assert CONTENTS.setdefault(name, places) == places, name
    return name


class Lease(NamedTuple):
    """`number` counts the leases of one writer. `old`: of an age that only a dead writer's should have."""

    owner: str
    number: int
    packs: Names
    old: bool = False


class Sweep(NamedTuple):
    owner: str
    packs: Names


class Fragment(NamedTuple):
    """`owner` tells apart what two pruners merged alike."""

    owner: str
    packs: Names


class Actor(NamedTuple):
    """`step` is what it does next; `memory` belongs to its role."""

    role: str
    name: str
    step: str
    memory: tuple[object, ...] = ()


class State(NamedTuple):
    """`fragments`: each is the packs that it tells of; `late`: puts of snapshots that had no answer and may still land.

    `excused`: a lease of a writer that lives may have been removed, so that its death between put and look loses an object.
    """

    packs: Names
    fragments: frozenset[Fragment]
    snapshots: Names
    leases: frozenset[Lease]
    sweeps: frozenset[Sweep]
    late: Names
    excused: bool
    actors: tuple[Actor, ...]


def usable(state: State) -> Names:
    """Packs that are there and that a fragment tells of; `G-` where it tells of a part of what is in G."""
    told: Names = frozenset().union(*(fragment.packs for fragment in state.fragments))
    return frozenset(name for name in told if name.rstrip("-") in state.packs)


def files(told: Names) -> Names:
    """The packs themselves."""
    return frozenset(name.rstrip("-") for name in told)


def without_orphans(told: Names) -> Names:
    """What a fragment tells that leaves out deltas whose base is nowhere."""
    return frozenset(_whole_part(told, name) for name in told)


def _whole_part(told: Names, name: str) -> str:
    places = tuple(place for place in CONTENTS[name] if not place.base or chains(told, place.base, place.depth))
    return name if places == CONTENTS[name] else pack(f"{name.rstrip('-')}-", *places)


def packs_of(sweeps: Iterable[Sweep]) -> Names:
    return frozenset().union(*(sweep.packs for sweep in sweeps))


@cache
def chains(packs: Names, wanted: str, below: int = DEPTH_MAX) -> tuple[Names, ...]:
    """Every way to read an object from these packs: the packs of a whole chain."""
    ways: list[Names] = []
    for name in sorted(packs):
        for place in CONTENTS[name]:
            if place.object != wanted or place.depth >= below:
                continue
            rests = chains(packs, place.base, place.depth) if place.base else (NONE,)
            ways += [rest | {name} for rest in rests]
    return tuple(dict.fromkeys(ways))


@cache
def touched(packs: Names, wanted: str) -> Names:
    """Packs with a place of the object, or of anything below it."""
    found: set[str] = set()
    todo, seen = [wanted], {wanted}
    while todo:
        one = todo.pop()
        for name in packs:
            for place in CONTENTS[name]:
                if place.object == one:
                    found.add(name)
                    if place.base and place.base not in seen:
                        seen.add(place.base)
                        todo.append(place.base)
    return frozenset(found)


@cache
def lacks(packs: Names, needs: Names) -> Names:
    """What of `needs` cannot be read."""
    return frozenset(one for one in needs if not chains(packs, one))


_LEASE_OF_WRITER = 4
"""Where its memory has the number of its last lease."""


def lost(state: State, needs: dict[str, Names]) -> str | None:
    """A snapshot that lacks an object, unless its writer still finds its lease gone and withdraws it.

    A writer may die before it looks. That counts as lost, but not if somebody removed its lease by name, or the store's clock was
    wrong by a day: no rule closes these cases, and the command that removes leases says so (80-leases, Unlock).
    """
    readable = usable(state)
    for name in sorted(state.snapshots):
        if lacks(readable, needs[name]) and not (state.excused and _will_withdraw(state, name)):
            return name
    return None


def _will_withdraw(state: State, snapshot: str) -> bool:
    """It looks for its last lease; an earlier one may still be there."""
    newest: dict[str, int] = {}
    for lease in state.leases:
        newest[lease.owner] = max(lease.number, newest.get(lease.owner, 0))
    return any(
        actor.step == "confirm"
        and snapshot == snapshot_of(actor.name)
        and newest.get(actor.name, 0) < _looked_for(actor)
        for actor in state.actors
    )


def _looked_for(actor: Actor) -> int:
    number = actor.memory[_LEASE_OF_WRITER]
    assert isinstance(number, int)
    return number


def snapshot_of(writer: str) -> str:
    return f"S{writer}"


def picks(choices: list[tuple[Names, ...]]) -> Iterator[Names]:
    """The packs relied on, for each choice of one chain an object."""
    yield from dict.fromkeys(frozenset().union(*picked) for picked in product(*choices))
