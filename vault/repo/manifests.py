"""Decoded manifests in the local cache, a line each, so that a list of ten thousand snapshots opens no ten thousand files.

A line is sealed under a key from the root and bound to the snapshot's id, the size of its file and this program's layout; what it says
cannot change, since the id is that of the manifest's bytes. On any doubt a line is dropped, silently: the file in the repository says it
again. A line never tells that the file is still whole: `check` reads that.

File: magic 8 | layout 8 | lines. Line: id 32 | size of the snapshot's file 8 | length 4 | nonce and sealed bytes.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from vault.crypto import keyed
from vault.crypto.keys import Keys
from vault.errors import IntegrityError
from vault.format import codec
from vault.format.codec import Value
from vault.ids import ObjectId, RepositoryId, SnapshotId
from vault.model import Counts, DatabasePart, Effort, ListRef, LocalKind, Manifest, Origin, ServerFacts, State, Sums
from vault.repo import local, private

_MAGIC: Final = b"PGVMANI1"
_HEAD: Final = struct.Struct(">32sQI")
_PARTS: Final = (Manifest, DatabasePart, ServerFacts, ListRef, Sums, Counts, Effort, Origin)
_LAYOUT: Final = keyed.digest(repr([(part.__name__, part.__slots__) for part in _PARTS]).encode())[:8]
"""Of the fields as this program knows them: a line that another version wrote is not read."""
_STATES: Final = {state.value: state for state in State}
_COUNTS: Final = Counts.__slots__
_EFFORT: Final = Effort.__slots__
_ORIGIN: Final = Origin.__slots__
_SERVER: Final = ServerFacts.__slots__
_STALE_MIN: Final = 64
"""So many lines of snapshots that are gone are left, or as many as there are others: then the file is written anew."""


class ManifestCache:
    """The lines of one repository. `directory` is private to this program; None remembers nothing. Used by one thread."""

    def __init__(self, directory: Path | None, keys: Keys, repository: RepositoryId) -> None:
        self._path = None if directory is None else directory / "manifests"
        self._keys = keys
        self._repository = repository
        self._lines: dict[SnapshotId, tuple[int, memoryview]] | None = None
        self._new: dict[SnapshotId, tuple[int, Manifest]] = {}
        self._whole = True
        self._sealer: local.Sealer | None = None

    def get(self, snapshot_id: SnapshotId, size: int) -> Manifest | None:
        """What the snapshot's file of that size says, if a line tells it."""
        if self._path is None:
            return None
        found = self._load(self._path).get(snapshot_id)
        if found is None or found[0] != size:
            return None
        try:
            plain = self._sealing().unseal(found[1], name=_bound(snapshot_id, size))
            return _manifest(codec.decode_own(plain))
        except (IntegrityError, ValueError, TypeError, KeyError):
            self._whole = False
            return None

    def add(self, snapshot_id: SnapshotId, size: int, manifest: Manifest) -> None:
        """To be kept by the next `save`."""
        if self._path is not None:
            self._new[snapshot_id] = (size, manifest)

    def save(self, listed: Iterable[SnapshotId] | None) -> None:
        """Keep what was added; lines of snapshots that are not `listed` any more go when they are many. Fails silently.

        listed  None: nobody listed them, and each may be there
        """
        if self._path is None:
            return
        lines = self._load(self._path)
        there = lines.keys() | self._new.keys() if listed is None else set(listed)
        stale = len(lines.keys() - there)
        if self._new or not self._whole:
            with suppress(OSError):
                if self._whole and lines and stale <= max(_STALE_MIN, len(lines) // 2):
                    _append(self._path, b"".join(self._encoded(self._new)))
                else:
                    kept = (
                        _HEAD.pack(key, size, len(line)) + line
                        for key, (size, line) in lines.items()
                        if key in there and key not in self._new
                    )
                    private.save(self._path, b"".join((_MAGIC, _LAYOUT, *kept, *self._encoded(self._new))))
        self._new, self._lines, self._whole = {}, None, True

    def _encoded(self, manifests: Mapping[SnapshotId, tuple[int, Manifest]]) -> Iterable[bytes]:
        for snapshot_id, (size, manifest) in manifests.items():
            plain = codec.encode(_line(manifest))
            sealed = self._sealing().seal(plain, name=_bound(snapshot_id, size))
            yield _HEAD.pack(snapshot_id, size, len(sealed)) + sealed

    def _sealing(self) -> local.Sealer:
        if self._sealer is None:
            self._sealer = local.Sealer(self._keys, LocalKind.MANIFESTS, self._repository)
        return self._sealer

    def _load(self, path: Path) -> dict[SnapshotId, tuple[int, memoryview]]:
        if self._lines is None:
            self._lines = {}
            data = b""
            with suppress(OSError):
                data = private.load(path) or b""
            start = len(_MAGIC) + len(_LAYOUT)
            if data[:start] == _MAGIC + _LAYOUT:
                self._whole = _split(memoryview(data), start, self._lines)
            else:
                self._whole = False
        return self._lines


def _split(data: memoryview, at: int, lines: dict[SnapshotId, tuple[int, memoryview]]) -> bool:
    """Collect the lines; False if something else stands at the end: whoever wrote it was killed."""
    while at + _HEAD.size <= len(data):
        key, size, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if at + length > len(data):
            return False
        lines[SnapshotId(key)] = (size, data[at : at + length])
        at += length
    return at == len(data)


def _append(path: Path, data: bytes) -> None:
    """In one write: another run may add lines of its own."""
    with open(os.open(path, os.O_WRONLY | os.O_APPEND), "ab", buffering=0) as file:
        file.write(data)


def _bound(snapshot_id: SnapshotId, size: int) -> bytes:
    return _LAYOUT + size.to_bytes(8, "big") + snapshot_id


# --- a line: arrays without names, in the order of the fields ---------------------------------------


def _line(manifest: Manifest) -> Value:
    database, parent = manifest.database, manifest.parent
    return (
        (manifest.source, manifest.created_ms, manifest.sequence, parent, manifest.selection),
        (manifest.program, manifest.ledger, manifest.suspect, manifest.host),
        None if manifest.origin is None else _fields(manifest.origin, _ORIGIN),
        tuple(manifest.tags.items()),
        None if database is None else _database_line(database),
        tuple((name, *_ref_line(ref)) for name, ref in manifest.directories.items()),
        tuple((name, state.value, count) for name, (state, count) in manifest.coverage.items()),
        _fields(manifest.counts, _COUNTS),
        _fields(manifest.effort, _EFFORT),
    )


def _database_line(part: DatabasePart) -> Value:
    lists = (part.tables, part.entries, part.sequences, part.large_objects)
    return (
        _fields(part.server, _SERVER),
        (part.order, part.roles, part.catalog),
        *(_ref_line(ref) for ref in lists),
    )


def _ref_line(ref: ListRef) -> tuple[Value, ...]:
    return ref.root, ref.sums.items, ref.sums.rows, ref.sums.bytes


def _fields(value: object, names: Iterable[str]) -> tuple[Value, ...]:
    return tuple(getattr(value, name) for name in names)


def _manifest(line: Any) -> Manifest:
    """Of a line that was authenticated, so that only another layout can be wrong with it. Raises  ValueError, TypeError, KeyError"""
    head, texts, origin, tags, database, directories, coverage, counts, effort = line
    source, created_ms, sequence, parent, selection = head
    program, ledger, suspect, host = texts
    return Manifest(
        source=source,
        created_ms=created_ms,
        sequence=sequence,
        parent=parent,
        selection=selection,
        tags=dict(tags),
        program=program,
        database=None if database is None else _database(database),
        directories={name: _ref(row) for name, *row in directories},
        ledger=ledger,
        coverage={name: (_STATES[state], count) for name, state, count in coverage},
        counts=Counts(**dict(zip(_COUNTS, counts, strict=True))),
        effort=Effort(**dict(zip(_EFFORT, effort, strict=True))),
        suspect=suspect,
        host=host,
        origin=None if origin is None else Origin(**dict(zip(_ORIGIN, origin, strict=True))),
    )


def _database(line: Any) -> DatabasePart:
    server, (order, roles, catalog), tables, entries, sequences, large_objects = line
    return DatabasePart(
        server=ServerFacts(**dict(zip(_SERVER, server, strict=True))),
        tables=_ref(tables),
        entries=_ref(entries),
        order=ObjectId(order),
        roles=ObjectId(roles),
        catalog=ObjectId(catalog),
        sequences=_ref(sequences),
        large_objects=_ref(large_objects),
    )


def _ref(line: Iterable[Any]) -> ListRef:
    root, items, rows, size = line
    return ListRef(root=root, sums=Sums(items=items, rows=rows, bytes=size))
