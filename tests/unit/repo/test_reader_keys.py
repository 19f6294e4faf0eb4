"""Which place a reader names when none opens, which keys it keeps, and how far ahead of its caller it goes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.faults import RecordingStore
from tests.packs import Made, object_id, put_fragment, put_pack
from tests.small_repository import new_repository, opened, rows
from tests.unit.repo.test_reader import ROW, chain, flip, versions
from vault.errors import AuthenticationFailed, IntegrityError, MissingObject
from vault.format.pack import pack_name
from vault.ids import ObjectId, RepositoryId
from vault.model import ObjectType
from vault.ports import StoredFile
from vault.repo import reader as reader_module
from vault.repo.reader import pack_key
from vault.repo.state import Open
from vault.store.memory import MemoryStore

PLAINS = [rows(number, 20) for number in range(30)]


def test_of_a_delta_whose_base_is_damaged_the_base_and_its_pack_are_named(repo: Open) -> None:
    one, two = versions(2)
    of_base, of_delta = put_pack(repo, [Made(plain=one)]), put_pack(repo, [Made(plain=two, base=one, depth=1)])
    put_fragment(repo, [of_base, of_delta])
    flip(repo, of_base, 0)
    with pytest.raises(IntegrityError) as caught:
        repo.indexed(None).reader().get(object_id(repo, two), ROW)
    assert (caught.value.file, caught.value.object_id) == (pack_name(of_base.pack), object_id(repo, one).hex())


def test_an_object_of_which_nothing_tells_is_named_and_what_to_type(repo: Open) -> None:
    absent = ObjectId(bytes(range(32)))
    with pytest.raises(MissingObject) as caught:
        repo.indexed(None).reader().get(absent, ROW)
    told = caught.value
    assert str(told) == "object 000102030405 is missing"
    assert (told.file, told.object_id, told.hint) == ("", absent.hex(), "run: pgvault check")


@pytest.mark.parametrize(
    ("of_pack", "why"),
    [
        (None, "no pack that is there holds it"),
        (b"cut", "that pack is there in another size, 3 bytes, and is not read"),
    ],
    ids=["gone", "cut off"],
)
def test_of_an_object_that_no_pack_gives_is_told_whether_its_pack_is_there(
    store: MemoryStore, repo: Open, of_pack: bytes | None, why: str
) -> None:
    placed = put_pack(repo, [Made(plain=PLAINS[0])])
    put_fragment(repo, [placed])
    del store.files[pack_name(placed.pack)]
    if of_pack is not None:
        store.files[pack_name(placed.pack)] = of_pack
    with pytest.raises(MissingObject) as caught:
        repo.indexed(None).reader().get(object_id(repo, PLAINS[0]), ROW)
    assert (caught.value.file, caught.value.why) == (pack_name(placed.pack), why)


def test_a_base_that_does_not_fit_is_passed_over_for_a_deeper_place_that_does(repo: Open) -> None:
    """What is relied on is what can be read: a writer that took another chain would store nothing anew."""
    plains = versions(3)
    level = [Made(plain=plains[1], base=plains[0], depth=1), Made(plain=plains[2], base=plains[1], depth=1)]
    put_fragment(repo, [put_pack(repo, [Made(plain=plains[0]), *level])])
    wanted = object_id(repo, plains[2])
    index = repo.indexed(None).index
    assert (index.chain(wanted), index.lasting_packs(wanted)) == ([], [])
    put_fragment(repo, [put_pack(repo, chain(plains)[1:])], generation=2)
    indexed = repo.indexed(None)
    assert [place.record.depth for place in indexed.index.chain(wanted)] == [2, 1, 0]
    assert indexed.reader().get(wanted, ROW) == plains[2]


def test_a_pack_that_a_listing_names_for_ever_hides_no_other_place(repo: Open) -> None:
    plain = PLAINS[0]
    packs = [put_pack(repo, [Made(plain=plain)]) for _ in range(3)]
    put_fragment(repo, packs)
    listed = list(repo.store.list("packs/"))

    class Lying(RecordingStore):
        def list(self, prefix: str) -> Iterator[StoredFile]:
            return iter(listed) if prefix == "packs/" else super().list(prefix)

    lying = Lying(repo.store)
    indexed = opened(lying).indexed(None)
    names = [pack_name(place.pack) for place in indexed.index.locations(object_id(repo, plain))]
    repo.store.delete(*names[:2])  # when the second one is not there, the listing names the first one again
    lying.calls.clear()
    assert indexed.reader().get(object_id(repo, plain), ROW) == plain
    asked = [call.name for call in lying.calls if call.kind == "get_range"]
    assert asked == names


def test_the_keys_of_the_packs_that_were_read_last_are_kept(repo: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "_PACK_KEYS_MAX", 2)
    packs = [put_pack(repo, [Made(plain=plain)]) for plain in PLAINS[:3]]
    put_fragment(repo, packs)
    derived: list[bytes] = []

    def counted(header: bytes, *others: object) -> tuple[bytes, bytes]:
        derived.append(header)
        return pack_key(header, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(reader_module, "pack_key", counted)
    reader = repo.indexed(None).reader()
    for order, expected in (((0, 1, 0, 1), 2), ((2, 1, 2), 3), ((0,), 4)):
        for number in order:
            assert reader.get(object_id(repo, PLAINS[number]), ROW) == PLAINS[number]
        assert len(derived) == expected


def test_a_pack_of_other_keys_or_of_another_repository_has_no_key_here(repo: Open) -> None:
    pack = put_pack(repo, [Made(plain=b"x")])
    put_fragment(repo, [pack])
    (place,) = repo.indexed(None).index.in_pack(pack.pack)
    digest, key = pack_key(place.header, repo.keys, repo.config.repository)
    assert (len(digest), len(key)) == (32, 32)
    with pytest.raises(AuthenticationFailed):
        pack_key(place.header, repo.keys, RepositoryId(bytes(16)))


class Meeting(MemoryStore):
    """Whoever reads of a pack waits for another who does."""

    meeting: threading.Barrier | None = None

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        if self.meeting is not None:
            self.meeting.wait(60)
        return super().get_range(name, offset, length)


def test_two_objects_are_read_at_once_and_no_more_than_four_for_each_thread_ahead() -> None:
    store = Meeting()
    repo = new_repository(store)
    put_fragment(repo, [put_pack(repo, [Made(plain=plain) for plain in PLAINS])])
    store.meeting = threading.Barrier(2)
    reader = repo.indexed(None).reader(threads=2)
    asked: list[ObjectId] = []

    def ids(count: int) -> Iterator[ObjectId]:
        for plain in PLAINS[:count]:
            asked.append(object_id(repo, plain))
            yield asked[-1]

    assert list(reader.get_many(ids(2), ROW)) == PLAINS[:2]
    asked.clear()
    before = set(threading.enumerate())
    many = reader.get_many(ids(30), ROW)
    assert next(many) == PLAINS[0]
    assert len(asked) == 8
    assert len(set(threading.enumerate()) - before) == 2
    assert list(many) == PLAINS[1:]


def test_a_chunk_that_was_opened_at_its_place_is_kept_for_the_delta_after_it_and_a_file_s_is_not(repo: Open) -> None:
    one, two = versions(2)
    rows_of = put_pack(repo, [Made(plain=one)])
    file = put_pack(repo, [Made(plain=one, type=ObjectType.FILE_CHUNK)])
    put_fragment(repo, [rows_of, file, put_pack(repo, [Made(plain=two, base=one, depth=1)])])
    indexed = repo.indexed(None)
    reader = indexed.reader()
    reader.open_places(list(indexed.index.in_pack(rows_of.pack)))
    reader.open_places(list(indexed.index.in_pack(file.pack)))
    assert reader.get(object_id(repo, two), ROW) == two
    assert reader.tally.objects == 1, "the delta alone"
    assert reader.get(object_id(repo, one, ObjectType.FILE_CHUNK), ObjectType.FILE_CHUNK) == one
    assert reader.tally.objects == 2
