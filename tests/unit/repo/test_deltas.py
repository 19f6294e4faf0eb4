"""Deltas of row chunks in the writer: bounded chains that always end, and bases that may be lost (spec 30-object, 85-reuse)."""

from __future__ import annotations

import os
from itertools import permutations

import pytest

from tests.fake_source import FakeDatabase
from tests.small_repository import contents, damage, new_repository, opened, rows, take
from vault.ids import ObjectId
from vault.limits import DELTA_DEPTH_MAX, TAG_BYTES
from vault.model import Codec, ObjectType
from vault.ops.backup import BackupReport
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


def _ends(indexed: Indexed, object_id: ObjectId, depth: int) -> bool:
    """Every way down from every location at most this deep ends at a whole frame."""
    places = [place for place in indexed.index.locations(object_id) if place.record.depth <= depth]
    return bool(places) and all(
        place.record.base is None or _ends(indexed, place.record.base, place.record.depth - 1) for place in places
    )


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
