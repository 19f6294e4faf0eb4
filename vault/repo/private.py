"""Files that this program alone reads and writes, in its state directory and its cache: 0600, replaced as a whole."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def load(path: Path) -> bytes | None:
    """The file's bytes; None if there is none. Raises  OSError"""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def save(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replace the file as a whole; a reader sees the old one or the new one. Raises  OSError

    durable  False for what proves itself when it is read: a loss of power may leave it torn
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
