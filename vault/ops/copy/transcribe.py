"""Put what a snapshot holds into another repository: every chunk, object and list under the other's ids.

Never decides which snapshots, never commits. What is read was proven by its id, so damage is not copied. Where both repositories share
the id key (`init --like`), a chunk that the other has is not read. A delta stays one where the other has its base, else the chunk is
stored whole. What was met is remembered in bounded maps; what they forget is read again. Thread-safe.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from typing import TypeVar

from vault.crypto import keyed
from vault.format.lists import CHUNKS, ENTRIES, EXTENTS, FILES, LARGE_OBJECTS, SEQUENCES, TABLES, ListFormat
from vault.format.schema import encode_order
from vault.ids import ObjectId
from vault.limits import INLINE_CHUNKS_MAX
from vault.model import (
    ChunkList,
    ChunkRef,
    DatabasePart,
    EntryItem,
    Extent,
    FileItem,
    LargeObjectItem,
    ListRef,
    Manifest,
    ObjectType,
    OrderItem,
    TableItem,
)
from vault.pipeline.generated import ColumnDigests
from vault.pipeline.lists import build, walk
from vault.ports import Progress
from vault.repo.snapshot import Snapshot
from vault.repo.state import Indexed
from vault.repo.workers import Pending, ordered
from vault.repo.writing import Writing

T = TypeVar("T")

_BATCH_CHUNKS = 256
_PENDING_CHUNKS_MAX = 64
_REMEMBERED_MAX = 300_000
"""About 60 MB."""
_ITEMS_AT_ONCE = 4
_EXTENTS_AT_ONCE = 2


class Transcriber:
    """From one repository into another; for any number of snapshots, one after the other, so that what they share is met once."""

    def __init__(self, source: Indexed, target: Writing, *, progress: Progress) -> None:
        self._source = source
        self._reader = source.reader(threads=2)
        self._writer = target.writer
        keys = target.indexed.open.keys
        self._split_key = keys.id_key
        self._same_ids = keys.id_key == source.open.keys.id_key
        self._progress = progress
        self._objects: dict[ObjectId, ObjectId] = {}
        self._lists: dict[ObjectId, ListRef] = {}

    def manifest(self, snapshot: Snapshot) -> Manifest:
        """Put all that the snapshot holds; the manifest with the ids of the other repository, else unchanged. Raises  IntegrityError, StoreError"""
        manifest = snapshot.manifest
        part = None if manifest.database is None else self._database(snapshot, manifest.database)
        directories = {
            name: self._list(ref, FILES, partial(self._file, snapshot), coming=partial(self._read_ahead, snapshot))
            for name, ref in manifest.directories.items()
        }
        ledger = self._object(manifest.ledger, ObjectType.LEDGER)
        return replace(manifest, database=part, directories=directories, ledger=ledger)

    def _database(self, snapshot: Snapshot, part: DatabasePart) -> DatabasePart:
        return replace(
            part,
            tables=self._list(part.tables, TABLES, partial(self._table, snapshot)),
            entries=self._list(part.entries, ENTRIES, self._entry),
            order=self._order(snapshot),
            roles=self._object(part.roles, ObjectType.ROLES),
            catalog=self._object(part.catalog, ObjectType.CATALOG),
            sequences=self._list(part.sequences, SEQUENCES, lambda item: item),
            large_objects=self._list(part.large_objects, LARGE_OBJECTS, partial(self._large_object, snapshot)),
        )

    def _table(self, snapshot: Snapshot, item: TableItem) -> TableItem:
        extent = partial(self._extent, snapshot)
        return replace(
            item,
            extents=self._list(item.extents, EXTENTS, extent, at_once=_EXTENTS_AT_ONCE),
            inline=None if item.inline is None else extent(item.inline),
        )

    def _extent(self, snapshot: Snapshot, extent: Extent) -> Extent:
        """Digests are keyed as ids are: of other ids they are taken anew from the values, and left out where these were not kept."""
        values = extent.values
        return replace(
            extent,
            chunks=self._chunks(snapshot, extent.chunks, ObjectType.ROW_CHUNK),
            values=None if values is None else self._chunks(snapshot, values, ObjectType.ROW_CHUNK),
            digests=extent.digests if self._same_ids else self._digests(snapshot, extent),
        )

    def _digests(self, snapshot: Snapshot, extent: Extent) -> tuple[bytes, ...]:
        if extent.values is None or not extent.digests:
            return ()
        values = snapshot.blocks(snapshot.chunk_refs(extent.values), ObjectType.ROW_CHUNK)
        return ColumnDigests.read(values, len(extent.digests), id_key=self._split_key).digests

    def _read_ahead(self, snapshot: Snapshot, items: Iterator[FileItem]) -> Iterator[FileItem]:
        """Files that were met are not read at all."""

        def unmet(item: FileItem) -> ChunkList | None:
            chunks = item.chunks
            is_met = chunks.more is None and all(self._met(ref.id) is not None for ref in chunks.inline)
            return None if is_met else chunks

        return snapshot.to_read(items, unmet)

    def _file(self, snapshot: Snapshot, item: FileItem) -> FileItem:
        return replace(item, chunks=self._chunks(snapshot, item.chunks, ObjectType.FILE_CHUNK))

    def _large_object(self, snapshot: Snapshot, item: LargeObjectItem) -> LargeObjectItem:
        return replace(item, chunks=self._chunks(snapshot, item.chunks, ObjectType.LARGE_OBJECT_CHUNK))

    def _entry(self, item: EntryItem) -> EntryItem:
        return replace(item, entry=self._object(item.entry, ObjectType.SCHEMA_ENTRY))

    def _order(self, snapshot: Snapshot) -> ObjectId:
        def moved(item: OrderItem) -> OrderItem:
            return replace(item, entry=self._object(item.entry, ObjectType.SCHEMA_ENTRY))

        return self._writer.put(ObjectType.SCHEMA_ORDER, encode_order(tuple(map(moved, snapshot.order()))))

    def _object(self, object_id: ObjectId, object_type: ObjectType) -> ObjectId:
        """One that names no other object."""
        there = self._met(object_id)
        if there is None:
            plain = self._reader.get(object_id, object_type)
            self._progress.advance(len(plain))
            there = self._writer.put(object_type, plain)
            self._remember(object_id, there)
        return there

    def _list(
        self,
        ref: ListRef,
        form: ListFormat[T],
        item: Callable[[T], T],
        *,
        at_once: int = _ITEMS_AT_ONCE,
        coming: Callable[[Iterator[T]], Iterator[T]] = lambda items: items,
    ) -> ListRef:
        """`coming`: passes the items on, and knows them before they are moved."""
        if ref.root is None:
            return ref
        there = self._lists.get(ref.root)
        if there is None:
            items = coming(walk(ref, form, self._reader.get_many))
            moved = ordered(item, items, threads=at_once, ahead=2 * at_once) if ref.sums.items > 1 else map(item, items)
            there = self._build(moved, form)
            if len(self._lists) >= _REMEMBERED_MAX:
                self._lists.clear()
            self._lists[ref.root] = there
        return there

    def _build(self, items: Iterable[T], form: ListFormat[T]) -> ListRef:
        split = partial(keyed.split_value, self._split_key)
        return build(items, form, split=split, put=self._writer.put)

    def _chunks(self, snapshot: Snapshot, chunks: ChunkList, chunk_type: ObjectType) -> ChunkList:
        if chunks.more is not None and chunks.more.root in self._lists:
            return ChunkList(more=self._lists[chunks.more.root])
        refs = self._refs(snapshot, snapshot.chunk_refs(chunks), chunk_type)
        head = tuple(islice(refs, INLINE_CHUNKS_MAX + 1))
        if len(head) <= INLINE_CHUNKS_MAX:
            return ChunkList(inline=head)
        more = self._build(chain(head, refs), CHUNKS)
        if chunks.more is not None and chunks.more.root is not None:
            self._lists[chunks.more.root] = more
        return ChunkList(more=more)

    def _refs(self, snapshot: Snapshot, refs: Iterator[ChunkRef], chunk_type: ObjectType) -> Iterator[ChunkRef]:
        """In order, a batch at a time: those that were not met are read ahead and handed to the writer's workers."""
        pending: deque[tuple[ChunkRef, ObjectId | Pending[ObjectId]]] = deque()
        while batch := list(islice(refs, _BATCH_CHUNKS)):
            there = [self._met(ref.id) for ref in batch]
            unmet = (ref for ref, known in zip(batch, there, strict=True) if known is None)
            plains = snapshot.blocks(unmet, chunk_type)
            for ref, known in zip(batch, there, strict=True):
                pending.append((ref, known if known is not None else self._submit(ref, next(plains), chunk_type)))
                if len(pending) > _PENDING_CHUNKS_MAX:
                    yield self._put(*pending.popleft())
        while pending:
            yield self._put(*pending.popleft())

    def _submit(self, ref: ChunkRef, plain: bytes, chunk_type: ObjectType) -> Pending[ObjectId]:
        self._progress.advance(len(plain))
        base = self._base(ref.id) if chunk_type is ObjectType.ROW_CHUNK else None
        return self._writer.submit(chunk_type, plain, base=base)

    def _put(self, ref: ChunkRef, there: ObjectId | Pending[ObjectId]) -> ChunkRef:
        object_id = there.result() if isinstance(there, Pending) else there
        self._remember(ref.id, object_id)
        return replace(ref, id=object_id)

    def _base(self, object_id: ObjectId) -> ObjectId | None:
        """What the other repository calls the base of a chunk that is a delta here, if that was met."""
        place = self._source.index.chain_head(object_id)
        base = None if place is None else place.record.base
        return None if base is None else self._met(base)

    def _met(self, object_id: ObjectId) -> ObjectId | None:
        """The id in the other repository of what is surely there."""
        if self._same_ids:
            return object_id if self._writer.adopt(object_id) else None
        return self._objects.get(object_id)

    def _remember(self, here: ObjectId, there: ObjectId) -> None:
        if self._same_ids:
            return
        if len(self._objects) >= _REMEMBERED_MAX:
            self._objects.clear()
        self._objects[here] = there
