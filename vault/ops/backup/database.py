"""Read one consistent view of a database into objects and lists.

Definitions are read at once, on a thread beside the rows, which several connections read; large objects come last.
Rows stream: a batch of extents is read, cut and handed to the writer's workers, and only ids stay behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from vault.crypto.keys import Keys
from vault.format.cluster import encode_catalog, encode_roles
from vault.format.lists import ENTRIES, LARGE_OBJECTS, SEQUENCES, TABLES
from vault.format.schema import encode_entry, encode_order
from vault.ids import ObjectId
from vault.model import (
    CatalogFacts,
    DatabasePart,
    Effort,
    EntryItem,
    LargeObjectItem,
    ListRef,
    Missing,
    ObjectType,
    OrderItem,
    Roles,
    SchemaEntry,
    TableName,
)
from vault.ops.backup.rows import RowCapture, RowOptions
from vault.ops.backup.stored_lists import ListWriter, storable
from vault.pipeline.cut import cut_bytes, fastcdc
from vault.ports import Capture, Progress
from vault.repo.snapshot import Snapshot
from vault.repo.workers import alongside
from vault.repo.writer import Writer

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseCapture:
    """What was read. `tables`: name and rows. `suspect`: what was found changed though the rule called it unchanged."""

    part: DatabasePart
    entries: tuple[SchemaEntry, ...]
    tables: tuple[tuple[TableName, int], ...]
    catalog: CatalogFacts
    roles: Roles
    missing: tuple[Missing, ...]
    effort: Effort
    suspect: str


def capture_database(
    capture: Capture,
    writer: Writer,
    *,
    keys: Keys,
    before: Snapshot | None,
    options: RowOptions,
    progress: Progress,
) -> DatabaseCapture:
    """Read everything of the view; the caller finishes it.

    before   a snapshot whose extents may be taken over and whose chunks may serve as bases
    Raises   SourceError, StoreError, IntegrityError
    """
    lists = ListWriter(writer, keys)
    progress.stage("looking for what changed")
    rows = RowCapture(capture, lists, before=before, keys=keys, options=options, progress=progress)
    with alongside(partial(_definitions, capture, lists), cancel=capture.abort) as described:
        with closing(rows.tables(cancel=described.cancel)) as items:
            tables = lists.build(items, TABLES)
        known = described.result()
    progress.stage("large objects")
    large_objects = lists.build(_large_objects(capture, lists, keys), LARGE_OBJECTS)
    with storable("roles, or facts of the catalog"):
        roles, catalog = encode_roles(known.roles), encode_catalog(known.catalog)
    part = DatabasePart(
        server=capture.server,
        tables=tables,
        entries=known.entry_list,
        order=known.order,
        roles=lists.put(ObjectType.ROLES, roles),
        catalog=lists.put(ObjectType.CATALOG, catalog),
        sequences=known.sequences,
        large_objects=large_objects,
    )
    return DatabaseCapture(
        part=part,
        entries=known.entries,
        tables=tuple(rows.counted),
        catalog=known.catalog,
        roles=known.roles,
        missing=known.missing,
        effort=Effort(read_bytes=rows.read_bytes, extents=rows.extents, extents_reused=rows.extents_reused),
        suspect=rows.suspect,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Definitions:
    entries: tuple[SchemaEntry, ...]
    entry_list: ListRef
    order: ObjectId
    catalog: CatalogFacts
    roles: Roles
    sequences: ListRef
    missing: tuple[Missing, ...]


def _definitions(capture: Capture, lists: ListWriter) -> _Definitions:
    """All that is not rows. Read beside the rows, at once: definitions are what changes under a snapshot."""
    dump = capture.schema()
    entry_list, order = _put_entries(dump.entries, dump.needs, lists)
    return _Definitions(
        entries=dump.entries,
        entry_list=entry_list,
        order=order,
        catalog=capture.catalog(),
        roles=capture.roles(),
        sequences=lists.build(sorted(capture.sequences(), key=SEQUENCES.key), SEQUENCES),
        missing=tuple(capture.missing),
    )


def _put_entries(
    entries: tuple[SchemaEntry, ...], needs: tuple[tuple[int, ...], ...], lists: ListWriter
) -> tuple[ListRef, ObjectId]:
    items = [
        EntryItem(
            identity=entry.identity,
            section=entry.section,
            entry=lists.put(ObjectType.SCHEMA_ENTRY, _encoded(entry)),
        )
        for entry in entries
    ]
    order = tuple(
        OrderItem(identity=item.identity, section=item.section, entry=item.entry, needs=need)
        for item, need in zip(items, needs, strict=True)
    )
    with storable("the order of the definitions"):
        encoded = encode_order(order)
    root = lists.put(ObjectType.SCHEMA_ORDER, encoded)
    return lists.build(sorted(items, key=ENTRIES.key), ENTRIES), root


def _encoded(entry: SchemaEntry) -> bytes:
    with storable(f"the definition of {entry.label}"):
        return encode_entry(entry)


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
