"""Write the new snapshot of a damaged one: what survives, adopted or stored anew, and a ledger that names the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TypeVar

from vault.crypto import keyed
from vault.errors import IntegrityError
from vault.format.ledger import decode_ledger, encode_ledger
from vault.format.lists import CHUNKS, ENTRIES, EXTENTS, FILES, LARGE_OBJECTS, SEQUENCES, TABLES, ListFormat
from vault.format.schema import decode_order, encode_order
from vault.ids import ObjectId
from vault.model import (
    ChunkList,
    ChunkRef,
    Coverage,
    DatabasePart,
    EntryItem,
    Extent,
    Ledger,
    ListRef,
    Manifest,
    Missing,
    ObjectType,
    OrderItem,
    Origin,
    State,
    TableItem,
)
from vault.model.words import counted
from vault.ops.repair.losses import Loss, Survivors, ledger_loss
from vault.ops.repair.snapshots import DamagedSnapshot
from vault.pipeline.lists import build
from vault.repo.writer import Committed
from vault.repo.writing import Writing, taken

T = TypeVar("T")


def remake(target: Writing, damaged: DamagedSnapshot) -> Committed:
    """Commit a snapshot without what the damaged one lost. Raises  Locked, StoreError; IntegrityError: it was damaged further"""
    return _Remaking(target, damaged).commit()


class _Remaking:
    def __init__(self, target: Writing, damaged: DamagedSnapshot) -> None:
        self._target = target
        self._writer = target.writer
        self._damaged = damaged
        self._survivors = Survivors(target.indexed)
        self._split = partial(keyed.split_value, target.indexed.open.keys.id_key)

    def commit(self) -> Committed:
        before = self._writer.new_bytes
        old = self._damaged.manifest
        part = None if old.database is None else self._database(old.database)
        directories = {name: self._directory(old, name) for name in old.directories}
        losses = self._survivors.losses
        ledger = self._ledger(old, losses)
        origin = Origin(repository=self._target.indexed.open.config.repository, snapshot=self._damaged.id)
        manifest = replace(
            old,
            database=part,
            directories=directories,
            ledger=self._writer.put(ObjectType.LEDGER, encode_ledger(ledger)),
            coverage={name: (item.state, item.count) for name, item in ledger.items()},
            counts=replace(old.counts, records=max(0, old.counts.records - sum(loss.rows for loss in losses))),
            suspect=f"repaired: {counted(len(self._damaged.losses), 'loss', 'losses')}, named in its coverage",
            origin=origin,
        )

        def at(new_bytes: int) -> Manifest:
            return replace(manifest, effort=replace(old.effort, new_bytes=new_bytes - before))

        return self._target.commit(at, taken=taken(self._target.indexed.open))

    def _database(self, part: DatabasePart) -> DatabasePart:
        entries = tuple(self._survivors.entries(part))
        return replace(
            part,
            tables=self._build(map(self._table, self._survivors.items(part.tables, TABLES, "data")), TABLES),
            entries=self._build(map(self._entry, entries), ENTRIES),
            order=self._order(part, {item.entry for item in entries}),
            roles=self._keep(part.roles, ObjectType.ROLES),
            catalog=self._keep(part.catalog, ObjectType.CATALOG),
            sequences=self._build(self._survivors.items(part.sequences, SEQUENCES, "sequences"), SEQUENCES),
            large_objects=self._build(
                (
                    replace(item, chunks=self._chunks(item.chunks, ObjectType.LARGE_OBJECT_CHUNK))
                    for item in self._survivors.large_objects(part)
                ),
                LARGE_OBJECTS,
            ),
        )

    def _directory(self, manifest: Manifest, name: str) -> ListRef:
        files = self._survivors.files(manifest, name)
        return self._build(
            (replace(item, chunks=self._chunks(item.chunks, ObjectType.FILE_CHUNK)) for item in files), FILES
        )

    def _table(self, item: TableItem) -> TableItem:
        extents = (
            replace(
                extent,
                chunks=self._chunks(extent.chunks, ObjectType.ROW_CHUNK),
                values=None if extent.values is None else self._chunks(extent.values, ObjectType.ROW_CHUNK),
            )
            for extent in self._survivors.extents(item)
        )
        first, second = next(extents, None), next(extents, None)
        if first is None or second is None:
            return replace(item, extents=ListRef(), inline=first)
        return replace(item, extents=self._build(_joined(first, second, extents), EXTENTS), inline=None)

    def _entry(self, item: EntryItem) -> EntryItem:
        return replace(item, entry=self._keep(item.entry, ObjectType.SCHEMA_ENTRY))

    def _order(self, part: DatabasePart, kept: set[ObjectId]) -> ObjectId:
        """The same order without what is lost, and what needs that does without."""
        order = decode_order(self._survivors.plain(part.order, ObjectType.SCHEMA_ORDER))
        places = [at for at, item in enumerate(order) if item.entry in kept]
        moved = {old: new for new, old in enumerate(places)}
        items: list[OrderItem] = []
        for at in places:
            needs = tuple(moved[need] for need in order[at].needs if need in moved)
            items.append(replace(order[at], needs=needs))
        return self._writer.put(ObjectType.SCHEMA_ORDER, encode_order(tuple(items)))

    def _ledger(self, old: Manifest, losses: Iterable[Loss]) -> Ledger:
        try:
            ledger = dict(decode_ledger(self._survivors.plain(old.ledger, ObjectType.LEDGER)))
        except IntegrityError as error:
            ledger = {name: Coverage(state=state, count=count) for name, (state, count) in old.coverage.items()}
            losses = [*losses, ledger_loss(error)]
        for loss in losses:
            there = ledger.get(loss.component, Coverage(state=State.EMPTY, count=0))
            missing = Missing(
                item=loss.item,
                state=State.FAILED,
                why=f"lost: {loss.why}",
                fix="look for it in an earlier or a later snapshot",
            )
            ledger[loss.component] = Coverage(
                state=State.FAILED, count=max(0, there.count - loss.items), missing=(*there.missing, missing)
            )
        return ledger

    def _chunks(self, chunks: ChunkList, chunk_type: ObjectType) -> ChunkList:
        if chunks.more is None:
            return ChunkList(inline=tuple(self._kept(chunks.inline, chunk_type)))
        return ChunkList(more=self._build(self._kept(self._survivors.refs(chunks), chunk_type), CHUNKS))

    def _kept(self, refs: Iterable[ChunkRef], chunk_type: ObjectType) -> Iterator[ChunkRef]:
        for ref in refs:
            self._keep(ref.id, chunk_type)
            yield ref

    def _keep(self, object_id: ObjectId, object_type: ObjectType) -> ObjectId:
        """Adopt it, or store it anew where its only place is in a pack that goes."""
        if not self._writer.adopt(object_id):
            self._writer.put(object_type, self._survivors.plain(object_id, object_type))
        return object_id

    def _build(self, items: Iterable[T], form: ListFormat[T]) -> ListRef:
        return build(items, form, split=self._split, put=self._writer.put)


def _joined(first: Extent, second: Extent, rest: Iterator[Extent]) -> Iterator[Extent]:
    yield first
    yield second
    yield from rest
