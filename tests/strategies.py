"""Hypothesis strategies: one for each model value that has an encoding. Values are legal; hostile bytes are made of them."""

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
    CatalogFacts,
    CheckRecord,
    ChunkList,
    ChunkRef,
    Codec,
    Column,
    Counts,
    Coverage,
    DatabasePart,
    Effort,
    EntryItem,
    Extent,
    FileItem,
    FileKind,
    FileType,
    Forgotten,
    ForgottenSnapshot,
    Identity,
    Kdf,
    KeyBundle,
    KeySlot,
    LargeObjectItem,
    Lease,
    Ledger,
    ListRef,
    Manifest,
    Membership,
    Missing,
    ObjectRecord,
    ObjectType,
    OrderItem,
    PackClass,
    PackEntry,
    PackHeader,
    ParameterAcl,
    RepositoryConfig,
    Role,
    Roles,
    RoleSetting,
    SchemaEntry,
    Section,
    SequenceItem,
    ServerFacts,
    State,
    Sums,
    Sweep,
    TableItem,
    TableName,
    Tablespace,
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


@st.composite
def file_items(draw: st.DrawFn) -> FileItem:
    kind = draw(st.sampled_from(FileType))
    chunks, size = draw(chunk_lists()) if kind is FileType.FILE else (ChunkList(), 0)
    return FileItem(
        path=draw(paths),
        type=kind,
        mode=draw(st.integers(0, 0o7777)),
        mtime_ns=draw(times),
        size=size,
        ctime_ns=draw(times),
        inode=draw(lsns),
        racy=draw(st.booleans()),
        target=draw(st.binary(min_size=1, max_size=12)) if kind is FileType.SYMLINK else b"",
        chunks=chunks,
    )


@st.composite
def extents(draw: st.DrawFn) -> Extent:
    chunks, size = draw(chunk_lists(rows=True))
    return Extent(start=draw(counts), blocks=draw(counts), rows=draw(counts), bytes=size, chunks=chunks)


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
    )


identities = st.builds(Identity, desc=texts, kind=texts, names=text_lists, args=text_lists, sub=texts)
sections = st.sampled_from(Section)
entry_items = st.builds(EntryItem, identity=identities, section=sections, entry=object_ids)
sequences = st.builds(SequenceItem, name=table_names, last_value=times, is_called=st.booleans())


# --- objects ---------------------------------------------------------------------------------------

schema_entries = st.builds(
    SchemaEntry,
    identity=identities,
    section=sections,
    tag=texts,
    namespace=texts,
    owner=texts,
    definition=texts,
    drop=texts,
    tablespace=texts,
    table_access_method=texts,
    function_definition=texts,
)


@st.composite
def orders(draw: st.DrawFn) -> tuple[OrderItem, ...]:
    count = draw(st.integers(0, 5))
    positions = st.sets(st.integers(0, max(count - 1, 0))).map(lambda needs: tuple(sorted(needs)))
    items = st.builds(OrderItem, identity=identities, section=sections, entry=object_ids, needs=positions)
    return tuple(draw(items) for _ in range(count))


def _tuples(item: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(item, max_size=3).map(tuple)


roles = st.builds(
    Roles,
    roles=_tuples(
        st.builds(
            Role,
            name=texts,
            superuser=st.booleans(),
            inherit=st.booleans(),
            create_role=st.booleans(),
            create_db=st.booleans(),
            can_login=st.booleans(),
            replication=st.booleans(),
            bypass_rls=st.booleans(),
            connection_limit=st.integers(-1, 2**31 - 1),
            valid_until=st.none() | texts,
            verifier=st.none() | texts,
            comment=st.none() | texts,
        )
    ),
    memberships=_tuples(
        st.builds(
            Membership,
            role=texts,
            member=texts,
            grantor=texts,
            admin=st.booleans(),
            inherit=st.none() | st.booleans(),
            set=st.none() | st.booleans(),
        )
    ),
    settings=_tuples(st.builds(RoleSetting, role=texts, here=st.booleans(), name=texts, value=texts)),
    tablespaces=_tuples(st.builds(Tablespace, name=texts, owner=texts, location=texts, acl=acls, options=text_lists)),
    parameter_acls=_tuples(st.builds(ParameterAcl, name=texts, acl=text_lists)),
    verifiers_read=st.booleans(),
)
catalogs = st.builds(
    CatalogFacts,
    acls=_tuples(st.tuples(texts, texts, acls)),
    edges=_tuples(st.tuples(texts, texts, texts)),
    policies=_tuples(st.tuples(texts, texts, texts, text_lists)),
    extensions=_tuples(st.tuples(texts, texts, texts)),
    database=st.dictionaries(texts, st.none() | texts, max_size=3),
    functions=_tuples(st.tuples(texts, texts, texts, st.booleans(), st.booleans())),
)
states = st.sampled_from(State)
_missing = st.builds(Missing, item=texts, state=states, why=texts, fix=texts)
ledgers: st.SearchStrategy[Ledger] = st.dictionaries(
    texts,
    st.builds(Coverage, state=states, count=counts, missing=st.lists(_missing, max_size=3).map(tuple)),
    max_size=3,
)


# --- snapshots and upkeep --------------------------------------------------------------------------

servers = st.builds(
    ServerFacts,
    version_num=counts,
    version=texts,
    system_id=texts,
    database=texts,
    database_oid=oids,
    encoding=texts,
    in_recovery=st.booleans(),
    timeline=counts,
    postmaster_start=texts,
    snapshot=texts,
    horizon=lsns,
    next_xid=lsns,
    insert_lsn=lsns,
    flush_lsn=lsns,
    insert_lsn_before=lsns,
)
database_parts = st.builds(
    DatabasePart,
    server=servers,
    tables=list_refs,
    entries=list_refs,
    order=object_ids,
    roles=object_ids,
    catalog=object_ids,
    sequences=list_refs,
    large_objects=list_refs,
)
_nine_counts = st.builds(Counts, **dict.fromkeys(Counts.__dataclass_fields__, counts))
_efforts = st.builds(Effort, **dict.fromkeys(Effort.__dataclass_fields__, counts))
manifests = st.builds(
    Manifest,
    source=texts,
    created_ms=counts,
    sequence=st.integers(1, U63),
    parent=st.none() | snapshot_ids,
    selection=texts,
    tags=st.dictionaries(texts, texts, max_size=3),
    program=texts,
    database=st.none() | database_parts,
    directories=st.dictionaries(st.from_regex(r"\A[a-z0-9_-]{1,8}\Z"), list_refs, max_size=3),
    ledger=object_ids,
    coverage=st.dictionaries(texts, st.tuples(states, counts), max_size=3),
    counts=_nine_counts,
    effort=_efforts,
    suspect=texts,
)
_ascending_packs = st.sets(pack_ids, max_size=4).map(lambda packs: tuple(sorted(packs)))
leases = st.builds(
    Lease,
    created_ms=counts,
    host=texts,
    pid=counts,
    purpose=texts,
    source=texts,
    parent=st.none() | snapshot_ids,
    packs=_ascending_packs,
)
sweeps = st.builds(Sweep, created_ms=counts, packs=_ascending_packs)
forgottens = st.builds(
    Forgotten,
    created_ms=counts,
    snapshots=st.lists(
        st.builds(ForgottenSnapshot, id=snapshot_ids, source=texts, sequence=st.integers(1, U63), created_ms=counts),
        max_size=3,
    ).map(tuple),
)
checks = st.builds(CheckRecord, created_ms=counts, kind=texts, objects=counts, read_bytes=counts, damage=text_lists)
