"""A store that refuses to change the one behind it. Never calls its put or delete. Spec 70-store."""

from __future__ import annotations

from collections.abc import Iterator

from vault.errors import StoreError
from vault.ports import ObjectStore, StoredFile


class ReadOnlyStore:
    """Reads pass to `next_store`; writes raise."""

    def __init__(self, next_store: ObjectStore) -> None:
        self._next = next_store

    @property
    def url(self) -> str:
        return self._next.url

    @property
    def network(self) -> str:
        return self._next.network

    def put(self, name: str, data: bytes) -> None:
        raise self._refused("write", name)

    def get(self, name: str) -> bytes:
        return self._next.get(name)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._next.get_range(name, offset, length)

    def list(self, prefix: str) -> Iterator[StoredFile]:
        return self._next.list(prefix)

    def delete(self, *names: str) -> None:
        raise self._refused("delete", ", ".join(names))

    def barrier(self) -> None:
        """Return at once: nothing was put through this store."""

    def _refused(self, verb: str, name: str) -> StoreError:
        return StoreError(f"cannot {verb} {name} in {self.url}", why="the repository is opened for reading only")
