"""What one request of a listing tells of a repository: of a small one all its files, of a large one those that sort first.

Where each request is a round trip, slots, findings and snapshots come together when a repository is opened. It is a listing like any
other, used for that moment alone: whoever takes a directory's files from it has them once. Never used where the order of listings
matters (80-leases): nobody knows which of its names were looked at first. Spec 70-store.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from vault.crypto import keyed
from vault.ports import ObjectStore, StoredFile
from vault.repo import private
from vault.repo.workers import both

PAGE_FILES: Final = 1000
"""So many names come in one answer of every object store that is known."""


class Glance:
    """One page of the listing of the whole store, ascending by name."""

    def __init__(self, store: ObjectStore) -> None:
        """Lists. Raises  StoreError"""
        self._files = tuple(islice(store.list(""), PAGE_FILES))
        self._is_all = len(self._files) < PAGE_FILES
        self._taken: set[str] = set()

    def take(self, prefix: str) -> tuple[StoredFile, ...] | None:
        """Files whose name starts with `prefix`; None if the page does not tell of all, or they were taken before."""
        if prefix in self._taken or not (self._is_all or self._files[-1].name > prefix + "\U0010ffff"):
            return None
        self._taken.add(prefix)
        return tuple(file for file in self._files if file.name.startswith(prefix))


def listed(glance: Glance | None, store: ObjectStore, prefix: str) -> tuple[StoredFile, ...]:
    """From the glance where it tells them, else by a listing. Raises  StoreError"""
    files = None if glance is None else glance.take(prefix)
    return tuple(store.list(prefix)) if files is None else files


_FRESH_S: Final = 5.0
"""Somebody who types a passphrase takes longer."""
_CONFIG: Final = "config"
_STAMP: Final = struct.Struct(">QQ32s")
"""Before a copy of the configuration: size and time of the file as listed, and the digest of what follows."""


class Look:
    """The first look at a repository that is being opened. Where requests cost nothing (not `is_far`) there is no glance.

    copies  a private directory for the configuration as it was last read: it is made once and never changed, and proven by the keys
            before it is used. None: it is read each time
    """

    def __init__(
        self, store: ObjectStore, *, is_far: bool, uptime_s: Callable[[], float], copies: Path | None = None
    ) -> None:
        self._store = store
        self._is_far = is_far
        self._uptime_s = uptime_s
        self._copies = copies
        self._glance: Glance | None = None
        self._began_s = 0.0

    def config(self, read: Callable[[], bytes]) -> bytes:
        """The bytes of the configuration: what `read` gives, or the copy of the very file that the glance names. Raises as `read`"""
        if not self._is_far:
            return read()
        self._began_s = self._uptime_s()
        if self._copies is None:
            data, self._glance = both(read, partial(Glance, self._store))
            return data
        self._glance = Glance(self._store)
        stored = next((file for file in self._glance.take(_CONFIG) or () if file.name == _CONFIG), None)
        path = self._copies / keyed.sha256(self._store.url.encode()).hex()
        known = None if stored is None else _copied(path, stored)
        if known is not None:
            return known
        data = read()
        if stored is not None and len(data) == stored.size:
            with suppress(OSError):
                private.save(path, _STAMP.pack(stored.size, stored.modified_ms, keyed.sha256(data)) + data)
        return data

    def glance(self, *, anew: bool = False) -> Glance | None:
        """What was seen just now; with `anew` what is seen now. Raises  StoreError"""
        if self._is_far and (anew or self._glance is None or self._uptime_s() - self._began_s > _FRESH_S):
            self._glance = Glance(self._store)
        return self._glance


def _copied(path: Path, stored: StoredFile) -> bytes | None:
    """The copy, if it is one of this file, and whole."""
    data = b""
    with suppress(OSError):
        data = private.load(path) or b""
    stamp, copy = data[: _STAMP.size], data[_STAMP.size :]
    return copy if stamp == _STAMP.pack(stored.size, stored.modified_ms, keyed.sha256(copy)) else None
