"""A store that keeps copies of small files on this machine: of those whose name is the SHA-256 of their bytes.

Such a file is what its name says or it is none, so a copy is as good as the file, as long as a listing names it. Listings always come
from the store behind. Whoever asks whether the store still holds what it should, `check` above all, goes without this wrapper.
Spec 70-store.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from vault.ports import ObjectStore, StoredFile

_KEPT: Final = frozenset({"keys", "forgotten", "checks", "pins", "findings", "acks", "drills"})
"""Directories of files that are read again and again. Leases and sweeps live for minutes; what is larger is kept elsewhere."""
_SLOTS: Final = "keys/"
"""A slot that was removed must not outlive that here: with its passphrase it opens the repository."""
_BYTES_MAX: Final = 1 << 20
_FILES_MAX: Final = 4096


class CopyingStore:
    """Copies lie in `directory`, 0600, each under the hash of its bytes; what cannot be kept is read from `next_store` again."""

    def __init__(self, next_store: ObjectStore, directory: Path) -> None:
        self._next = next_store
        self._directory = directory

    @property
    def url(self) -> str:
        return self._next.url

    @property
    def network(self) -> str:
        return self._next.network

    def put(self, name: str, data: bytes) -> None:
        self._next.put(name, data)

    def get(self, name: str) -> bytes:
        """As the port; of a file that was deleted after it was listed it may still give the bytes."""
        directory, _, digest = name.partition("/")
        if directory not in _KEPT:
            return self._next.get(name)
        path = self._path(name)
        data = self._load(path)
        if data is None:
            data = self._next.get(name)
            if len(data) <= _BYTES_MAX and hashlib.sha256(data).hexdigest() == digest:
                self._save(path, data)
        return data

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._next.get_range(name, offset, length)

    def list(self, prefix: str) -> Iterator[StoredFile]:
        """As the port. Copies of slots that a whole listing of them does not name are removed."""
        files = self._next.list(prefix)
        return self._slots_listed(files) if _SLOTS.startswith(prefix) else files

    def delete(self, *names: str) -> None:
        for name in names:
            if name.partition("/")[0] in _KEPT:
                with suppress(OSError):
                    self._path(name).unlink()
        self._next.delete(*names)

    def barrier(self) -> None:
        self._next.barrier()

    def _path(self, name: str) -> Path:
        """Slots of each repository lie apart: of them it must be told which are gone."""
        directory, _, digest = name.partition("/")
        return (self._own_slots() if f"{directory}/" == _SLOTS else self._directory) / digest

    def _own_slots(self) -> Path:
        return self._directory / f"slots-{hashlib.sha256(self.url.encode()).hexdigest()}"

    def _slots_listed(self, files: Iterator[StoredFile]) -> Iterator[StoredFile]:
        there: set[str] = set()
        for file in files:
            if file.name.startswith(_SLOTS):
                there.add(file.name.removeprefix(_SLOTS))
            yield file
        with suppress(OSError):
            for copy in list(self._own_slots().iterdir()):
                if copy.name not in there:
                    copy.unlink()

    def _load(self, path: Path) -> bytes | None:
        try:
            data = path.read_bytes()
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == path.name else None

    def _save(self, path: Path, data: bytes) -> None:
        temporary = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
        with suppress(OSError):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            self._make_room()
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            os.replace(temporary, path)

    def _make_room(self) -> None:
        """All go at once, rather than that somebody counts what was used when: they are read again."""
        names = os.listdir(self._directory)
        if len(names) >= _FILES_MAX:
            for name in names:
                with suppress(OSError):
                    os.unlink(self._directory / name)
