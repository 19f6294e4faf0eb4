"""Packs of metadata, read whole and kept: a list's nodes lie side by side in them, and each alone would be a round trip.

Only where requests are round trips. A small pack is read whole at the first object that is wanted of it, a larger one after a few.
Kept are the bytes as they are stored, sealed; a copy counts only if its SHA-256 is its name, so that an object that does not open is
the store's. Whoever must see what the store holds now keeps none from earlier runs. Spec 40-pack.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Final

from vault.crypto import keyed
from vault.format.pack import pack_name
from vault.ids import PackId
from vault.limits import MIB, PACK_BYTES_MAX
from vault.ports import ObjectStore
from vault.repo import private

_AT_ONCE_BYTES: Final = 1 * MIB
"""Read whole without asking how much of it is wanted: over a slow line it takes as long as a few round trips."""
_ASKED_MAX: Final = 8
"""So many objects of a larger pack are read one by one; then it is worth a whole."""
_HELD_BYTES_MAX: Final = 32 * MIB
"""Of packs in memory; at least the newest stays, whatever its size."""
_KEPT_BYTES_MAX: Final = 512 * MIB
"""Of files; those that were not used for longest go."""
_SAVES_BETWEEN: Final = 64
"""Between two looks at how much there is."""


class MetaPacks:
    """`directory` is private to this program; None: packs are kept for this run alone. Thread-safe."""

    def __init__(self, store: ObjectStore, directory: Path | None) -> None:
        self._store = store
        self._directory = directory
        self._lock = threading.Lock()
        self._fetching: dict[PackId, threading.Lock] = {}
        self._asked: Counter[PackId] = Counter()
        self._spoiled: set[PackId] = set()
        self._held: OrderedDict[PackId, bytes] = OrderedDict()
        self._held_bytes = 0
        self._saved = 0

    def read(self, pack: PackId, size: int, *, offset: int, length: int) -> bytes:
        """A range of a pack that is there with this size. Raises  as ObjectStore.get_range"""
        with self._lock:
            turn = self._fetching.setdefault(pack, threading.Lock())
        with turn:
            data = self._whole(pack, size)
        if data is None or offset + length > len(data):
            return self._store.get_range(pack_name(pack), offset, length)
        return data[offset : offset + length]

    def keep(self, pack: PackId, data: bytes) -> None:
        """A pack that was just put: the next run reads what this one wrote."""
        self._hold(pack, data)
        self._save(pack, data)

    def _whole(self, pack: PackId, size: int) -> bytes | None:
        with self._lock:
            data = self._held.get(pack)
            if data is not None:
                self._held.move_to_end(pack)
                return data
        if size > PACK_BYTES_MAX or pack in self._spoiled:
            return None
        data = self._load(pack, size)
        if data is None:
            self._asked[pack] += 1
            if size > _AT_ONCE_BYTES and self._asked[pack] <= _ASKED_MAX:
                return None
            data = self._store.get(pack_name(pack))
            if keyed.sha256(data) != pack:
                self._spoiled.add(pack)  # its objects are read one by one: some may be whole
                return None
            self._save(pack, data)
        self._hold(pack, data)
        return data

    def _hold(self, pack: PackId, data: bytes) -> None:
        with self._lock:
            if pack in self._held:
                return
            self._held[pack] = data
            self._held_bytes += len(data)
            while self._held_bytes > _HELD_BYTES_MAX and len(self._held) > 1:
                self._held_bytes -= len(self._held.popitem(last=False)[1])

    def _load(self, pack: PackId, size: int) -> bytes | None:
        if self._directory is None:
            return None
        path = self._directory / pack.hex()
        with suppress(OSError):
            data = private.load(path)
            if data is not None and len(data) == size and keyed.sha256(data) == pack:
                os.utime(path)
                return data
        return None

    def _save(self, pack: PackId, data: bytes) -> None:
        """What cannot be kept is read again."""
        if self._directory is not None:
            with suppress(OSError):
                with self._lock:
                    due, self._saved = self._saved % _SAVES_BETWEEN == 0, self._saved + 1
                if due:
                    self._make_room()
                private.save(self._directory / pack.hex(), data, durable=False)

    def _make_room(self) -> None:
        if self._directory is None or not self._directory.is_dir():
            return
        with os.scandir(self._directory) as entries:
            files = sorted((entry.stat().st_mtime_ns, entry.stat().st_size, entry.path) for entry in entries)
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total <= _KEPT_BYTES_MAX:
                return
            with suppress(OSError):
                os.unlink(path)
            total -= size
