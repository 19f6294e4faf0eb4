"""When a chunk is stored as a delta, exactly: half of the full frame that is expected, one full frame a chain, and no tries in vain."""

from __future__ import annotations

import os
import random

import pytest

from tests import packs
from tests.small_repository import rows
from vault.format.pack import pack_name
from vault.ids import ObjectId
from vault.limits import DELTA_BASE_BYTES_MIN, DELTA_DEPTH_MAX, ZSTD_LEVEL, ZSTD_LEVEL_ROWS
from vault.model import Codec, ObjectType
from vault.pipeline.compress import compress, compress_delta
from vault.repo.deltas import Deltas, Stored, whole
from vault.repo.state import Open
from vault.store.memory import MemoryStore

BASE = rows(1, 400)


def noise(count: int, seed: int = 0) -> bytes:
    """So many bytes that nothing makes shorter."""
    return random.Random(seed).randbytes(count)


def deltas(repo: Open) -> Deltas:
    indexed = repo.indexed(None)
    return Deltas(indexed.index, indexed.reader())


def put(repo: Open, plain: bytes, base: ObjectId | None = None) -> ObjectId:
    with repo.indexed(None).writer(entropy=os.urandom) as writer:
        stored = writer.put(ObjectType.ROW_CHUNK, plain, base=base)
        writer.publish()
    return stored


def ending(text: bytes, count: int, seed: int = 0) -> bytes:
    """The same length, the last `count` bytes of it new: the delta is about as long as these."""
    return text[: len(text) - count] + noise(count, seed)


def test_a_delta_says_what_it_is_made_of(repo: Open) -> None:
    base = put(repo, BASE)
    plain = BASE + b"one more\n"
    found = deltas(repo).encode(plain, base)
    (place,) = repo.indexed(None).index.chain(base)
    assert found == Stored(
        codec=Codec.ZSTD_DELTA,
        stored=compress_delta(plain, BASE),
        depth=1,
        base=base,
        base_plain=BASE,
        packs=frozenset({place.pack}),
    )


@pytest.mark.parametrize("kind", [ObjectType.ROW_CHUNK, ObjectType.FILE_CHUNK])
def test_rows_are_compressed_at_their_own_level(kind: ObjectType) -> None:
    text = rows(1, 4_000)
    level = ZSTD_LEVEL_ROWS if kind is ObjectType.ROW_CHUNK else ZSTD_LEVEL
    codec, stored = compress(text, level=level)
    assert compress(text, level=ZSTD_LEVEL) != compress(text, level=ZSTD_LEVEL_ROWS)
    assert whole(text, kind) == Stored(codec=codec, stored=stored)


@pytest.mark.spec("OBJ-13")
def test_up_to_half_of_what_the_whole_would_cost_to_the_byte(repo: Open) -> None:
    base = put(repo, BASE)
    half = len(whole(BASE, ObjectType.ROW_CHUNK).stored) / 2
    taken = []
    for new in range(int(half) - 60, int(half) + 20):
        plain = ending(BASE, new)
        is_delta = deltas(repo).encode(plain, base).codec is Codec.ZSTD_DELTA
        assert is_delta == (len(compress_delta(plain, BASE)) <= half), new
        taken.append(is_delta)
    assert set(taken) == {True, False}, "both sides of the bound were tried"


@pytest.mark.spec("OBJ-13")
def test_frames_of_a_chain_sum_to_one_whole_to_the_byte(repo: Open) -> None:
    full = len(whole(BASE, ObjectType.ROW_CHUNK).stored)
    first = ending(BASE, int(full * 0.45), 1)
    second = ending(first, int(full * 0.45), 2)
    under = put(repo, second, put(repo, first, put(repo, BASE)))
    assert [place.record.depth for place in repo.indexed(None).index.chain(under)] == [2, 1, 0]
    room = full - len(compress_delta(first, BASE)) - len(compress_delta(second, first))
    taken = []
    for new in range(room - 60, room + 20):
        plain = ending(second, new, 3)
        is_delta = deltas(repo).encode(plain, under).codec is Codec.ZSTD_DELTA
        assert is_delta == (len(compress_delta(plain, second)) <= room), new
        taken.append(is_delta)
    assert set(taken) == {True, False}, "both sides of the bound were tried"


def test_a_base_has_some_length_and_a_chunk_some_bytes(repo: Open) -> None:
    for size, fits in ((DELTA_BASE_BYTES_MIN, True), (DELTA_BASE_BYTES_MIN - 1, False)):
        text = BASE[: size - 1] + b"\n"
        short = put(repo, text)
        assert (deltas(repo).encode(text * 100, short).codec is Codec.ZSTD_DELTA) == fits
    base = put(repo, BASE)
    tried = deltas(repo)
    for _ in range(9):
        assert tried.encode(b"", base) == whole(b"", ObjectType.ROW_CHUNK)
    assert tried.encode(BASE, base).codec is Codec.ZSTD_DELTA, "nothing counts as no miss"
    absent = packs.object_id(repo, b"nobody put it")
    assert deltas(repo).encode(BASE, absent) == whole(BASE, ObjectType.ROW_CHUNK)


@pytest.mark.parametrize(("depth", "fits"), [(DELTA_DEPTH_MAX - 1, True), (DELTA_DEPTH_MAX, False)])
def test_a_base_at_the_greatest_depth_gets_no_delta(repo: Open, depth: int, fits: bool) -> None:
    texts = [BASE]
    for day in range(depth):
        texts.append(texts[-1] + b"%d\n" % day)
    made = [packs.Made(plain=texts[0])]
    made += [packs.Made(plain=texts[at], base=texts[at - 1], depth=at) for at in range(1, len(texts))]
    packs.put_fragment(repo, [packs.put_pack(repo, made)])
    found = deltas(repo).encode(texts[-1] + b"last\n", packs.object_id(repo, texts[-1]))
    assert (found.depth == DELTA_DEPTH_MAX) == fits
    assert (found.codec is Codec.ZSTD_DELTA) == fits


def test_a_base_that_is_damaged_is_done_without(repo: Open) -> None:
    assert isinstance(repo.store, MemoryStore)
    base = put(repo, BASE)
    (place,) = repo.indexed(None).index.chain(base)
    name = pack_name(place.pack)
    data = bytearray(repo.store.files[name])
    data[place.record.offset] ^= 1
    repo.store.files[name] = bytes(data)
    assert deltas(repo).encode(BASE + b"more\n", base) == whole(BASE + b"more\n", ObjectType.ROW_CHUNK)


@pytest.mark.parametrize("fit_before", [False, True])
@pytest.mark.parametrize(("misses", "first"), [(0, 0), (5, 0), (6, 1), (7, 0), (8, 3), (9, 2)])
def test_after_six_misses_in_a_row_each_fourth_is_tried(repo: Open, misses: int, first: int, fit_before: bool) -> None:
    """A try costs twice what storing the chunk whole does; a fit ends that."""
    base = put(repo, BASE)
    tried = deltas(repo)
    if fit_before:
        tried.encode(noise(20_000), base)
        assert tried.encode(BASE, base).codec is Codec.ZSTD_DELTA
    for number in range(misses):
        assert tried.encode(noise(20_000, number), base).codec is not Codec.ZSTD_DELTA
    codecs = [tried.encode(BASE + b"%d\n" % number, base).codec for number in range(first + 3)]
    assert [codec is Codec.ZSTD_DELTA for codec in codecs] == [*[False] * first, True, True, True]
