"""Several places of one object, and all objects of one place: which is taken first, and what is said of one that does not open."""

from __future__ import annotations

import pytest

from tests.faults import RecordingStore
from tests.packs import Made, object_id, put_fragment, put_pack
from tests.small_repository import new_repository, opened, rows
from tests.unit.repo.test_reader import chain, flip, versions
from vault.errors import IntegrityError
from vault.format.pack import pack_name
from vault.repo.state import Open
from vault.store.memory import MemoryStore


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def test_the_shallowest_place_comes_first_whichever_fragment_was_loaded_first(repo: Open) -> None:
    one, two, three = versions(3)
    deep = put_pack(repo, chain([one, two, three])[1:])
    whole = put_pack(repo, [Made(plain=three), Made(plain=one)])
    for generation, pack in enumerate((deep, whole, deep), start=1):
        put_fragment(repo, [pack], generation=generation)
    index = repo.indexed(None).index
    assert [place.record.depth for place in index.locations(object_id(repo, three))] == [0, 2, 2]
    assert [place.pack for place in index.chain(object_id(repo, three))] == [whole.pack]
    head = index.chain_head(object_id(repo, three))
    assert head is not None
    assert (head.pack, head.record.depth) == (whole.pack, 0)


def test_objects_of_a_pack_are_opened_in_one_read_with_their_stored_form(repo: Open) -> None:
    plains = versions(4)
    pack = put_pack(repo, chain(plains))
    put_fragment(repo, [pack])
    recording = RecordingStore(repo.store)
    indexed = opened(recording).indexed(None)
    places = sorted(indexed.index.in_pack(pack.pack), key=lambda place: place.record.offset)
    recording.calls.clear()
    opened_places = indexed.reader().open_places(places)
    assert [one.plain for one in opened_places] == plains
    assert [one.base for one in opened_places] == [None, *plains[:-1]]
    assert [one.record for one in opened_places] == [place.record for place in places]
    first, last = places[0].record, places[-1].record
    (call,) = recording.calls
    assert (call.offset, call.length) == (first.offset, last.offset + last.length - first.offset)
    assert [one.plain for one in indexed.reader().open_places(places[1:3])] == plains[1:3]


def test_an_object_of_a_pack_that_does_not_open_is_named_and_not_trusted_again(repo: Open) -> None:
    plains = [rows(number, 20) for number in range(3)]
    pack = put_pack(repo, [Made(plain=plain) for plain in plains])
    put_fragment(repo, [pack])
    flip(repo, pack, 1)
    indexed = repo.indexed(None)
    places = sorted(indexed.index.in_pack(pack.pack), key=lambda place: place.record.offset)
    with pytest.raises(IntegrityError) as caught:
        indexed.reader().open_places(places)
    assert (caught.value.file, caught.value.object_id) == (pack_name(pack.pack), places[1].record.id.hex())
    assert indexed.index.failures() == [(places[1], caught.value)]
    assert indexed.index.failure(places[1].record.id) is caught.value
    assert list(indexed.index.distrusted(places[1].record.id)) == [places[1]]
    assert (indexed.index.failure(places[0].record.id), indexed.index.distrusted(places[0].record.id)) == (None, {})


def test_a_delta_of_a_pack_whose_base_is_damaged_is_told_with_the_base(repo: Open) -> None:
    one, two = versions(2)
    of_base, of_delta = put_pack(repo, [Made(plain=one)]), put_pack(repo, [Made(plain=two, base=one, depth=1)])
    put_fragment(repo, [of_base, of_delta])
    flip(repo, of_base, 0)
    indexed = repo.indexed(None)
    with pytest.raises(IntegrityError) as caught:
        indexed.reader().open_places(list(indexed.index.in_pack(of_delta.pack)))
    assert (caught.value.file, caught.value.object_id) == (pack_name(of_base.pack), object_id(repo, one).hex())
