"""Is everything that a snapshot names there? Walks every list node by node, so that one damaged node hides nothing else.

Nodes found whole are remembered, so snapshots that share them cost nothing more; damaged ones are visited from every snapshot, which is
how each learns what it lost. Chunks are looked up in the index, not read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vault.errors import IntegrityError, Malformed, MissingObject
from vault.format import tree
from vault.format.cluster import decode_catalog, decode_roles
from vault.format.files import one_tree
from vault.format.ledger import decode_ledger
from vault.format.lists import (
    CHUNKS,
    ENTRIES,
    EXTENTS,
    FILES,
    LARGE_OBJECTS,
    SEQUENCES,
    TABLES,
    ListFormat,
)
from vault.format.pack import pack_name
from vault.format.schema import decode_entry, decode_order
from vault.format.tables import check_digests
from vault.ids import ObjectId, SnapshotId
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
    TableItem,
)
from vault.model.files import path_text
from vault.pipeline.lists import open_node, walk
from vault.repo.snapshot import check_entry, check_ledger, check_order
from vault.repo.state import Indexed

_CHUNKS_REMEMBERED_MAX = 500_000
"""A node that changed names all the chunks that did not; 100 MB at most for not looking them up again."""

Report = Callable[[IntegrityError, str], None]


class Closure:
    """Checks snapshots one after the other. `bad`: objects already known to be damaged, with their error."""

    def __init__(self, repo: Indexed, bad: dict[ObjectId, IntegrityError], report: Report) -> None:
        self._index = repo.index
        self._reader = repo.reader(threads=1)
        self._bad = bad
        self._report = report
        self._table: TableItem | None = None
        """Whose extents are looked at."""
        self._whole: set[ObjectId] = set()
        self._whole_chunks: set[tuple[ObjectId, int]] = set()
        self._compared: set[tuple[ObjectId, ObjectId | None]] = set()
        self._trees: set[ObjectId | None] = set()
        self.objects = 0
        self.snapshots = 0

    def check(self, snapshot_id: SnapshotId, manifest: Manifest) -> None:
        self.snapshots += 1
        at = snapshot_id.hex()[:12] + ":"
        self._coverage(manifest, f"{at} coverage ledger")
        if manifest.database is not None:
            self._database(manifest.database, at)
        for name, ref in manifest.directories.items():
            if self._list(ref, FILES, f"{at}{name}/"):
                self._one_tree(ref, f"{at}{name}/")

    def _database(self, part: DatabasePart, at: str) -> None:
        ordered = self._object(part.order, ObjectType.SCHEMA_ORDER, f"{at} schema order", decode_order)
        self._object(part.roles, ObjectType.ROLES, f"{at} roles", decode_roles)
        self._object(part.catalog, ObjectType.CATALOG, f"{at} catalog facts", decode_catalog)
        if self._list(part.entries, ENTRIES, f"{at} schema") and ordered:
            self._same_entries(part, f"{at} schema order")
        self._list(part.sequences, SEQUENCES, f"{at} sequences")
        self._list(part.large_objects, LARGE_OBJECTS, f"{at} large objects")
        self._list(part.tables, TABLES, f"{at} tables")

    def _coverage(self, manifest: Manifest, label: str) -> None:
        if self._object(manifest.ledger, ObjectType.LEDGER, label, decode_ledger):
            try:
                check_ledger(decode_ledger(self._get(manifest.ledger, ObjectType.LEDGER)), manifest)
            except IntegrityError as error:
                self._report(error, label)

    def _same_entries(self, part: DatabasePart, label: str) -> None:
        """Once for each pair of an order and a list."""
        pair = (part.order, part.entries.root)
        if pair in self._compared:
            return
        self._compared.add(pair)
        try:
            order = decode_order(self._get(part.order, ObjectType.SCHEMA_ORDER))
            check_order(order, walk(part.entries, ENTRIES, self._reader.get_many))
        except IntegrityError as error:
            self._report(error, label)

    def _one_tree(self, ref: ListRef, label: str) -> None:
        if ref.root in self._trees:
            return
        self._trees.add(ref.root)
        try:
            for _ in one_tree(walk(ref, FILES, self._reader.get_many)):
                pass
        except IntegrityError as error:
            self._report(error, label)

    def _list(self, ref: ListRef, form: ListFormat[Any], label: str) -> bool:
        if ref.root is None:
            return True
        return self._node(tree.Child(last_key=b"", id=ref.root, sums=ref.sums), None, form, label)

    def _node(self, place: tree.Child, expected: int | None, form: ListFormat[Any], label: str) -> bool:
        if place.id in self._whole:
            return True
        try:
            plain = self._get(place.id, form.node_type)
            level, members = open_node(plain, place, expected, form)
        except IntegrityError as error:
            error.object_id = error.object_id or place.id.hex()
            self._report(error, label)
            return False
        self.objects += 1
        results = [
            self._node(member, level - 1, form, label) if isinstance(member, tree.Child) else self._item(member, label)
            for member in members
        ]
        whole = all(results)
        if whole:
            self._whole.add(place.id)
        return whole

    def _item(self, item: object, label: str) -> bool:
        match item:
            case ChunkRef():
                return self._chunk(item, label)
            case Extent():
                return self._has_its_digests(item, label) and self._chunks(item.chunks, label)
            case FileItem():
                return self._chunks(item.chunks, label + path_text(item.path))
            case LargeObjectItem():
                return self._chunks(item.chunks, f"{label} {item.oid}")
            case TableItem():
                table = f"{label.partition(':')[0]}:table {item.name}"
                self._table = item
                inline = item.inline is None or self._item(item.inline, table)
                return self._list(item.extents, EXTENTS, table) and inline
            case EntryItem():
                entry = f"{label.partition(':')[0]}:{item.identity.desc} {'.'.join(item.identity.names)}"
                return self._object(
                    item.entry, ObjectType.SCHEMA_ENTRY, entry, lambda plain: check_entry(decode_entry(plain), item)
                )
            case _:
                return True

    def _has_its_digests(self, extent: Extent, label: str) -> bool:
        try:
            if self._table is not None:
                check_digests(self._table, extent)
        except Malformed as error:
            self._report(error, label)
            return False
        return True

    def _chunks(self, chunks: ChunkList, label: str) -> bool:
        if chunks.more is not None:
            return self._list(chunks.more, CHUNKS, label)
        results = [self._chunk(ref, label) for ref in chunks.inline]
        return all(results)

    def _chunk(self, ref: ChunkRef, label: str) -> bool:
        self.objects += 1
        if (ref.id, ref.length) in self._whole_chunks:
            return True
        error = self._bad.get(ref.id) or self._wrong(ref)
        if error is not None:
            self._report(error, label)
        elif len(self._whole_chunks) < _CHUNKS_REMEMBERED_MAX:
            self._whole_chunks.add((ref.id, ref.length))
        return error is None

    def _wrong(self, ref: ChunkRef) -> IntegrityError | None:
        """What the index alone shows to be wrong with a chunk."""
        place = self._index.chain_head(ref.id)
        if place is None:
            gone = self._index.gone_from(ref.id)
            return MissingObject(
                "chunk is missing",
                why="no pack that is there holds it, or what it is a delta against",
                file="" if gone is None else pack_name(gone),
                object_id=ref.id.hex(),
            )
        if place.record.plain_length != ref.length:
            return Malformed("chunk has another length than its list says", object_id=ref.id.hex())
        return None

    def _object(
        self, object_id: ObjectId, object_type: ObjectType, label: str, decode: Callable[[bytes], object]
    ) -> bool:
        if object_id in self._whole:
            return True
        self.objects += 1
        try:
            decode(self._get(object_id, object_type))
        except IntegrityError as error:
            error.object_id = error.object_id or object_id.hex()
            self._report(error, label)
            return False
        self._whole.add(object_id)
        return True

    def _get(self, object_id: ObjectId, object_type: ObjectType) -> bytes:
        error = self._bad.get(object_id)
        if error is not None:
            raise error
        return self._reader.get(object_id, object_type)
