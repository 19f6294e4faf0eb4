"""Cut streams into chunks at content-defined places.

Pure: bytes in, chunks out. A chunk's end depends only on the bytes since the chunk's start, so equal content cuts equally and a
change resynchronises after it. Row chunks end after a row (LF, which COPY text never contains inside a row) unless one row alone is
longer than a chunk may be. A reader needs nothing of this. Spec 65-cutting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyfastcdc
from pyfastcdc.cy import FastCDC  # the pure-Python fallback is refused: it is a hundred times slower

from vault.errors import UsageError
from vault.limits import CHUNK_BYTES_MAX, CUT_BYTES_AVERAGE, CUT_BYTES_MAX, CUT_BYTES_MIN, CUT_SEED_MAX

_ROW_END = b"\n"
_WINDOW_BYTES = 4 * CHUNK_BYTES_MAX
"""Bytes that are cut together; the copy of what is left over from one window to the next stays small beside it."""


def fastcdc(seed: int) -> FastCDC:
    """The cutter of one repository, for one thread.

    Raises  UsageError: the seed is outside 1..CUT_SEED_MAX
    """
    if not 1 <= seed <= CUT_SEED_MAX:
        raise UsageError("cut seed out of range", why=f"pyfastcdc {pyfastcdc.__version__} takes seeds below 2^63")
    return FastCDC(CUT_BYTES_AVERAGE, min_size=CUT_BYTES_MIN, max_size=CUT_BYTES_MAX, normalized_chunking=1, seed=seed)


def cut_rows(blocks: Iterable[bytes], cutter: FastCDC) -> Iterator[tuple[bytes, bool]]:
    """Chunks of COPY text in order, each with whether its last row continues in the next chunk."""
    rest = b""
    for window, last in _windows(blocks):
        data = rest + window
        position = 0
        while position < len(data) and (last or len(data) - position > CHUNK_BYTES_MAX):
            end, continues = _row_cut(data, position, cutter)
            yield data[position:end], continues
            position = end
        rest = data[position:]


def cut_bytes(blocks: Iterable[bytes], cutter: FastCDC) -> Iterator[bytes]:
    """Chunks of a file or large object in order."""
    rest = b""
    for window, last in _windows(blocks):
        data = rest + window
        position = 0
        while position < len(data) and (last or len(data) - position >= CUT_BYTES_MAX):
            end = position + _first_cut(data, position, cutter)
            yield data[position:end]
            position = end
        rest = data[position:]


def _windows(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The blocks joined to pieces of _WINDOW_BYTES or more, each with whether it is the last; at least one, maybe empty."""
    pieces: list[bytes] = []
    size = 0
    for block in blocks:
        pieces.append(block)
        size += len(block)
        if size >= _WINDOW_BYTES:
            yield b"".join(pieces), False
            pieces, size = [], 0
    yield b"".join(pieces), True


def _first_cut(data: bytes, start: int, cutter: FastCDC) -> int:
    window = memoryview(data)[start : start + CUT_BYTES_MAX]
    return int(next(iter(cutter.cut_buf(window))).length)


def _row_cut(data: bytes, start: int, cutter: FastCDC) -> tuple[int, bool]:
    cut = start + _first_cut(data, start, cutter)
    bound = min(start + CHUNK_BYTES_MAX, len(data))
    after = data.find(_ROW_END, cut - 1, bound)
    if after >= 0:
        return after + 1, False
    before = data.rfind(_ROW_END, start, cut)
    if before >= 0:
        return before + 1, False
    return bound, bound < len(data)
