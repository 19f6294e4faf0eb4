"""A store whose calls can be left: for one behind a client that does not hear signals. Thread-safe as the store behind it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Final

from vault.ports import ObjectStore, StoredFile
from vault.repo.glance import PAGE_FILES
from vault.repo.workers import Abandonable


class InterruptibleStore:
    """Each call of `behind` may be abandoned through `calls`, and then raises Interrupted."""

    def __init__(self, behind: ObjectStore, calls: Abandonable) -> None:
        self.behind: Final = behind
        self._calls = calls

    @property
    def url(self) -> str:
        return self.behind.url

    @property
    def network(self) -> str:
        return self.behind.network

    def put(self, name: str, data: bytes) -> None:
        self._calls.run(lambda: self.behind.put(name, data))

    def get(self, name: str) -> bytes:
        return self._calls.run(lambda: self.behind.get(name))

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._calls.run(lambda: self.behind.get_range(name, offset, length))

    def list(self, prefix: str) -> Iterator[StoredFile]:
        return self._list(self.behind.list(prefix))

    def delete(self, *names: str) -> None:
        self._calls.run(lambda: self.behind.delete(*names))

    def barrier(self) -> None:
        self._calls.run(self.behind.barrier)

    def _list(self, files: Iterator[StoredFile]) -> Iterator[StoredFile]:
        while page := self._calls.run(partial(_page, files)):
            yield from page


def _page(files: Iterator[StoredFile]) -> list[StoredFile]:
    """A call of its own for each file would cost more than the file."""
    return list(islice(files, PAGE_FILES))
