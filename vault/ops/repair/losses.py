"""What a snapshot still has, list by list, and what it lost: a damaged node or chunk takes only what lies below it.

Reads, never writes. A chunk that lies in a pack that stays is believed; one that lies only in announced packs is opened. So packs are
repaired first, which reads all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from vault.errors import IntegrityError
from vault.format import tree
from vault.format.lists import CHUNKS, ENTRIES, EXTENTS, FILES, LARGE_OBJECTS, ListFormat
from vault.ids import ObjectId
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
    Sums,
    TableItem,
)
from vault.model.files import path_text
from vault.model.words import counted
from vault.pipeline.lists import open_node, walk
from vault.repo.state import Indexed

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """`component` of the ledger; `items`: how many of the component's count; `rows`: of the nine lines' records."""

    component: str
    item: str
    why: str
    items: int = 0
    rows: int = 0


class Survivors:
    """Of one repository; `losses` grows as lists are gone through."""

    def __init__(self, repo: Indexed) -> None:
        self._index = repo.index
        self._reader = repo.reader(threads=1)
        self.losses: list[Loss] = []

    def plain(self, object_id: ObjectId, object_type: ObjectType) -> bytes:
        """Raises  IntegrityError"""
        return self._reader.get(object_id, object_type)

    def items(self, ref: ListRef, form: ListFormat[T], component: str, *, of: str = "") -> Iterator[T]:
        """The items of a list that can be read, in its order. `of`: what the list belongs to."""
        if ref.root is not None:
            yield from self._below(tree.Child(last_key=b"", id=ref.root, sums=ref.sums), None, form, (component, of))

    def _below(self, place: tree.Child, level: int | None, form: ListFormat[T], owner: tuple[str, str]) -> Iterator[T]:
        try:
            own, members = open_node(self.plain(place.id, form.node_type), place, level, form)
        except IntegrityError as error:
            self._lose_node(place.sums, error, form.node_type, owner)
            return
        for member in members:
            if isinstance(member, tree.Child):
                yield from self._below(member, own - 1, form, owner)
            else:
                yield member

    def _lose_node(self, sums: Sums, error: IntegrityError, node_type: ObjectType, owner: tuple[str, str]) -> None:
        component, of = owner
        if node_type is ObjectType.EXTENT_NODE:
            item, items = f"table {of}", 0
        else:
            items = sums.items
            item = (
                f"{counted(items, node_type.name.lower().removesuffix('_node').replace('_', ' '))} whose names are lost"
            )
        self.losses.append(Loss(component=component, item=item, why=_why(error), items=items, rows=sums.rows))

    def extents(self, table: TableItem) -> Iterator[Extent]:
        """Of a table, those whose chunks are all there; what is lost of it is told once, with its rows."""
        told = len(self.losses)
        values: list[Loss] = []
        rows, first = 0, ""
        found = (
            [table.inline]
            if table.inline is not None
            else self.items(table.extents, EXTENTS, "data", of=str(table.name))
        )
        for extent in found:
            why = self.lost_chunk(extent.chunks, ObjectType.ROW_CHUNK)
            if why:
                rows, first = rows + extent.rows, first or why
                continue
            if extent.values is not None and (why := self.lost_chunk(extent.values, ObjectType.ROW_CHUNK)):
                item = f"what generated columns of {table.name} were, from block {extent.start} on"
                values.append(Loss(component="data", item=item, why=why))
                extent = replace(extent, values=None)
            yield extent
        nodes, self.losses[told:] = self.losses[told:], []
        rows += sum(loss.rows for loss in nodes)
        if first or nodes:
            text = f"{counted(rows, 'row')} of it are lost: {first or nodes[0].why}"
            self.losses.append(Loss(component="data", item=f"table {table.name}", why=text, rows=rows))
        self.losses += values

    def files(self, manifest: Manifest, name: str) -> Iterator[FileItem]:
        """Of a directory, those whose content is all there."""
        component = name if name in manifest.coverage else f"dir:{name}"
        for item in self.items(manifest.directories[name], FILES, component):
            why = self.lost_chunk(item.chunks, ObjectType.FILE_CHUNK)
            if why:
                path = path_text(item.path)
                self.losses.append(Loss(component=component, item=f"file {path}", why=why, items=name == component))
            else:
                yield item

    def large_objects(self, part: DatabasePart) -> Iterator[LargeObjectItem]:
        for item in self.items(part.large_objects, LARGE_OBJECTS, "large_objects"):
            why = self.lost_chunk(item.chunks, ObjectType.LARGE_OBJECT_CHUNK)
            if why:
                self.losses.append(Loss(component="large_objects", item=f"large object {item.oid}", why=why, items=1))
            else:
                yield item

    def entries(self, part: DatabasePart) -> Iterator[EntryItem]:
        for item in self.items(part.entries, ENTRIES, "schema"):
            try:
                self.plain(item.entry, ObjectType.SCHEMA_ENTRY)
            except IntegrityError as error:
                label = f"{item.identity.desc} {'.'.join(item.identity.names)}"
                self.losses.append(Loss(component="schema", item=label, why=_why(error), items=1))
            else:
                yield item

    def lost_chunk(self, chunks: ChunkList, chunk_type: ObjectType) -> str:
        """Why the content cannot be read whole; empty if it can."""
        try:
            for ref in self.refs(chunks):
                if not self._index.lasting_packs(ref.id):
                    self.plain(ref.id, chunk_type)
        except IntegrityError as error:
            return _why(error)
        return ""

    def refs(self, chunks: ChunkList) -> Iterator[ChunkRef]:
        """Raises  IntegrityError"""
        return iter(chunks.inline) if chunks.more is None else walk(chunks.more, CHUNKS, self._reader.get_many)


def ledger_loss(error: IntegrityError) -> Loss:
    """States and counts of the ledger are in the manifest too; the items are not."""
    return Loss(component="schema", item="what the ledger said of items", why=_why(error))


def _why(error: IntegrityError) -> str:
    return error.message + (f" ({error.file})" if error.file else "")
