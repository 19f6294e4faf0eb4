"""Reading objects: delta chains, several locations, and what must not be believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.faults import FaultStore, RecordingStore
from tests.packs import Made, object_id, put_fragment, put_pack
from tests.small_repository import damage, new_repository, opened, rows
from vault.errors import ContentMismatch, IntegrityError, LimitExceeded, Malformed, MissingObject
from vault.format.index import build_fragment
from vault.format.pack import pack_name
from vault.ids import FragmentId, ObjectId
from vault.limits import DELTA_DEPTH_MAX
from vault.model import Location, ObjectType, PackEntry
from vault.ports import ObjectStore, StoredFile
from vault.repo.lease import refuse_lost
from vault.repo.reader import Reader
from vault.repo.state import Open
from vault.store.memory import MemoryStore

ROW = ObjectType.ROW_CHUNK


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def versions(count: int) -> list[bytes]:
    """A chunk and its next states, each a little different from the one before."""
    text = rows(1, 200)
    found = [text]
    for number in range(1, count):
        at = text.index(b"\n", number * 100) + 1
        text = text[:at] + f"{number}\tchanged\n".encode() + text[at:]
        found.append(text)
    return found


def chain(plains: Sequence[bytes]) -> list[Made]:
    whole = [Made(plain=plains[0])]
    return whole + [Made(plain=plains[at], base=plains[at - 1], depth=at) for at in range(1, len(plains))]


def reader(repo: Open, *packs: PackEntry) -> Reader:
    put_fragment(repo, packs)
    return repo.indexed(None).reader()


def flip(repo: Open, pack: PackEntry, ordinal: int) -> None:
    """Change one bit of one object."""
    assert isinstance(repo.store, MemoryStore)
    name, record = pack_name(pack.pack), pack.records[ordinal]
    data = bytearray(repo.store.files[name])
    data[record.offset + 3] ^= 1
    repo.store.files[name] = bytes(data)


@pytest.mark.parametrize("depth", [1, 2, 63, DELTA_DEPTH_MAX])
def test_delta_chain_is_read_in_any_order(repo: Open, depth: int) -> None:
    plains = versions(depth + 1)
    made = chain(plains)
    reading = reader(repo, put_pack(repo, made[::2]), put_pack(repo, made[1::2]))
    for plain in [plains[-1], *plains]:
        assert reading.get(object_id(repo, plain), ROW) == plain
    assert list(reading.get_many((object_id(repo, plain) for plain in plains), ROW)) == plains
    assert damage(repo) == ()


def test_chain_deeper_than_allowed_cannot_be_written(repo: Open) -> None:
    plains = versions(2)
    with pytest.raises(LimitExceeded):
        put_pack(repo, [Made(plain=plains[1], base=plains[0], depth=DELTA_DEPTH_MAX + 1)])


def test_cycle_of_bases_between_two_packs_ends(repo: Open) -> None:
    one, two = versions(2)
    first = put_pack(repo, [Made(plain=one, base=two, depth=1)])
    second = put_pack(repo, [Made(plain=two, base=one, depth=1)])
    reading = reader(repo, first, second)
    for plain in (one, two):
        with pytest.raises(MissingObject):
            reading.get(object_id(repo, plain), ROW)
    assert {item.kind for item in damage(repo)} == {"MISSING_OBJECT"}


def test_two_writers_in_opposite_order_can_both_be_read(repo: Open) -> None:
    """Each stored one whole and the other as a delta on it: two locations each, and a way through."""
    one, two = versions(2)
    first = put_pack(repo, [Made(plain=one), Made(plain=two, base=one, depth=1)])
    second = put_pack(repo, [Made(plain=two), Made(plain=one, base=two, depth=1)])
    reading = reader(repo, first, second)
    assert [reading.get(object_id(repo, plain), ROW) for plain in (one, two)] == [one, two]
    flip(repo, first, 0)
    reading = repo.indexed(None).reader()
    assert [reading.get(object_id(repo, plain), ROW) for plain in (one, two)] == [one, two]


@pytest.mark.parametrize("depth", [1, 2])
def test_base_whose_depth_does_not_fall_is_not_used(repo: Open, depth: int) -> None:
    plains = versions(3)
    made = [
        Made(plain=plains[0]),
        Made(plain=plains[1], base=plains[0], depth=2),
        Made(plain=plains[2], base=plains[1], depth=depth),
    ]
    reading = reader(repo, put_pack(repo, made))
    with pytest.raises(MissingObject):
        reading.get(object_id(repo, plains[2]), ROW)
    assert reading.get(object_id(repo, plains[1]), ROW) == plains[1]


def test_base_of_another_type_is_refused(repo: Open) -> None:
    one, two = versions(2)
    file_chunk = object_id(repo, one, ObjectType.FILE_CHUNK)
    pack = put_pack(
        repo,
        [Made(plain=one, type=ObjectType.FILE_CHUNK), Made(plain=two, base=one, names=file_chunk, depth=1)],
    )
    with pytest.raises(Malformed):
        reader(repo, pack).get(object_id(repo, two), ROW)


def test_wrong_base_of_the_right_length_is_a_mismatch(repo: Open) -> None:
    """The seal is authentic and the frame decodes; only the id knows."""
    one, two = versions(2)
    wrong = one.replace(b"1", b"2")
    named = object_id(repo, wrong)
    pack = put_pack(repo, [Made(plain=wrong), Made(plain=two, base=one, names=named, depth=1)])
    with pytest.raises(ContentMismatch):
        reader(repo, pack).get(object_id(repo, two), ROW)


def test_object_under_a_foreign_id_is_a_mismatch(repo: Open) -> None:
    pack = put_pack(repo, [Made(plain=b"content", id=ObjectId(b"\7" * 32))])
    with pytest.raises(ContentMismatch) as caught:
        reader(repo, pack).get(ObjectId(b"\7" * 32), ROW)
    assert caught.value.file == pack_name(pack.pack)
    assert caught.value.object_id == "07" * 32


def test_delta_whose_base_is_missing_is_missing(repo: Open) -> None:
    one, two = versions(2)
    with pytest.raises(MissingObject) as caught:
        reader(repo, put_pack(repo, [Made(plain=two, base=one, depth=1)])).get(object_id(repo, two), ROW)
    assert caught.value.object_id == object_id(repo, one).hex()


def test_object_asked_for_as_another_type_is_refused(repo: Open) -> None:
    reading = reader(repo, put_pack(repo, [Made(plain=b"rows\n")]))
    with pytest.raises(Malformed):
        reading.get(object_id(repo, b"rows\n"), ObjectType.FILE_CHUNK)
    assert reading.get(object_id(repo, b"rows\n"), ROW) == b"rows\n", "asking wrongly does no harm"


@pytest.mark.parametrize("damaged", [0, 1])
def test_second_location_serves_when_one_is_damaged(repo: Open, damaged: int) -> None:
    plain = rows(1, 100)
    packs = [put_pack(repo, [Made(plain=plain)]), put_pack(repo, [Made(plain=plain)])]
    put_fragment(repo, packs)
    flip(repo, packs[damaged], 0)
    assert repo.indexed(None).reader().get(object_id(repo, plain), ROW) == plain
    (found,) = [item for item in damage(repo) if item.object]
    assert found.file == pack_name(packs[damaged].pack)
    assert found.affects == []


def test_pack_that_vanished_after_the_index_was_read_is_no_end(repo: Open) -> None:
    plain = rows(1, 100)
    packs = [put_pack(repo, [Made(plain=plain)]), put_pack(repo, [Made(plain=plain)])]
    reading = reader(repo, *packs)
    repo.store.delete(pack_name(packs[0].pack))
    assert reading.get(object_id(repo, plain), ROW) == plain
    repo.store.delete(pack_name(packs[1].pack))
    with pytest.raises(MissingObject):
        repo.indexed(None).reader().get(object_id(repo, plain), ROW)


class CountingStore(MemoryStore):
    """Ends a search that reads more often than `reads_max` times."""

    reads = 0
    reads_max = 1 << 30

    def get(self, name: str) -> bytes:
        self.reads += 1
        assert self.reads <= self.reads_max, "too many reads"
        return super().get(name)


def test_damaged_root_of_a_chain_stored_twice_costs_a_few_reads_a_step() -> None:
    """Two locations at each of 40 steps: a reader that tried every way would need 2^40 of them."""
    store = CountingStore()
    repo = new_repository(store)
    plains = versions(41)
    packs = [put_pack(repo, chain(plains)), put_pack(repo, chain(plains))]
    put_fragment(repo, packs)
    for pack in packs:
        flip(repo, pack, 0)
    reading = repo.indexed(None).reader()
    store.reads_max = store.reads + 4 * len(plains)
    with pytest.raises(IntegrityError) as caught:
        reading.get(object_id(repo, plains[-1]), ROW)
    assert caught.value.object_id == object_id(repo, plains[0]).hex()


def test_failed_location_keeps_its_error(repo: Open) -> None:
    pack = put_pack(repo, [Made(plain=b"content")])
    reading = reader(repo, pack)
    flip(repo, pack, 0)
    for _ in range(2):
        with pytest.raises(IntegrityError) as caught:
            reading.get(object_id(repo, b"content"), ROW)
        assert caught.value.code == "AUTHENTICATION_FAILED"


def test_damaged_base_is_told_for_every_delta_on_it(repo: Open) -> None:
    plains = versions(4)
    pack = put_pack(repo, chain(plains))
    put_fragment(repo, [pack])
    flip(repo, pack, 0)
    told = {item.object for item in damage(repo) if item.object}
    assert told == {object_id(repo, plain).hex() for plain in plains}


def test_index_that_disagrees_with_its_pack_is_found(repo: Open) -> None:
    pack = put_pack(repo, [Made(plain=b"one"), Made(plain=b"two")])
    one, two = pack.records
    swapped = PackEntry(
        pack=pack.pack,
        size=pack.size,
        header=pack.header,
        records=(
            type(one)(**{name: getattr(one, name) for name in one.__slots__} | {"offset": two.offset}),
            two,
        ),
    )
    put_fragment(repo, [swapped])
    assert [item.object for item in damage(repo)] == [one.id.hex()]


def test_locations_come_shallowest_first(repo: Open) -> None:
    one, two = versions(2)
    packs = [put_pack(repo, [Made(plain=two, base=one, depth=1), Made(plain=one)]), put_pack(repo, [Made(plain=two)])]
    put_fragment(repo, packs)
    found: list[Location] = repo.indexed(None).index.locations(object_id(repo, two))
    assert [place.record.depth for place in found] == [0, 1]


@pytest.mark.spec("LEASE-24")
def test_what_a_prune_moved_is_found_by_loading_the_index_once_more(repo: Open) -> None:
    plains = versions(3)
    old = put_pack(repo, chain(plains))
    reading = reader(repo, old)
    assert reading.get(object_id(repo, plains[0]), ROW) == plains[0]
    put_fragment(repo, [put_pack(repo, chain(plains))], generation=2)
    repo.store.delete(pack_name(old.pack))
    assert list(reading.get_many([object_id(repo, plain) for plain in plains], ROW)) == plains


class Moving(RecordingStore):
    """Has a prune happen before each of `times` listings of a directory."""

    def __init__(self, next_store: ObjectStore, prune: Callable[[], None], prefix: str, times: int) -> None:
        super().__init__(next_store)
        self._prune, self._prefix, self._left = prune, prefix, times

    def prune_before(self, times: int) -> None:
        self._left = times

    def list(self, prefix: str) -> Iterator[StoredFile]:
        if prefix == self._prefix and self._left:
            self._left -= 1
            self._prune()
        return super().list(prefix)


@pytest.mark.spec("LEASE-24")
@pytest.mark.parametrize("prefix", ["packs/", "index/"])
@pytest.mark.parametrize("times", [1, 2, 9])
def test_what_is_moved_while_the_index_is_loaded_is_found_too(repo: Open, prefix: str, times: int) -> None:
    (plain, *_) = versions(1)
    places = [put_pack(repo, [Made(plain=plain)])]
    put_fragment(repo, places)

    def prune() -> None:
        places.append(put_pack(repo, [Made(plain=plain)]))
        put_fragment(repo, places[-1:], generation=len(places))
        repo.store.delete(pack_name(places[-2].pack))

    moving = Moving(repo.store, prune, prefix, times)
    assert opened(moving).indexed(None).reader().get(object_id(repo, plain), ROW) == plain


@pytest.mark.spec("LEASE-24")
@pytest.mark.parametrize("times", [1, 2, 9])
def test_what_several_prunes_move_one_after_the_other_is_found_too(repo: Open, times: int) -> None:
    """A load between two of them sees the one's packs and the other's fragments, and no place at all."""
    (plain, *_) = versions(1)
    places = [put_pack(repo, [Made(plain=plain)])]
    put_fragment(repo, places)

    def prune() -> None:
        earlier = [stored.name for stored in repo.store.list("index/")]
        places.append(put_pack(repo, [Made(plain=plain)]))
        put_fragment(repo, places[-1:], generation=len(places))
        repo.store.delete(pack_name(places[-2].pack))
        for name in earlier:
            repo.store.delete(name)

    moving = Moving(repo.store, prune, "index/", 0)
    reading = opened(moving).indexed(None).reader()
    prune()
    moving.prune_before(times)
    assert reading.get(object_id(repo, plain), ROW) == plain


@pytest.mark.spec("LEASE-24")
def test_what_is_lost_is_looked_for_once(repo: Open) -> None:
    plains = [rows(number, 20) for number in range(4)]
    pack = put_pack(repo, [Made(plain=plain) for plain in plains])
    put_fragment(repo, [pack])
    repo.store.delete(pack_name(pack.pack))
    recording = RecordingStore(repo.store)
    reading = opened(recording).indexed(None).reader()
    for plain in plains:
        with pytest.raises(MissingObject):
            reading.get(object_id(repo, plain), ROW)
    assert [call.name for call in recording.calls if call.kind == "list"].count("packs/") == 2


def test_a_writer_that_loaded_the_index_again_still_misses_what_it_relies_on(repo: Open) -> None:
    """A pack that is gone from both listings is as gone as from one."""
    plain = versions(1)[0]
    pack = put_pack(repo, [Made(plain=plain)])
    put_fragment(repo, [pack])
    indexed = repo.indexed(None)
    repo.store.delete(pack_name(pack.pack))
    with pytest.raises(MissingObject):
        indexed.reader().get(object_id(repo, plain), ROW)
    assert pack.pack not in indexed.index.pack_sizes
    with pytest.raises(MissingObject, match="went away"):
        refuse_lost(indexed, [pack.pack])


def test_a_pack_that_a_late_listing_still_names_is_gone_all_the_same(repo: Open) -> None:
    pack = put_pack(repo, [Made(plain=rows(1, 20))])
    put_fragment(repo, [pack])
    listed = list(repo.store.list("packs/"))

    class Late(FaultStore):
        def list(self, prefix: str) -> Iterator[StoredFile]:
            return iter(listed) if prefix == "packs/" else super().list(prefix)

    index = opened(Late(repo.store)).indexed(None).index
    repo.store.delete(pack_name(pack.pack))
    assert pack.pack in index.pack_sizes
    assert index.reload(index.loads, gone=pack.pack)
    assert pack.pack not in index.pack_sizes
    assert object_id(repo, rows(1, 20)) not in index


def test_what_a_writer_has_published_stays_visible_when_the_index_is_loaded_again(repo: Open) -> None:
    plain, other = rows(1, 20), rows(2, 20)
    old = put_pack(repo, [Made(plain=other)])
    put_fragment(repo, [old])
    indexed = repo.indexed(None)
    mine = put_pack(repo, [Made(plain=plain)])
    indexed.index.add(build_fragment([mine]), FragmentId(bytes(32)))
    repo.store.delete(pack_name(old.pack))
    with pytest.raises(MissingObject):
        indexed.reader().get(object_id(repo, other), ROW)
    assert indexed.reader().get(object_id(repo, plain), ROW) == plain
