"""A store in which a file that this user may not read is one that cannot be read, like one that is damaged: for whoever looks at all of them,
and has to name each. Never for writers or pruners: a sweep that they may not read has to stop them. Spec 70-store.
"""

from __future__ import annotations

from collections.abc import Iterator

from vault.errors import StoreDenied, Unreadable
from vault.ports import ObjectStore, StoredFile


class UnreadableStore:
    """Passes on to `next_store`; reading what is denied raises Unreadable, with the file."""

    def __init__(self, next_store: ObjectStore) -> None:
        self._next = next_store

    @property
    def url(self) -> str:
        return self._next.url

    @property
    def network(self) -> str:
        return self._next.network

    def put(self, name: str, data: bytes) -> None:
        self._next.put(name, data)

    def get(self, name: str) -> bytes:
        try:
            return self._next.get(name)
        except StoreDenied as denied:
            raise unreadable(denied, name) from denied

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        try:
            return self._next.get_range(name, offset, length)
        except StoreDenied as denied:
            raise unreadable(denied, name) from denied

    def list(self, prefix: str) -> Iterator[StoredFile]:
        return self._next.list(prefix)

    def delete(self, *names: str) -> None:
        self._next.delete(*names)

    def barrier(self) -> None:
        self._next.barrier()


def unreadable(denied: StoreDenied, name: str) -> Unreadable:
    return Unreadable(denied.message, why=denied.why, hint=denied.hint, file=name)
