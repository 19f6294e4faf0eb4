"""Where a put back writes down how to undo it: a script of its own in the state directory, 0600, durable before anything is written.

It holds values of rows. Its name tells when and of which table; it is removed with other old things of the state directory.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from vault.app.state import StateDirectory, file_name, told


class StateUndoFile:
    """Implements what `ops.put_back.run` writes an undo to. `stem`: what it is about, as words for a file's name."""

    def __init__(self, state: StateDirectory, stem: str) -> None:
        self._path = state.undo / f"{file_name(stem)}.sql"
        self._file: IO[bytes] | None = None

    def write(self, piece: bytes) -> None:
        """Raises  StateUnusable: no room, or it may not be written"""
        with told(self._path):
            if self._file is None:
                self._file = self._open()
            self._file.write(piece)

    def _open(self) -> IO[bytes]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(1, 1000):
            path = self._path if number == 1 else self._path.with_suffix(f".{number}.sql")
            with suppress(FileExistsError):
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                self._path = path
                return os.fdopen(descriptor, "wb")
        raise FileExistsError(17, "too many undo files of this moment")

    def finish(self) -> str:
        """The path, when file and name are on the disk. Raises  StateUnusable"""
        with told(self._path):
            assert self._file is not None, "something was written"
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            _sync_directory(self._path.parent)
            _sync_directory(self._path.parent.parent)
        return str(self._path)

    def discard(self) -> None:
        if self._file is None:
            return
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._path.unlink()


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
