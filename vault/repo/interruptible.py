"""A store whose calls can be left: for one behind a client that does not hear signals. Thread-safe as the store behind it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Final

from vault.ports import ObjectStore, StoredFile
from vault.repo.workers import Abandonable

_LISTED_AT_ONCE: Final = 1000
"""A page of a listing: a call of its own for each file would cost more than the file."""


class InterruptibleStore:
    """Each call of `next_store` may be abandoned through `calls`, and then raises Interrupted."""

    def __init__(self, next_store: ObjectStore, calls: Abandonable) -> None:
        self._next = next_store
        self._calls = calls

    @property
    def url(self) -> str:
        return self._next.url

    @property
    def network(self) -> str:
        return self._next.network

    def put(self, name: str, data: bytes) -> None:
        self._calls.run(lambda: self._next.put(name, data))

    def get(self, name: str) -> bytes:
        return self._calls.run(lambda: self._next.get(name))

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._calls.run(lambda: self._next.get_range(name, offset, length))

    def list(self, prefix: str) -> Iterator[StoredFile]:
        return self._list(self._next.list(prefix))

    def delete(self, *names: str) -> None:
        self._calls.run(lambda: self._next.delete(*names))

    def barrier(self) -> None:
        self._calls.run(self._next.barrier)

    def _list(self, files: Iterator[StoredFile]) -> Iterator[StoredFile]:
        while page := self._calls.run(partial(_page, files)):
            yield from page


def _page(files: Iterator[StoredFile]) -> list[StoredFile]:
    return list(islice(files, _LISTED_AT_ONCE))
