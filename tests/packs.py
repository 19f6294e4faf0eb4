"""Packs made by hand with the sealer, for what the writer never makes: deltas, cycles, objects in two places."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from vault.crypto import keyed
from vault.format.index import build_fragment, encode_fragment, fragment_name
from vault.format.pack import encode_header, pack_name
from vault.ids import FragmentId, ObjectId, PackId
from vault.model import Codec, FileKind, ObjectType, PackClass, PackEntry, PackHeader
from vault.pipeline.compress import compress, compress_delta
from vault.pipeline.seal import PackSealer, draft_record
from vault.repo.keyring import seal_file
from vault.repo.state import Open


@dataclass(frozen=True, kw_only=True)
class Made:
    """An object to be put by hand. `base`: plaintext that the delta is made of; `names` the one its record tells."""

    plain: bytes
    type: ObjectType = ObjectType.ROW_CHUNK
    base: bytes | None = None
    names: ObjectId | None = None
    depth: int = 0
    id: ObjectId | None = None


def object_id(repo: Open, plain: bytes, object_type: ObjectType = ObjectType.ROW_CHUNK) -> ObjectId:
    return keyed.object_id(repo.keys.id_key, object_type, plain)


def put_pack(repo: Open, objects: Sequence[Made], *, pack_class: PackClass = PackClass.DATA) -> PackEntry:
    """Seal the objects into one pack and store it; the index does not know of it yet."""
    header = PackHeader(
        pack_class=pack_class, key_id=repo.keys.key_id, repository=repo.config.repository, salt=os.urandom(32)
    )
    sealer = PackSealer(header, repo.keys.pack_key(pack_class, encode_header(header), header.salt))
    for made in objects:
        codec, stored = compress(made.plain)
        base = None
        if made.depth:
            assert made.base is not None
            codec, stored = Codec.ZSTD_DELTA, compress_delta(made.plain, made.base)
            base = made.names or object_id(repo, made.base, made.type)
        draft = draft_record(
            made.id or object_id(repo, made.plain, made.type),
            made.type,
            codec,
            plain_length=len(made.plain),
            depth=made.depth,
            base=base,
        )
        sealer.append(draft, stored)
    records = sealer.records
    data = sealer.close()
    pack = PackId(keyed.sha256(data))
    repo.store.put(pack_name(pack), data)
    return PackEntry(pack=pack, size=len(data), header=sealer.header, records=records)


def put_fragment(
    repo: Open,
    packs: Sequence[PackEntry],
    *,
    generation: int = 1,
    supersedes: Sequence[FragmentId] = (),
    changed: tuple[bytes, bytes] = (b"", b""),
) -> FragmentId:
    """`changed`: bytes of the plaintext and others of that length, for what no encoder writes."""
    plain = encode_fragment(build_fragment(packs, supersedes)).replace(*changed)
    data = seal_file(plain, FileKind.INDEX, repo.keys, salt=os.urandom(24), squeeze=False)
    fragment = FragmentId(keyed.sha256(data))
    repo.store.put(fragment_name(generation, fragment), data)
    return fragment
