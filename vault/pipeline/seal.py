"""Objects into a pack and out again.

Pure: the pack's key, header and salt are arguments. A PackSealer owns one pack's key and counter: ordinals are the nonces, each is
used once, and after `close` it refuses to go on, so a key and nonce never repeat. Spec 30-object "Sealing", 40-pack.
"""

from __future__ import annotations

from dataclasses import replace

from vault.crypto import aead, keyed
from vault.errors import ContentMismatch, LimitExceeded
from vault.format import object as object_format
from vault.format import pack as pack_format
from vault.ids import ObjectId
from vault.limits import PACK_OBJECTS_MAX, TAG_BYTES, TRAILER_ORDINAL
from vault.model import Codec, ObjectRecord, ObjectType, PackClass, PackHeader
from vault.pipeline.compress import decompress


class PackSealer:
    """Builds one pack in memory. Not thread-safe."""

    def __init__(self, header: PackHeader, key: bytes) -> None:
        self._pack = header
        self._header = pack_format.encode_header(header)
        self._header_digest = keyed.digest(self._header)
        self._key = key
        self._pieces: list[bytes] = [self._header]
        self._records: list[ObjectRecord] = []
        self._closed = False
        self.size = len(self._header)

    @property
    def header(self) -> bytes:
        return self._header

    @property
    def pack_class(self) -> PackClass:
        return self._pack.pack_class

    @property
    def header_digest(self) -> bytes:
        return self._header_digest

    @property
    def key(self) -> bytes:
        return self._key

    @property
    def count(self) -> int:
        return len(self._records)

    @property
    def records(self) -> tuple[ObjectRecord, ...]:
        return tuple(self._records)

    def append(self, draft: ObjectRecord, stored: bytes) -> tuple[ObjectRecord, bytes]:
        """Seal `stored` as the next object.

        draft    record whose ordinal, offset and length are still to be filled in
        Returns  the final record and the sealed bytes, so that the caller can open them again
        """
        assert not self._closed, "a closed sealer may not seal again"
        if len(self._records) >= PACK_OBJECTS_MAX:
            raise LimitExceeded("pack holds too many objects")
        record = replace(draft, ordinal=len(self._records), offset=self.size, length=len(stored) + TAG_BYTES)
        sealed = aead.seal(
            self._key,
            nonce=object_format.nonce(record.ordinal),
            plain=stored,
            aad=object_format.aad(self._header_digest, record),
        )
        self._records.append(record)
        self._pieces.append(sealed)
        self.size += len(sealed)
        return record, sealed

    def close(self) -> bytes:
        """The pack's bytes; the sealer is dead afterwards."""
        assert not self._closed, "a sealer closes once"
        self._closed = True
        trailer = pack_format.encode_trailer(self._records, header=self._pack, pad=0)
        sealed = aead.seal(
            self._key,
            nonce=object_format.nonce(TRAILER_ORDINAL),
            plain=trailer,
            aad=pack_format.trailer_aad(self._header_digest, len(trailer)),
        )
        pack = b"".join((*self._pieces, sealed, pack_format.encode_footer(len(sealed))))
        self._pieces.clear()
        return pack


def unseal(sealed: bytes, record: ObjectRecord, *, key: bytes, header_digest: bytes) -> bytes:
    """The stored (still compressed) plaintext. Raises AuthenticationFailed."""
    return aead.unseal(
        key,
        nonce=object_format.nonce(record.ordinal),
        sealed=sealed,
        aad=object_format.aad(header_digest, record),
    )


def open_object(
    sealed: bytes, record: ObjectRecord, *, key: bytes, header_digest: bytes, id_key: bytes, base: bytes | None
) -> bytes:
    """Unseal, decompress and prove the id.

    Raises  AuthenticationFailed; Malformed; LimitExceeded; ContentMismatch: authentic bytes of another content
    """
    stored = unseal(sealed, record, key=key, header_digest=header_digest)
    plain = decompress(stored, record.codec, plain_length=record.plain_length, base=base)
    verify_id(plain, record.id, object_type=record.type, id_key=id_key)
    return plain


def verify_id(plain: bytes, expected: ObjectId, *, object_type: ObjectType, id_key: bytes) -> None:
    """Raises  ContentMismatch: the keyed id of (type, plaintext) is another."""
    if keyed.object_id(id_key, object_type, plain) != expected:
        raise ContentMismatch("object has another content than its id", object_id=expected.hex())


def draft_record(
    object_id: ObjectId,
    object_type: ObjectType,
    codec: Codec,
    *,
    plain_length: int,
    depth: int = 0,
    base: ObjectId | None = None,
) -> ObjectRecord:
    """A record before its place in a pack is known."""
    return ObjectRecord(
        id=object_id,
        type=object_type,
        codec=codec,
        depth=depth,
        base=base,
        ordinal=0,
        offset=pack_format.HEADER_BYTES,
        length=TAG_BYTES if codec is not Codec.RAW else plain_length + TAG_BYTES,
        plain_length=plain_length,
    )


def open_trailer(pack_tail: bytes, *, pack_bytes: int, header: PackHeader, key: bytes) -> tuple[ObjectRecord, ...]:
    """Records of a pack from its end.

    pack_tail  the last bytes of the pack, at least trailer and footer
    Raises     Malformed; AuthenticationFailed
    """
    sealed_length = pack_format.decode_footer(pack_tail[-pack_format.FOOTER_BYTES :], pack_bytes=pack_bytes)
    end = len(pack_tail) - pack_format.FOOTER_BYTES
    sealed = pack_tail[end - sealed_length : end]
    digest = keyed.digest(pack_format.encode_header(header))
    trailer = aead.unseal(
        key,
        nonce=object_format.nonce(TRAILER_ORDINAL),
        sealed=sealed,
        aad=pack_format.trailer_aad(digest, sealed_length - TAG_BYTES),
    )
    trailer_offset = pack_bytes - pack_format.FOOTER_BYTES - sealed_length
    return pack_format.decode_trailer(trailer, header=header, trailer_offset=trailer_offset)
