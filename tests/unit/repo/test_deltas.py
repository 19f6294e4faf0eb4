"""Deltas of row chunks in the writer: bounded chains that always end, and bases that may be lost (spec 30-object, 85-reuse)."""

from __future__ import annotations

import os
import random
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import packs
from tests.fake_source import FakeDatabase
from tests.small_repository import contents, damage, new_repository, opened, rows, take
from vault.format.pack import pack_name
from vault.ids import ObjectId
from vault.limits import DELTA_DEPTH_MAX, TAG_BYTES
from vault.model import Codec, ObjectType
from vault.ops.backup.run import BackupReport
from vault.repo.state import Indexed, Open
from vault.store.memory import MemoryStore

DAYS = 100


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def changed(text: bytes, day: int) -> bytes:
    """The same rows with one of them edited."""
    lines = text.splitlines(keepends=True)
    lines[day * 37 % len(lines)] = b"%d\tedited on day %d\n" % (day, day)
    return b"".join(lines)


def chunks(indexed: Indexed, report: BackupReport) -> list[ObjectId]:
    snapshot = indexed.snapshot(report.id)
    return [
        ref.id
        for table in snapshot.tables()
        for extent in snapshot.extents(table)
        for ref in snapshot.chunk_refs(extent.chunks)
    ]


def write(indexed: Indexed, *pairs: tuple[bytes, ObjectId | None]) -> list[ObjectId]:
    """Store row chunks, each with its base, one publication each."""
    found = []
    for plain, base in pairs:
        with indexed.writer(entropy=os.urandom) as writer:
            found.append(writer.put(ObjectType.ROW_CHUNK, plain, base=base))
            writer.publish()
    return found


def test_writers_that_store_the_same_in_opposite_order_make_no_cycle(repo: Open) -> None:
    first = rows(1, 2_000)
    second, third = changed(first, 1), changed(first, 2)
    wanted = [first, second, third]
    id_of = dict(
        zip(wanted, write(new_repository(MemoryStore()).indexed(None), *((p, None) for p in wanted)), strict=True)
    )
    indexes = [(order, repo.indexed(None)) for order in permutations(wanted)]
    for order, indexed in indexes:
        for plain, base in zip(order, [None, *order[:-1]], strict=True):
            write(indexed, (plain, None if base is None else id_of[base]))
    seen = repo.indexed(None)
    codecs = {place.record.codec for plain in wanted for place in seen.index.locations(id_of[plain])}
    assert codecs == {Codec.ZSTD, Codec.ZSTD_DELTA}
    for plain in wanted:
        assert seen.reader().get(id_of[plain], ObjectType.ROW_CHUNK) == plain
        for place in seen.index.locations(id_of[plain]):
            assert _ends(seen, id_of[plain], place.record.depth)
    assert damage(repo) == ()


_SIX = [rows(1, 150)]
for _day in range(1, 6):
    _SIX.append(changed(_SIX[-1], _day))
places = st.tuples(st.integers(0, 2), st.integers(0, len(_SIX) - 1), st.integers(0, len(_SIX) - 1), st.booleans())


@settings(max_examples=40, deadline=None)
@given(st.lists(places, min_size=4, max_size=24))
def test_writers_with_stale_indexes_make_no_cycle_in_any_order(steps: list[tuple[int, int, int, bool]]) -> None:
    """Three writers, each with an index as old as it likes, store six contents on whatever base they know."""
    repo = new_repository(MemoryStore())
    ids = [packs.object_id(repo, plain) for plain in _SIX]
    indexes = [repo.indexed(None) for _ in range(3)]
    for who, plain, base, refresh in steps:
        if refresh:
            indexes[who] = repo.indexed(None)
        write(indexes[who], (_SIX[plain], ids[base]))
    seen = repo.indexed(None)
    for number in {plain for _, plain, _, _ in steps}:
        assert seen.reader().get(ids[number], ObjectType.ROW_CHUNK) == _SIX[number]
        for place in seen.index.locations(ids[number]):
            assert _ends(seen, ids[number], place.record.depth)


def _ends(indexed: Indexed, object_id: ObjectId, depth: int) -> bool:
    """Every way down from every location at most this deep ends at a whole frame."""
    places = [place for place in indexed.index.locations(object_id) if place.record.depth <= depth]
    return bool(places) and all(
        place.record.base is None or _ends(indexed, place.record.base, place.record.depth - 1) for place in places
    )


@pytest.mark.slow
def test_chains_stay_bounded_over_many_days_and_every_day_comes_back(repo: Open) -> None:
    text = rows(1, 1_500)
    days, reports = [], []
    for day in range(DAYS):
        text = changed(text, day)
        days.append(text)
        reports.append(take(repo, FakeDatabase(tables={"public.t": [text]})))
    indexed = repo.indexed(None)
    depths, deltas = [], 0
    for day, report in enumerate(reports):
        for object_id in chunks(indexed, report):
            chain = indexed.index.chain(object_id)
            depths.append(chain[0].record.depth)
            deltas += chain[0].record.codec is Codec.ZSTD_DELTA
            root = chain[-1].record
            whole = (root.length - TAG_BYTES) / root.plain_length * chain[0].record.plain_length
            assert sum(place.record.length - TAG_BYTES for place in chain[:-1]) <= whole
        assert contents(indexed, report.id)["table public.t"] == days[day]
    assert deltas > DAYS // 2
    assert 10 < max(depths) <= DELTA_DEPTH_MAX


def test_a_chain_at_its_greatest_depth_begins_anew(repo: Open) -> None:
    indexed = repo.indexed(None)
    plain = rows(2, 8_000)
    [base] = write(indexed, (plain, None))
    depths = []
    for day in range(DELTA_DEPTH_MAX + 3):
        plain = plain[:-9] + b"%08d\n" % day
        [base] = write(indexed, (plain, base))
        depths.append(indexed.index.chain(base)[0].record.depth)
    assert depths[:DELTA_DEPTH_MAX] == list(range(1, DELTA_DEPTH_MAX + 1))
    assert depths[DELTA_DEPTH_MAX:] == [0, 1, 2]
    assert repo.indexed(None).reader().get(base, ObjectType.ROW_CHUNK) == plain


def test_what_has_nothing_in_common_with_its_base_is_stored_whole(repo: Open) -> None:
    indexed = repo.indexed(None)
    [base] = write(indexed, (rows(1, 2_000), None))
    [other] = write(indexed, (rows(2, 2_000), base))
    assert indexed.index.chain(other)[0].record.codec is Codec.ZSTD


def test_next_backup_stores_whole_what_has_a_damaged_base_and_the_repository_is_readable_again(repo: Open) -> None:
    assert isinstance(repo.store, MemoryStore)
    text = rows(1, 2_000)
    first = take(repo, FakeDatabase(tables={"public.t": [text]}))
    indexed = repo.indexed(None)
    [base] = chunks(indexed, first)
    [place] = indexed.index.chain(base)
    name = f"packs/{place.pack.hex()}"
    data = bytearray(repo.store.files[name])
    data[place.record.offset + 100] ^= 1
    repo.store.files[name] = bytes(data)
    fresh = opened(repo.store)
    next_text = changed(text, 1)
    second = take(fresh, FakeDatabase(tables={"public.t": [next_text]}))
    assert contents(fresh, second.id)["table public.t"] == next_text
    again = fresh.indexed(None)
    assert [again.index.chain(object_id)[0].record.codec for object_id in chunks(again, second)] == [Codec.ZSTD]


def test_depth_is_that_of_the_location_that_could_be_read(repo: Open) -> None:
    """A base in two places, of which the shallow one is damaged: a delta above that depth would have no way down."""
    assert isinstance(repo.store, MemoryStore)
    first = rows(1, 2_000)
    base = changed(first, 1)
    shallow = packs.put_pack(repo, [packs.Made(plain=base)])
    deep = packs.put_pack(repo, [packs.Made(plain=first), packs.Made(plain=base, base=first, depth=1)])
    packs.put_fragment(repo, [shallow, deep])
    data = bytearray(repo.store.files[pack_name(shallow.pack)])
    data[shallow.records[0].offset + 100] ^= 1
    repo.store.files[pack_name(shallow.pack)] = bytes(data)
    indexed = repo.indexed(None)
    plains = [changed(base, day) for day in (2, 3)]
    stored = write(indexed, *((plain, packs.object_id(repo, base)) for plain in plains))
    assert [indexed.index.chain(stored_id)[0].record.depth for stored_id in stored] == [0, 2]
    fresh = repo.indexed(None)
    assert [fresh.reader().get(stored_id, ObjectType.ROW_CHUNK) for stored_id in stored] == plains


def test_packs_of_a_base_are_relied_on(repo: Open) -> None:
    """Down to the whole object: a delta is no use without any of them."""
    indexed = repo.indexed(None)
    first = rows(1, 2_000)
    base = changed(first, 1)
    [root] = write(indexed, (first, None))
    [middle] = write(indexed, (base, root))
    chain = {place.pack for place in indexed.index.chain(middle)}
    assert len(chain) == 2
    with indexed.writer(entropy=os.urandom) as writer:
        stored = writer.put(ObjectType.ROW_CHUNK, changed(base, 2), base=middle)
        writer.publish()
    own = {indexed.index.chain(stored)[0].pack}
    assert writer.relied_on() == chain | own


@pytest.mark.spec("OBJ-13")
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_delta_is_taken_up_to_half_of_what_the_whole_would_cost(repo: Open, share: float) -> None:
    """Judged by the ratio of the base, so that nothing is compressed twice without need."""
    indexed = repo.indexed(None)
    lines = rows(1, 2_000).splitlines(keepends=True)
    others = rows(2, 2_000).splitlines(keepends=True)
    [base] = write(indexed, (b"".join(lines), None))
    cut = int(len(lines) * share)
    [stored] = write(indexed, (b"".join([*others[:cut], *lines[cut:]]), base))
    found = indexed.index.chain(stored)
    assert (found[0].record.codec is Codec.ZSTD_DELTA) is (share < 0.5)
    if share < 0.5:
        assert found[0].record.length - TAG_BYTES <= (found[1].record.length - TAG_BYTES) / 2


def test_base_of_another_type_makes_no_delta(repo: Open) -> None:
    """Base and object have the same type, else a reader refuses the delta."""
    indexed = repo.indexed(None)
    text = rows(1, 2_000)
    with indexed.writer(entropy=os.urandom) as writer:
        file_chunk = writer.put(ObjectType.FILE_CHUNK, text)
        writer.publish()
    [stored] = write(indexed, (changed(text, 1), file_chunk))
    assert indexed.index.chain(stored)[0].record.codec is Codec.ZSTD
    assert repo.indexed(None).reader().get(stored, ObjectType.ROW_CHUNK) == changed(text, 1)


def test_base_that_is_still_in_an_open_pack_makes_no_delta(repo: Open) -> None:
    """What is not published may never be, and two open packs could name each other."""
    indexed = repo.indexed(None)
    text = rows(1, 2_000)
    with indexed.writer(entropy=os.urandom) as writer:
        base = writer.put(ObjectType.ROW_CHUNK, text)
        stored = writer.put(ObjectType.ROW_CHUNK, changed(text, 1), base=base)
        writer.publish()
    assert indexed.index.chain(stored)[0].record.codec is Codec.ZSTD


def test_closure_holds_in_every_order_in_which_packs_may_be_lost(repo: Open) -> None:
    """Whichever pack goes, `chain` tells exactly what can still be read, and the writer stores the rest anew."""
    assert isinstance(repo.store, MemoryStore)
    indexed = repo.indexed(None)
    plains = [rows(1, 1_000)]
    ids = write(indexed, (plains[0], None))
    for day in range(1, 5):
        plains.append(changed(plains[-1], day))
        ids += write(indexed, (plains[-1], ids[-1]))
    assert [indexed.index.chain(one)[0].record.depth for one in ids] == [0, 1, 2, 3, 4]
    before = dict(repo.store.files)
    for lost in {f"packs/{place.pack.hex()}" for one in ids for place in indexed.index.chain(one)}:
        repo.store.files.clear()
        repo.store.files.update({name: data for name, data in before.items() if name != lost})
        after = repo.indexed(None)
        readable = [bool(after.index.chain(one)) for one in ids]
        assert readable == sorted(readable, reverse=True), "what lies above the lost one is gone with it"
        assert readable.count(False) > 0
        again = write(after, *zip(plains, [None, *ids[:-1]], strict=True))
        assert again == ids
        fresh = repo.indexed(None)
        assert [fresh.reader().get(one, ObjectType.ROW_CHUNK) for one in ids] == plains


@pytest.mark.spec("OBJ-13")
def test_frames_of_a_chain_sum_to_at_most_one_whole(repo: Open) -> None:
    """Each day two fifths of the rows are new: after two deltas a third would make reading dearer than the whole."""
    indexed = repo.indexed(None)
    lines = rows(1, 2_000).splitlines(keepends=True)
    base, depths = None, []
    for day in range(6):
        others = rows(10 + day, 2_000).splitlines(keepends=True)
        lines = [others[at] if (at + day * 2) % 5 < 2 else line for at, line in enumerate(lines)]
        [base] = write(indexed, (b"".join(lines), base))
        depths.append(indexed.index.chain(base)[0].record.depth)
    assert depths == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize("cycle", [True, False], ids=["cycle", "depth does not fall"])
def test_what_no_reader_could_resolve_counts_as_not_there(repo: Open, cycle: bool) -> None:
    """Then a writer stores it anew, and nothing is taken over that could not be read."""
    one = rows(1, 200)
    two, three = changed(one, 1), changed(one, 2)
    if cycle:
        made = [packs.Made(plain=one, base=two, depth=1), packs.Made(plain=two, base=one, depth=1)]
    else:
        made = [packs.Made(plain=one, base=three, depth=2), packs.Made(plain=two, base=one, depth=2)]
        made.append(packs.Made(plain=three))
    packs.put_fragment(repo, [packs.put_pack(repo, made)])
    indexed = repo.indexed(None)
    wanted = packs.object_id(repo, two)
    assert indexed.index.locations(wanted) != []
    assert indexed.index.chain(wanted) == []
    write(indexed, (two, None))
    assert repo.indexed(None).reader().get(wanted, ObjectType.ROW_CHUNK) == two


def test_what_fits_no_base_is_soon_stored_whole_and_a_fit_ends_that(repo: Open) -> None:
    base_plain = rows(3, 2_000)
    [base] = write(repo.indexed(None), (base_plain, None))
    indexed = repo.indexed(None)
    unlike = [bytes(random.Random(number).randbytes(60_000)) + b"\n" for number in range(12)]
    alike = [changed(base_plain, day) for day in range(12)]
    with indexed.writer(entropy=os.urandom) as writer:
        for plain in unlike:
            writer.put(ObjectType.ROW_CHUNK, plain, base=base)
        ids = [writer.put(ObjectType.ROW_CHUNK, plain, base=base) for plain in alike]
        writer.publish()
    seen = repo.indexed(None)
    codecs = [seen.index.locations(object_id)[0].record.codec for object_id in ids]
    first = codecs.index(Codec.ZSTD_DELTA)
    assert 0 < first <= 4
    assert set(codecs[first:]) == {Codec.ZSTD_DELTA}
