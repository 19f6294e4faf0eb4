"""Two of everything at once: whatever changes a repository, run as a whole in each gap of whatever else does.

    python -m tests.two_at_once                      all pairs; prints one line for each, appends one to benchmarks/results/faults.jsonl
    python -m tests.two_at_once --only prune backup  pairs of these

One may be refused for the other's sake. Nothing that was there is lost, and afterwards each runs again alone.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import product
from typing import Final

from benchmarks.measure import record as record_result
from tests.crash_place import lay, named, ran, scratch
from tests.crash_work import WORK
from tests.crash_world import Place, begun, finished, small_limits, whole
from tests.faults import Meanwhile, RecordingStore
from tests.small_repository import opened
from vault.errors import VaultError
from vault.store.memory import MemoryStore

NAMES: Final = tuple(name for name in WORK if name not in ("init", "copy"))
"""Of one and the same repository."""


def together(outer: str, inner: str, *, one_in: int = 1) -> Counter[str]:
    """Raises  Lost"""
    counts = Counter[str]()
    with small_limits(), scratch() as directory:
        own = directory / "own"
        recording = RecordingStore(MemoryStore(dict(WORK[outer].files() or {})))
        WORK[outer].run(Place(store=recording, own=own))
        for at in range(0, len(recording.calls), one_in):
            lay(own, {})
            lay(directory / "other", {})  # it remembers the repository of the trial before
            memory = MemoryStore(dict(WORK[outer].files() or {}))
            beside = Place(store=memory, own=directory / "other")
            with named(f"{outer}, and {inner} before its call {at + 1}"):
                is_refused = _is_refused(outer, Place(store=Meanwhile(memory, at, _act(inner, beside)), own=own))
                _look_at(beside, outer, inner)
            counts["refused" if is_refused else "both done"] += 1
    return counts


def _act(inner: str, beside: Place) -> Callable[[], None]:
    def act() -> None:
        with suppress(VaultError):
            ran(WORK[inner], beside)

    return act


def _is_refused(name: str, place: Place) -> bool:
    try:
        ran(WORK[name], place)
    except VaultError:
        return True
    return False


def _look_at(place: Place, *names: str) -> None:
    """Raises  AssertionError, VaultError"""
    whole(place, may_go=begun().oldest)
    for name in names:
        with suppress(VaultError):  # a pinned snapshot is not forgotten, one that is gone is not pinned
            ran(WORK[name], place)
    finished(opened(place.store))
    whole(place, may_go=begun().oldest)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=NAMES, nargs="+", default=list(NAMES))
    parser.add_argument("--one-in", type=int, default=1, metavar="N", help="of the gaps, one in so many")
    asked = parser.parse_args()
    total = Counter[str]()
    for outer, inner in product(asked.only, repeat=2):
        counts = together(outer, inner, one_in=asked.one_in)
        total += counts
        print(f"{inner} in each gap of {outer}: " + ", ".join(f"{n} {what}" for what, n in counts.items()), flush=True)
    if asked.only == list(NAMES) and asked.one_in == 1:
        record_result("faults", "python -m tests.two_at_once", {"class": "two at once", "outcomes": total, "lost": 0})
    return 0


if __name__ == "__main__":
    sys.exit(main())
