"""How an index is loaded, and loaded again: in which order, how often in vain, and what of it is merged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import RecordingStore
from tests.packs import Made, object_id, put_fragment, put_pack
from tests.small_repository import opened
from tests.unit.repo.test_index import several
from tests.unit.repo.test_reader import versions
from vault.errors import IntegrityError, MissingObject
from vault.format.index import fragment_name
from vault.format.pack import pack_name
from vault.ids import FragmentId, ObjectId, PackId
from vault.model import ObjectType
from vault.ports import StoredFile
from vault.repo.index import Index
from vault.repo.runs import MERGED
from vault.repo.state import Open
from vault.store.memory import MemoryStore

ABSENT = PackId(bytes(32))


def index_of(repo: Open, cache_dir: Path | None = None) -> Index:
    return repo.indexed(cache_dir).index


def listings(recording: RecordingStore) -> list[str]:
    return [call.name for call in recording.calls if call.kind == "list"]


# --- loading again ----------------------------------------------------------------------------------


@pytest.mark.spec("LEASE-24")
def test_who_loads_again_lists_packs_first_and_who_loads_at_first_does_so_last(repo: Open) -> None:
    several(repo, 1)
    recording = RecordingStore(repo.store)
    index = index_of(opened(recording))
    assert listings(recording) == ["index/", "packs/"]
    recording.calls.clear()
    assert index.reload(index.loads, gone=ABSENT)
    assert listings(recording) == ["packs/", "index/"]


class Busy(RecordingStore):
    """A pack comes before each listing of packs/, as long as it is busy."""

    busy = True
    came = 0

    def list(self, prefix: str) -> Iterator[StoredFile]:
        if prefix == "packs/" and self.busy:
            self.came += 1
            self._next.put(f"packs/{self.came:064x}", b"x")
        return super().list(prefix)


@pytest.mark.spec("LEASE-24")
def test_of_loads_in_vain_there_are_sixteen_and_one_after_a_pack_is_gone_is_none_of_them(repo: Open) -> None:
    busy = Busy(repo.store)
    index = index_of(opened(busy))
    for _ in range(2):
        assert [index.reload(index.loads, gone=None) for _ in range(18)] == [True] * 16 + [False] * 2
        assert index.loads % 17 == 16, "it lists no more in vain"
        assert index.reload(index.loads, gone=ABSENT)
    busy.busy = False
    assert not index.reload(index.loads, gone=None), "it found what the one before it had"
    loads, asked = index.loads, len(busy.calls)
    assert not index.reload(index.loads, gone=None)
    assert (index.loads, len(busy.calls)) == (loads, asked)


@pytest.mark.spec("LEASE-8")
def test_a_fragment_that_every_listing_names_and_nobody_has_is_looked_for_five_times(repo: Open) -> None:
    several(repo, 2)
    listed = list(repo.store.list("index/"))

    class Lying(RecordingStore):
        def list(self, prefix: str) -> Iterator[StoredFile]:
            found = super().list(prefix)
            return iter(listed) if prefix == "index/" else found

    lying = Lying(repo.store)
    repo.store.delete(listed[0].name)
    index = index_of(opened(lying))
    assert listings(lying) == ["index/", "packs/"] * 5
    assert [call.name for call in lying.calls if call.kind == "get"].count(listed[1].name) == 1, "it was read already"
    (told,) = index.damage
    assert isinstance(told, MissingObject)
    assert (told.file, told.why) == (listed[0].name, "each listing names it")


def test_a_fragment_that_cannot_be_read_is_damage_unless_another_takes_its_place(repo: Open) -> None:
    packs = several(repo, 1)
    junk = FragmentId(b"j" * 32)
    repo.store.put(fragment_name(1, junk), b"junk")
    (told,) = index_of(repo).damage
    assert told.file == fragment_name(1, junk)
    put_fragment(repo, packs, generation=2, supersedes=[junk])
    index = index_of(repo)
    assert index.damage == []
    assert index.superseded() == {junk}


# --- merging ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "is_merged"), [(16, False), (17, True)])
def test_sixteen_runs_are_looked_through_and_more_are_merged(
    repo: Open, tmp_path: Path, count: int, is_merged: bool
) -> None:
    several(repo, count)
    index = index_of(repo, tmp_path)
    assert len(index) == count
    assert bool(list(tmp_path.rglob(f"{MERGED}*"))) == is_merged
    assert len(index.runs) == (1 if is_merged else count)


@pytest.mark.parametrize(("entries", "runs"), [(4, 15), (5, 16)])
def test_a_run_of_twice_what_was_merged_so_far_is_merged_with_it(repo: Open, entries: int, runs: int) -> None:
    """One, one, then that many, then fourteen that are far larger."""
    sizes = [1, 1, entries, *[100] * 14]
    for number, size in enumerate(sizes):
        put_fragment(repo, [put_pack(repo, [Made(plain=b"%d of %d" % (at, number)) for at in range(size)])])
    assert len(index_of(repo).runs) == runs


def test_what_was_merged_and_is_superseded_in_part_is_read_anew(repo: Open, tmp_path: Path) -> None:
    packs = several(repo, 17)
    index_of(repo, tmp_path)
    old = [put_fragment(repo, [put_pack(repo, [Made(plain=b"late")])], generation=18)]
    (first, *_) = sorted(stored.name for stored in repo.store.list("index/"))
    put_fragment(repo, packs[:1], generation=19, supersedes=[FragmentId(bytes.fromhex(first[-64:])), *old])
    index = index_of(repo, tmp_path)
    assert len(index) == 17
    assert object_id(repo, b"late") not in index


# --- what it tells ----------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong_first", [True, False])
def test_of_two_sizes_that_fragments_tell_of_a_pack_the_one_that_it_has_counts(repo: Open, wrong_first: bool) -> None:
    pack = put_pack(repo, [Made(plain=b"x")])
    wrong = replace(pack, size=pack.size + 1)
    for generation, one in enumerate((wrong, pack) if wrong_first else (pack, wrong), 1):
        put_fragment(repo, [one], generation=generation)
    index = index_of(repo)
    assert list(index.packs()) == [(pack.pack, pack.size)]
    assert list(index.missing_packs()) == []
    repo.store.delete(pack_name(pack.pack))
    assert {missing for missing, _ in index_of(repo).missing_packs()} == {pack.pack}


@pytest.mark.parametrize("deep_first", [True, False])
def test_of_two_places_the_shallower_one_comes_first_whichever_was_loaded_first(repo: Open, deep_first: bool) -> None:
    one, two = versions(2)
    deep = put_pack(repo, [Made(plain=one), Made(plain=two, base=one, depth=1)])
    whole = put_pack(repo, [Made(plain=two)])
    for generation, pack in enumerate((deep, whole) if deep_first else (whole, deep), 1):
        put_fragment(repo, [pack], generation=generation)
    assert [place.record.depth for place in index_of(repo).locations(object_id(repo, two))] == [0, 1]


def test_a_base_of_another_type_makes_no_chain(repo: Open) -> None:
    """Nobody could read it: a writer stores the object anew."""
    one, two = versions(2)
    named = object_id(repo, one, ObjectType.FILE_CHUNK)
    made = [Made(plain=one, type=ObjectType.FILE_CHUNK), Made(plain=two, base=one, names=named, depth=1)]
    put_fragment(repo, [put_pack(repo, made)])
    index = index_of(repo)
    wanted = object_id(repo, two)
    assert wanted in index
    assert (index.chain(wanted), index.chain_head(wanted), index.lasting_packs(wanted)) == ([], None, [])


def test_packs_that_were_swept_stay_so_whatever_is_swept_later(repo: Open) -> None:
    packs = [pack.pack for pack in several(repo, 3)]
    index = index_of(repo)
    for pack in packs[:2]:
        index.sweep([pack])
    assert index.swept == set(packs[:2])
    assert [bool(index.lasting_packs(object_id(repo, b"%d" % number))) for number in range(3)] == [False, False, True]


def test_of_places_that_failed_each_is_passed_over_and_the_last_one_s_error_is_told(repo: Open) -> None:
    packs = [put_pack(repo, [Made(plain=b"x")]) for _ in range(3)]
    put_fragment(repo, packs)
    index, wanted = index_of(repo), object_id(repo, b"x")
    places = index.locations(wanted)
    errors = [IntegrityError(f"number {number}") for number in range(2)]
    for place, error in zip(places, errors, strict=False):
        index.distrust(wanted, place, error)
    assert index.failure(wanted) is errors[1]
    assert index.failures() == list(zip(places, errors, strict=False))
    assert list(index.distrusted(wanted)) == places[:2]
    assert index.locations(wanted) == places[2:]
    assert (index.failure(ObjectId(bytes(32))), index.distrusted(ObjectId(bytes(32)))) == (None, {})


def test_the_length_and_the_fragments_are_of_all_runs(repo: Open, store: MemoryStore) -> None:
    several(repo, 3)
    index = index_of(repo)
    names = frozenset(FragmentId(bytes.fromhex(name[-64:])) for name in store.files if name.startswith("index/"))
    assert (len(index), index.fragments(), index.generation) == (3, names, 3)


def test_a_merged_run_of_fragments_that_are_gone_is_not_kept(repo: Open, tmp_path: Path) -> None:
    packs = several(repo, 17)
    index_of(repo, tmp_path)
    assert list(tmp_path.rglob(f"{MERGED}*"))
    old = [stored.name for stored in repo.store.list("index/")]
    put_fragment(repo, packs, generation=18)
    repo.store.delete(*old)
    assert len(index_of(repo, tmp_path)) == 17
    assert list(tmp_path.rglob(f"{MERGED}*")) == []


@pytest.mark.parametrize("wrong_first", [True, False])
def test_a_wrong_size_of_a_pack_hides_nothing_of_it_though_its_fragment_is_merged(
    repo: Open, tmp_path: Path, wrong_first: bool
) -> None:
    """As it hides nothing where both are runs of their own."""
    pack = put_pack(repo, [Made(plain=b"x")])
    wrong = replace(pack, size=pack.size + 1)
    for generation, one in enumerate((wrong, pack) if wrong_first else (pack, wrong), 1):
        put_fragment(repo, [one], generation=generation)
    several(repo, 15)
    for _ in range(2):
        index = index_of(repo, tmp_path)
        assert len(index.runs) == 1
        assert [place.pack for place in index.locations(object_id(repo, b"x"))] == [pack.pack]
        assert dict(index.packs())[pack.pack] == pack.size
        assert list(index.missing_packs()) == []


def test_of_two_places_the_one_outside_of_swept_packs_is_relied_on(repo: Open) -> None:
    made = [put_pack(repo, [Made(plain=b"x")]) for _ in range(2)]
    put_fragment(repo, made)
    packs = [one.pack for one in made]
    for swept, other in (packs, packs[::-1]):
        index = index_of(repo)
        index.sweep([swept])
        assert index.lasting_packs(object_id(repo, b"x")) == [other]


def test_what_a_pack_should_hold_is_told_of_one_that_is_gone_only_to_who_asks_for_it(repo: Open) -> None:
    (pack,) = several(repo, 1)
    repo.store.delete(pack_name(pack.pack))
    index = index_of(repo)
    assert list(index.in_pack(pack.pack)) == []
    assert [place.record.id for place in index.in_pack(pack.pack, usable=False)] == [object_id(repo, b"0")]
