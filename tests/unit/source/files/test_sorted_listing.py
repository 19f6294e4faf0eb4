"""A listing by path: whatever order the store has, the paths ascend and are one tree."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from tests.properties.test_object_keys import KEYS, in_one_bucket
from vault.bucket.listing import ListedObject
from vault.source.files.sorted_listing import SortedListing


def listed(key: bytes, size: int = 0) -> ListedObject:
    return ListedObject(key=key, size=size, modified_ns=1, etag="e")


@given(st.sets(KEYS, max_size=20), st.randoms(use_true_random=False))
def test_paths_ascend_whatever_the_order_of_the_store(keys: set[bytes], order: random.Random) -> None:
    shuffled = sorted(keys)
    order.shuffle(shuffled)
    with closing(SortedListing(map(listed, shuffled))) as listing:
        assert [(path, item.key) for path, item in listing.by_path()] == sorted(in_one_bucket(keys).items())


def test_keys_whose_order_is_not_that_of_paths() -> None:
    keys = [b"a", b"a!", b"a-b", b"a.b", b"a/", b"a/-", b"a//b", b"a/b", b"a0"]
    with closing(SortedListing(map(listed, keys))) as listing:
        paths = [path for path, _ in listing.by_path()]
    assert paths == [b"a!", b"a%", b"a-b", b"a.b", b"a/%%", b"a/%/b", b"a/-", b"a/b", b"a0"]


def test_an_object_is_found_by_its_key_and_the_last_of_two_counts() -> None:
    with closing(SortedListing([listed(b"a//", 1), listed(b"a//", 2)])) as listing:
        found = listing.find(b"a//")
        assert found is not None
        assert found.size == 2
        assert listing.find(b"a") is None
        assert [item.size for _, item in listing.by_path()] == [2]


def test_twenty_thousand_objects_take_no_more_memory_than_a_thousand() -> None:
    def peak_bytes(count: int) -> int:
        keys: Iterator[ListedObject] = (
            listed(b"bucket/%d//folder-%06d" % (number % 7, number)) for number in range(count)
        )
        tracemalloc.start()
        with closing(SortedListing(keys)) as listing:
            assert sum(1 for _ in listing.by_path()) == count
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak_bytes(20_000) < peak_bytes(1_000) + 200_000
