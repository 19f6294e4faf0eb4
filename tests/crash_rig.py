"""Everything that changes a repository, stopped at every call: what is left is whole, the next run succeeds, and a check is content.

    python -m tests.crash_rig                      all, and a line in benchmarks/results/faults.jsonl
    python -m tests.crash_rig --only prune copy    these; no line

Four rounds for each work:
power     It is done once on a disk that writes down every call: write, sync, link, rename, unlink, the sync of a directory. For each
          call, every state in which a loss of power after it may leave the disk (`tests/power_loss.py`) is made, and looked at; equal
          states once. What this machine keeps beside the repository is as it was at that call, as it was before the work, or torn.
twice     The process ends at a call, and everything it did is there, but perhaps not on the platter; the next run comes to its end; then
          the power is lost. What that run relied on, and reported as done, is there; if it was refused it has reported nothing.
error     From each call on the disk refuses: all with EIO, as one that dies; or what takes room with ENOSPC.
store     The process ends at each call of the store, before it and after its effect.

Equal states are looked at once: where nothing was written yet, an end at any of many reads leaves the same.
"""

from __future__ import annotations

import argparse
import errno
import itertools
import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.measure import record as record_result
from tests.crash_place import Lost, lay, look_at, named, place_at, ran, scratch, tree
from tests.crash_repairs import REPAIRS
from tests.crash_work import WORK
from tests.crash_world import Place, Work, small_limits
from tests.faults import Crashed, Fault, FaultStore, RecordingStore
from tests.power_loss import DiskModel, Files
from tests.recording_disk import RecordingDisk, Step
from tests.small_repository import opened
from vault.errors import VaultError
from vault.repo.sweep import found_sweeps
from vault.store.memory import MemoryStore

WORKS: Final[Mapping[str, Work]] = {**WORK, **REPAIRS}
STATES_MAX: Final = 256
"""Made after one call: as many as eight names that are not synced have. Of more those at the edges, and any others."""
_KINDS: Final = ("put", "get", "get_range", "list", "delete", "barrier")
_BESIDE: Final = ("as it was", "as before the work", "torn")
_TAKES_ROOM: Final = {"open", "write", "fsync", "link", "rename", "mkdir"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """`before`: the repository; `own`: what lay beside it at first and after each step; `refused`: that was all that came of it."""

    root: str
    before: Files | None
    steps: Sequence[Step]
    own: Sequence[Files]
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """After so many steps: the repository (None: there is none), and what lies beside it."""

    steps: int
    files: Files | None
    own: Files


# --- power ---------------------------------------------------------------------------------------


def recorded(work: Work, directory: Path) -> Recorded:
    """The work, done once to its end."""
    root, own = directory / "repository", directory / "own"
    before = work.files()
    lay(root, before)
    lay(own, {})
    if before is not None:
        work.whole(place_at(directory))  # so that caches know something
    beside = [tree(own)]
    disk = RecordingDisk(after=lambda: beside.append(tree(own)))
    work.run(place_at(directory, disk))
    shutil.rmtree(directory)
    return Recorded(root=str(root), before=before, steps=disk.steps, own=beside)


def states(done: Recorded, *, most: int, choice: random.Random) -> Iterator[State]:
    """Every different one, in the order of the calls. Raises  Lost: a pack that a sweep had named is there, and the sweep is not"""
    model, swept = DiskModel(done.root, done.before), _Swept()
    seen: set[object] = set()
    for count in range(len(done.steps) + 1):
        if count:
            model.replay(done.steps[count - 1])
        swept.learn(model.pessimistic())
        own = done.own[count]
        beside = frozenset(own.items())
        for files in (model.as_written(), *model.states(most=most, choice=choice)):
            different = (_published(files), beside)
            if different not in seen:
                seen.add(different)
                swept.check(files, count)
                yield State(steps=count, files=files, own=own)


def _published(files: Files | None) -> object:
    """What tells states apart: all but what lies in `tmp/`, and whether anything does."""
    if files is None:
        return None
    published = {name: data for name, data in files.items() if not name.startswith("tmp/")}
    return frozenset(published.items()), len(published) < len(files)


class _Swept:
    """A pack that a durable sweep named is never again there without a sweep that names it (LEASE-4)."""

    def __init__(self) -> None:
        self._packs: dict[str, frozenset[str]] = {}

    def learn(self, durable: Files | None) -> None:
        for name, data in (durable or {}).items():
            if name.startswith("sweeps/") and data and name not in self._packs:
                found = found_sweeps(opened(MemoryStore({name: data})))
                self._packs[name] = frozenset(f"packs/{pack.hex()}" for sweep in found for pack in sweep.packs)

    def check(self, files: Files | None, steps: int) -> None:
        there = files or {}
        hidden = frozenset[str]().union(*(packs for name, packs in self._packs.items() if name in there))
        for packs in self._packs.values():
            if visible := sorted((packs & there.keys()) - hidden):
                raise Lost(f"after {steps} calls: {visible[0]} was swept and is back, without its sweep")


def beside_of(done: Recorded, state: State, number: int) -> Files:
    """Of the three kinds each in its turn."""
    kind = _BESIDE[number % len(_BESIDE)]
    if kind == "as before the work":
        return done.own[0]
    if kind == "torn":  # what has to be durable is synced; the rest proves itself
        return {
            name: data[: len(data) // 2] if data and name.startswith("cache/") else data
            for name, data in state.own.items()
        }
    return state.own


def power(name: str, *, most: int = STATES_MAX) -> Counter[str]:
    """Raises  Lost"""
    work, choice, counts = WORKS[name], random.Random(name), Counter[str]()
    with small_limits(), scratch() as directory:
        done = recorded(work, directory / "recorded")
        counts["calls to the disk"] = len(done.steps)
        for number, state in enumerate(states(done, most=most, choice=choice)):
            counts["states after a loss of power"] += 1
            with named(f"{name}: power lost after {state.steps} calls ({_last(done, state)}), state {number}"):
                lay(directory / "repository", state.files)
                lay(directory / "own", beside_of(done, state, number))
                place = place_at(directory)
                if state.steps == len(done.steps):
                    work.done(place)  # it was reported as done
                look_at(work, place)
    return counts


def _last(done: Recorded, state: State) -> str:
    step = done.steps[state.steps - 1] if state.steps else None
    return "before any" if step is None else f"{step.kind} {os.path.relpath(step.new or step.path, done.root)}"


# --- twice ---------------------------------------------------------------------------------------


def twice(name: str, *, most: int = STATES_MAX, only_at_syncs: bool = False) -> Counter[str]:
    """`only_at_syncs`: the process ends before the sync of a directory, when most is not durable. Raises  Lost"""
    work, choice, counts = WORKS[name], random.Random(name), Counter[str]()
    with small_limits(), scratch() as directory:
        for at in itertools.count(1):
            done = _killed_and_ended(work, directory / "recorded", _EndsAt(at, only_at_syncs=only_at_syncs))
            if done is None:
                return counts
            model, seen = DiskModel(done.root, done.before), set[object]()
            for step in done.steps:
                model.replay(step)
            for files in model.states(most=most, choice=choice):
                different = _published(files)
                if different in seen:
                    continue
                seen.add(different)
                counts["states after an end and a loss of power"] += 1
                with named(
                    f"{name}: ended before {'sync' if only_at_syncs else 'call'} {at}, run again, then power lost"
                ):
                    lay(directory / "repository", files)
                    lay(directory / "own", done.own[-1])
                    place = place_at(directory)
                    (partial(look_at, work) if done.refused else work.done)(place)
    raise AssertionError("a work without an end")


def _killed_and_ended(work: Work, directory: Path, ends: _EndsAt) -> Recorded | None:
    """All calls of a process that ends so, and of the next, which comes to its end. None: the first came to its end"""
    root, own = directory / "repository", directory / "own"
    before = work.files()
    lay(root, before)
    lay(own, {})
    killed, ended = RecordingDisk(ends), RecordingDisk()
    with suppress(Crashed, VaultError):
        ran(work, place_at(directory, killed))
    if not ends.has_ended:
        return None
    refused = not ran(work, place_at(directory, ended))
    steps = [*killed.steps, *ended.steps]
    return Recorded(root=str(root), before=before, steps=steps, own=[tree(own)], refused=refused)


class _EndsAt:
    """The disk's answer to a process that ends before its call number `at`, or its sync of a directory of that number."""

    def __init__(self, at: int, *, only_at_syncs: bool) -> None:
        self._left = at
        self._only_at_syncs = only_at_syncs

    @property
    def has_ended(self) -> bool:
        return self._left <= 0

    def __call__(self, kind: str, path: str) -> int:
        if self.has_ended or not self._only_at_syncs or (kind == "fsync" and os.path.isdir(path)):
            self._left -= 1
        if self.has_ended:
            raise Crashed(kind, path)
        return 0


# --- error ---------------------------------------------------------------------------------------


class _RefusesFrom:
    """The disk's answer: `number` for its call `at` and all that follow, or those that take room."""

    def __init__(self, at: int, number: int) -> None:
        self._left = at
        self._number = number
        self.has_refused = False

    def __call__(self, kind: str, path: str) -> int:
        self._left -= 1
        if self._left > 0 or (self._number == errno.ENOSPC and kind not in _TAKES_ROOM):
            return 0
        self.has_refused = True
        return self._number


class _Left:
    """What ends have left so far."""

    def __init__(self) -> None:
        self._seen: set[object] = set()

    def is_new(self, files: Files | None, own: Path) -> bool:
        different = _published(files), frozenset(tree(own).items())
        is_new = different not in self._seen
        self._seen.add(different)
        return is_new


def error(name: str) -> Counter[str]:
    """Raises  Lost"""
    work, counts, left = WORKS[name], Counter[str](), _Left()
    with small_limits(), scratch() as directory:
        for number in (errno.EIO, errno.ENOSPC):
            for at in itertools.count(1):
                refuses = _RefusesFrom(at, number)
                with named(f"{name}: the disk refuses from its call {at} on with {errno.errorcode[number]}"):
                    _refused(work, directory, refuses, left)
                if not refuses.has_refused:
                    break
                counts[f"disks that refused, {errno.errorcode[number]}"] += 1
    return counts


def _refused(work: Work, directory: Path, refuses: _RefusesFrom, left: _Left) -> None:
    root, own = directory / "repository", directory / "own"
    lay(root, work.files())
    lay(own, {})
    with suppress(VaultError):
        ran(work, place_at(directory, RecordingDisk(refuses)))
    if refuses.has_refused and left.is_new(tree(root) if root.exists() else None, own):
        look_at(work, place_at(directory))


# --- store ---------------------------------------------------------------------------------------


def store(name: str) -> Counter[str]:
    """Raises  Lost"""
    work, counts, left = WORKS[name], Counter[str](), _Left()
    with small_limits(), scratch() as directory:
        recording = RecordingStore(MemoryStore(dict(work.files() or {})))
        work.run(Place(store=recording, own=directory / "own"))
        ends = [(kind, after) for kind in _KINDS for after in (False, True)]
        for kind, after in ends:
            calls = sum(call.kind == kind for call in recording.calls)
            for at in range(1, calls + 1):
                counts["ends at a call of the store"] += 1
                with named(f"{name}: ends {'after' if after else 'before'} {kind} number {at}"):
                    _end_at(work, Fault(kind=kind, at=at, error=Crashed(), crash=True, after=after), directory, left)
    return counts


def _end_at(work: Work, fault: Fault, directory: Path, left: _Left) -> None:
    lay(directory / "own", {})
    memory = MemoryStore(dict(work.files() or {}))
    with suppress(Crashed, VaultError):  # what only tidies up tells how its call ended, and goes on
        ran(work, Place(store=FaultStore(memory, [fault]), own=directory / "own"))
    if left.is_new(dict(memory.files), directory / "own"):
        look_at(work, Place(store=memory, own=directory / "own"))


ROUNDS: Final[Mapping[str, Callable[..., Counter[str]]]] = {
    "power": power,
    "twice": twice,
    "error": error,
    "store": store,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(WORKS), nargs="+", default=list(WORKS))
    parser.add_argument("--rounds", choices=list(ROUNDS), nargs="+", default=list(ROUNDS))
    asked = parser.parse_args()
    results: dict[str, dict[str, int]] = {}
    for name in asked.only:
        counts = Counter[str]()
        for round_name in asked.rounds:
            try:
                counts += ROUNDS[round_name](name)
            except Lost as lost:
                print(f"LOST {lost}", flush=True)
                raise
        results[name] = dict(counts)
        print(f"{name}: " + ", ".join(f"{count} {what}" for what, count in counts.items()), flush=True)
    if asked.only == list(WORKS) and asked.rounds == list(ROUNDS):
        record_result(
            "faults", "python -m tests.crash_rig", {"class": "crash at any call", "works": results, "lost": 0}
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
