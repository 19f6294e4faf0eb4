"""What items hold, against what their lists say of them: every chunk is decoded, so its id is proven, and rows and bytes are counted.

Rows go through the CSV form as they are read: that is the strictest of the forms in which they are rendered, and the dump and the scripts
take COPY text as it is. A chunk of whole rows is decoded once for all snapshots that share it, as far as memory goes; one that is a part of
a long row, and rows that have values of generated columns beside them, once for each extent that has them. Streams: a few chunks are held.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Final

from vault.errors import IntegrityError, Malformed, UsageError, VaultError
from vault.ids import ObjectId, SnapshotId
from vault.model import (
    ChunkRef,
    Column,
    Extent,
    FileItem,
    LargeObjectItem,
    Manifest,
    ObjectType,
    TableItem,
)
from vault.ops.check.parts import WHOLE, Part
from vault.pipeline import copytext
from vault.ports import Progress
from vault.repo.snapshot import Snapshot, check_rows, ending
from vault.repo.state import Indexed
from vault.repo.workers import ordered
from vault.sql.encoding import codec_of

_KNOWN_MAX: Final = 400_000
"""Chunks whose rows are remembered, of 512 KiB on average; 80 MB at most for not decoding them again."""
_THREADS: Final = 2

Report = Callable[[VaultError, str], None]
"""An error, and where it is. Without object and file: what is there is whole, and is not what its list says."""


class SnapshotContents:
    """Implements `closure.ItemContents` for one snapshot after the other: `of` names the next. Used by one thread."""

    def __init__(
        self,
        repo: Indexed,
        bad: dict[ObjectId, IntegrityError],
        report: Report,
        *,
        progress: Progress,
        part: Part = WHOLE,
    ) -> None:
        """`bad`: chunks that are found damaged are put there, for the closure to tell."""
        self._reader = repo.reader(threads=_THREADS)
        self._bad = bad
        self._report = report
        self._progress = progress
        self._part = part
        self._snapshot: Snapshot | None = None
        self._codec = "utf-8"
        self._wrong: dict[int, VaultError | None] = {}
        """By the identity of an item that was prepared and not asked for yet."""
        self._rows: dict[bytes, int] = {}
        self._layouts: dict[tuple[Column, ...], int] = {}
        self._lock = threading.Lock()
        self.read_bytes = 0

    def of(self, snapshot_id: SnapshotId, manifest: Manifest) -> None:
        """Raises  SourceError: rows in an encoding that has no codec"""
        self._snapshot = Snapshot(snapshot_id, manifest, self._reader)
        self._wrong.clear()
        if manifest.database is not None:
            self._codec = codec_of(manifest.database.server.encoding)

    def prepare(self, table: TableItem | None, members: Sequence[object]) -> None:
        looks: list[tuple[object, Callable[[], None]]] = []
        for member in members:
            match member:
                case TableItem() if member.inline is not None and self._has(member, member.inline):
                    looks.append((member.inline, _bound(self._extent, member, member.inline)))
                case Extent() if table is not None and self._has(table, member):
                    looks.append((member, _bound(self._extent, table, member)))
                case FileItem() if self._part.has(b"file\0" + member.path):
                    looks.append((member, _bound(self._blob, member)))
                case LargeObjectItem() if self._part.has(b"large object\0%d" % member.oid):
                    looks.append((member, _bound(self._blob, member)))
        verdicts = ordered(lambda look: self._verdict(*look), looks, threads=_THREADS, ahead=2 * _THREADS)
        for (item, _), error in zip(looks, verdicts, strict=True):
            self._wrong[id(item)] = error

    def holds(self, item: object, label: str) -> bool:
        error = self._wrong.pop(id(item), None)
        if error is not None:
            self._report(error, label)
        return error is None

    def _has(self, table: TableItem, extent: Extent) -> bool:
        return self._part.has(f"rows\0{table.name.schema}\0{table.name.name}\0{extent.start}".encode())

    def _verdict(self, item: object, look: Callable[[], None]) -> VaultError | None:
        """What is wrong besides damaged chunks. UsageError: a row has no form in UTF-8."""
        try:
            look()
        except (IntegrityError, UsageError) as error:
            if isinstance(error, UsageError) or not error.object_id:
                return error
            assert isinstance(item, Extent | FileItem | LargeObjectItem), "`prepare` takes no other"
            found = dict(self._damaged(item))
            self._bad.update(found)
            if not any(other.object_id == error.object_id for other in found.values()):
                return error  # it opens, and is not what the list says
        return None

    def _damaged(self, item: Extent | FileItem | LargeObjectItem) -> Iterator[tuple[ObjectId, IntegrityError]]:
        """Every chunk of what could not be read, each on its own: one that is damaged hides no other."""
        assert self._snapshot is not None, "`of` comes first"
        lists = item.chunk_lists if isinstance(item, Extent) else (item.chunks,)
        with suppress(IntegrityError):  # of a node of a list, which the closure reads too
            for ref in chain.from_iterable(map(self._snapshot.chunk_refs, lists)):
                try:
                    self._reader.get(ref.id, _kind(item))
                except IntegrityError as error:
                    yield ref.id, error

    # --- rows --------------------------------------------------------------------------------

    def _extent(self, table: TableItem, extent: Extent) -> None:
        assert self._snapshot is not None, "`of` comes first"
        if extent.values is None:
            rows, columns = self._fresh_rows(table, extent), table.columns
        else:
            columns = tuple(sorted((*table.columns, *table.generated), key=lambda column: column.attnum))
            values = self._told(self._snapshot.extent_values(extent, len(table.generated)))
            every_row = self._told(self._snapshot.extent_rows(extent))
            rows = copytext.beside(every_row, values, [column in table.generated for column in columns])
        text = copytext.to_utf8(copytext.whole_rows(rows), self._codec)
        _exhaust(copytext.render("csv", text, table.name, columns))

    def _fresh_rows(self, table: TableItem, extent: Extent) -> Iterator[bytes]:
        """COPY text of the chunks that were not read yet, whole rows together; then all of them are counted. Raises  Malformed"""
        assert self._snapshot is not None, "`of` comes first"
        layout = self._layout(table.columns)
        rows = length = 0
        asked: deque[bytes | None] = deque()

        def unread() -> Iterator[ChunkRef]:
            nonlocal rows, length
            assert self._snapshot is not None, "`of` comes first"
            is_part = False
            for ref in ending(self._snapshot.chunk_refs(extent.chunks)):
                length += ref.length
                key = None if is_part or ref.continues else ref.id[:16] + layout
                is_part = ref.continues
                known = None if key is None else self._rows.get(key)
                if known is None:
                    asked.append(key)
                    yield ref
                else:
                    rows += known

        read: dict[bytes, int] = {}
        for block in self._told(self._snapshot.blocks(unread(), ObjectType.ROW_CHUNK)):
            rows_of_block = block.count(b"\n")
            self._remember(read, asked.popleft(), rows_of_block)
            rows += rows_of_block
            yield block
        check_rows(rows, extent.rows)
        if length != extent.bytes:
            raise Malformed("rows have another length than recorded", why=f"{length} instead of {extent.bytes}")
        self._rows.update(read)

    def _layout(self, columns: tuple[Column, ...]) -> bytes:
        return self._layouts.setdefault(columns, len(self._layouts)).to_bytes(4, "big")

    # --- files and large objects -------------------------------------------------------------

    def _blob(self, item: FileItem | LargeObjectItem) -> None:
        assert self._snapshot is not None, "`of` comes first"
        kind = _kind(item)
        size = 0
        read: dict[bytes, int] = {}

        def unread() -> Iterator[ChunkRef]:
            nonlocal size
            assert self._snapshot is not None, "`of` comes first"
            for ref in self._snapshot.chunk_refs(item.chunks):
                size += ref.length
                if (key := _whole(ref.id, kind)) not in self._rows:
                    self._remember(read, key, 0)
                    yield ref

        _exhaust(self._told(self._snapshot.blocks(unread(), kind)))
        if size != item.size:
            raise Malformed("content has another length than recorded", why=f"{size} instead of {item.size}")
        self._rows.update(read)

    def _remember(self, read: dict[bytes, int], key: bytes | None, rows: int) -> None:
        """In `read`, which counts when all that it is of was found right; as far as memory goes."""
        if key is not None and len(self._rows) + len(read) < _KNOWN_MAX:
            read[key] = rows

    def _told(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            with self._lock:
                self.read_bytes += len(block)
            self._progress.advance(len(block))
            yield block


def _kind(item: Extent | FileItem | LargeObjectItem) -> ObjectType:
    match item:
        case Extent():
            return ObjectType.ROW_CHUNK
        case FileItem():
            return ObjectType.FILE_CHUNK
    return ObjectType.LARGE_OBJECT_CHUNK


def _whole(object_id: ObjectId, kind: ObjectType) -> bytes:
    return object_id[:16] + bytes((kind,))


def _bound(look: Callable[..., None], *arguments: object) -> Callable[[], None]:
    return lambda: look(*arguments)


def _exhaust(blocks: Iterable[bytes]) -> None:
    deque(blocks, maxlen=0)
