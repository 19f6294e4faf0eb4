"""A file system that is full at any moment: real small ones, with each page more of room in its turn, until there is enough.

    python -m tests.disk_fills                     all; prints one line for each, appends one to benchmarks/results/faults.jsonl
    python -m tests.disk_fills --only repository

repository   Each work of `tests/crash_rig.py` in a repository on ext4 and on tmpfs. It says that it is full, or ends well; with room again
             all is whole, and the next run succeeds.
beside       The cache, and the state of this machine, are there instead. The work ends well: neither is needed.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.measure import record as record_result
from tests.crash_place import lay, look_at, named, place_at, scratch
from tests.crash_rig import WORKS
from tests.crash_world import Place, Work, small_limits
from tests.file_systems import PAGE_BYTES, ext4, fill, in_memory
from vault.errors import StoreFull
from vault.limits import MIB

SIZE_BYTES: Final = 4 * MIB
PAGES_MAX: Final = 400
"""So much room every work has enough of."""
SYSTEMS: Final[Mapping[str, Callable[[Path], AbstractContextManager[Path]]]] = {
    "tmpfs": partial(in_memory, size_bytes=SIZE_BYTES),
    "ext4": partial(ext4, size_bytes=2 * SIZE_BYTES),
}


def repository(work: Work, name: str, small: Path, *, one_in: int) -> Counter[str]:
    """Raises  Lost"""
    counts = Counter[str]()
    for pages in range(0, PAGES_MAX, one_in):
        with named(f"{name}: {pages} pages left"):
            lay(small / "repository", work.files())
            lay(small / "own", {})
            ballast = fill(small, leaving_bytes=pages * PAGE_BYTES)
            is_full = _is_full(work, place_at(small))
            ballast.unlink()
            look_at(work, place_at(small))
        counts["full repositories"] += is_full
        if not is_full:
            return counts
    raise AssertionError(f"{name} never has enough")


def _is_full(work: Work, place: Place) -> bool:
    """Raises  VaultError: another one than that"""
    try:
        work.run(place)
    except StoreFull:
        return True
    return False


def beside(work: Work, name: str, small: Path, directory: Path, *, one_in: int) -> Counter[str]:
    """Raises  Lost"""
    counts = Counter[str]()
    for pages in range(0, 12, one_in):
        with named(f"{name}: {pages} pages left for cache and state"):
            lay(directory / "repository", work.files())
            lay(small / "own", {})
            place = Place(store=place_at(directory).store, own=small / "own", make=place_at(directory).make)
            ballast = fill(small, leaving_bytes=pages * PAGE_BYTES)
            work.run(place)
            work.whole(place)
            ballast.unlink()
            look_at(work, place)
        counts["full caches and states"] += 1
    return counts


def full(name: str, system: str, *, one_in: int = 1, only: str = "") -> Counter[str]:
    """Raises  Lost; NoMount"""
    counts = Counter[str]()
    with small_limits(), scratch() as directory, SYSTEMS[system](directory / "small") as small:
        if only in ("", "repository"):
            counts += repository(WORKS[name], name, small, one_in=one_in)
        if only in ("", "beside"):
            counts += beside(WORKS[name], name, small, directory, one_in=one_in)
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("repository", "beside"), default="")
    parser.add_argument("--works", choices=list(WORKS), nargs="+", default=list(WORKS))
    asked = parser.parse_args()
    total = Counter[str]()
    for system in SYSTEMS:
        for name in asked.works:
            counts = full(name, system, only=asked.only)
            total += Counter({f"{what}, {system}": count for what, count in counts.items()})
            print(f"{name} on {system}: " + ", ".join(f"{count} {what}" for what, count in counts.items()), flush=True)
    if asked.works == list(WORKS) and not asked.only:
        record_result("faults", "python -m tests.disk_fills", {"class": "disk full", "tried": total, "lost": 0})
    return 0


if __name__ == "__main__":
    sys.exit(main())
