"""Properties of codecs: what is compressed comes back, deltas are small where they should be."""

from __future__ import annotations

import os

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.limits import CHUNK_BYTES_MAX, DELTA_BASE_BYTES_MIN, DELTA_WINDOW_LOG, KIB
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
@given(contents.filter(bool), contents.filter(lambda base: len(base) >= DELTA_BASE_BYTES_MIN))
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


@settings(max_examples=50, deadline=None)
@given(contents.filter(bool), contents.filter(lambda base: len(base) >= DELTA_BASE_BYTES_MIN))
def test_another_library_reads_what_this_one_writes_and_back(plain: bytes, base: bytes) -> None:
    prefix = zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    read = zstandard.ZstdDecompressor(dict_data=prefix, max_window_size=1 << DELTA_WINDOW_LOG)
    assert read.decompress(compress_delta(plain, base), allow_extra_data=False) == plain
    written = zstandard.ZstdCompressor(dict_data=prefix, write_dict_id=False).compress(plain)
    assert decompress(written, Codec.ZSTD_DELTA, plain_length=len(plain), base=base) == plain


def test_frame_that_ends_with_an_empty_block_is_read() -> None:
    """Encoders that stream close a frame so; the last bytes of content are out before it is met."""
    header = b"\x28\xb5\x2f\xfd" + bytes((0x20, 5))
    frame = header + (5 << 3).to_bytes(3, "little") + b"bytes" + (1).to_bytes(3, "little")
    assert zstandard.ZstdDecompressor().decompress(frame) == b"bytes"
    assert decompress(frame, Codec.ZSTD, plain_length=5) == b"bytes"
