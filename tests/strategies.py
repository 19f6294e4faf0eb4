"""Hypothesis strategies: one for each model value of keys, packs and lists. Values are legal; hostile bytes are made of them.

Those of schema, roles, snapshots and upkeep are in `strategies_objects`.
"""

from __future__ import annotations

from hypothesis import strategies as st

from vault import limits
from vault.format.envelope import EnvelopeHeader
from vault.format.pack import HEADER_BYTES
from vault.format.pack import encode_header as encode_pack_header
from vault.format.tree import Child, Node
from vault.ids import FragmentId, KeyId, ObjectId, PackId, RepositoryId, SnapshotId
from vault.model import (
    DATA_TYPES,
    ChunkList,
    ChunkRef,
    Codec,
    Column,
    EntryItem,
    Extent,
    FileItem,
    FileKind,
    FileType,
    Identity,
    Kdf,
    KeyBundle,
    KeySlot,
    LargeObjectItem,
    ListRef,
    ObjectRecord,
    ObjectType,
    PackClass,
    PackEntry,
    PackHeader,
    RepositoryConfig,
    Section,
    SequenceItem,
    Stamp,
    Sums,
    TableItem,
    TableName,
)

U32 = 2**32 - 1
U63 = 2**63 - 1

ids = st.binary(min_size=32, max_size=32)
object_ids = ids.filter(any).map(ObjectId)
snapshot_ids = ids.map(SnapshotId)
pack_ids = ids.map(PackId)
fragment_ids = ids.map(FragmentId)
key_ids = st.binary(min_size=8, max_size=8).map(KeyId)
repository_ids = st.binary(min_size=16, max_size=16).map(RepositoryId)
counts = st.integers(0, U63)
times = st.integers(-(2**63), U63)
file_times = st.integers(-(2**63) * 10**9, (U63 + 1) * 10**9 - 1)
oids = st.integers(0, U32)
lsns = st.integers(0, 2**64 - 1)
texts = st.text(max_size=12)
text_lists = st.lists(texts, max_size=3).map(tuple)
acls = st.none() | text_lists

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=40)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5).map(tuple) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=25,
)
"""Anything that the encoding has."""


# --- keys ------------------------------------------------------------------------------------------

key_bundles = st.builds(
    KeyBundle, id_key=ids, root=ids, cut_seed=st.integers(1, limits.CUT_SEED_MAX), kind=st.just("full")
)
kdfs = st.builds(
    Kdf,
    passes=st.integers(limits.KDF_PASSES_MIN, limits.KDF_PASSES_MAX),
    memory_kib=st.integers(limits.KDF_MEMORY_KIB_MIN, limits.KDF_MEMORY_KIB_MAX),
    lanes=st.integers(1, limits.KDF_LANES_MAX),
    salt=ids,
)
key_slots = st.builds(
    KeySlot,
    repository=repository_ids,
    kdf=kdfs,
    label=texts,
    created_ms=counts,
    wrapped=st.binary(min_size=17, max_size=200),
    ancillary=st.just(b""),
)
configs = st.builds(
    RepositoryConfig, repository=repository_ids, version=st.just(1), features=st.just(()), created_ms=counts
)
envelope_headers = st.builds(
    EnvelopeHeader,
    kind=st.sampled_from(FileKind),
    codec=st.sampled_from([Codec.RAW, Codec.ZSTD]),
    key_id=key_ids,
    salt=st.binary(min_size=24, max_size=24),
)


# --- packs -----------------------------------------------------------------------------------------

pack_headers = st.builds(
    PackHeader, pack_class=st.sampled_from(PackClass), key_id=key_ids, repository=repository_ids, salt=ids
)


@st.composite
def object_records(
    draw: st.DrawFn, *, pack_class: PackClass | None = None, ordinal: int | None = None, offset: int | None = None
) -> ObjectRecord:
    """A legal record; for a given place in a pack if wanted."""
    types = [
        kind
        for kind in ObjectType
        if kind is not ObjectType.SNAPSHOT and pack_class in (None, PackClass(kind in DATA_TYPES))
    ]
    kind = draw(st.sampled_from(types))
    codecs = [Codec.RAW, Codec.ZSTD] + [Codec.ZSTD_DELTA] * (kind is ObjectType.ROW_CHUNK)
    codec = draw(st.sampled_from(codecs))
    delta = codec is Codec.ZSTD_DELTA
    plain = draw(
        st.integers(0, limits.CHUNK_BYTES_MAX) if kind in DATA_TYPES else st.integers(1, limits.META_BYTES_MAX)
    )
    sealed = plain + 16 if codec is Codec.RAW else draw(st.integers(16, 4096))
    return ObjectRecord(
        id=draw(object_ids),
        type=kind,
        codec=codec,
        depth=draw(st.integers(1, limits.DELTA_DEPTH_MAX)) if delta else 0,
        base=draw(object_ids) if delta else None,
        ordinal=draw(oids) if ordinal is None else ordinal,
        offset=draw(oids) if offset is None else offset,
        length=sealed,
        plain_length=plain,
    )


@st.composite
def tiled_records(draw: st.DrawFn, pack_class: PackClass) -> tuple[ObjectRecord, ...]:
    """Records as a pack holds them: ordinals from 0, no gap."""
    records: list[ObjectRecord] = []
    offset = HEADER_BYTES
    for ordinal in range(draw(st.integers(1, 4))):
        record = draw(object_records(pack_class=pack_class, ordinal=ordinal, offset=offset))
        if offset + record.length > limits.PACK_BYTES_MAX:
            break
        records.append(record)
        offset += record.length
    return tuple(records)


@st.composite
def pack_entries(draw: st.DrawFn) -> PackEntry:
    header = draw(pack_headers)
    return PackEntry(
        pack=draw(pack_ids),
        size=limits.PACK_BYTES_MAX,
        header=encode_pack_header(header),
        records=draw(tiled_records(header.pack_class)),
    )


# --- lists -----------------------------------------------------------------------------------------

some_sums = st.builds(Sums, items=st.integers(1, U63), rows=counts, bytes=counts)
list_refs = st.just(ListRef()) | st.builds(ListRef, root=object_ids, sums=some_sums)
children = st.builds(Child, last_key=st.binary(max_size=20), id=object_ids, sums=some_sums)
nodes = st.builds(
    Node,
    level=st.integers(0, limits.TREE_LEVEL_MAX),
    members=st.lists(scalars, min_size=1, max_size=6).map(tuple),
)
chunk_refs = st.builds(ChunkRef, id=object_ids, length=st.integers(0, limits.CHUNK_BYTES_MAX), continues=st.booleans())


@st.composite
def chunk_lists(draw: st.DrawFn, *, rows: bool = False) -> tuple[ChunkList, int]:
    """A legal list and its plain bytes; only with `rows` may a chunk but the last continue."""
    if draw(st.integers(0, 3)) == 0:
        sums = draw(st.builds(Sums, items=st.integers(limits.INLINE_CHUNKS_MAX + 1, U63), bytes=counts))
        return ChunkList(more=ListRef(root=draw(object_ids), sums=sums)), sums.bytes
    drawn = draw(st.lists(chunk_refs, max_size=limits.INLINE_CHUNKS_MAX))
    inline = tuple(
        ChunkRef(id=chunk.id, length=chunk.length, continues=rows and chunk.continues and at + 1 < len(drawn))
        for at, chunk in enumerate(drawn)
    )
    return ChunkList(inline=inline), sum(chunk.length for chunk in inline)


path_parts = st.binary(min_size=1, max_size=8).filter(
    lambda part: part not in (b".", b"..") and not {0, ord("/")} & set(part)
)
paths = st.lists(path_parts, min_size=1, max_size=4).map(b"/".join)


attributes = st.dictionaries(texts, texts, max_size=3).map(lambda drawn: tuple(sorted(drawn.items())))
stamps = st.builds(Stamp, etag=texts, version=texts, attributes=attributes)


@st.composite
def file_items(draw: st.DrawFn) -> FileItem:
    kind = draw(st.sampled_from(FileType))
    chunks, size = draw(chunk_lists()) if kind is FileType.FILE else (ChunkList(), 0)
    return FileItem(
        path=draw(paths),
        type=kind,
        mode=draw(st.integers(0, 0o7777)),
        mtime_ns=draw(file_times),
        size=size,
        ctime_ns=draw(file_times),
        inode=draw(lsns),
        racy=draw(st.booleans()),
        target=draw(st.binary(min_size=1, max_size=12)) if kind is FileType.SYMLINK else b"",
        chunks=chunks,
        stamp=draw(st.none() | stamps) if kind is FileType.FILE else None,
    )


@st.composite
def extents(draw: st.DrawFn) -> Extent:
    chunks, size = draw(chunk_lists(rows=True))
    digests = tuple(draw(st.lists(st.binary(min_size=32, max_size=32), max_size=2)))
    values = draw(st.none() | chunk_lists(rows=True).map(lambda drawn: drawn[0])) if digests else None
    return Extent(
        start=draw(counts),
        blocks=draw(counts),
        rows=draw(counts),
        bytes=size,
        chunks=chunks,
        digests=digests,
        values=values,
    )


@st.composite
def large_objects(draw: st.DrawFn) -> LargeObjectItem:
    chunks, size = draw(chunk_lists())
    return LargeObjectItem(
        oid=draw(oids),
        owner=draw(texts),
        acl=draw(acls),
        comment=draw(st.none() | texts),
        size=size,
        chunks=chunks,
    )


table_names = st.builds(TableName, schema=texts, name=texts)
columns = st.builds(Column, name=texts, type=texts, attnum=st.integers(1, 1600), not_null=st.booleans())
_stored_extents = list_refs.filter(lambda ref: ref.sums.items != 1)


@st.composite
def tables(draw: st.DrawFn) -> TableItem:
    inline = draw(st.none() | extents())
    return TableItem(
        name=draw(table_names),
        oid=draw(oids),
        filenode=draw(oids),
        kind=draw(texts),
        access_method=draw(texts),
        columns=tuple(draw(st.lists(columns, max_size=3))),
        key_columns=draw(text_lists),
        fingerprint=draw(st.binary(max_size=32)),
        load_via_root=draw(st.none() | table_names),
        condition=draw(texts),
        extents=draw(_stored_extents) if inline is None else ListRef(),
        inline=inline,
        generated=tuple(draw(columns) for _ in inline.digests) if inline is not None else (),
    )


identities = st.builds(Identity, desc=texts, kind=texts, names=text_lists, args=text_lists, sub=texts)
sections = st.sampled_from(Section)
entry_items = st.builds(EntryItem, identity=identities, section=sections, entry=object_ids)
sequences = st.builds(SequenceItem, name=table_names, last_value=times, is_called=st.booleans())
