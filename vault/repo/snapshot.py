"""One snapshot, read: every list and object that its manifest names, as values and byte streams.

Never knows how things are rendered or restored. Everything is lazy; memory is bounded by a few chunks. Spec 60-snapshot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

from vault.errors import IntegrityError, Malformed, MissingObject, NotThere
from vault.format.cluster import decode_catalog, decode_roles
from vault.format.files import one_tree
from vault.format.ledger import decode_ledger
from vault.format.lists import CHUNKS, ENTRIES, EXTENTS, FILES, LARGE_OBJECTS, SEQUENCES, TABLES
from vault.format.schema import decode_entry, decode_order
from vault.format.tables import check_digests
from vault.ids import ObjectId, SnapshotId
from vault.model import (
    CatalogFacts,
    ChunkList,
    ChunkRef,
    DatabasePart,
    EntryItem,
    Extent,
    FileItem,
    LargeObjectItem,
    Ledger,
    ListRef,
    Manifest,
    ObjectType,
    OrderItem,
    Roles,
    SchemaEntry,
    SequenceItem,
    TableItem,
    TableName,
)
from vault.model.words import nearest
from vault.pipeline.generated import ColumnDigests, DigestSums
from vault.pipeline.list_differences import differences
from vault.pipeline.lists import Load, find, leaf, walk, walk_from
from vault.repo.reader import Reader

T = TypeVar("T")

Adopt = Callable[[ObjectId], bool]
"""Whether the repository has an object, which then counts as relied on (`Writer.adopt`)."""


class Snapshot:
    """`id` and `manifest` are public; the rest is fetched on demand. Every method may raise IntegrityError."""

    def __init__(self, snapshot_id: SnapshotId, manifest: Manifest, reader: Reader) -> None:
        self.id = snapshot_id
        self.manifest = manifest
        self._reader = reader

    @property
    def load(self) -> Load:
        """Objects of the repository by id, read ahead."""
        return self._reader.get_many

    def can_read(self, other: Snapshot) -> bool:
        """Whether all objects of `other` are found from here: it is a snapshot of the same repository, opened once."""
        return self._reader.index is other._reader.index

    def names_alike(self, other: Snapshot) -> bool:
        """Whether objects of both that have equal ids are equal."""
        return self._reader.id_key == other._reader.id_key

    @property
    def _database(self) -> DatabasePart:
        if self.manifest.database is None:
            raise NotThere("the snapshot holds no database", hint="choose another with: pgvault snapshots")
        return self.manifest.database

    def tables(self) -> Iterator[TableItem]:
        """By schema and name, bytewise; nothing without a database."""
        if self.manifest.database is not None:
            yield from walk(self.manifest.database.tables, TABLES, self._reader.get_many)

    def table(self, name: TableName) -> TableItem:
        """Raises  NotThere"""
        item = find(self._database.tables, _table_key(name), TABLES, self._reader.get_many)
        if item is None:
            raise NotThere(f"no table {name} in the snapshot", hint="list them with: pgvault show")
        return item

    def tables_near(self, name: TableName) -> list[TableItem]:
        """The table, if it is there, with those that are stored in one node with it."""
        return leaf(self._database.tables, _table_key(name), TABLES, self._reader.get_many)

    def extents(self, table: TableItem, *, ahead: bool = True, first: int = 0) -> Iterator[Extent]:
        """By start, from block `first` on; `ahead`: on threads. Raises  Malformed: also for digests of other columns (TREE-14)"""
        if table.inline is not None:
            if table.inline.start >= first:
                yield table.inline
            return
        load = self._reader.get_many if ahead else self._reader.get_each
        start = first.to_bytes(8, "big")
        for extent in walk_from(table.extents, start, EXTENTS, load) if first else walk(table.extents, EXTENTS, load):
            check_digests(table, extent)
            yield extent

    def extent(self, table: TableItem, start: int) -> Extent | None:
        """The extent that starts at block `start`, reading one path."""
        if table.inline is not None:
            return table.inline if table.inline.start == start else None
        return find(table.extents, start.to_bytes(8, "big"), EXTENTS, self._reader.get_many)

    def digests(self, blocks: Iterable[bytes], columns: int) -> ColumnDigests:
        """Of COPY text of generated columns, to be compared with those of extents. Raises  Malformed"""
        return ColumnDigests.read(blocks, columns, id_key=self._reader.id_key)

    def taken_over(self, table: TableItem, adopt: Adopt) -> Iterator[Extent]:
        """Extents that are `adopt`ed with every chunk and node, those that lead to them included. Raises MissingObject: such a node is not"""
        extents = walk(table.extents, EXTENTS, self._adopting(adopt)) if table.inline is None else iter([table.inline])
        return (extent for extent in extents if all(self.adopts(chunks, adopt) for chunks in extent.chunk_lists))

    def adopts(self, chunks: ChunkList, adopt: Adopt) -> bool:
        """Whether `adopt` takes every chunk and every node of their list. Raises  IntegrityError"""
        refs = iter(chunks.inline) if chunks.more is None else walk(chunks.more, CHUNKS, self._adopting(adopt))
        return all(adopt(ref.id) for ref in refs)

    def _adopting(self, adopt: Adopt) -> Load:
        """Loads nodes that a new snapshot will rely on too."""

        def adopted(ids: Iterable[ObjectId]) -> Iterator[ObjectId]:
            for object_id in ids:
                if not adopt(object_id):
                    raise MissingObject("a node that would be taken over is missing", object_id=object_id.hex())
                yield object_id

        return lambda ids, node_type: self._reader.get_many(adopted(ids), node_type)

    def rows(self, table: TableItem) -> Iterator[bytes]:
        """COPY text of the whole table in order, whole chunks. Raises  Malformed: another number of rows than recorded"""
        claimed = 0

        def refs() -> Iterator[ChunkRef]:
            nonlocal claimed
            for extent in self.extents(table):
                claimed += extent.rows
                yield from ending(self.chunk_refs(extent.chunks))

        rows = 0
        for block in self.blocks(refs(), ObjectType.ROW_CHUNK):
            rows += block.count(b"\n")
            yield block
        check_rows(rows, claimed)

    def extent_rows(self, extent: Extent) -> Iterator[bytes]:
        """COPY text of one extent. Raises as `rows`."""
        rows = 0
        for block in self.blocks(ending(self.chunk_refs(extent.chunks)), ObjectType.ROW_CHUNK):
            rows += block.count(b"\n")
            yield block
        check_rows(rows, extent.rows)

    def rows_of(self, extents: Iterable[Extent]) -> Iterator[bytes]:
        """COPY text of extents one after the other. Raises as `rows`, at the end of an extent at the latest one block late"""
        ended: deque[tuple[int, int]] = deque()
        counts: deque[int] = deque()

        def refs() -> Iterator[ChunkRef]:
            for extent in extents:
                chunks = 0
                for ref in ending(self.chunk_refs(extent.chunks)):
                    chunks += 1
                    yield ref
                ended.append((chunks, extent.rows))

        def check() -> None:
            while ended and len(counts) >= ended[0][0]:
                chunks, claimed = ended.popleft()
                check_rows(sum(counts.popleft() for _ in range(chunks)), claimed)

        for block in self.blocks(refs(), ObjectType.ROW_CHUNK):
            counts.append(block.count(b"\n"))
            check()
            yield block
        check()

    def has_values(self, table: TableItem) -> bool:
        """Whether the values of the generated columns, which it has, are there for every row."""
        return bool(table.generated) and all(
            extent.values is not None or extent.rows == 0 for extent in self.extents(table)
        )

    def values(self, table: TableItem) -> Iterator[bytes]:
        """COPY text of the generated columns in blocks of whole rows, a row for each of `rows` if the table `has_values`.

        Raises  Malformed: of other rows or columns (TREE-15), or others than their digests say (SNAP-21)
        """
        for extent in self.extents(table):
            if extent.values is not None:
                yield from self.extent_values(extent, len(table.generated))

    def extent_values(self, extent: Extent, columns: int) -> Iterator[bytes]:
        """The same of one extent that has them."""
        assert extent.values is not None, "the caller has looked"
        sums = DigestSums(columns, id_key=self._reader.id_key)
        yield from sums.passing(self.blocks(ending(self.chunk_refs(extent.values)), ObjectType.ROW_CHUNK))
        read = sums.digests()
        check_rows(read.rows, extent.rows)
        if read.digests != extent.digests:
            raise Malformed("values of generated columns are others than their digests say")

    def order(self) -> tuple[OrderItem, ...]:
        """pg_dump's order; empty without a database. Raises  Malformed: it is not that of the entry list (SNAP-3)"""
        if self.manifest.database is None:
            return ()
        order = decode_order(self._reader.get(self.manifest.database.order, ObjectType.SCHEMA_ORDER))
        check_order(order, self.entry_items())
        return order

    def entries(self, items: Iterable[OrderItem | EntryItem]) -> Iterator[SchemaEntry]:
        """In the order of the items, read ahead. Raises  Malformed: an entry is not the one that its item names (SNAP-3)"""
        expected: deque[OrderItem | EntryItem] = deque()

        def ids() -> Iterator[ObjectId]:
            for item in items:
                expected.append(item)
                yield item.entry

        for plain in self._reader.get_many(ids(), ObjectType.SCHEMA_ENTRY):
            entry = decode_entry(plain)
            check_entry(entry, expected.popleft())
            yield entry

    def entry_items(self) -> Iterator[EntryItem]:
        """By identity."""
        return walk(self._database.entries, ENTRIES, self._reader.get_many)

    def changed_tables(self, since: Snapshot) -> Iterator[tuple[TableItem | None, TableItem | None]]:
        """(then, now) of each table that is not as it was in another snapshot of this repository; what both share is not read."""
        return differences(since._database.tables, self._database.tables, TABLES, load=self._reader.get_many)

    def changed_entries(self, since: Snapshot) -> Iterator[tuple[EntryItem | None, EntryItem | None]]:
        """As `changed_tables`."""
        return differences(since._database.entries, self._database.entries, ENTRIES, load=self._reader.get_many)

    def roles(self) -> Roles:
        return decode_roles(self._reader.get(self._database.roles, ObjectType.ROLES))

    def catalog(self) -> CatalogFacts:
        return decode_catalog(self._reader.get(self._database.catalog, ObjectType.CATALOG))

    def sequences(self) -> Iterator[SequenceItem]:
        return walk(self._database.sequences, SEQUENCES, self._reader.get_many)

    def large_objects(self) -> Iterator[LargeObjectItem]:
        return walk(self._database.large_objects, LARGE_OBJECTS, self._reader.get_many)

    def large_object_blocks(self, item: LargeObjectItem) -> Iterator[bytes]:
        return self.blocks(self.chunk_refs(item.chunks), ObjectType.LARGE_OBJECT_CHUNK)

    def directory(self, name: str) -> ListRef:
        """Raises  NotThere"""
        if name not in self.manifest.directories:
            there = sorted(self.manifest.directories)
            near = nearest(name, there)
            raise NotThere(
                f"no directory {name} in the snapshot",
                why=f"its directories: {', '.join(there) or 'none'}",
                hint=f"did you mean {near}?" if near else f"pgvault show {self.id.hex()[:12]}",
            )
        return self.manifest.directories[name]

    def files(self, directory: str) -> Iterator[FileItem]:
        """By path, bytewise. Raises  NotThere; Malformed: a path lies below one that is no directory (TREE-13)"""
        return one_tree(walk(self.directory(directory), FILES, self._reader.get_many))

    def files_below(self, directory: str, path: bytes) -> Iterator[FileItem]:
        """As `files`, those below `path` alone, without reading the rest of the list; without a path all. Raises  NotThere"""
        if not path:
            yield from self.files(directory)
            return
        prefix = path + b"/"
        for item in walk_from(self.directory(directory), prefix, FILES, self._reader.get_many):
            if not item.path.startswith(prefix):
                return
            yield item

    def file(self, directory: str, path: bytes) -> FileItem:
        """Raises  NotThere"""
        item = find(self.directory(directory), path, FILES, self._reader.get_many)
        if item is None:
            named = f"{directory}/{path.decode(errors='backslashreplace')}"
            raise NotThere(f"no file {named} in the snapshot", hint=f"pgvault ls {self.id.hex()[:12]}:{directory}")
        return item

    def has_below(self, directory: str, path: bytes) -> bool:
        """Whether any path lies below this one, which need not have an item. Reads one path of the list."""
        prefix = path + b"/"
        near = leaf(self.directory(directory), prefix, FILES, self._reader.get_many)
        return any(item.path.startswith(prefix) for item in near)

    def file_blocks(self, item: FileItem) -> Iterator[bytes]:
        return self.blocks(self.chunk_refs(item.chunks), ObjectType.FILE_CHUNK)

    def to_read(self, items: Iterable[T], chunks: Callable[[T], ChunkList | None]) -> Iterator[T]:
        """The same items; what is in their `chunks` is read ahead, for whoever reads all of it, each when it comes.

        Raises  what `items` raises, after the items before it, whoever pulled them; a list of chunks that cannot be read is told to
                who reads that item
        """
        waiting: deque[T] = deque()
        failed: list[Exception] = []

        def ids() -> Iterator[ObjectId | None]:
            try:
                for item in items:
                    waiting.append(item)
                    yield None
                    with suppress(IntegrityError):
                        listed = chunks(item)
                        yield from () if listed is None else (ref.id for ref in self.chunk_refs(listed))
            except Exception as error:  # noqa: BLE001  # whoever pulls may be reading something else
                failed.append(error)

        with self._reader.reading_ahead(ids()) as ahead:
            while waiting or ahead.next_window():
                while waiting:
                    yield waiting.popleft()
            yield from waiting
        if failed:
            raise failed[0]

    def chunk_refs(self, chunks: ChunkList, *, ahead: bool = True) -> Iterator[ChunkRef]:
        """`ahead`: as `extents` takes it"""
        if chunks.more is None:
            yield from chunks.inline
        else:
            yield from walk(chunks.more, CHUNKS, self._reader.get_many if ahead else self._reader.get_each)

    def ledger(self) -> Ledger:
        """Raises  Malformed: its states and counts are not those of the manifest (SNAP-4)"""
        ledger = decode_ledger(self._reader.get(self.manifest.ledger, ObjectType.LEDGER))
        check_ledger(ledger, self.manifest)
        return ledger

    def blocks(
        self, refs: Iterable[ChunkRef], chunk_type: ObjectType, *, keep: bool = False
    ) -> Generator[bytes, None, None]:
        """Contents in order, each compared with what its list says of it (TREE-10, TREE-11). `keep`: as `Reader.get` takes it"""
        expected: deque[ChunkRef] = deque()

        def ids() -> Iterator[ObjectId]:
            for ref in refs:
                expected.append(ref)
                yield ref.id

        for plain in self._reader.get_many(ids(), chunk_type, keep=keep):
            ref = expected.popleft()
            if len(plain) != ref.length:
                raise Malformed("chunk has another length than its list says", object_id=ref.id.hex())
            if ref.continues != (chunk_type is ObjectType.ROW_CHUNK and not plain.endswith(b"\n")):
                raise Malformed("chunk ends otherwise than its list says", object_id=ref.id.hex())
            yield plain


def check_order(order: Iterable[OrderItem], items: Iterable[EntryItem]) -> None:
    """Raises  Malformed: they name other entries (SNAP-3)"""
    ordered = sorted((item.identity, item.section, item.entry) for item in order)
    if ordered != sorted((item.identity, item.section, item.entry) for item in items):
        raise Malformed("schema order and entry list name other entries")


def check_entry(entry: SchemaEntry, item: OrderItem | EntryItem) -> None:
    """Raises  Malformed: it has another identity or section than its item (SNAP-3)"""
    if (entry.identity, entry.section) != (item.identity, item.section):
        raise Malformed("schema entry under another identity", object_id=item.entry.hex())


def check_ledger(ledger: Ledger, manifest: Manifest) -> None:
    """Raises  Malformed: states or counts differ (SNAP-4)"""
    if {name: (coverage.state, coverage.count) for name, coverage in ledger.items()} != dict(manifest.coverage):
        raise Malformed("ledger and manifest tell another coverage", object_id=manifest.ledger.hex())


def _table_key(name: TableName) -> bytes:
    return f"{name.schema}\0{name.name}".encode()


def ending(refs: Iterator[ChunkRef]) -> Iterator[ChunkRef]:
    """The same; raises Malformed if the last chunk of an extent continues."""
    last = None
    for last in refs:
        yield last
    if last is not None and last.continues:
        raise Malformed("the last chunk of an extent continues", object_id=last.id.hex())


def check_rows(rows: int, claimed: int) -> None:
    if rows != claimed:
        raise Malformed("table holds another number of rows than recorded", why=f"{rows} instead of {claimed}")
