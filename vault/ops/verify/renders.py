"""Every rendered file of a snapshot, rendered to its end and thrown away.

Rows that `contents` has put through the CSV form are not read again: where the dump and the script hold them as COPY text, line ends of the
same length stand for them, and so for the bytes of large objects. So what is shown is that each file has its beginning, its parts in their
places and its end. The files of single tables are that form itself. What only depends on things that an earlier snapshot had is not
rendered again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from typing import Final

from vault.errors import IntegrityError, NotThere, UsageError, VaultError
from vault.ids import SnapshotId
from vault.limits import MIB
from vault.model import LargeObjectItem, Manifest, TableItem
from vault.ops.check.parts import Part
from vault.ops.project.components import Selectors
from vault.ops.view.tree import DUMP, SQL, USERS, View
from vault.repo.reader import Reader
from vault.repo.snapshot import Snapshot

_FILLER: Final = b"\n" * MIB


class Renders:
    """Of one run of verify. Used by one thread."""

    def __init__(self, reader: Reader, part: Part) -> None:
        self._reader = reader
        self._part = part
        self._rendered: set[Hashable] = set()
        self.files = 0

    def all(
        self, snapshot_id: SnapshotId, manifest: Manifest, selectors: Selectors
    ) -> Iterator[tuple[str, VaultError]]:
        """Files of a snapshot, whose contents are whole, that cannot be rendered to their end. Raises  StoreError"""
        like = _what_counts(snapshot_id, manifest, selectors)
        whole = View(Snapshot(snapshot_id, manifest, self._reader), selectors)
        filled = View(_Filled(snapshot_id, manifest, self._reader), selectors)
        for entry in whole.ls():
            if entry.kind != "file" or entry.path == USERS or not self._part.has(b"rendered\0" + entry.path.encode()):
                continue
            if (like, entry.path) in self._rendered:
                continue
            try:
                view = filled if entry.path in (DUMP, SQL) else whole
                deque(view.open(entry.path), maxlen=0)
            except (IntegrityError, UsageError, NotThere) as error:
                yield entry.path, error
            else:
                self.files += 1
                self._rendered.add((like, entry.path))


def _what_counts(snapshot_id: SnapshotId, manifest: Manifest, selectors: Selectors) -> Hashable:
    """Two snapshots that are equal in this have the same rendered files, but for numbers and times in them."""
    part = manifest.database
    if part is None:
        return snapshot_id
    lists = (part.tables, part.entries, part.sequences, part.large_objects)
    return (*(ref.root for ref in lists), part.order, part.roles, part.catalog, part.server.encoding, selectors)


class _Filled(Snapshot):
    """The same, with line ends in the place of every row and every byte of a large object: as long as what they stand for."""

    def rows(self, table: TableItem) -> Iterator[bytes]:
        return _filler(table.sums.bytes)

    def large_object_blocks(self, item: LargeObjectItem) -> Iterator[bytes]:
        return _filler(item.size)


def _filler(size: int) -> Iterator[bytes]:
    for _ in range(size // MIB):
        yield _FILLER
    if size % MIB:
        yield _FILLER[: size % MIB]
