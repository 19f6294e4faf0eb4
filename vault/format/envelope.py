"""Header of enveloped files: index fragments, snapshots, and the sealed records of spec 60. Spec 20-keys.

Never seals. Invariant: the header is the AAD of the body, so what it says is authentic once the body opened.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from vault.errors import AuthenticationFailed, Malformed, Unsupported
from vault.ids import KeyId
from vault.limits import FORMAT_VERSION
from vault.model import Codec, FileKind

HEADER_BYTES: Final = 44
NONCE: Final = bytes(12)
"""Constant: every slot and file key serves one encryption (spec KEY-3, KEY-9)."""

_HEADER: Final = struct.Struct(">8sBBBB8s24s")
_MAGIC: Final = b"PGVAULTF"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeHeader:
    """`codec` is RAW or ZSTD; `salt`: 24 bytes."""

    kind: FileKind
    codec: Codec
    key_id: KeyId
    salt: bytes


def encode_header(header: EnvelopeHeader) -> bytes:
    """Raises as `decode_header`, and  Malformed: a field of another length"""
    data = _HEADER.pack(_MAGIC, FORMAT_VERSION, header.kind, header.codec, 0, header.key_id, header.salt)
    if decode_header(data, kind=header.kind, key_id=header.key_id) != header:
        raise Malformed("file header: a field has another length")
    return data


def decode_header(data: bytes | memoryview, *, kind: FileKind, key_id: KeyId) -> EnvelopeHeader:
    """Read the first 44 bytes of a file that should be of `kind` and sealed under the root of `key_id`.

    Raises  Unsupported: newer version or codec; AuthenticationFailed: another key; Malformed
    """
    if len(data) < HEADER_BYTES:
        raise Malformed(f"file header: {len(data)} bytes instead of {HEADER_BYTES}")
    magic, version, kind_, codec, zero, key_id_, salt = _HEADER.unpack(bytes(data[:HEADER_BYTES]))
    if magic != _MAGIC:
        raise Malformed("file header: not a pgvault file")
    if version > FORMAT_VERSION:
        raise Unsupported(f"file header: version {version}", hint="a newer pgvault wrote it: update this one")
    if version == 0:
        raise Malformed("file header: version 0")
    if kind_ != kind:
        raise Malformed(f"file header: kind {kind_} instead of {int(kind)}")
    if codec not in (Codec.RAW, Codec.ZSTD):
        raise Unsupported(f"file header: codec {codec}", hint="a newer pgvault wrote it: update this one")
    if zero != 0:
        raise Malformed("file header: a reserved byte is not zero")
    if key_id_ != key_id:
        raise AuthenticationFailed("file header: sealed under another key")
    return EnvelopeHeader(kind=kind, codec=Codec(codec), key_id=key_id, salt=salt)
