"""A pruner of the model, step by step as in 80-leases. Its plan is given, and may be as foolish as it likes: what protects
snapshots is the look after the sweep."""

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
    Sweep,
    files,
    lacks,
    packs_of,
    touched,
    usable,
    without_orphans,
)

Steps = Iterator[tuple[str, State]]


class Pruning(NamedTuple):
    """What it has listed so far, in the order of the spec. `todo`: packs that it will delete.

    `merged`, `superseded`: what its own fragment tells of, and those that it stands for.
    """

    known: frozenset[Sweep] = frozenset()
    sweeps: frozenset[Sweep] = frozenset()
    leases: frozenset[Lease] = frozenset()
    snapshots: Names = NONE
    listed: Names = NONE
    indexed: Names = NONE
    todo: Names = NONE
    merged: Names = NONE
    superseded: frozenset[Fragment] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune:
    """`sweep`: packs to go, if they are there. `copies`: a new pack that holds what of them is to be kept. `merges`: fragments, at the end."""

    name: str
    sweep: Names = NONE
    copies: str = ""
    merges: bool = False


def steps(state: State, place: int, prune: Prune, rules: Rules, needs: dict[str, Names]) -> Steps:
    actor = state.actors[place]
    if actor.step in _STEPS:
        memory = Pruning(*actor.memory)  # type: ignore[arg-type]  # an actor's memory belongs to its role
        yield from _STEPS[actor.step](_At(state, place, prune, rules, needs), memory)


class _At(NamedTuple):
    state: State
    place: int
    prune: Prune
    rules: Rules
    needs: dict[str, Names]

    def then(self, step: str, memory: Pruning, state: State | None = None) -> State:
        base = self.state if state is None else state
        actors = list(base.actors)
        actors[self.place] = Actor("pruner", self.prune.name, step, memory)
        return base._replace(actors=tuple(actors))

    def listings(self) -> tuple[str, ...]:
        """The order of the look."""
        if not self.rules.leases_before_snapshots:
            return ("known", "snapshots", "leases", "sweeps", "packs")
        if not self.rules.sweeps_before_packs:
            return ("packs", "known", "leases", "sweeps", "snapshots")
        if not self.rules.sweeps_after_leases:
            return ("known", "leases", "snapshots", "packs")
        return ("known", "leases", "sweeps", "snapshots", "packs")


def _start(at: _At, memory: Pruning) -> Steps:
    if not at.rules.sweep_stays_for_packs:
        others = frozenset(sweep for sweep in at.state.sweeps if sweep.owner != at.prune.name)
        if others:
            yield (
                "takes back the sweeps that it finds",
                at.then("start", memory, at.state._replace(sweeps=at.state.sweeps - others)),
            )
    if not at.rules.found_sweep_is_looked_at and at.state.sweeps:
        todo = packs_of(at.state.sweeps) & at.state.packs
        yield f"finds sweeps: will delete {_text(todo)}", at.then("delete", memory._replace(todo=todo))
    if at.prune.copies:
        yield from _copy(at, memory)
    else:
        yield from _sweep(at, memory)


def _copy(at: _At, memory: Pruning) -> Steps:
    state = at.state._replace(packs=at.state.packs | {at.prune.copies})
    following = "index" if at.rules.only_indexed_counts else "sweep"
    yield f"copies into {at.prune.copies}", at.then(following, memory, state)


def _index(at: _At, memory: Pruning) -> Steps:
    state = at.state._replace(fragments=at.state.fragments | {Fragment(at.prune.name, frozenset({at.prune.copies}))})
    yield f"publishes a fragment of {at.prune.copies}", at.then("sweep", memory, state)


def _sweep(at: _At, memory: Pruning) -> Steps:
    """Publish, then look. Without that rule: look, then publish what will be deleted."""
    packs = at.prune.sweep & at.state.packs
    if not packs or not at.rules.swept_before_looking:
        yield "begins to look", at.then("expire", memory)
        return
    state = at.state._replace(sweeps=at.state.sweeps | {Sweep(at.prune.name, packs)})
    yield f"publishes a sweep of {_text(packs)}", at.then("expire", memory, state)


def _expire(at: _At, memory: Pruning) -> Steps:
    """Leases that are too old go before leases are listed."""
    old = frozenset(lease for lease in at.state.leases if lease.old and lease.packs)
    if old and at.rules.old_leases_removed:
        state = at.state._replace(leases=at.state.leases - old)
        yield "removes leases that are too old", at.then(at.listings()[0], memory, state)
    else:
        yield from _list(at, memory, at.listings()[0])


def _list(at: _At, memory: Pruning, what: str) -> Steps:
    state = at.state
    if what == "known":
        memory = memory._replace(known=state.sweeps)
    elif what == "leases":
        memory = memory._replace(leases=state.leases)
    elif what == "sweeps":
        memory = memory._replace(sweeps=state.sweeps)
    elif what == "snapshots":
        memory = memory._replace(snapshots=state.snapshots)
    else:
        memory = memory._replace(listed=state.packs, indexed=usable(state))
    order = at.listings()
    following = order.index(what) + 1
    if following < len(order):
        yield f"lists {what}", at.then(order[following], memory)
    else:
        todo = _deletable(at, memory)
        kept = Pruning(known=memory.known, leases=memory.leases, todo=todo)
        yield f"lists {what}; will delete {_text(todo)}", at.then("delete", kept)


def _deletable(at: _At, memory: Pruning) -> Names:
    sweeps, known = memory.known | memory.sweeps, memory.known
    if not at.rules.known_before_leases:
        known = sweeps
    if not at.rules.swept_before_looking:
        sweeps = known = sweeps | {Sweep(at.prune.name, at.prune.sweep)}
    if not at.rules.all_sweeps_count:
        sweeps = known = frozenset(sweep for sweep in sweeps if sweep.owner == at.prune.name)
    swept = packs_of(sweeps)
    told = memory.indexed if at.rules.only_indexed_counts else memory.listed
    outside = frozenset(name for name in told if name.rstrip("-") not in swept)
    kept: set[str] = set()
    if at.rules.leases_pin:
        kept.update(*(lease.packs for lease in memory.leases if at.rules.old_leases_removed or not lease.old))
    for snapshot in memory.snapshots:
        for wanted in _stranded(outside, at.needs[snapshot], at.rules):
            kept |= files(touched(memory.indexed, wanted))
    return (packs_of(known) & memory.listed) - kept


def _stranded(outside: Names, needs: Names, rules: Rules) -> Names:
    """What is needed and has no whole chain there."""
    if rules.whole_chains and rules.depths_fall:
        return lacks(outside, needs)
    places = {place.object for name in outside for place in CONTENTS[name]}
    if not rules.whole_chains:
        return needs - places
    return frozenset(one for one in needs if not _reaches(one, outside, set()))


def _reaches(wanted: str, outside: Names, above: set[str]) -> bool:
    """A chain whatever its depths."""
    places: list[Place] = [place for name in outside for place in CONTENTS[name] if place.object == wanted]
    if wanted in above:
        return True
    return any(not place.base or _reaches(place.base, outside, above | {wanted}) for place in places)


def _delete(at: _At, memory: Pruning) -> Steps:
    left = sorted(memory.todo & at.state.packs)
    if left:
        state = at.state._replace(packs=at.state.packs - {left[0]})
        yield f"deletes {left[0]}", at.then("delete", memory, state)
        return
    if not at.rules.swept_before_looking and memory.todo:
        state = at.state._replace(sweeps=at.state.sweeps | {Sweep(at.prune.name, memory.todo)})
        yield "publishes a sweep of what is gone", at.then("end", memory, state)
        return
    yield from _tidy(at, memory)


def _tidy(at: _At, memory: Pruning) -> Steps:
    """Sweeps whose packs are gone go, unless a lease is left that was seen with them."""
    seen = {(lease.owner, lease.number) for lease in memory.leases}
    left = {(lease.owner, lease.number) for lease in at.state.leases}
    held = at.rules.sweep_stays_for_leases and not seen.isdisjoint(left)
    over = frozenset(sweep for sweep in memory.known if not sweep.packs & at.state.packs and not held)
    following = "merge" if at.prune.merges else "end"
    yield (
        f"removes sweeps of {_text(packs_of(over))}",
        at.then(following, Pruning(), at.state._replace(sweeps=at.state.sweeps - over)),
    )


def _merge(at: _At, memory: Pruning) -> Steps:
    """Entries of packs that are gone mean nothing, and are left out; what a delta without its base means may change."""
    told = usable(at.state)
    merged = told if at.rules.merged_keeps_deltas else without_orphans(told)
    memory = memory._replace(merged=merged, superseded=at.state.fragments)
    yield "lists index and packs", at.then("publish" if at.rules.merged_before_removed else "unmerge", memory)


def _publish(at: _At, memory: Pruning) -> Steps:
    state = at.state._replace(fragments=at.state.fragments | {Fragment(f"{at.prune.name} merged", memory.merged)})
    yield f"publishes a fragment of all, {_text(memory.merged)}", at.then("unmerge", memory, state)


def _unmerge(at: _At, memory: Pruning) -> Steps:
    old = sorted(memory.superseded & at.state.fragments, key=lambda fragment: (fragment.owner, *sorted(fragment.packs)))
    if old:
        state = at.state._replace(fragments=at.state.fragments - {old[0]})
        yield f"removes the fragment of {_text(old[0].packs)}", at.then("unmerge", memory, state)


def _text(names: Names) -> str:
    return " ".join(sorted(names)) or "none"


def _listing(what: str) -> Callable[[_At, Pruning], Steps]:
    return lambda at, memory: _list(at, memory, what)


_STEPS: dict[str, Callable[[_At, Pruning], Steps]] = {
    "start": _start,
    "index": _index,
    "sweep": _sweep,
    "expire": _expire,
    "leases": _listing("leases"),
    "known": _listing("known"),
    "sweeps": _listing("sweeps"),
    "snapshots": _listing("snapshots"),
    "packs": _listing("packs"),
    "delete": _delete,
    "merge": _merge,
    "publish": _publish,
    "unmerge": _unmerge,
}
