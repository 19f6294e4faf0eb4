"""Properties of the cutter: nothing lost, bounds kept, equal content cut equally."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.errors import UsageError
from vault.limits import CHUNK_BYTES_MAX, CUT_BYTES_MAX, CUT_BYTES_MIN, CUT_SEED_MAX, MIB
from vault.pipeline.cut import cut_bytes, cut_rows, fastcdc

SEED = 0x1234_5678
_NOISE = random.Random(3).randbytes(2 * MIB)
"""The same in each run: how many chunks an insertion changes is a matter of luck, five are rare but right."""


def noise(length: int, start: int = 0) -> bytes:
    whole = _NOISE[start:] + _NOISE[:start]
    return (whole * (length // len(whole) + 1))[:length]


def text_rows(count: int, width: int, start: int = 0) -> bytes:
    hexadecimal = noise(count * width, start).hex()
    return "".join(hexadecimal[at : at + width] + "\n" for at in range(0, count * width, width)).encode()


def partition(data: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    at = turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        yield data[at : at + size]
        at, turn = at + size, turn + 1


def by_rows(blocks: Iterator[bytes] | list[bytes]) -> list[tuple[bytes, bool]]:
    return list(cut_rows(blocks, fastcdc(SEED)))


@st.composite
def row_texts(draw: st.DrawFn) -> bytes:
    """Rows of very different widths, among them some longer than a chunk may be."""
    parts = []
    for _ in range(draw(st.integers(0, 5))):
        width = draw(st.sampled_from([0, 1, 30, 2_000, 300_000, CUT_BYTES_MAX, CHUNK_BYTES_MAX - 1, CHUNK_BYTES_MAX]))
        width += draw(st.integers(0, 3))
        count = draw(st.integers(1, max(1, min(2_000, 1_500_000 // (width + 1)))))
        fill = draw(st.sampled_from([b"a", b"\0", b""]))
        row = fill * width if fill else noise(width, width).replace(b"\n", b" ")
        parts.append((row + b"\n") * count)
    return b"".join(parts)


@pytest.mark.spec("CUT-2")
@settings(max_examples=60, deadline=None)
@given(row_texts(), st.lists(st.integers(1, 3 * MIB), min_size=1, max_size=4))
def test_row_chunks_hold_everything_within_bounds_whatever_the_blocks(text: bytes, sizes: list[int]) -> None:
    sizes = [max(size, 1000) for size in sizes]
    chunks = by_rows(partition(text, sizes))
    assert b"".join(chunk for chunk, _ in chunks) == text
    assert all(0 < len(chunk) <= CHUNK_BYTES_MAX for chunk, _ in chunks)
    assert all(continues is not chunk.endswith(b"\n") for chunk, continues in chunks)
    assert chunks == by_rows([text])


@pytest.mark.spec("CUT-1")
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 5 * MIB), st.lists(st.integers(1_000, 3 * MIB), min_size=1, max_size=4))
def test_byte_chunks_hold_everything_within_bounds_whatever_the_blocks(length: int, sizes: list[int]) -> None:
    data = noise(length)
    chunks = list(cut_bytes(partition(data, sizes), fastcdc(SEED)))
    assert b"".join(chunks) == data
    assert all(0 < len(chunk) <= CUT_BYTES_MAX for chunk in chunks)
    assert all(len(chunk) >= CUT_BYTES_MIN for chunk in chunks[:-1])
    assert chunks == list(cut_bytes([data], fastcdc(SEED)))


@pytest.mark.parametrize("behind", range(0, 5 * MIB, MIB // 2))
def test_long_row_continues_wherever_a_window_ends(behind: int) -> None:
    """The reader's window may end exactly at a chunk's bound; the row still goes on behind it."""
    text = b"x" * (4 * MIB) + b"y" * behind + b"\n"
    for size in (MIB, 2 * MIB, 4 * MIB, 8 * MIB):
        chunks = by_rows(partition(text, [size]))
        assert [continues for _, continues in chunks] == [True] * (len(chunks) - 1) + [False]
        assert chunks == by_rows([text])


@pytest.mark.spec("CUT-2")
def test_one_row_of_five_mebibytes_is_cut_raw() -> None:
    text = noise(5 * MIB).replace(b"\n", b" ") + b"\n"
    chunks = by_rows([text])
    assert [len(chunk) for chunk, _ in chunks] == [MIB] * 5 + [1]
    assert [continues for _, continues in chunks] == [True] * 5 + [False]


def test_text_without_a_last_row_end_is_kept_whole() -> None:
    text = text_rows(40_000, 60) + b"unfinished"
    chunks = by_rows(partition(text, [100_000]))
    assert b"".join(chunk for chunk, _ in chunks) == text
    assert not chunks[-1][1], "nothing follows the last chunk"


@pytest.mark.spec("CUT-4")
@pytest.mark.parametrize("blocks", [[], [b""], [b"", b""]])
def test_nothing_gives_no_chunk(blocks: list[bytes]) -> None:
    assert by_rows(blocks) == []
    assert list(cut_bytes(blocks, fastcdc(SEED))) == []


@pytest.mark.parametrize("content", [b"\0", b"\n"])
def test_monotonous_content_is_cut_in_equal_chunks(content: bytes) -> None:
    chunks = [chunk for chunk, _ in by_rows([content * (4 * MIB)])]
    assert b"".join(chunks) == content * (4 * MIB)
    assert len(set(chunks[:-1])) == 1


def test_insertion_changes_few_chunks() -> None:
    text = text_rows(100_000, 80)
    at = text.index(b"\n", 3 * MIB) + 1
    changed = text[:at] + b"one more row\n" + text[at:]
    before, after = ([chunk for chunk, _ in by_rows([t])] for t in (text, changed))
    assert len(set(after) - set(before)) <= 4
    assert len(set(before) & set(after)) >= len(before) - 4


def test_insertion_into_bytes_changes_few_chunks() -> None:
    data = noise(2 * MIB) + noise(2 * MIB, 77) + noise(2 * MIB, 99_999)
    before = set(cut_bytes([data], fastcdc(SEED)))
    after = set(cut_bytes([data[: 2 * MIB] + b"!" + data[2 * MIB :]], fastcdc(SEED)))
    assert len(after - before) <= 4


def test_seed_decides_where_cuts_are() -> None:
    data = noise(2 * MIB)
    lengths = {tuple(map(len, cut_bytes([data], fastcdc(seed)))) for seed in (1, 2, CUT_SEED_MAX)}
    assert len(lengths) == 3


@pytest.mark.parametrize("seed", [0, -1, CUT_SEED_MAX + 1])
def test_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(UsageError):
        fastcdc(seed)


def test_a_row_that_ends_right_at_a_cut_ends_the_chunk() -> None:
    text = b"\n" * (3 * CUT_BYTES_MAX)
    assert [chunk for chunk, _ in by_rows([text])] == list(cut_bytes([text], fastcdc(SEED)))
