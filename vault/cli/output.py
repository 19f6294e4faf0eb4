"""Streams of bytes for the user: to stdout, or to a new private file that is complete or not there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from vault.errors import UnsafeError, UsageError


def write(pieces: Iterator[bytes], path: str | None = None) -> int:
    """Write all pieces; returns the bytes written. A file that did not get everything is removed.

    Raises  UnsafeError: the file exists already; UsageError: it cannot be written
    """
    if path is None:
        return _to_stdout(pieces)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise UnsafeError(f"{path} exists already", why="no file is overwritten", hint="name a new one") from error
    except OSError as error:
        raise UsageError(f"cannot write {path}", why=error.strerror or "") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            return sum(file.write(piece) for piece in pieces)
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise


def _to_stdout(pieces: Iterator[bytes]) -> int:
    written = 0
    for piece in pieces:
        written += sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
    return written
