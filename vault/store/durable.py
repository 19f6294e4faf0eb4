"""A name that never replaces another one, and directories whose names survive a loss of power: from the calls that a disk has. Spec 70-store."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Final

from vault.errors import StoreError
from vault.store.disk import Disk

_NO_HARD_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS})
NO_RENAME: Final = frozenset({errno.ENOSYS, errno.EINVAL})
"""Of `give_name`: the file system cannot be asked to rename without replacing, and has no hard links either."""


class CannotSync(OSError):
    """No directory of this file system can be synced."""


def give_name(disk: Disk, path: str, new: str) -> None:
    """Link, or rename where there are no hard links. Raises  OSError: FileExistsError if the name is taken; of NO_RENAME"""
    try:
        disk.link(path, new)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        disk.rename_new(path, new)


def replaces(message: str) -> StoreError:
    """What to say where a name that is taken would be replaced."""
    return StoreError(
        message,
        why="the file system has neither hard links nor a rename that never replaces",
        hint="put the repository on another file system",
    )


def make_durably(disk: Disk, path: str) -> None:
    """Make the directory, and those above it, where they are missing; each is synced, and its name too. Raises  OSError"""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    make_durably(disk, parent)
    with contextlib.suppress(FileExistsError):
        disk.mkdir(path, 0o700)
    sync_directory(disk, path)
    sync_directory(disk, parent)


def sync_directory(disk: Disk, path: str) -> None:
    """Raises  CannotSync, OSError"""
    descriptor = disk.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        disk.fsync(descriptor)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise CannotSync(errno.EINVAL, "the file system cannot sync a directory") from error
        raise
    finally:
        disk.close(descriptor)
