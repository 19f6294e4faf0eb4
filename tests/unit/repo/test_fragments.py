"""Index fragments in the store: which files are some, that each is read in its turn, and what is wrong with which (spec 50-index)."""

from __future__ import annotations

import threading

import pytest

from tests.faults import Fault, FaultStore
from tests.packs import Made, put_fragment, put_pack
from tests.small_repository import rows
from vault.crypto import keyed
from vault.errors import ContentMismatch, NotFound
from vault.format.index import GENERATION_USUAL_MAX, Fragment, fragment_name
from vault.ids import FragmentId
from vault.ports import StoredFile
from vault.repo.fragments import FragmentReader, damaged_fragments, named_fragments, read_fragment
from vault.repo.state import Open
from vault.store.memory import MemoryStore


def put(repo: Open, count: int) -> list[tuple[FragmentId, str]]:
    """Fragments of one pack each, with their names, in an order that is not that of the names."""
    made = [put_fragment(repo, [put_pack(repo, [Made(plain=rows(number, 3))])]) for number in range(count)]
    return [(one, fragment_name(1, one)) for one in sorted(made, reverse=True)]


def spoil(store: MemoryStore, name: str) -> None:
    store.files[name] = store.files[name][:-1] + bytes([store.files[name][-1] ^ 1])


@pytest.mark.parametrize(
    ("generations", "highest"),
    [
        ((), 0),
        ((0,), 0),
        ((3, 7, 5), 7),
        ((3, GENERATION_USUAL_MAX), GENERATION_USUAL_MAX),
        ((3, GENERATION_USUAL_MAX + 1), 3),
        ((GENERATION_USUAL_MAX + 1,), 0),
    ],
)
def test_the_next_generation_follows_the_highest_that_a_writer_gave(generations: tuple[int, ...], highest: int) -> None:
    ids = [FragmentId(bytes([number]) * 32) for number in range(len(generations))]
    wanted = {one: fragment_name(generation, one) for one, generation in zip(ids, generations, strict=True)}
    names = [*wanted.values(), "index/readme", "index/00000009-abc"]
    assert named_fragments(StoredFile(name=name, size=1, modified_ms=0) for name in names) == (wanted, highest)


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_each_is_given_in_its_turn_with_what_was_read_or_why_not(
    repo: Open, store: MemoryStore, threads: int, count: int
) -> None:
    wanted = put(repo, count)
    for _, name in wanted[2:3]:
        spoil(store, name)
    for _, name in wanted[4:5]:
        del store.files[name]
    kinds: list[type] = [Fragment, Fragment, ContentMismatch, Fragment, NotFound, Fragment, Fragment]
    found = list(FragmentReader(store, repo.keys, threads).read(wanted))
    assert [(one, name) for one, name, _ in found] == wanted
    assert [type(told) for _, _, told in found] == kinds[:count]
    for (one, name), (_, _, told) in zip(wanted, found, strict=True):
        assert not isinstance(told, Fragment) or told == read_fragment(store, repo.keys, name, one)


class Waiting(MemoryStore):
    """A file is there once four are asked for at a time; knows who asked."""

    def __init__(self, files: dict[str, bytes], together: int) -> None:
        super().__init__(files)
        self.asked: set[threading.Thread] = set()
        self._together = threading.Barrier(together)

    def get(self, name: str) -> bytes:
        self.asked.add(threading.current_thread())
        self._together.wait(timeout=30)
        return super().get(name)


@pytest.mark.parametrize(("threads", "count", "together"), [(1, 4, 1), (3, 1, 1), (2, 8, 2), (8, 12, 4), (8, 3, 3)])
def test_so_many_are_read_at_a_time_as_may_be_four_at_most(
    repo: Open, store: MemoryStore, threads: int, count: int, together: int
) -> None:
    wanted = put(repo, count)
    waiting = Waiting(store.files, together)
    assert len(list(FragmentReader(waiting, repo.keys, threads).read(wanted))) == count
    assert len(waiting.asked) == together
    assert (threading.current_thread() in waiting.asked) == (together == 1)


def test_a_fragment_that_is_not_that_of_its_name_is_told_as_that(repo: Open, store: MemoryStore) -> None:
    ((one, name),) = put(repo, 1)
    spoil(store, name)
    with pytest.raises(ContentMismatch, match="index fragment is damaged") as caught:
        read_fragment(store, repo.keys, name, one)
    assert caught.value.why == "its bytes do not match its name"


def test_each_damaged_fragment_is_told_with_its_file(repo: Open, store: MemoryStore) -> None:
    """One that goes away meanwhile hides none behind it, and what is not named like a fragment is none."""
    wanted = sorted(put(repo, 5), key=lambda pair: pair[1])
    spoil(store, wanted[1][1])
    spoil(store, wanted[4][1])
    store.files["index/readme"] = b"x"
    gone = FaultStore(store, [Fault(kind="get", prefix="index/", error=NotFound("merged away"))])
    for reading in (store, gone):
        found = list(damaged_fragments(reading, repo.keys))
        assert [type(error) for error in found] == [ContentMismatch] * 2
        assert [error.file for error in found] == [wanted[1][1], wanted[4][1]]


def test_of_known_fragments_the_bytes_are_enough_and_ended_ones_count_no_more(repo: Open, store: MemoryStore) -> None:
    ((whole, name),) = put(repo, 1)
    junk = FragmentId(keyed.sha256(b"no fragment"))
    store.files[fragment_name(1, junk)] = b"no fragment"

    def told(**asked: frozenset[FragmentId]) -> list[str]:
        return sorted(error.file for error in damaged_fragments(store, repo.keys, **asked))

    assert told() == [fragment_name(1, junk)]
    assert told(known=frozenset({junk})) == told(ended=frozenset({junk})) == []
    spoil(store, name)
    assert told(known=frozenset({junk, whole})) == [name]
    assert told(known=frozenset({junk}), ended=frozenset({whole})) == []
