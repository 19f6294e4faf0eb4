"""A mount that goes away under way, as a cable that is pulled: before each call of each work in its turn.

    python -m tests.vanishing            all; prints one line for each, appends one to benchmarks/results/faults.jsonl
    python -m tests.vanishing --one-in 5

By the time it is noticed something may lie where nobody will look; but nobody was told that it was saved.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Final

from benchmarks.measure import record as record_result
from tests.crash_place import lay, look_at, named, scratch
from tests.crash_work import WORK
from tests.crash_world import Place, small_limits
from tests.faults import Meanwhile, RecordingStore
from tests.file_systems import once_more, vanish
from vault.errors import VaultError
from vault.store.local import LocalStore
from vault.store.memory import MemoryStore

NAMES: Final = ("backup", "forget", "prune", "key passwd", "check")
BELOW: Final = ("", "repository")
"""The repository is the mounted directory itself, or one in it."""


def vanishing(name: str, below: str, *, one_in: int = 1, first: int = 1) -> Counter[str]:
    """Raises  Lost; NoMount"""
    counts = Counter[str]()
    with small_limits(), scratch() as directory:
        recording = RecordingStore(MemoryStore(dict(WORK[name].files() or {})))
        WORK[name].run(Place(store=recording, own=directory / "own"))
        for at in range(first, len(recording.calls), one_in):
            where, disk, own = (
                f"{name}, without its disk from call {at} on",
                directory / f"disk-{at}",
                directory / "own",
            )
            lay(disk / below, WORK[name].files())
            shutil.rmtree(own, ignore_errors=True)
            with once_more(directory / f"mounted-{at}", disk) as mounted, named(where):
                store = Meanwhile(LocalStore(mounted / below, os.urandom), at, _going(mounted))
                is_told = _is_told(name, Place(store=store, own=own))
            with named(where):
                _look_at(name, Place(store=LocalStore(disk / below, os.urandom), own=own), is_told=is_told)
            shutil.rmtree(disk)
            counts["told" if is_told else "done before"] += 1
    return counts


def _is_told(name: str, place: Place) -> bool:
    try:
        WORK[name].run(place)
    except VaultError:
        return True
    return False


def _look_at(name: str, place: Place, *, is_told: bool) -> None:
    """Raises  AssertionError, VaultError"""
    WORK[name].whole(place)
    if not is_told:
        WORK[name].done(place)
    look_at(WORK[name], place)


def _going(mounted: Path) -> Callable[[], None]:
    return lambda: vanish(mounted)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one-in", type=int, default=1, metavar="N", help="of the calls, one in so many")
    asked = parser.parse_args()
    total = Counter[str]()
    for name, below in product(NAMES, BELOW):
        counts = vanishing(name, below, one_in=asked.one_in)
        total += counts
        print(f"{name}: " + ", ".join(f"{number} {what}" for what, number in counts.items()), flush=True)
    if asked.one_in == 1:
        outcome = {"class": "mounts that vanish", "outcomes": total, "lost": 0}
        record_result("faults", "python -m tests.vanishing", outcome)
    return 0


if __name__ == "__main__":
    sys.exit(main())
