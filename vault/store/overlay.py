"""A store whose writes go elsewhere: reads fall through to the one behind, which is never changed. Spec 70-store.

For whoever needs a snapshot for a moment and must leave nothing: all that is put, leases included, lies in `own`, which is thrown away.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from operator import attrgetter

from vault.errors import AlreadyExists, NotFound, StoreError
from vault.ports import ObjectStore, StoredFile


class OverlayStore:
    """`own` and `next_store` hold different names. What is deleted must be one's own."""

    def __init__(self, next_store: ObjectStore, own: ObjectStore) -> None:
        self._next = next_store
        self._own = own

    @property
    def url(self) -> str:
        return self._next.url

    @property
    def network(self) -> str:
        return self._next.network

    def put(self, name: str, data: bytes) -> None:
        if any(file.name == name for file in self._next.list(name)):
            raise AlreadyExists(f"{name} exists already in {self.url}")
        self._own.put(name, data)

    def get(self, name: str) -> bytes:
        try:
            return self._own.get(name)
        except NotFound:
            return self._next.get(name)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        try:
            return self._own.get_range(name, offset, length)
        except NotFound:
            return self._next.get_range(name, offset, length)

    def list(self, prefix: str) -> Iterator[StoredFile]:
        return heapq.merge(self._own.list(prefix), self._next.list(prefix), key=attrgetter("name"))

    def delete(self, *names: str) -> None:
        """Raises  StoreError: one is there, and not of one's own; nothing was deleted"""
        for name in names:
            if any(file.name == name for file in self._next.list(name)):
                raise StoreError(f"cannot delete {name} in {self.url}", why="it is not one's own in an overlay")
        self._own.delete(*names)

    def barrier(self) -> None:
        self._own.barrier()
