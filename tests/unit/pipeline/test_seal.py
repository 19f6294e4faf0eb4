"""A pack from its sealer: where each object lies, and that it opens with the key, nonce and header of its own alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vault.crypto import keyed
from vault.errors import AuthenticationFailed, ContentMismatch
from vault.format import pack as pack_format
from vault.ids import KeyId, ObjectId, RepositoryId
from vault.model import Codec, ObjectRecord, ObjectType, PackClass, PackHeader
from vault.pipeline.compress import compress
from vault.pipeline.seal import PackSealer, draft_record, open_object, open_trailer, unseal, verify_id

KEY, ID_KEY = bytes(range(32)), b"i" * 32
HEADER = PackHeader(
    pack_class=PackClass.DATA, key_id=KeyId(bytes(8)), repository=RepositoryId(bytes(16)), salt=b"s" * 32
)
PLAINS = (b"raw\n", b"row\n" * 500, b"")
TAG, FIRST = 16, 68


def object_id(plain: bytes) -> ObjectId:
    return keyed.object_id(ID_KEY, ObjectType.ROW_CHUNK, plain)


def sealed_pack() -> tuple[PackSealer, list[tuple[ObjectRecord, bytes]], bytes]:
    sealer = PackSealer(HEADER, KEY)
    made = []
    for plain in PLAINS:
        codec, stored = compress(plain)
        draft = draft_record(object_id(plain), ObjectType.ROW_CHUNK, codec, plain_length=len(plain))
        made.append(sealer.append(draft, stored))
        assert sealer.size == FIRST + sum(len(sealed) for _, sealed in made)
    return sealer, made, sealer.close()


def test_objects_tile_the_pack_in_their_order() -> None:
    sealer, made, data = sealed_pack()
    assert data.startswith(pack_format.encode_header(HEADER))
    assert [record.codec for record, _ in made] == [Codec.RAW, Codec.ZSTD, Codec.RAW]
    end = FIRST
    for ordinal, (record, sealed) in enumerate(made):
        assert (record.ordinal, record.offset, record.length) == (ordinal, end, len(sealed))
        assert len(sealed) == len(compress(PLAINS[ordinal])[1]) + TAG
        assert data[record.offset : record.offset + record.length] == sealed
        end += record.length
    assert (sealer.count, sealer.records) == (3, tuple(record for record, _ in made))


@pytest.mark.parametrize("before", [0, 1, 1000])
def test_trailer_is_read_from_the_end_of_the_pack(before: int) -> None:
    sealer, _, data = sealed_pack()
    tail = data[max(sealer.size - before, 0) :]
    assert open_trailer(tail, pack_bytes=len(data), header=HEADER, key=KEY) == sealer.records
    with pytest.raises(AuthenticationFailed):
        open_trailer(tail, pack_bytes=len(data), header=replace(HEADER, salt=b"t" * 32), key=KEY)


def test_every_object_opens_and_proves_its_id() -> None:
    sealer, made, _ = sealed_pack()
    for plain, (record, sealed) in zip(PLAINS, made, strict=True):
        digest = keyed.digest(sealer.header)
        assert sealer.header_digest == digest
        opened = open_object(sealed, record, key=sealer.key, header_digest=digest, id_key=ID_KEY, base=None)
        assert opened == plain
        with pytest.raises(ContentMismatch):
            open_object(sealed, record, key=KEY, header_digest=digest, id_key=KEY, base=None)


def test_object_opens_only_in_its_place() -> None:
    sealer, made, _ = sealed_pack()
    (record, sealed), (other, _), _ = made
    digest = sealer.header_digest
    others = (replace(record, ordinal=1), replace(record, id=other.id), replace(record, plain_length=5))
    for wrong in others:
        with pytest.raises(AuthenticationFailed):
            unseal(sealed, wrong, key=KEY, header_digest=digest)
    for key, header_digest in ((ID_KEY, digest), (KEY, bytes(32))):
        with pytest.raises(AuthenticationFailed):
            unseal(sealed, record, key=key, header_digest=header_digest)


def test_a_draft_of_a_raw_object_has_its_length_already() -> None:
    lengths = {
        codec: draft_record(object_id(b""), ObjectType.ROW_CHUNK, codec, plain_length=100).length for codec in Codec
    }
    assert lengths == {Codec.RAW: 100 + TAG, Codec.ZSTD: TAG, Codec.ZSTD_DELTA: TAG}


def test_content_of_another_id_is_named() -> None:
    verify_id(b"x", object_id(b"x"), object_type=ObjectType.ROW_CHUNK, id_key=ID_KEY)
    with pytest.raises(ContentMismatch) as caught:
        verify_id(b"y", object_id(b"x"), object_type=ObjectType.ROW_CHUNK, id_key=ID_KEY)
    assert caught.value.object_id == object_id(b"x").hex()


def test_a_closed_sealer_seals_no_more() -> None:
    sealer, made, _ = sealed_pack()
    with pytest.raises(AssertionError):
        sealer.append(made[0][0], b"raw\n")
    with pytest.raises(AssertionError):
        sealer.close()


def test_a_draft_says_what_its_object_stands_on() -> None:
    base = object_id(b"base")
    draft = draft_record(object_id(b"new"), ObjectType.ROW_CHUNK, Codec.ZSTD_DELTA, plain_length=3, depth=2, base=base)
    assert (draft.base, draft.depth, draft.plain_length) == (base, 2, 3)
