"""Small repositories with actors that collide. 1 to 8 are those of the review that found the first spec 80 wanting
(7 had two pruners besides: 5 is that with one writer, 19 and 20 with two, where actors interrupt each other twice at most: 243,909
and 137,270 states, none of which loses anything; the whole of it is past what a search in Python reaches)."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.properties.protocol.pruner import Prune
from tests.properties.protocol.state import NONE, Actor, Fragment, Names, Place, State, pack
from tests.properties.protocol.writer import Backup


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`snapshots`: what those that are there at the start need. `forgets`: they may be removed at any time.

    `unlocks`: somebody removes all leases once. `nights`: a day passes once, over whoever sleeps. `clock_jumps`: it passes by the
    store's clock alone. `preemptions_max`: so often another one goes on while an actor could; None: as often as there are steps.
    """

    packs: tuple[str, ...]
    snapshots: dict[str, Names]
    backups: tuple[Backup, ...] = ()
    prunes: tuple[Prune, ...] = ()
    forgets: bool = False
    unlocks: bool = False
    nights: bool = False
    clock_jumps: bool = False
    slow: bool = False
    preemptions_max: int | None = None
    needs: dict[str, Names] = field(init=False)

    def __post_init__(self) -> None:
        wanted = {f"S{backup.name}": backup.wants for backup in self.backups}
        object.__setattr__(self, "needs", {**self.snapshots, **wanted})

    def start(self) -> State:
        actors = [Actor("writer", backup.name, "start") for backup in self.backups]
        actors += [Actor("pruner", prune.name, "start") for prune in self.prunes]
        others = {"forget": self.forgets, "unlock": self.unlocks, "night": self.nights, "clock": self.clock_jumps}
        actors += [Actor(role, role, "start") for role, there in others.items() if there]
        return State(
            packs=frozenset(self.packs),
            fragments=frozenset(Fragment("", frozenset({name})) for name in self.packs),
            snapshots=frozenset(self.snapshots),
            leases=frozenset(),
            sweeps=frozenset(),
            late=NONE,
            excused=False,
            actors=tuple(actors),
        )


A, D = pack("A", Place("a")), pack("D", Place("d"))
"""A is needed by the snapshot S0; D is dead, and its object is wanted again."""
B, C = pack("B", Place("o")), pack("C", Place("o"))
"""One object in two packs."""
MIX = pack("M", Place("a"), Place("x"))
"""Mostly dead: a is copied out of it."""
COPY, COPY_TOO = pack("K", Place("a")), pack("L", Place("a"))
BASE, DEEP = pack("E", Place("b")), pack("F", Place("b", 2, "c"), Place("c"))
DELTA = pack("G", Place("a", 1, "b"))
"""a is a delta against b; b is whole in E, and in F a delta that is deeper than a."""

ONE = {"S0": frozenset("a")}


def wanting(name: str, wants: str, **others: object) -> Backup:
    return Backup(name=name, wants=frozenset(wants), **others)  # type: ignore[arg-type]  # two flags, in three places


def sweeping(name: str, *packs: str, copies: str = "", merges: bool = False) -> Prune:
    return Prune(name=name, sweep=frozenset(packs), copies=copies, merges=merges)


SCENARIOS = {
    "1 adoption from a dead pack": Scenario(
        packs=(A, D), snapshots=ONE, backups=(wanting("w", "ad"),), prunes=(sweeping("p", D),)
    ),
    "2 parent forgotten meanwhile": Scenario(
        packs=(A, D), snapshots=ONE, backups=(wanting("w", "a"),), prunes=(sweeping("p", A, D),), forgets=True
    ),
    "3 two pruners, an object in two packs": Scenario(
        packs=(B, C), snapshots={"S0": frozenset("o")}, prunes=(sweeping("p", B), sweeping("q", C))
    ),
    "4 snapshot put without an answer": Scenario(
        packs=(A, D), snapshots=ONE, backups=(wanting("w", "ad", answers_lost=True),), prunes=(sweeping("p", D),)
    ),
    "5 a sweep that is found": Scenario(
        packs=(A, D), snapshots=ONE, backups=(wanting("w", "ad"),), prunes=(sweeping("p", D), sweeping("q"))
    ),
    "6 unlock of a live writer": Scenario(
        packs=(A, D), snapshots=ONE, backups=(wanting("w", "ad"),), prunes=(sweeping("p", D),), unlocks=True
    ),
    "7 two writers": Scenario(
        packs=(A, D),
        snapshots=ONE,
        backups=(wanting("w", "d"), wanting("v", "d")),
        prunes=(sweeping("p", D),),
        slow=True,
    ),
    "8 two pruners, duplicates, a writer": Scenario(
        packs=(A, B, C),
        snapshots=ONE,
        backups=(wanting("w", "ao"),),
        prunes=(sweeping("p", B), sweeping("q", C)),
        slow=True,
    ),
    "9 a writer sleeps for a night": Scenario(
        packs=(A, D), snapshots=ONE, backups=(wanting("w", "ad"),), prunes=(sweeping("p", D),), nights=True
    ),
    "10 the store's clock jumps": Scenario(
        packs=(A, D), snapshots=ONE, backups=(wanting("w", "ad"),), prunes=(sweeping("p", D),), clock_jumps=True
    ),
    "11 repack under a backup": Scenario(
        packs=(MIX, D),
        snapshots=ONE,
        backups=(wanting("w", "ad"),),
        prunes=(sweeping("p", MIX, D, copies=COPY),),
        forgets=True,
    ),
    "12 two repacks": Scenario(
        packs=(MIX,), snapshots=ONE, prunes=(sweeping("p", MIX, copies=COPY), sweeping("q", MIX, COPY, copies=COPY_TOO))
    ),
    "13 a delta's base in two depths": Scenario(
        packs=(DELTA, BASE, DEEP), snapshots=ONE, prunes=(sweeping("p", BASE),), forgets=False
    ),
    "14 a base that only a delta needs": Scenario(
        packs=(BASE, D),
        snapshots={"S0": frozenset("b")},
        backups=(wanting("w", "n", bases=(("n", "d"),)),),
        prunes=(sweeping("p", D),),
    ),
    "15 fragments are merged": Scenario(
        packs=(A, D),
        snapshots=ONE,
        backups=(wanting("w", "an"),),
        prunes=(sweeping("p", D, merges=True), sweeping("q", merges=True)),
        slow=True,
    ),
    "16 fragments are merged by one": Scenario(
        packs=(A, D), snapshots=ONE, backups=(wanting("w", "an"),), prunes=(sweeping("p", D, merges=True),)
    ),
    "17 a pack that no fragment names": Scenario(
        packs=(A,), snapshots=ONE, backups=(wanting("w", "an"),), prunes=(sweeping("p", "w.n"),)
    ),
    "18 a delta whose base is stored again": Scenario(
        packs=(DELTA, D),
        snapshots={"S0": frozenset("d")},
        backups=(wanting("v", "b"), wanting("w", "a")),
        prunes=(sweeping("p", merges=True),),
    ),
    "19 two writers, two pruners": Scenario(
        packs=(A, D),
        snapshots=ONE,
        backups=(wanting("w", "d"), wanting("v", "ad")),
        prunes=(sweeping("p", D), sweeping("q", A)),
        forgets=True,
        slow=True,
        preemptions_max=2,
    ),
    "20 two writers, two repacks": Scenario(
        packs=(MIX, D),
        snapshots=ONE,
        backups=(wanting("w", "d"), wanting("v", "ad")),
        prunes=(sweeping("p", MIX, D, copies=COPY), sweeping("q", MIX, COPY, copies=COPY_TOO)),
        slow=True,
        preemptions_max=2,
    ),
}
