"""A store in memory, for tests and drills. Never durable: its barrier has nothing to wait for.

Invariant: a name's bytes appear whole, in one step, and never change. Spec 70-store.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

from vault.errors import AlreadyExists, Malformed, NotFound
from vault.ports import Clock, StoredFile
from vault.store.names import validate_name, validate_prefix


class MemoryStore:
    """Keeps its files in `files`, which the caller may share, look into and damage. Without `clock` every age is 0."""

    def __init__(self, files: dict[str, bytes] | None = None, *, clock: Clock | None = None) -> None:
        self.files = {} if files is None else files
        self._clock = clock
        self._modified_ms: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return "memory:"

    @property
    def network(self) -> str:
        return ""

    def put(self, name: str, data: bytes) -> None:
        validate_name(name)
        copy = bytes(data)
        with self._lock:
            if name in self.files:
                raise AlreadyExists(f"{name} exists already in {self.url}")
            self.files[name] = copy
            self._modified_ms[name] = self._clock.now_ms() if self._clock else 0

    def get(self, name: str) -> bytes:
        validate_name(name)
        with self._lock:
            if name not in self.files:
                raise NotFound(f"{name} is not in {self.url}")
            return self.files[name]

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        assert offset >= 0
        assert length >= 0
        data = self.get(name)
        if offset + length > len(data):
            raise Malformed(
                f"{name} is too short",
                why=f"it has {len(data)} bytes, bytes {offset} to {offset + length} are needed",
                file=name,
            )
        return data[offset : offset + length]

    def list(self, prefix: str) -> Iterator[StoredFile]:
        validate_prefix(prefix)
        with self._lock:
            files = [
                StoredFile(name=name, size=len(data), modified_ms=self._modified_ms.get(name, 0))
                for name, data in self.files.items()
                if name.startswith(prefix)
            ]
        return iter(sorted(files, key=lambda file: file.name))

    def delete(self, *names: str) -> None:
        for name in names:
            validate_name(name)
        with self._lock:
            for name in names:
                self.files.pop(name, None)
                self._modified_ms.pop(name, None)

    def barrier(self) -> None:
        """Return at once: nothing here outlives the process."""
