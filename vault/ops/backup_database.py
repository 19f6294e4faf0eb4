"""Read one consistent view of a database into objects and lists.

Definitions are read first (they are what changes under a snapshot), then rows by several connections, then sequences and large objects.
Rows stream: a batch of extents is read, cut and handed to the writer's workers, and only ids stay behind.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from vault.crypto import keyed
from vault.crypto.keys import Keys
from vault.errors import SourceError
from vault.format.cluster import encode_catalog, encode_roles
from vault.format.lists import CHUNKS, ENTRIES, EXTENTS, LARGE_OBJECTS, SEQUENCES, TABLES, ListFormat
from vault.format.object import plain_bytes_max
from vault.format.schema import encode_entry, encode_order
from vault.ids import ObjectId
from vault.limits import EXTENT_BLOCKS, INLINE_CHUNKS_MAX, MIB
from vault.model import (
    CatalogFacts,
    ChunkList,
    ChunkRef,
    DatabasePart,
    Effort,
    EntryItem,
    Extent,
    LargeObjectItem,
    ListRef,
    Missing,
    ObjectType,
    OrderItem,
    Roles,
    SchemaEntry,
    TableItem,
    TableName,
)
from vault.ops.backup_previous import BaseOf, Previous, no_base
from vault.pipeline.cut import cut_bytes, cut_rows, fastcdc
from vault.pipeline.lists import build
from vault.ports import Capture, ExtentJob, ExtentRows, Progress, RowReader, SourceTable
from vault.repo.snapshot import Snapshot
from vault.repo.workers import Idle, Pending, ordered
from vault.repo.writer import Writer

T = TypeVar("T")

_BATCH_BYTES = 64 * MIB
_BATCH_JOBS_MAX = 200
_PENDING_CHUNKS_MAX = 64
"""Chunks whose ids one reading thread waits for; the writer's own bound is in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseCapture:
    """What was read. `tables`: name and rows."""

    part: DatabasePart
    entries: tuple[SchemaEntry, ...]
    tables: tuple[tuple[TableName, int], ...]
    catalog: CatalogFacts
    roles: Roles
    missing: tuple[Missing, ...]
    effort: Effort


def capture_database(
    capture: Capture, writer: Writer, *, keys: Keys, before: Snapshot | None, jobs: int, progress: Progress
) -> DatabaseCapture:
    """Read everything of the view; the caller finishes it.

    before   a snapshot whose chunks may serve as bases
    Raises   SourceError, StoreError, IntegrityError
    """
    lists = ListWriter(writer, keys)
    progress.stage("definitions")
    dump = capture.schema()
    entries, order = _put_entries(dump.entries, dump.needs, lists)
    catalog, roles = capture.catalog(), capture.roles()
    catalog_id = lists.put(ObjectType.CATALOG, encode_catalog(catalog))
    roles_id = lists.put(ObjectType.ROLES, encode_roles(roles))
    sequences = lists.build(sorted(capture.sequences(), key=SEQUENCES.key), SEQUENCES)
    progress.stage("rows", sum(table.bytes_estimate for table in capture.tables))
    rows = _Rows(capture, lists, keys, Previous(before), progress)
    counted: list[tuple[TableName, int]] = []
    with closing(rows.tables(jobs, counted)) as items:
        tables = lists.build(items, TABLES)
    progress.stage("large objects")
    large_objects = lists.build(_large_objects(capture, lists, keys), LARGE_OBJECTS)
    part = DatabasePart(
        server=capture.server,
        tables=tables,
        entries=entries,
        order=order,
        roles=roles_id,
        catalog=catalog_id,
        sequences=sequences,
        large_objects=large_objects,
    )
    return DatabaseCapture(
        part=part,
        entries=dump.entries,
        tables=tuple(counted),
        catalog=catalog,
        roles=roles,
        missing=tuple(capture.missing),
        effort=Effort(read_bytes=tables.sums.bytes, extents=rows.extents),
    )


class ListWriter:
    """Puts objects and lists of one repository; thread-safe, because the writer is."""

    def __init__(self, writer: Writer, keys: Keys) -> None:
        self._writer = writer
        self._id_key = keys.id_key

    def put(self, object_type: ObjectType, plain: bytes) -> ObjectId:
        """Raises  SourceError: what was read is larger than one object may be"""
        if len(plain) > plain_bytes_max(object_type):
            raise SourceError(
                f"a {object_type.name.lower().replace('_', ' ')} of {len(plain)} bytes is too large to store",
                why=f"the format holds at most {plain_bytes_max(object_type)} bytes",
                hint="leave out what makes it so large with -N or -T",
            )
        return self._writer.put(object_type, plain)

    def build(self, items: Iterator[T] | Sequence[T], form: ListFormat[T]) -> ListRef:
        return build(items, form, split=self._split, put=self.put)

    def chunk_list(self, refs: Iterator[ChunkRef]) -> ChunkList:
        """Inline if there are few; a long list is built as it streams."""
        head = tuple(islice(refs, INLINE_CHUNKS_MAX + 1))
        if len(head) <= INLINE_CHUNKS_MAX:
            return ChunkList(inline=head)
        return ChunkList(more=self.build(_chain(head, refs), CHUNKS))

    def store_chunks(
        self, chunks: Iterator[tuple[bytes, bool]], chunk_type: ObjectType, *, base_of: BaseOf = no_base
    ) -> ChunkList:
        """Hand the chunks (bytes, continues) to the workers and list them in order."""
        return self.chunk_list(self._refs(chunks, chunk_type, base_of))

    def _refs(
        self, chunks: Iterator[tuple[bytes, bool]], chunk_type: ObjectType, base_of: BaseOf
    ) -> Iterator[ChunkRef]:
        pending: list[tuple[Pending[ObjectId], int, bool]] = []
        offset = 0
        for plain, continues in chunks:
            future = self._writer.submit(chunk_type, plain, base=base_of(offset, len(plain)))
            offset += len(plain)
            pending.append((future, len(plain), continues))
            if len(pending) > _PENDING_CHUNKS_MAX:
                yield _resolve(pending.pop(0))
        yield from map(_resolve, pending)

    def _split(self, level: int, key: bytes) -> int:
        return keyed.split_value(self._id_key, level, key)


def _resolve(pending: tuple[Pending[ObjectId], int, bool]) -> ChunkRef:
    future, length, continues = pending
    return ChunkRef(id=future.result(), length=length, continues=continues)


def _chain(head: Sequence[T], rest: Iterator[T]) -> Iterator[T]:
    yield from head
    yield from rest


def _put_entries(
    entries: tuple[SchemaEntry, ...], needs: tuple[tuple[int, ...], ...], lists: ListWriter
) -> tuple[ListRef, ObjectId]:
    items = [
        EntryItem(
            identity=entry.identity,
            section=entry.section,
            entry=lists.put(ObjectType.SCHEMA_ENTRY, encode_entry(entry)),
        )
        for entry in entries
    ]
    order = tuple(
        OrderItem(identity=item.identity, section=item.section, entry=item.entry, needs=need)
        for item, need in zip(items, needs, strict=True)
    )
    root = lists.put(ObjectType.SCHEMA_ORDER, encode_order(order))
    return lists.build(sorted(items, key=ENTRIES.key), ENTRIES), root


class _Rows:
    """Rows of every table, read by several connections, as table items in list order."""

    def __init__(self, capture: Capture, lists: ListWriter, keys: Keys, previous: Previous, progress: Progress) -> None:
        self._capture = capture
        self._previous = previous
        self._lists = lists
        self._seed = keys.cut_seed
        self._progress = progress
        self._readers: Idle[RowReader] = Idle(capture.reader)
        self.extents = 0

    def tables(self, jobs: int, counted: list[tuple[TableName, int]]) -> Generator[TableItem, None, None]:
        ordered_tables = sorted(self._capture.tables, key=_table_key)
        reading = ordered(
            self._read_batch,
            _batches(ordered_tables),
            threads=jobs,
            ahead=jobs + 1,
            cancel=self._capture.abort,
        )
        with closing(reading) as batches:
            extents = (extent for batch in batches for extent in batch)
            for table in ordered_tables:
                item = self._table_item(table, islice(extents, _job_count(table)))
                counted.append((table.name, TABLES.sums(item).rows))
                yield item
            assert next(extents, None) is None, "every extent belongs to a table; taking the last one ends the reading"
        for reader in self._readers.drain():
            reader.close()

    def _table_item(self, table: SourceTable, extents: Iterator[Extent]) -> TableItem:
        count = _job_count(table)
        self.extents += count
        inline = next(extents) if count == 1 else None
        return TableItem(
            name=table.name,
            oid=table.oid,
            filenode=table.filenode,
            kind=table.kind,
            access_method=table.access_method,
            columns=table.columns,
            key_columns=table.key_columns,
            fingerprint=table.fingerprint,
            load_via_root=table.load_via_root,
            condition=table.condition,
            extents=self._lists.build(extents, EXTENTS),
            inline=inline,
        )

    def _read_batch(self, batch: list[ExtentJob]) -> list[Extent]:
        reader = self._readers.borrow()
        extents = [self._extent(rows) for rows in reader.read(iter(batch))]
        self._readers.give_back(reader)
        if len(extents) != len(batch):
            raise SourceError("rows of an extent are missing", why="the reader ended early", hint="run it again")
        return extents

    def _extent(self, rows: ExtentRows) -> Extent:
        size = 0

        def blocks() -> Iterator[bytes]:
            nonlocal size
            for block in rows.blocks():
                size += len(block)
                self._progress.advance(len(block))
                yield block

        chunks = self._lists.store_chunks(
            cut_rows(blocks(), fastcdc(self._seed)),
            ObjectType.ROW_CHUNK,
            base_of=self._previous.bases(rows.job.table.name, rows.job.start),
        )
        return Extent(start=rows.job.start, blocks=rows.job.blocks, rows=rows.rows, bytes=size, chunks=chunks)


def _table_key(table: SourceTable) -> bytes:
    return f"{table.name.schema}\0{table.name.name}".encode()


def _job_count(table: SourceTable) -> int:
    return -(-table.blocks // EXTENT_BLOCKS) if table.ranges else 1


def _batches(tables: Sequence[SourceTable]) -> Iterator[list[ExtentJob]]:
    """Jobs in table order, in batches of about _BATCH_BYTES of text, so that connections share the work evenly."""
    batch: list[ExtentJob] = []
    size = 0
    for table in tables:
        count = _job_count(table)
        for position in range(count):
            blocks = EXTENT_BLOCKS if table.ranges else 0
            batch.append(ExtentJob(table=table, start=position * EXTENT_BLOCKS, blocks=blocks))
            size += table.bytes_estimate // count
            if size >= _BATCH_BYTES or len(batch) >= _BATCH_JOBS_MAX:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _large_objects(capture: Capture, lists: ListWriter, keys: Keys) -> Iterator[LargeObjectItem]:
    cutter = fastcdc(keys.cut_seed)
    for large_object in capture.large_objects():
        chunks = lists.store_chunks(
            ((chunk, False) for chunk in cut_bytes(large_object.blocks(), cutter)), ObjectType.LARGE_OBJECT_CHUNK
        )
        item = large_object.item
        size = sum(ref.length for ref in chunks.inline) if chunks.more is None else chunks.more.sums.bytes
        yield LargeObjectItem(
            oid=item.oid, owner=item.owner, acl=item.acl, comment=item.comment, size=size, chunks=chunks
        )
