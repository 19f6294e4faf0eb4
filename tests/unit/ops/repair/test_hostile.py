"""Whatever a hostile disk does to files: repaired as the commands say, backed up once more, forgotten what is lost, pruned, all is clean.

Nothing is deleted in a step that mends but what it announced before; each snapshot that is left is whole, or was named as damaged.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from tests.small_repository import CLOCK, PASSPHRASE, Quiet, contents, damage, quick_keys, take
from tests.unit.ops.repair.support import DATABASE, EDITED, LEASE, fresh, two_days
from vault.ids import SnapshotId
from vault.model import Lease
from vault.ops.repair import index, packs, snapshots
from vault.ops.repair.remake import remake
from vault.ops.repository import keys
from vault.ops.retention import forget, prune
from vault.ops.retention.prune_plan import PruneOptions
from vault.repo import sweep
from vault.repo.state import Closed
from vault.repo.writing import writing
from vault.store.memory import MemoryStore

Files = dict[str, bytes]
DIRECTORIES = ("packs", "index", "snapshots")
HIGH = "fffffffe"
"""A generation to which no writer counts."""


@cache
def original() -> tuple[Files, dict[SnapshotId, dict[str, bytes]]]:
    store, repo = two_days()
    return dict(store.files), {snapshot: contents(repo, snapshot) for snapshot, _ in repo.snapshots()}


@cache
def foreign() -> Files:
    """Of another repository, with other keys."""
    store = MemoryStore()
    with quick_keys():
        keys.create_repository(store, passphrase=PASSPHRASE, label="", clock=CLOCK, entropy=os.urandom)
    take(Closed(store).open(PASSPHRASE), DATABASE)
    return dict(store.files)


def some(files: Files, directory: str, choice: random.Random) -> str | None:
    names = sorted(name for name in files if name.startswith(f"{directory}/"))
    return choice.choice(names) if names else None


def flipped(data: bytes, at: int, choice: random.Random) -> bytes:
    spoiled = bytearray(data)
    if spoiled:
        spoiled[at % len(spoiled)] ^= 1 << choice.randrange(8)
    return bytes(spoiled)


def another_name(name: str) -> str:
    return name[:-64] + os.urandom(32).hex()


CHANGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "cut": lambda data, choice: data[: choice.randrange(len(data) or 1)],
    "empty": lambda data, choice: b"",
    "flipped": lambda data, choice: flipped(data, choice.randrange(len(data) or 1), choice),
    "flipped at its head": lambda data, choice: flipped(data, choice.randrange(68), choice),
    "flipped at its end": lambda data, choice: flipped(data, -1 - choice.randrange(60), choice),
    "longer": lambda data, choice: data + os.urandom(choice.randrange(1, 99)),
}
MOVES = ("gone", "renamed", "there twice", "swapped", "of another kind", "foreign beside", "foreign", "junk beside")
OTHERS = ("index under a high generation", "index there twice, once high", "index all gone", "forgotten junk", "swept")
DAMAGES = [f"{directory} {what}" for directory in DIRECTORIES for what in (*CHANGES, *MOVES)] + list(OTHERS)


def spoil(store: MemoryStore, kind: str, choice: random.Random) -> None:
    directory, _, what = kind.partition(" ")
    files, strange = store.files, some(foreign(), directory, choice)
    name = some(files, directory, choice)
    if kind == "forgotten junk":
        files["forgotten/" + os.urandom(32).hex()] = b"junk"
    elif kind == "swept":
        there = sorted(fresh(store).indexed(None).index.pack_sizes)
        sweep.publish(fresh(store), choice.sample(there, len(there) // 2), now_ms=1, entropy=os.urandom)
    elif name is None:
        return
    elif what in CHANGES:
        files[name] = CHANGES[what](files[name], choice)
    elif what == "all gone":
        for each in [each for each in files if each.startswith(f"{directory}/")]:
            del files[each]
    else:
        move(files, name, what, strange=strange, other=some(files, choice.choice(DIRECTORIES), choice), choice=choice)


def move(files: Files, name: str, what: str, *, strange: str | None, other: str | None, choice: random.Random) -> None:
    neighbour = some(files, name.partition("/")[0], choice)
    match what:
        case "gone":
            del files[name]
        case "renamed":
            files[another_name(name)] = files.pop(name)
        case "there twice":
            files[another_name(name)] = files[name]
        case "under a high generation":
            files[f"index/{HIGH}{name[14:]}"] = files.pop(name)
        case "there twice, once high":
            files[f"index/{HIGH}{name[14:]}"] = files[name]
        case "swapped" if neighbour is not None:
            files[name], files[neighbour] = files[neighbour], files[name]
        case "of another kind" if other is not None:
            files[name] = files[other]
        case "foreign beside" if strange is not None:
            files[strange] = foreign()[strange]
        case "foreign" if strange is not None:
            files[name] = foreign()[strange]
        case "junk beside":
            files[another_name(name)] = os.urandom(choice.randrange(200))


def repair_index(store: MemoryStore) -> None:
    planned, before = index.plan(fresh(store), progress=Quiet()), dict(store.files)
    if not planned.is_empty:
        index.run(fresh(store), planned, entropy=os.urandom)
    assert before.items() <= store.files.items(), "nothing is changed or deleted"
    assert index.plan(fresh(store), progress=Quiet()).is_empty


def repair_packs(store: MemoryStore) -> None:
    planned, before = packs.plan(fresh(store).indexed(None), progress=Quiet()), dict(store.files)
    if planned.packs:
        packs.run(
            fresh(store), planned, LEASE, is_dead=lambda _: True, clock=CLOCK, entropy=os.urandom, progress=Quiet()
        )
    kept = {name: data for name, data in before.items() if not name.startswith("leases/")}  # those of the dead go
    assert kept.items() <= store.files.items(), "nothing is changed or deleted"
    assert not packs.plan(fresh(store).indexed(None), progress=Quiet()).packs


def repair_snapshots(store: MemoryStore) -> snapshots.SnapshotsPlan:
    """Until there is nothing to do; the last plan, which names what is damaged."""
    for _ in range(4):
        repo, before = fresh(store), dict(store.files)
        planned = snapshots.plan(repo, progress=Quiet())
        if planned.is_empty:
            return planned
        snapshots.record(repo, planned, now_ms=1, entropy=os.urandom)
        terms: Lease = replace(LEASE, purpose="repair")
        with writing(repo, terms, clock=CLOCK, entropy=os.urandom, warn=print, cache_dir=None) as target:
            for damaged in planned.to_make:
                remake(target, damaged)
        assert set(before) - set(store.files) == set(planned.leftovers)
    raise AssertionError("repair snapshots never ends")


def clean_up(store: MemoryStore, damaged: set[SnapshotId]) -> None:
    if damaged:
        plan = forget.plan_named(forget.take_stock(fresh(store)), sorted(damaged), remove_all=True)
        forget.run(fresh(store), plan, clock=CLOCK, entropy=os.urandom)
    for _ in range(2):
        prune.run(
            fresh(store),
            options=PruneOptions(min_age_ms=0, max_unused=0.0),
            lease=LEASE,
            is_dead=lambda _: True,
            tell=lambda _: None,
            clock=CLOCK,
            entropy=os.urandom,
            progress=Quiet(),
        )


def assert_heals(kinds: list[str], seed: int) -> None:
    choice, store = random.Random(seed), MemoryStore()
    store.files.update(original()[0])
    for kind in kinds:
        spoil(store, kind, choice)
    damage(fresh(store))  # names something, and raises nothing
    assert_mends(store)


def assert_mends(store: MemoryStore) -> None:
    _, whole = original()
    repair_index(store)
    repair_packs(store)
    repair_index(store)
    backups = [take(fresh(store), replace(EDITED, earlier=None)).id, take(fresh(store), DATABASE).id]
    damaged = {one.id for one in repair_snapshots(store).damaged}
    assert damaged.isdisjoint(backups)
    for snapshot, _ in fresh(store).snapshots():
        if snapshot not in damaged:
            found = contents(fresh(store), snapshot)
            assert found == whole.get(snapshot, found)
    clean_up(store, damaged)
    assert damage(fresh(store)) == ()
    for snapshot, _ in fresh(store).snapshots():
        contents(fresh(store), snapshot)


@pytest.mark.parametrize("kind", DAMAGES)
def test_each_damage_is_mended_named_and_gone_in_the_end(kind: str) -> None:
    for seed in range(2):
        assert_heals([kind], seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100))
def test_several_damages_are_too(seed: int) -> None:
    choice = random.Random(seed)
    assert_heals(choice.choices(DAMAGES, k=choice.randint(2, 4)), seed)
