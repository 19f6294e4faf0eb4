"""Repositories in buckets: ends at any request, damage. A sample over moto, which is everywhere.

All ends, over any server: `python -m tests.bucket_crashes --server versitygw`. Everybody at once: test_stress.
"""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.bucket_crashes import WORK, database, end_at, fetched, places, requests_of
from tests.bucket_servers import BucketServer
from tests.bucket_stores import store_in
from tests.damage_support import MUTATIONS, Sample, make_sample, mutate, still_there
from tests.small_repository import CLOCK, damage, opened, quick_keys, take
from vault.bucket.client import connect
from vault.bucket.place import parse_place
from vault.errors import UnsafeError, WrongPassphrase
from vault.ops.repository import keys
from vault.ports import ObjectStore
from vault.repo.state import Closed
from vault.store.memory import MemoryStore

ENDS = 4
WAYS = ("missing", "empty", "cut off", "cut in half", "appended", "middle flipped")
KINDS = ("packs data", "packs meta", "index/", "snapshots/")


@pytest.mark.spec("STORE-7")
@pytest.mark.parametrize("work", WORK)
def test_an_end_at_any_request_loses_nothing_and_the_next_run_finishes(s3_server: BucketServer, work: str) -> None:
    for at, late in places(work, requests_of(s3_server, work))[:ENDS]:
        end_at(s3_server, work, at, late=late)


@pytest.fixture(scope="module")
def sample() -> Sample:
    return make_sample()


def told(sample: Sample, store: ObjectStore) -> list[object]:
    """All that is said of a repository, and all that still reads."""
    repo = opened(store)
    read = [still_there(repo.indexed(None), snapshot) for snapshot in sample.snapshots]
    return [damage(repo), *read]


def test_damage_in_a_bucket_is_told_as_it_is_anywhere(s3_server: BucketServer, sample: Sample) -> None:
    """Ways that a store can see, once each, on one kind of file: the catalogue of test_damage holds for every store that says the same
    of the same files."""
    url = f"{s3_server.new_bucket()}/p"
    store = store_in(s3_server, url)
    for name, data in sample.files.items():
        store.put(name, data)
    overwriting = connect(parse_place(url), s3_server.environment)
    for number, (way, mutation) in enumerate((way, MUTATIONS[way]) for way in WAYS):
        name = random.Random(way).choice(sample.names(KINDS[number % len(KINDS)]))
        there = mutate(sample, name, mutation)
        if name in there.files:
            overwriting.put(name, there.files[name])
        else:
            store.delete(name)
        assert fetched(store).files == there.files
        assert told(sample, store) == told(sample, MemoryStore(there.files)), (way, name)
        overwriting.put(name, sample.files[name])


def test_one_of_several_that_make_a_repository_in_one_place_succeeds(s3_server: BucketServer) -> None:
    url = f"{s3_server.new_bucket()}/p"

    def make(passphrase: str) -> str:
        store = store_in(s3_server, url)
        try:
            keys.create_repository(store, passphrase=passphrase, label="", clock=CLOCK, entropy=os.urandom)
        except UnsafeError:
            return ""
        return passphrase

    with quick_keys(), ThreadPoolExecutor(4) as pool:
        (winner,) = filter(None, pool.map(make, ["one", "two", "three", "four"]))
    repo = Closed(store_in(s3_server, url)).open(winner)
    take(repo, database(1))
    assert damage(repo) == ()
    for loser in {"one", "two", "three", "four"} - {winner}:
        with pytest.raises(WrongPassphrase):
            Closed(store_in(s3_server, url)).open(loser)
