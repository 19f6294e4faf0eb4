"""Backup, forget, prune and copy over a bucket whose connection goes away for good at one request: before it, or after its effect.

    python -m tests.bucket_crashes --server versitygw             at every request of each; the tests take a few of them
    python -m tests.bucket_crashes --server moto --only prune

To the storage that is what the end of the process is, and to the process a storage that went away. Whatever is in the bucket then
is looked at without the network: what was not forgotten is whole, and the next runs finish what is left.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Final

from tests.bucket_servers import SERVERS, BucketServer
from tests.bucket_stores import store_in
from tests.fake_source import FakeDatabase
from tests.faulty_proxy import Asked, Fate, FaultyProxy, undisturbed
from tests.small_repository import (
    CLOCK,
    PASSPHRASE,
    Quiet,
    contents,
    damage,
    new_repository,
    opened,
    quick_keys,
    rows,
    take,
)
from vault.bucket.client import Patience
from vault.errors import VaultError
from vault.ids import SnapshotId
from vault.model import Lease
from vault.ops.copy import run as copying
from vault.ops.repository import keys
from vault.ops.retention import forget, prune
from vault.ops.retention.prune_plan import PruneOptions
from vault.ops.retention.unlock import asking, unlock
from vault.ports import ObjectStore
from vault.repo.state import Closed, Open
from vault.store.memory import MemoryStore

AT_ONCE: Final = Patience(retries=0, seconds=1)
STAYS: Final = [rows(number, 200) for number in range(4)]
Work = Callable[[ObjectStore, ObjectStore], object]
"""On the repository, and on one for copies."""


def database(day: int) -> FakeDatabase:
    """One table that stays, one that is edited each day."""
    edited = [rows(20, 300).replace(b"9\t", b"%d\t" % day, 1), rows(30 + day, 60)]
    return FakeDatabase(tables={"public.stays": STAYS, "public.edited": edited}, sequences={"public.s": day})


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A repository whose first of three snapshots was forgotten, so that packs are dead, or needed in part."""

    files: Mapping[str, bytes]
    kept: tuple[SnapshotId, ...]
    expected: tuple[dict[str, bytes], ...]


@cache
def begun() -> Begun:
    store = MemoryStore()
    repo = new_repository(store)
    first, *others = (take(repo, database(day)).id for day in (1, 2, 3))
    forgetting(first)(store, store)
    expected = tuple(contents(repo, snapshot) for snapshot in others)
    return Begun(files=dict(store.files), kept=tuple(others), expected=expected)


@cache
def of_copies() -> Mapping[str, bytes]:
    """Files of another repository, which is empty."""
    store = MemoryStore()
    with quick_keys():
        keys.create_repository(store, passphrase=PASSPHRASE, label="", clock=CLOCK, entropy=os.urandom)
    return store.files


# --- what is done ---------------------------------------------------------------------------------


def back_up(store: ObjectStore, copies: ObjectStore) -> None:
    take(opened(store), database(4))


def forgetting(snapshot: SnapshotId) -> Work:
    def work(store: ObjectStore, copies: ObjectStore) -> None:
        repo = opened(store)
        plan = forget.plan_named(forget.take_stock(repo), [snapshot], remove_all=False)
        forget.run(repo, plan, clock=CLOCK, entropy=os.urandom)

    return work


def forget_one(store: ObjectStore, copies: ObjectStore) -> None:
    forgetting(begun().kept[0])(store, copies)


def reclaim(store: ObjectStore, copies: ObjectStore) -> None:
    prune_all(opened(store))


def prune_all(repo: Open) -> None:
    prune.run(
        repo,
        options=PruneOptions(min_age_ms=0, max_unused=0.0),
        lease=Lease(created_ms=1, host="h", pid=1, purpose="maintenance", source="", parent=None),
        is_dead=lambda _: True,
        tell=lambda _: None,
        clock=CLOCK,
        entropy=os.urandom,
        progress=Quiet(),
    )


def copy(store: ObjectStore, copies: ObjectStore) -> None:
    here = opened(store).indexed(None)
    ends = copying.Ends(here=here, there=Closed(copies).open(PASSPHRASE), cache_dir=None, host="h", pid=1)
    copying.run(ends, here.open.snapshots(), clock=CLOCK, entropy=os.urandom, progress=Quiet())


WORK: Final[Mapping[str, Work]] = {"backup": back_up, "forget": forget_one, "prune": reclaim, "copy": copy}


# --- one trial ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The two repositories as they are reached with and without the proxy."""

    proxy: FaultyProxy
    store: ObjectStore
    copies: ObjectStore
    direct: ObjectStore
    direct_copies: ObjectStore


@contextmanager
def stage(server: BucketServer) -> Iterator[Stage]:
    gc.collect()  # connections go with their stores: those of hundreds are too many
    bucket = server.new_bucket()
    urls = [f"{bucket}/{name}" for name in ("repository", "copies")]
    direct, direct_copies = (store_in(server, url) for url in urls)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: direct.put(*item), begun().files.items()))
        list(pool.map(lambda item: direct_copies.put(*item), of_copies().items()))
    with FaultyProxy(server.endpoint) as proxy:
        store, copies = (store_in(server.at(proxy.endpoint), url, patience=AT_ONCE) for url in urls)
        yield Stage(proxy=proxy, store=store, copies=copies, direct=direct, direct_copies=direct_copies)


def requests_of(server: BucketServer, work: str) -> int:
    """How many requests it takes when nothing goes wrong."""
    with stage(server) as undisturbed_stage:
        WORK[work](undisturbed_stage.store, undisturbed_stage.copies)
        return sum(undisturbed_stage.proxy.counts().values())


def places(work: str, requests: int) -> list[tuple[int, bool]]:
    """(which request, after its effect), all of them, in an order that is the same in every run."""
    every = [(at, late) for at in range(1, requests + 1) for late in (False, True)]
    return random.Random(work).sample(every, len(every))


def gone_from(at: int, *, late: bool) -> Callable[[Asked], Fate]:
    """The plan of a connection that ends at its request number `at`, and never comes back."""
    counted = iter(range(1, 1 << 30))

    def plan(asked: Asked) -> Fate:
        number = next(counted)
        return Fate.PASS if number < at else Fate.LATE_CUT if late and number == at else Fate.CUT

    return plan


def end_at(server: BucketServer, work: str, at: int, *, late: bool) -> None:
    """Raises  AssertionError, VaultError: something is lost"""
    with stage(server) as ending:
        ending.proxy.plan = gone_from(at, late=late)
        try:
            WORK[work](ending.store, ending.copies)
        except VaultError:
            pass  # its end; where the last requests are tidying up alone it is told as a warning
        ending.proxy.plan = undisturbed
        left, copies = fetched(ending.direct), fetched(ending.direct_copies)
    expect_whole(left, may_be_gone=work == "forget")
    WORK[work](left, copies)
    finish(opened(left))
    finish(Closed(copies).open(PASSPHRASE))
    expect_whole(left, may_be_gone=work == "forget")
    if work == "copy":
        there = Closed(copies).open(PASSPHRASE)
        by_origin = {
            known.origin.snapshot: snapshot for snapshot, known in there.snapshots() if known.origin is not None
        }
        assert [contents(there, by_origin[snapshot]) for snapshot in begun().kept] == [*begun().expected]


def fetched(store: ObjectStore) -> MemoryStore:
    names = [file.name for file in store.list("")]
    with ThreadPoolExecutor(8) as pool:
        return MemoryStore(dict(zip(names, pool.map(store.get, names), strict=True)))


def expect_whole(store: MemoryStore, *, may_be_gone: bool) -> None:
    """`may_be_gone`: the first of those that were kept, which a forget was to remove; else it is there, or gone with a record."""
    repo = opened(store)
    there = {snapshot for snapshot, _ in repo.snapshots()}
    for position, (snapshot, expected) in enumerate(zip(begun().kept, begun().expected, strict=True)):
        if snapshot in there:
            assert contents(repo, snapshot) == expected
        else:
            assert may_be_gone
            assert position == 0
    assert [fault for fault in damage(repo) if fault.affects] == []


def finish(repo: Open) -> None:
    """The leases of the dead go, and nothing is left of what ended half way."""
    unlock(repo, probe=asking(CLOCK.now_ms(), host="", pid=0), is_dead=lambda _: True, entropy=os.urandom)
    for _ in range(2):
        prune_all(repo)
    assert damage(repo) == ()
    assert [*repo.store.list("sweeps/"), *repo.store.list("leases/")] == []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=list(SERVERS), default="moto")
    parser.add_argument("--only", choices=list(WORK))
    asked = parser.parse_args()
    with SERVERS[asked.server]() as server:
        for work in [asked.only] if asked.only else WORK:
            ends = places(work, requests_of(server, work))
            for at, late in ends:
                try:
                    end_at(server, work, at, late=late)
                except (AssertionError, VaultError):
                    print(f"{work}, ended {'after' if late else 'before'} request {at}:", flush=True)
                    raise
            print(f"{work}: ended at {len(ends)} places over {asked.server}, nothing lost", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
