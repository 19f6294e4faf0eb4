"""Properties of codecs: what is compressed comes back, deltas are small where they should be."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.limits import CHUNK_BYTES_MAX, KIB
from vault.model import Codec
from vault.pipeline.compress import compress, compress_delta, decompress, frame_length

_NOISE = os.urandom(CHUNK_BYTES_MAX)
contents = st.one_of(
    st.binary(max_size=4 * KIB),
    st.builds(lambda piece, times: piece * times, st.binary(min_size=1, max_size=64), st.integers(1, 2_000)),
    st.integers(0, CHUNK_BYTES_MAX).map(lambda length: _NOISE[:length]),
)


@settings(max_examples=100, deadline=None)
@given(contents)
def test_compressed_object_comes_back(plain: bytes) -> None:
    codec, stored = compress(plain)
    assert len(stored) <= len(plain)
    assert decompress(stored, codec, plain_length=len(plain)) == plain
    if codec is Codec.ZSTD:
        assert frame_length(stored) == len(plain)


@settings(max_examples=100, deadline=None)
@given(contents.filter(bool), contents.filter(bool))
def test_delta_comes_back_whatever_its_base(plain: bytes, base: bytes) -> None:
    stored = compress_delta(plain, base)
    assert decompress(stored, Codec.ZSTD_DELTA, plain_length=len(plain), base=base) == plain


def edited(base: bytes, share: float) -> bytes:
    """`base` with that share of its bytes changed, in runs of 64."""
    changed = bytearray(base)
    runs = max(1, int(len(base) * share / 64))
    for number in range(runs):
        at = number * (len(base) // runs)
        changed[at : at + 64] = os.urandom(64)
    return bytes(changed)


def row_text(length: int) -> bytes:
    noise = os.urandom(length // 2 + 1).hex()
    lines = [f"{at}\t{noise[at : at + 70]}\t2026-01-01 00:00:00" for at in range(0, length, 70)]
    return ("\n".join(lines).encode())[:length]


@pytest.mark.parametrize("make", [lambda: os.urandom(CHUNK_BYTES_MAX), lambda: row_text(CHUNK_BYTES_MAX)])
def test_maximal_chunk_on_maximal_base_still_deltas(make: object) -> None:
    """One percent changed costs less than five percent of the full frame, at the very size where larger chunks fail."""
    assert callable(make)
    base = make()
    assert len(base) == CHUNK_BYTES_MAX
    plain = edited(base, 0.01)
    stored = compress_delta(plain, base)
    assert decompress(stored, Codec.ZSTD_DELTA, plain_length=len(plain), base=base) == plain
    assert len(stored) < 0.05 * len(compress(plain)[1])


def test_shifted_content_still_deltas() -> None:
    base = os.urandom(CHUNK_BYTES_MAX)
    plain = (os.urandom(5_000) + base)[:CHUNK_BYTES_MAX]
    assert len(compress_delta(plain, base)) < 0.05 * CHUNK_BYTES_MAX


def test_base_that_looks_like_a_trained_dictionary_is_raw_content() -> None:
    base = b"\x37\xa4\x30\xec" + os.urandom(10_000)
    plain = edited(base, 0.01)
    assert decompress(compress_delta(plain, base), Codec.ZSTD_DELTA, plain_length=len(plain), base=base) == plain
