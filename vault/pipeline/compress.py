"""Compress a chunk whole or as a delta against a base, and back.

Pure. Decompression takes authenticated bytes only, and checks the frame's own header against the expected length before zstd may
allocate: the library allocates what a header claims. Spec 30-object, "Codecs".
"""

from __future__ import annotations

import zstandard

from vault.errors import LimitExceeded, Malformed, Unsupported
from vault.limits import CHUNK_BYTES_MAX, DELTA_WINDOW_LOG, META_BYTES_MAX, ZSTD_LEVEL
from vault.model import Codec


def compress(plain: bytes, *, level: int = ZSTD_LEVEL) -> tuple[Codec, bytes]:
    """One zstd frame, or the plaintext itself where that is no longer. Any level decompresses alike."""
    frame = zstandard.ZstdCompressor(
        level=level, write_checksum=False, write_content_size=True, write_dict_id=False
    ).compress(plain)
    return (Codec.ZSTD, frame) if len(frame) < len(plain) else (Codec.RAW, plain)


def compress_delta(plain: bytes, base: bytes) -> bytes:
    """One zstd frame that needs `base` as raw-content prefix. Both 1..CHUNK_BYTES_MAX bytes."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        ZSTD_LEVEL,
        window_log=DELTA_WINDOW_LOG,
        write_content_size=True,
        write_dict_id=False,
        write_checksum=False,
    )
    return zstandard.ZstdCompressor(compression_params=parameters, dict_data=_prefix(base)).compress(plain)


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
        decompressor = zstandard.ZstdDecompressor(max_window_size=META_BYTES_MAX)
    elif codec is Codec.ZSTD_DELTA:
        if base is None:
            raise Malformed("delta without a base")
        decompressor = zstandard.ZstdDecompressor(dict_data=_prefix(base), max_window_size=1 << DELTA_WINDOW_LOG)
    else:
        raise Unsupported(f"unknown codec {codec}")
    try:
        if plain_length == 0:
            return _decompress_nothing(stored, decompressor)
        plain = decompressor.decompress(stored, max_output_size=plain_length, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Malformed("zstd frame does not decode", why=str(error)) from error
    if len(plain) != plain_length:
        raise Malformed("zstd frame holds another length than its header says")
    return plain


def _decompress_nothing(stored: bytes, decompressor: zstandard.ZstdDecompressor) -> bytes:
    """The library takes a frame of nothing for whole without looking at what is behind its header."""
    stream = decompressor.decompressobj()
    if stream.decompress(stored) or not stream.eof or stream.unused_data:
        raise Malformed("not exactly one zstd frame of nothing")
    return b""


def _check_frame(stored: bytes, plain_length: int) -> None:
    try:
        frame = zstandard.get_frame_parameters(stored)
    except zstandard.ZstdError as error:
        raise Malformed("not a zstd frame", why=str(error)) from error
    if frame.content_size == zstandard.CONTENTSIZE_UNKNOWN:
        raise Malformed("zstd frame without content size")
    if frame.content_size != plain_length:
        raise Malformed("zstd frame claims another length than its record")
    if frame.content_size > META_BYTES_MAX or frame.window_size > META_BYTES_MAX:
        raise LimitExceeded("zstd frame claims more than an object may hold")
    if frame.dict_id or frame.has_checksum:
        raise Malformed("zstd frame with a dictionary id or a checksum")


def _prefix(base: bytes) -> zstandard.ZstdCompressionDict:
    if not 0 < len(base) <= CHUNK_BYTES_MAX:
        raise LimitExceeded("delta base is empty or longer than a chunk")
    # RAWCONTENT always: a base that starts with the dictionary magic must not be parsed as a trained dictionary.
    return zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def frame_length(stored: bytes) -> int:
    """The plain length that one zstd frame declares, for files whose length no record tells.

    Raises  Malformed: no frame or no content size; LimitExceeded: above META_BYTES_MAX
    """
    try:
        length = zstandard.get_frame_parameters(stored).content_size
    except zstandard.ZstdError as error:
        raise Malformed("not a zstd frame", why=str(error)) from error
    if length == zstandard.CONTENTSIZE_UNKNOWN:
        raise Malformed("zstd frame without content size")
    if length > META_BYTES_MAX:
        raise LimitExceeded("zstd frame claims more than a file may hold")
    return int(length)
