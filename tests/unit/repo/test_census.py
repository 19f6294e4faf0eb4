"""What a pruner reckons with: which place of an object is kept, with which bases, and how much that is of each pack."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.packs import Made, object_id, put_fragment, put_pack
from tests.small_repository import new_repository, rows
from vault.errors import Malformed
from vault.format.pack import pack_name
from vault.ids import ObjectId, PackId
from vault.limits import DELTA_DEPTH_MAX
from vault.model import ObjectType, PackClass, PackEntry
from vault.repo import census as census_module
from vault.repo.census import CHOSEN, COPIED, FREED, NEEDED, WHOLE, Census
from vault.repo.runs import IndexEntry
from vault.repo.state import Open
from vault.store.memory import MemoryStore

A, B, C, D = (rows(number, 20) for number in range(4))


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def put(repo: Open, *packs: list[Made]) -> list[PackEntry]:
    """Each pack in a fragment of its own."""
    made = [put_pack(repo, objects) for objects in packs]
    for generation, pack in enumerate(made, start=1):
        put_fragment(repo, [pack], generation=generation)
    return made


def taken(repo: Open, swept: list[PackEntry] | None = None) -> Census:
    index = repo.indexed(None).index
    index.sweep(pack.pack for pack in swept or [])
    return Census(index)


def kept(census: Census) -> set[tuple[ObjectId, PackId]]:
    return {(ObjectId(place.record.id), place.pack) for place in map(census.location, census.kept())}


def test_marks_of_a_place_are_bits_of_one_byte_each_for_itself() -> None:
    marks = [NEEDED, CHOSEN, FREED, WHOLE, COPIED]
    marks += [census_module._PENDING, census_module._READABLE, census_module._UNREADABLE]
    assert sorted(marks) == [1 << bit for bit in range(8)]


def test_every_entry_has_a_number_and_every_pack_its_facts(repo: Open) -> None:
    gone, swept = put(repo, [Made(plain=A)], [Made(plain=B), Made(plain=C)])
    meta = put_pack(repo, [Made(plain=D, type=ObjectType.TABLE_NODE)], pack_class=PackClass.META)
    put_fragment(repo, [meta], generation=3)
    repo.store.delete(pack_name(gone.pack))
    census = taken(repo, [swept])
    facts = {
        pack: (census.pack_bytes[at], census.classes[at], census.usable[at], census.swept[at])
        for at, pack in enumerate(census.packs)
    }
    assert facts == {
        gone.pack: (gone.size, PackClass.DATA, 0, 0),
        swept.pack: (swept.size, PackClass.DATA, 1, 1),
        meta.pack: (meta.size, PackClass.META, 1, 0),
    }
    assert len(census) == 4
    for number in range(4):
        entry, place = census.entry(number), census.location(number)
        assert (entry.id, census.packs[entry.pack]) == (place.record.id, place.pack)
    assert not census.find(object_id(repo, A))
    assert len(census.find(object_id(repo, B))) == 1


def test_what_is_needed_is_new_once_and_nothing_that_no_place_has(repo: Open) -> None:
    put(repo, [Made(plain=A), Made(plain=B)])
    census = taken(repo)
    assert [census.need(object_id(repo, A)), census.need(object_id(repo, A))] == [True, False]
    assert census.need(object_id(repo, C)) is None
    assert list(census.needed()) == [object_id(repo, A)]
    assert census.chosen(object_id(repo, B)) is None
    (number,) = census.kept()
    assert census.chosen(object_id(repo, A)) == number
    assert census.marks[number] & (NEEDED | CHOSEN) == NEEDED | CHOSEN


def test_bytes_are_those_of_each_pack(repo: Open) -> None:
    one, two = put(repo, [Made(plain=A), Made(plain=B)], [Made(plain=C)])
    census = taken(repo)
    lengths = {pack.pack: [record.length for record in pack.records] for pack in (one, two)}
    counts, sizes = census.contents()
    assert dict(zip(census.packs, counts, strict=True)) == {one.pack: 2, two.pack: 1}
    assert dict(zip(census.packs, sizes, strict=True)) == {pack: sum(those) for pack, those in lengths.items()}
    (number,) = census.find(object_id(repo, A))
    used = dict(zip(census.packs, census.chosen_bytes([number]), strict=True))
    assert used == {one.pack: next(one.length for one in one.records if one.id == object_id(repo, A)), two.pack: 0}
    assert census.chosen_bytes(range(3)) == sizes


@pytest.mark.parametrize("others", [0, 17])
def test_a_pack_that_two_fragments_describe_counts_once(repo: Open, others: int) -> None:
    """Also where so many are merged into one run, and where one of them has the pack in another size."""
    (pack,) = put(repo, [Made(plain=A), Made(plain=B)])
    put_fragment(repo, [pack, put_pack(repo, [Made(plain=C)])], generation=2)
    put_fragment(repo, [replace(pack, size=pack.size + 1)], generation=3)
    for number in range(others):
        put_fragment(repo, [put_pack(repo, [Made(plain=b"%d" % number)])], generation=4 + number)
    census = taken(repo)
    assert len(repo.indexed(None).index.runs) == (1 if others else 3)
    at = census.packs.index(pack.pack)
    counts, sizes = census.contents()
    assert counts[at] == 2
    assert sizes[at] == sum(record.length for record in pack.records)


def test_a_needed_delta_keeps_its_chain(repo: Open) -> None:
    (pack,) = put(repo, [Made(plain=A), Made(plain=B, base=A, depth=1), Made(plain=C, base=B, depth=2), Made(plain=D)])
    census = taken(repo)
    assert census.need(object_id(repo, C))
    assert kept(census) == {(object_id(repo, text), pack.pack) for text in (A, B, C)}
    assert set(census.needed()) == {object_id(repo, C)}


def test_the_shallowest_place_is_kept(repo: Open) -> None:
    deep, whole = put(repo, [Made(plain=A), Made(plain=B, base=A, depth=1)], [Made(plain=B)])
    census = taken(repo)
    assert census.need(object_id(repo, B))
    assert kept(census) == {(object_id(repo, B), whole.pack)}
    assert deep.pack not in {pack for _, pack in kept(census)}


def test_a_place_whose_base_is_lost_or_of_another_type_or_no_shallower_is_not_kept(repo: Open) -> None:
    lost = Made(plain=B, base=A, depth=1)
    foreign = Made(plain=C, base=D, depth=1, names=object_id(repo, D, ObjectType.FILE_CHUNK))
    of_file = Made(plain=D, type=ObjectType.FILE_CHUNK)
    level = [Made(plain=rows(5, 9), base=rows(6, 9), depth=1), Made(plain=rows(6, 9), base=rows(5, 9), depth=1)]
    put(repo, [lost, foreign, of_file, *level])
    for text in (B, C, rows(5, 9), rows(6, 9)):
        census = taken(repo)
        assert census.need(object_id(repo, text)) is None, "one place"
        assert census.need(object_id(repo, text)) is None, "asked again"
        assert census.chosen(object_id(repo, text)) is None
        assert list(census.needed()) == []


def test_of_two_places_the_one_that_can_be_read_is_kept(repo: Open) -> None:
    """Though the other one, whose base is lost, is as shallow."""
    _, good = put(repo, [Made(plain=B, base=A, depth=1)], [Made(plain=C), Made(plain=B, base=C, depth=1)])
    census = taken(repo)
    assert census.need(object_id(repo, B))
    assert kept(census) == {(object_id(repo, B), good.pack), (object_id(repo, C), good.pack)}


@pytest.mark.parametrize("fault", ["of another type", "no shallower", "deeper"])
def test_of_two_places_the_one_whose_base_a_reader_would_take_is_kept(repo: Open, fault: str) -> None:
    """A base of another type or at no smaller depth is none, though it is there."""
    base = Made(plain=A, type=ObjectType.FILE_CHUNK) if fault == "of another type" else Made(plain=A, base=D, depth=2)
    delta = Made(plain=B, base=A, depth=1, names=object_id(repo, A, base.type))
    if fault == "no shallower":
        base = Made(plain=A, base=D, depth=1)
    _, good = put(repo, [base, Made(plain=D), delta], [Made(plain=C), Made(plain=B, base=C, depth=1)])
    census = taken(repo)
    assert census.need(object_id(repo, B))
    assert kept(census) == {(object_id(repo, B), good.pack), (object_id(repo, C), good.pack)}
    census.settle()
    assert len(kept(census)) == 2, "nothing waited"


def test_a_place_that_was_found_not_to_open_is_none(repo: Open) -> None:
    put(repo, [Made(plain=A)], [Made(plain=A)])
    index = repo.indexed(None).index
    first, second = index.locations(object_id(repo, A))
    index.distrust(object_id(repo, A), first, Malformed("does not open"))
    census = Census(index)
    assert [census.location(number) for number in census.find(object_id(repo, A))] == [second]
    assert census.need(object_id(repo, A))
    assert kept(census) == {(object_id(repo, A), second.pack)}
    index.distrust(object_id(repo, A), second, Malformed("does not open"))
    assert Census(index).need(object_id(repo, A)) is None


class Counting(Census):
    """Counts how often it looks at an entry."""

    looks = 0

    def entry(self, number: int) -> IndexEntry:
        self.looks += 1
        return super().entry(number)


@pytest.mark.parametrize("lost", [False, True])
def test_a_chain_of_which_all_is_there_twice_is_walked_once(repo: Open, lost: bool) -> None:
    """As after a prune that was interrupted. Each step has two places: of ways down there are 8192."""
    texts = [rows(10 + depth, 5) for depth in range(14)]
    made = [Made(plain=texts[at], base=texts[at - 1], depth=at) for at in range(1, len(texts))]
    made += [] if lost else [Made(plain=texts[0])]
    put(repo, made, made)
    census = Counting(repo.indexed(None).index)
    assert census.need(object_id(repo, texts[-1])) is (None if lost else True)
    assert census.looks < 20 * len(texts)
    if lost:
        assert [census.need(object_id(repo, text)) for text in texts] == [None] * len(texts)
        assert census.looks < 40 * len(texts)
        return
    assert census.chosen(object_id(repo, texts[-1])) is None, "both can be read"
    census.settle()
    assert census.looks < 20 * len(texts)
    assert {one for one, _ in kept(census)} == {object_id(repo, text) for text in texts}
    assert len(kept(census)) == len(texts)


def test_a_chain_of_the_greatest_depth_is_kept(repo: Open) -> None:
    texts = [rows(10 + depth, 5) for depth in range(DELTA_DEPTH_MAX + 1)]
    made = [Made(plain=texts[0])]
    made += [Made(plain=texts[at], base=texts[at - 1], depth=at) for at in range(1, len(texts))]
    put(repo, made)
    census = taken(repo)
    assert census.need(object_id(repo, texts[-1]))
    assert len(kept(census)) == DELTA_DEPTH_MAX + 1


def test_of_equal_places_the_one_in_the_pack_of_which_most_is_needed_is_kept(repo: Open) -> None:
    first, second = put(repo, [Made(plain=A), Made(plain=B)], [Made(plain=A), Made(plain=C)])
    for other, wanted in ((B, first), (C, second)):
        census = taken(repo)
        assert census.need(object_id(repo, A))
        assert census.need(object_id(repo, A)) is False
        assert census.chosen(object_id(repo, A)) is None, "not before all is known"
        assert census.need(object_id(repo, other))
        census.settle()
        assert kept(census) == {(object_id(repo, A), wanted.pack), (object_id(repo, other), wanted.pack)}
        census.settle()
        assert len(kept(census)) == 2, "nothing waits any more"


def test_a_deeper_place_does_not_wait_with_equal_ones(repo: Open) -> None:
    """Though of its pack most is needed."""
    unneeded = [Made(plain=B), Made(plain=C)]
    made = [[Made(plain=A), *unneeded], [Made(plain=A), *unneeded], [Made(plain=D), Made(plain=A, base=D, depth=1)]]
    *whole, deep = put(repo, *made)
    census = taken(repo)
    assert [census.need(object_id(repo, text)) for text in (A, D)] == [True, True]
    census.settle()
    place = census.chosen(object_id(repo, A))
    assert place is not None
    assert census.location(place).pack in {pack.pack for pack in whole}
    assert kept(census) == {(object_id(repo, A), census.location(place).pack), (object_id(repo, D), deep.pack)}


def test_of_equal_places_in_equal_packs_the_choice_is_always_the_same(repo: Open) -> None:
    packs = put(repo, [Made(plain=A)], [Made(plain=A)])
    census = taken(repo)
    census.need(object_id(repo, A))
    census.settle()
    assert kept(census) == {(object_id(repo, A), max(pack.pack for pack in packs))}


def test_a_place_outside_of_swept_packs_is_kept_if_it_is_as_shallow(repo: Open) -> None:
    swept, other = put(repo, [Made(plain=A)], [Made(plain=A), Made(plain=B)])
    census = taken(repo, [swept])
    assert census.need(object_id(repo, A))
    assert kept(census) == {(object_id(repo, A), other.pack)}
    deeper = taken(repo, [swept, other])
    assert deeper.need(object_id(repo, A))
    deeper.settle()
    assert len(kept(deeper)) == 1, "one of the swept, if there is no other"


def test_a_base_that_waits_is_chosen_for_its_delta(repo: Open) -> None:
    bases = put(repo, [Made(plain=A)], [Made(plain=A)], [Made(plain=B, base=A, depth=1)])
    census = taken(repo)
    assert census.need(object_id(repo, B))
    assert kept(census) == {(object_id(repo, B), bases[2].pack)}
    census.settle()
    assert len(kept(census)) == 2
    assert object_id(repo, A) in {identifier for identifier, _ in kept(census)}


def test_places_are_remembered_of_so_many_objects_only(repo: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census_module, "_FOUND_MAX", 2)
    put(repo, [Made(plain=text) for text in (A, B, C)])
    census = taken(repo)
    for _ in range(2):
        for text in (A, B, C):
            (number,) = census.find(object_id(repo, text))
            assert census.entry(number).id == object_id(repo, text)
