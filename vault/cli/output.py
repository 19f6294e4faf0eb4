"""Streams of bytes for the user: to stdout, or to a new private file that is complete or not there.

What cannot be written is an error of its own kind, except to a pipe that nobody reads any more (`| head`): the rest goes
nowhere, quietly, and the command ends with the exit code of what it did.
"""

from __future__ import annotations

import errno
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

from vault.errors import SourceError, UnsafeError, UsageError, VaultError

STDOUT = "the standard output"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def write(pieces: Iterator[bytes], path: str | None = None) -> int:
    """Write all pieces; returns the bytes written. Without `path`, or for `-`, to stdout. A file that did not get everything is removed.

    Raises  UnsafeError: the file exists already; UsageError: it cannot be made; VaultError: not all could be written
    """
    if path is None or path == "-":
        return _to_stdout(pieces)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise UnsafeError(f"{path} exists already", why="no file is overwritten", hint="name a new one") from error
    except OSError as error:
        raise UsageError(f"cannot write {path}", why=error.strerror or "") from error
    file = os.fdopen(descriptor, "wb")
    try:
        written = 0
        for piece in pieces:
            with writing(path):
                written += file.write(piece)
        with writing(path):
            file.close()
        return written
    except BaseException:
        with suppress(OSError):  # it writes what is left once more, and of that it was told
            file.close()
        Path(path).unlink(missing_ok=True)
        raise


def _to_stdout(pieces: Iterator[bytes]) -> int:
    written = 0
    try:
        for piece in pieces:
            with _told(STDOUT):
                written += sys.stdout.buffer.write(piece)
        with _told(STDOUT):
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        silence(sys.stdout)
    return written


@contextmanager
def writing(place: str) -> Iterator[None]:
    """Raises  VaultError: the bytes did not get to `place`"""
    try:
        with _told(place):
            yield
    except BrokenPipeError:
        silence(sys.stdout)


@contextmanager
def new_directory(path: str) -> Iterator[None]:
    """Of what is written into a new or empty one: a full disk leaves a part there, and a second run would refuse it. Raises  as it is"""
    try:
        yield
    except SourceError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL:
            place = shlex.quote(path)
            error.hint = f"free space on the disk of {place}, empty {place}, then run the command again"
        raise


def silence(stream: TextIO) -> None:
    """Let what is still to be written to the stream go nowhere, the interpreter's last flush included."""
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), stream.fileno())


@contextmanager
def _told(place: str) -> Iterator[None]:
    """As `writing`, but  BrokenPipeError as it is"""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        is_full = error.errno in _FULL
        hint = "free space there, then run the command again" if is_full else "the output is not complete"
        raise VaultError(f"cannot write to {place}", why=error.strerror or "", hint=hint) from error
