"""Compress a chunk whole or as a delta against a base, and back.

Pure. Decompression takes authenticated bytes only, and reads the frame's own header before zstd does: the claim is compared with
the expected length, and what comes out is bounded by it whatever the frame says. Spec 30-object, "Codecs".
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from vault.errors import LimitExceeded, Malformed, Unsupported
from vault.limits import (
    CHUNK_BYTES_MAX,
    DELTA_BASE_BYTES_MIN,
    DELTA_WINDOW_LOG,
    EMPTY_FRAME_BYTES_MAX,
    META_BYTES_MAX,
    ZSTD_LEVEL,
)
from vault.model import Codec

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_RESERVED: Final = 0x08
_CHECKSUM: Final = 0x04
_DICTIONARY_ID: Final = 0x03
_SINGLE_SEGMENT: Final = 0x20
_SIZE_BYTES: Final = (0, 2, 4, 8)
_WHOLE_WINDOW_LOG: Final = META_BYTES_MAX.bit_length() - 1
_NO_MEMORY: Final = ("not enough memory", "Unable to create ZSTD_", "Failed to create a ZSTD_")
"""What zstd's own text for its error 64, memory_allocation, ends with, and what the binding says of a context; it has no numbers."""
_FRAME: Final[dict[int, int]] = {
    zstd.CompressionParameter.content_size_flag: 1,
    zstd.CompressionParameter.checksum_flag: 0,
    zstd.CompressionParameter.dict_id_flag: 0,
}


def compress(plain: bytes, *, level: int = ZSTD_LEVEL) -> tuple[Codec, bytes]:
    """One zstd frame, or the plaintext itself where that is no longer. Any level decompresses alike."""
    frame = _frame(plain, {zstd.CompressionParameter.compression_level: level})
    return (Codec.ZSTD, frame) if len(frame) < len(plain) else (Codec.RAW, plain)


def compress_delta(plain: bytes, base: bytes) -> bytes:
    """One zstd frame that needs `base` as raw-content prefix: DELTA_BASE_BYTES_MIN..CHUNK_BYTES_MAX bytes.

    The base is referred to, not made into a dictionary: a third of the time at the same size (ADR 0004).
    """
    parameters: dict[int, int] = {
        zstd.CompressionParameter.compression_level: ZSTD_LEVEL,
        zstd.CompressionParameter.window_log: DELTA_WINDOW_LOG,
    }
    return _frame(plain, parameters, base)


def _frame(plain: bytes, parameters: Mapping[int, int], base: bytes | None = None) -> bytes:
    prefix = None if base is None else _dictionary(base).as_prefix
    try:
        return zstd.compress(plain, options=_FRAME | dict(parameters), zstd_dict=prefix)
    except zstd.ZstdError as error:
        _raise_if_memory(error)
        raise


def decompress(stored: bytes, codec: Codec, *, plain_length: int, base: bytes | None = None) -> bytes:
    """The plaintext, exactly `plain_length` bytes.

    stored   authenticated bytes; base: the delta's base, for ZSTD_DELTA only
    Raises   Malformed: not exactly one frame of that length; LimitExceeded: it claims more than any object may hold
    """
    if codec is Codec.RAW:
        if len(stored) != plain_length:
            raise Malformed("raw object has another length than its record")
        return stored
    _check_frame(stored, plain_length)
    if codec is Codec.ZSTD:
        decompressor = _decompressor(_WHOLE_WINDOW_LOG)
    elif codec is Codec.ZSTD_DELTA:
        if base is None:
            raise Malformed("delta without a base")
        decompressor = _decompressor(DELTA_WINDOW_LOG, _dictionary(base))
    else:
        raise Unsupported(f"unknown codec {codec}")
    try:
        plain = decompressor.decompress(stored, max_length=max(plain_length, 1))
        # What is left may be an empty last block, which needs no room.
        rest = b"" if decompressor.eof else decompressor.decompress(b"", max_length=1)
    except zstd.ZstdError as error:
        _raise_if_memory(error)
        raise Malformed("zstd frame does not decode", why=str(error)) from error
    if not decompressor.eof or decompressor.unused_data:
        raise Malformed("not exactly one zstd frame")
    if rest or len(plain) != plain_length:
        raise Malformed("zstd frame holds another length than its header says")
    return plain


def frame_length(stored: bytes) -> int:
    """The plain length that one zstd frame declares, for files whose length no record tells.

    Raises  Malformed: no frame or no content size; LimitExceeded: above META_BYTES_MAX
    """
    length = _header(stored).content_size
    if length is None:
        raise Malformed("zstd frame without content size")
    if length > META_BYTES_MAX:
        raise LimitExceeded("zstd frame claims more than a file may hold")
    return length


def _raise_if_memory(error: zstd.ZstdError) -> None:
    """What is right must not be told as damage, nor as a defect, because there was no memory for it."""
    if any(words in str(error) for words in _NO_MEMORY):
        raise MemoryError(str(error)) from error


def _decompressor(window_log: int, prefix: zstd.ZstdDict | None = None) -> zstd.ZstdDecompressor:
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: window_log}
    try:
        return zstd.ZstdDecompressor(zstd_dict=None if prefix is None else prefix.as_prefix, options=options)
    except zstd.ZstdError as error:
        _raise_if_memory(error)
        raise


def _dictionary(base: bytes) -> zstd.ZstdDict:
    if not DELTA_BASE_BYTES_MIN <= len(base) <= CHUNK_BYTES_MAX:
        raise LimitExceeded("delta base is shorter than may be, or longer than a chunk")
    # Raw content always: a base that starts with the dictionary magic must not be parsed as a trained dictionary.
    return zstd.ZstdDict(base, is_raw=True)


def _check_frame(stored: bytes, plain_length: int) -> None:
    header = _header(stored)
    if header.content_size is None:
        raise Malformed("zstd frame without content size")
    if header.content_size != plain_length:
        raise Malformed("zstd frame claims another length than its record")
    if not header.content_size and len(stored) > EMPTY_FRAME_BYTES_MAX:
        raise Malformed("zstd frame without content is too long")
    if header.content_size > META_BYTES_MAX or header.window_size > META_BYTES_MAX:
        raise LimitExceeded("zstd frame claims more than an object may hold")
    if header.dictionary_id or header.checksum:
        raise Malformed("zstd frame with a dictionary id or a checksum")


@dataclass(frozen=True, slots=True, kw_only=True)
class _FrameHeader:
    content_size: int | None
    window_size: int
    dictionary_id: int
    checksum: bool


def _header(stored: bytes) -> _FrameHeader:
    """RFC 8878, 3.1.1.1. Raises  Malformed: no frame, or its header is cut off"""
    if stored[:4] != _MAGIC or len(stored) < 6:
        raise Malformed("not a zstd frame")
    descriptor = stored[4]
    if descriptor & _RESERVED:
        raise Malformed("not a zstd frame", why="a reserved bit is set")
    single = bool(descriptor & _SINGLE_SEGMENT)
    at = 5 if single else 6
    id_bytes = (0, 1, 2, 4)[descriptor & _DICTIONARY_ID]
    size_bytes = _SIZE_BYTES[descriptor >> 6] or (1 if single else 0)
    if len(stored) < at + id_bytes + size_bytes:
        raise Malformed("not a zstd frame", why="its header is cut off")
    dictionary_id = int.from_bytes(stored[at : at + id_bytes], "little")
    size = int.from_bytes(stored[at + id_bytes : at + id_bytes + size_bytes], "little")
    content = size + 256 if size_bytes == 2 else size
    exponent, mantissa = divmod(stored[5], 8)
    window = (1 << (10 + exponent)) // 8 * (8 + mantissa)
    return _FrameHeader(
        content_size=content if size_bytes else None,
        window_size=content if single else window,
        dictionary_id=dictionary_id,
        checksum=bool(descriptor & _CHECKSUM),
    )
