"""Relative paths of a directory as bytes, and the one safe way to walk them.

Never opens a path of more than one component: each step is opened below the descriptor of the one before and does not
follow links, so that a component that is swapped for a link meanwhile fails instead of leading outside.
Invariant: a descriptor from here is inside its root. The root itself is the user's word and may be a link.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import Final

from vault.errors import PermissionMissing, SourceError, UnsafeError
from vault.model.files import path_text

DIRECTORY_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""The path is not there any more, or a component of it is now something else."""
DENIED: Final = frozenset({errno.EACCES, errno.EPERM})


def split_path(path: bytes) -> list[bytes]:
    """Components of a relative path, at least one.

    Raises  UnsafeError: absolute, empty, or with a component that is empty, `.` or `..`, or with a NUL
    """
    parts = path.split(b"/")
    if any(part in {b"", b".", b".."} for part in parts) or b"\0" in path:
        raise UnsafeError(
            f"refused the path {path_text(path)!r}",
            why="it is absolute, or has an empty component, '.', '..' or a NUL: it could lead out of its directory",
        )
    return parts


def open_root(root: bytes) -> int:
    """Raises  SourceError: missing or no directory; PermissionMissing"""
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise directory_error(error, f"cannot open the directory {path_text(root)}") from error


def open_below(root: int, parts: Sequence[bytes]) -> int:
    """A new descriptor of the directory `parts` below the descriptor `root`. Raises OSError."""
    descriptor = os.open(b".", DIRECTORY_FLAGS, dir_fd=root)
    for part in parts:
        above = descriptor
        try:
            descriptor = os.open(part, DIRECTORY_FLAGS, dir_fd=above)
        finally:
            os.close(above)
    return descriptor


class DirectoryCursor:
    """Keeps the directory that was used last open, below `root`, which it does not own. Used by one thread."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._parts: list[bytes] = []
        self._descriptor: int | None = None

    def at(self, parts: Sequence[bytes]) -> int:
        """The descriptor of the directory `parts`, valid until the next call. Raises OSError."""
        wanted = list(parts)
        known = len(self._parts)
        if self._descriptor is None or self._parts != wanted[:known]:
            self.close()
            self._descriptor = open_below(self._root, wanted)
        elif known < len(wanted):
            above = self._descriptor
            self._descriptor = open_below(above, wanted[known:])
            os.close(above)
        self._parts = wanted
        return self._descriptor

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            self._parts = []


def directory_error(error: OSError, message: str) -> SourceError:
    """The one table from errno to our errors for directories that are read or written."""
    if error.errno in DENIED:
        return PermissionMissing(message, why="permission denied", hint="give this user the right, or run as its owner")
    if error.errno == errno.ENOENT:
        return SourceError(message, why="it does not exist", hint="check the path")
    if error.errno == errno.ENOTDIR:
        return SourceError(message, why="it is not a directory", hint="check the path")
    why = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return SourceError(message, why=why, hint="free space there, then run the command again")
    return SourceError(message, why=why)
