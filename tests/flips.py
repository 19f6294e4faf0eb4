"""Turn bits of a repository's files: each must be found by a check (of packs one with --read-data), which names the file, and
read as what it was or not at all.

    python -m tests.flips --count 100000 --seed 1 --jobs 2 --record

Of files up to SMALL_BYTES every bit, of the others as many as are left, at random. The repository has every kind of file. One check looks
for one bit in each of several files; what hides others, so that nobody could ask for their names, has a check of its own.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from benchmarks.measure import record
from tests.damage_support import still_there
from tests.damage_world import DIRECTORY_OF, World, names, world
from tests.small_repository import damage, opened
from vault.ops.check.amount import ALL
from vault.store.memory import MemoryStore

SMALL_BYTES: Final = 500
READ_ONE_IN: Final = 25
"""Checks after which the snapshots are read as well; a full check has read every object."""
PACKS: Final = frozenset({"data pack", "meta pack"})
ALONE: Final = frozenset({"config", "index"})
TOGETHER_MAX: Final = 16
Flip = tuple[str, str, int]
"""Kind, name of the file, bit."""


def chosen(made: World, count: int, seed: int) -> list[Flip]:
    choice = random.Random(seed)
    files = [(kind, name, made.files[name]) for kind in DIRECTORY_OF for name in names(made.files, kind)]
    small = [
        (kind, name, bit) for kind, name, data in files if len(data) <= SMALL_BYTES for bit in range(8 * len(data))
    ]
    choice.shuffle(small)
    large = [(kind, name, data) for kind, name, data in files if len(data) > SMALL_BYTES]
    found = small[: max(count // 2, count - 8 * sum(len(data) for _, _, data in large))]
    for _ in range(count - len(found)):
        kind, name, data = choice.choice(large)
        found.append((kind, name, choice.randrange(8 * len(data))))
    choice.shuffle(found)
    return found


def in_groups(flips: Sequence[Flip]) -> Iterator[list[Flip]]:
    """At most one of each file in a group, in the order in which groups are full."""
    open_groups: list[list[Flip]] = []
    for flip in flips:
        if flip[0] in ALONE:
            yield [flip]
            continue
        names_of = ({name for _, name, _ in group} for group in open_groups)
        place = next((at for at, there in enumerate(names_of) if flip[1] not in there), len(open_groups))
        if place == len(open_groups):
            open_groups.append([])
        open_groups[place].append(flip)
        if len(open_groups[place]) == TOGETHER_MAX:
            yield open_groups.pop(place)
    yield from open_groups


def unnoticed(flips: Sequence[Flip], made: World | None = None) -> Iterator[str]:
    """What is wrong about each that was not found, or read wrongly."""
    found = made or world()
    for number, group in enumerate(in_groups(flips)):
        files = dict(found.files)
        for _, name, bit in group:
            data = bytearray(files[name])
            data[bit // 8] ^= 1 << bit % 8
            files[name] = bytes(data)
        store = MemoryStore(files)
        amount = (
            ALL if any(kind in PACKS for kind, _, _ in group) else None
        )  # of all other files a check reads every byte
        told = {one.file for one in damage(opened(store), read_data=amount)}
        yield from (f"{name}: bit {bit} was not noticed" for _, name, bit in group if name not in told)
        if number % READ_ONE_IN == 0:
            for snapshot, expected in found.expected.items():
                now = still_there(opened(store).indexed(None), snapshot)
                if any(value not in (None, expected[key]) for key, value in now.items()):
                    yield f"{group}: {snapshot.hex()[:12]} reads, and is not what it was"


def share(count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """In a process of its own, on a repository of its own: the keys of each are other ones."""
    flips = chosen(world(), count, seed)
    return Counter(kind for kind, _, _ in flips), list(unnoticed(flips))


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--record", action="store_true", help="into benchmarks/results/flips.jsonl")
    asked = parser.parse_args()
    started = time.monotonic()
    with ProcessPoolExecutor(asked.jobs) as pool:
        parts = list(
            pool.map(share, [asked.count // asked.jobs] * asked.jobs, range(asked.seed, asked.seed + asked.jobs))
        )
    kinds = sum((part[0] for part in parts), Counter[str]())
    wrong = [line for part in parts for line in part[1]]
    print(*wrong, sep="\n")
    print(
        f"{kinds.total():,} bits turned, {len(wrong)} not noticed or read wrongly, {time.monotonic() - started:.0f} s"
    )
    print(", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common()))
    if asked.record:
        results = {
            "class": "bits turned",
            "flips": kinds.total(),
            "unnoticed_or_wrong": len(wrong),
            "kinds": dict(kinds.most_common()),
        }
        record(
            "flips",
            f"python -m tests.flips --count {asked.count} --seed {asked.seed} --jobs {asked.jobs} --record",
            results,
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
