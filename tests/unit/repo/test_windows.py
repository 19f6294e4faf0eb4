"""What is announced together, and which of it is held while somebody reads on."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import chain, repeat

import pytest

from tests.packs import Made, object_id, put_fragment, put_pack
from tests.unit.repo.test_read_ahead import place
from vault.ids import ObjectId
from vault.limits import KIB
from vault.model import Location, ObjectType, PackClass
from vault.repo import read_ahead
from vault.repo.index import Index
from vault.repo.read_ahead import ReadAhead, spans
from vault.repo.state import Open

COUNT = 30
Stored = tuple[Index, list[ObjectId], list[Location]]


@pytest.fixture
def stored(repo: Open) -> Stored:
    """Objects of one pack, one behind the other and each as long as any other."""
    plains = [os.urandom(84) for _ in range(COUNT)]
    put_fragment(repo, [put_pack(repo, [Made(plain=plain) for plain in plains])])
    index = repo.indexed(None).index
    ids = [object_id(repo, plain) for plain in plains]
    places = [index.locations(one)[0] for one in ids]
    assert {one.record.length for one in places} == {100}
    return index, ids, places


def announced(stored: Stored, repo: Open, ids: list[ObjectId | None] | None = None) -> list[int]:
    """How many objects each window has."""
    index, known, _ = stored
    counts = []
    with ReadAhead(repo.store, index, iter(known if ids is None else ids), is_far=True) as ahead:
        while ahead.next_window():
            counts.append(len(ahead._windows[-1].objects))
        assert not ahead.more()
    return counts


@pytest.mark.parametrize(
    ("window_bytes", "gap_bytes", "counts"),
    [
        (1000, 0, [10, 10, 10]),
        (1001, 0, [11, 11, 8]),
        (999, 0, [10, 10, 10]),
        (1000, 25, [10, 10, 10]),
        (901, 25, [10, 10, 10]),
    ],
)
def test_a_window_ends_with_the_object_that_fills_it(
    stored: Stored,
    repo: Open,
    monkeypatch: pytest.MonkeyPatch,
    window_bytes: int,
    gap_bytes: int,
    counts: list[int],
) -> None:
    """What lies between its objects counts, and here nothing does."""
    monkeypatch.setattr(read_ahead, "_WINDOW_BYTES", window_bytes)
    monkeypatch.setattr(read_ahead, "_GAP_BYTES_MAX", gap_bytes)
    assert announced(stored, repo) == counts


def test_a_window_has_so_many_objects_though_they_are_small_and_what_needs_none_counts(
    stored: Stored, repo: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "_WINDOW_OBJECTS", 8)
    assert announced(stored, repo) == [8, 8, 8, 6]
    needing = list(chain.from_iterable(zip(stored[1], repeat(None))))
    assert announced(stored, repo, needing) == [4, 4, 4, 4, 4, 4, 4, 2]
    assert announced(stored, repo, [None] * 3) == []


def test_of_the_smallest_objects_a_window_has_a_few_hundred(repo: Open) -> None:
    plains = [b"%d" % number for number in range(600)]
    put_fragment(repo, [put_pack(repo, [Made(plain=plain) for plain in plains])])
    ids = [object_id(repo, plain) for plain in plains]
    with ReadAhead(repo.store, repo.indexed(None).index, iter(ids), is_far=True) as ahead:
        sizes = [len(ahead._windows[-1].objects) for _ in iter(ahead.next_window, False)]
    assert sizes == [512, 88]


def test_nodes_of_lists_are_not_announced(repo: Open) -> None:
    """They lie in packs that are read whole."""
    put_fragment(repo, [put_pack(repo, [Made(plain=b"x", type=ObjectType.FILE_NODE)], pack_class=PackClass.META)])
    indexed = repo.indexed(None)
    node = object_id(repo, b"x", ObjectType.FILE_NODE)
    with ReadAhead(repo.store, indexed.index, iter([node]), is_far=True) as ahead:
        assert not ahead.covers(indexed.index.locations(node)[0])


def held(ahead: ReadAhead, places: list[Location]) -> list[int]:
    """Numbers of the windows of three objects that are held."""
    offsets = [one.record.offset for one in places]
    return sorted(offsets.index(min(at for _, at in window.objects)) // 3 for window in ahead._windows)


@pytest.mark.parametrize("look", [ReadAhead.take, ReadAhead.covers])
def test_beside_the_window_that_began_last_the_one_before_it_and_two_more_are_held(
    stored: Stored, repo: Open, monkeypatch: pytest.MonkeyPatch, look: Callable[[ReadAhead, Location], object]
) -> None:
    monkeypatch.setattr(read_ahead, "_WINDOW_OBJECTS", 3)
    index, ids, places = stored
    with ReadAhead(repo.store, index, iter(ids), is_far=True) as ahead:
        for number, one in enumerate(places):
            assert look(ahead, one)
            began = number // 3
            assert held(ahead, places) == [at for at in range(began - 1, began + 3) if 0 <= at < 10]
            if number >= 3:
                assert look(ahead, places[number - 3]), "who opens objects may be that late"
        assert not look(ahead, places[0]), "it is done with"


def test_who_asks_for_what_was_never_announced_starts_no_more_windows_than_are_wanted(
    stored: Stored, repo: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "_WINDOW_OBJECTS", 3)
    index, ids, places = stored
    with ReadAhead(repo.store, index, iter(ids[:-1]), is_far=True) as ahead:
        for expected in (1, 2, 3, 3, 3):
            assert not ahead.covers(places[-1])
            assert len(ahead._windows) == expected
        assert ahead.take(places[0]) is not None
        assert held(ahead, places) == [0, 1, 2]


def test_who_is_done_with_what_was_announced_keeps_what_may_still_be_opened(
    stored: Stored, repo: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "_WINDOW_OBJECTS", 3)
    index, ids, places = stored
    with ReadAhead(repo.store, index, iter(ids), is_far=True) as ahead:
        for number in range(10):
            assert ahead.next_window()
            assert held(ahead, places) == list(range(max(0, number - 2), number + 1))
        assert not ahead.next_window()


def test_of_what_lies_between_two_objects_a_little_is_read_with_them() -> None:
    for apart, requests in ((64 * KIB, 1), (64 * KIB + 1, 2)):
        assert len(spans([place(1, 0, 10), place(1, 10 + apart, 5)])) == requests
