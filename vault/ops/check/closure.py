"""Is everything that a snapshot names there? Walks every list node by node, so that one damaged node hides nothing else.

Nodes found whole are remembered with the packs below them, so snapshots that share them cost nothing more; damaged ones are visited from
every snapshot, which is how each learns what it lost. Chunks are looked up in the index; whether they are read is up to `ItemContents`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

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
from vault.ops.check.pack_sets import PackSet, PackSets
from vault.pipeline.lists import open_node, walk
from vault.repo.snapshot import check_entry, check_ledger, check_order
from vault.repo.state import Indexed

_CHUNKS_REMEMBERED_MAX = 500_000
"""A node that changed names all the chunks that did not; 100 MB at most for not looking them up again."""

Report = Callable[[IntegrityError, str], None]

Whole = PackSet | None
"""The packs that something whole relies on; None: it is not whole, and that was reported."""


class ItemContents(Protocol):
    """Looks at what items hold. An item of a node that was found whole is looked at once, whatever snapshots share it."""

    def prepare(self, table: TableItem | None, members: Sequence[object]) -> None:
        """Look at the members of one node, extents of `table` among them, and remember what is wrong until `holds` asks."""

    def holds(self, item: object, label: str) -> bool:
        """Whether a prepared member is what its list says of it; what is wrong is told with `label`."""


class Closure:
    """Checks snapshots one after the other. `bad`: objects already known to be damaged, with their error.

    contents   None: nothing of chunks is read
    """

    def __init__(
        self,
        repo: Indexed,
        bad: dict[ObjectId, IntegrityError],
        report: Report,
        *,
        contents: ItemContents | None = None,
    ) -> None:
        self._index = repo.index
        self._reader = repo.reader(threads=1)
        self._bad = bad
        self._report = report
        self._contents = contents
        self._table: TableItem | None = None
        """Whose extents are looked at."""
        self.packs = PackSets()
        self._whole: dict[ObjectId, PackSet] = {}
        self._whole_chunks: dict[tuple[ObjectId, int], PackSet] = {}
        self._compared: dict[tuple[ObjectId, ObjectId | None], bool] = {}
        self._trees: dict[ObjectId | None, bool] = {}
        self.objects = 0
        self.snapshots = 0

    def check(self, snapshot_id: SnapshotId, manifest: Manifest) -> Whole:
        self.snapshots += 1
        at = snapshot_id.hex()[:12] + ":"
        parts = [self._coverage(manifest, f"{at} coverage ledger")]
        if manifest.database is not None:
            parts += self._database(manifest.database, at)
        for name, ref in manifest.directories.items():
            files = self._list(ref, FILES, f"{at}{name}/")
            one = files is not None and self._one_tree(ref, f"{at}{name}/")
            parts.append(files if one else None)
        return self.packs.union(parts)

    def _database(self, part: DatabasePart, at: str) -> list[Whole]:
        order = self._object(part.order, ObjectType.SCHEMA_ORDER, f"{at} schema order", decode_order)
        roles = self._object(part.roles, ObjectType.ROLES, f"{at} roles", decode_roles)
        catalog = self._object(part.catalog, ObjectType.CATALOG, f"{at} catalog facts", decode_catalog)
        entries = self._list(part.entries, ENTRIES, f"{at} schema")
        if entries is not None and order is not None and not self._same_entries(part, f"{at} schema order"):
            entries = None
        return [
            order,
            roles,
            catalog,
            entries,
            self._list(part.sequences, SEQUENCES, f"{at} sequences"),
            self._list(part.large_objects, LARGE_OBJECTS, f"{at} large objects"),
            self._list(part.tables, TABLES, f"{at} tables"),
        ]

    def _coverage(self, manifest: Manifest, label: str) -> Whole:
        packs = self._object(manifest.ledger, ObjectType.LEDGER, label, decode_ledger)
        if packs is not None:
            try:
                check_ledger(decode_ledger(self._get(manifest.ledger, ObjectType.LEDGER)), manifest)
            except IntegrityError as error:
                self._report(error, label)
                return None
        return packs

    def _same_entries(self, part: DatabasePart, label: str) -> bool:
        """Told once for each pair of an order and a list."""
        pair = (part.order, part.entries.root)
        if pair not in self._compared:
            try:
                order = decode_order(self._get(part.order, ObjectType.SCHEMA_ORDER))
                check_order(order, walk(part.entries, ENTRIES, self._reader.get_many))
                self._compared[pair] = True
            except IntegrityError as error:
                self._report(error, label)
                self._compared[pair] = False
        return self._compared[pair]

    def _one_tree(self, ref: ListRef, label: str) -> bool:
        """Told once for each list."""
        if ref.root not in self._trees:
            try:
                for _ in one_tree(walk(ref, FILES, self._reader.get_many)):
                    pass
                self._trees[ref.root] = True
            except IntegrityError as error:
                self._report(error, label)
                self._trees[ref.root] = False
        return self._trees[ref.root]

    def _list(self, ref: ListRef, form: ListFormat[Any], label: str) -> Whole:
        if ref.root is None:
            return self.packs.none
        return self._node(tree.Child(last_key=b"", id=ref.root, sums=ref.sums), None, form, label)

    def _node(self, place: tree.Child, expected: int | None, form: ListFormat[Any], label: str) -> Whole:
        if place.id in self._whole:
            return self._whole[place.id]
        try:
            plain = self._get(place.id, form.node_type)
            level, members = open_node(plain, place, expected, form)
        except IntegrityError as error:
            error.object_id = error.object_id or place.id.hex()
            self._report(error, label)
            return None
        self.objects += 1
        if self._contents is not None:
            self._contents.prepare(self._table, members)
        below = [
            self._node(member, level - 1, form, label) if isinstance(member, tree.Child) else self._item(member, label)
            for member in members
        ]
        whole = self.packs.union([self._own_packs(place.id), *below])
        if whole is not None:
            self._whole[place.id] = whole
        return whole

    def _item(self, item: object, label: str) -> Whole:
        match item:
            case ChunkRef():
                return self._chunk(item, label)
            case Extent():
                whole = self.packs.union([self._chunks(chunks, label) for chunks in item.chunk_lists])
                return whole if self._has_its_digests(item, label) and self._holds(item, label) else None
            case FileItem():
                whole = self._chunks(item.chunks, label + path_text(item.path))
                return whole if self._holds(item, label + path_text(item.path)) else None
            case LargeObjectItem():
                whole = self._chunks(item.chunks, f"{label} {item.oid}")
                return whole if self._holds(item, f"{label} {item.oid}") else None
            case TableItem():
                table = f"{label.partition(':')[0]}:table {item.name}"
                self._table = item
                inline = self.packs.none if item.inline is None else self._item(item.inline, table)
                return self.packs.union([self._list(item.extents, EXTENTS, table), inline])
            case EntryItem():
                entry = f"{label.partition(':')[0]}:{item.identity.desc} {'.'.join(item.identity.names)}"
                return self._object(
                    item.entry, ObjectType.SCHEMA_ENTRY, entry, lambda plain: check_entry(decode_entry(plain), item)
                )
            case _:
                return self.packs.none

    def _holds(self, item: object, label: str) -> bool:
        return self._contents is None or self._contents.holds(item, label)

    def _has_its_digests(self, extent: Extent, label: str) -> bool:
        try:
            if self._table is not None:
                check_digests(self._table, extent)
        except Malformed as error:
            self._report(error, label)
            return False
        return True

    def _chunks(self, chunks: ChunkList, label: str) -> Whole:
        if chunks.more is not None:
            return self._list(chunks.more, CHUNKS, label)
        return self.packs.union([self._chunk(ref, label) for ref in chunks.inline])

    def _chunk(self, ref: ChunkRef, label: str) -> Whole:
        self.objects += 1
        known = self._whole_chunks.get((ref.id, ref.length))
        if known is not None:
            return known
        packs = self._bad.get(ref.id) or self._looked_up(ref)
        if isinstance(packs, IntegrityError):
            self._report(packs, label)
            return None
        if len(self._whole_chunks) < _CHUNKS_REMEMBERED_MAX:
            self._whole_chunks[ref.id, ref.length] = packs
        return packs

    def _looked_up(self, ref: ChunkRef) -> PackSet | IntegrityError:
        """The packs of a chunk, or what the index alone shows to be wrong with it."""
        found = self._index.head_and_packs(ref.id)
        if found is None and self._index.reload(self._index.loads, gone=None):
            found = self._index.head_and_packs(ref.id)
        if found is None:
            gone = self._index.gone_from(ref.id)
            return MissingObject(
                "chunk is missing",
                why="no pack that is there holds it, or what it is a delta against",
                file="" if gone is None else pack_name(gone),
                object_id=ref.id.hex(),
            )
        if found[0].record.plain_length != ref.length:
            return Malformed("chunk has another length than its list says", object_id=ref.id.hex())
        return self.packs.of(found[1])

    def _own_packs(self, object_id: ObjectId) -> Whole:
        """Of an object that was read; where it is now, if the place that was read first failed."""
        found = self._index.head_and_packs(object_id)
        return None if found is None else self.packs.of(found[1])

    def _object(
        self, object_id: ObjectId, object_type: ObjectType, label: str, decode: Callable[[bytes], object]
    ) -> Whole:
        if object_id in self._whole:
            return self._whole[object_id]
        self.objects += 1
        try:
            decode(self._get(object_id, object_type))
        except IntegrityError as error:
            error.object_id = error.object_id or object_id.hex()
            self._report(error, label)
            return None
        whole = self._own_packs(object_id)
        if whole is not None:
            self._whole[object_id] = whole
        return whole

    def _get(self, object_id: ObjectId, object_type: ObjectType) -> bytes:
        error = self._bad.get(object_id)
        if error is not None:
            raise error
        return self._reader.get(object_id, object_type)
