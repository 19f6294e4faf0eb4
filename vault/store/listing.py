"""The files below a local root in ascending order of their whole names. Reads directories only, never file contents.

A link is followed where it stands at the top (`packs` may lie on another disk); below, one to a directory is none of ours, and could
lead round in a circle. What leads nowhere is not there.
Invariant: each directory is held as sorted names, one directory a level at a time, whatever the number of files.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import Final

from vault.errors import StoreError
from vault.ports import StoredFile
from vault.store.names import NAME_CHARACTERS_MAX, TEMPORARY, is_segment
from vault.store.oserror import store_error

_NOWHERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})
"""It was deleted since, or is a link that leads to nothing."""


def walk(root: str, prefix: str) -> Iterator[StoredFile]:
    """Files below `root` whose name starts with `prefix`. What cannot be a name, and `tmp/`, is left out.

    Raises  StoreError, Unavailable: a directory cannot be read
    """
    return _walk(root, prefix.rpartition("/")[0], prefix)


def _walk(root: str, directory: str, prefix: str) -> Iterator[StoredFile]:
    above = directory + "/" if directory else ""
    start = len(above)
    try:
        descriptor = os.open(os.path.join(root, directory), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise _unlisted(error, root, directory) from error
    try:
        for name in _names(descriptor, above):
            if name.endswith("/"):
                if name.startswith(prefix):
                    yield from _walk(root, name[:-1], prefix)
            elif name.startswith(prefix):
                # By its last name alone: paths are long, and files many.
                status = _status(name[start:], descriptor)
                if status is not None and stat.S_ISREG(status.st_mode):
                    yield StoredFile(name=name, size=status.st_size, modified_ms=status.st_mtime_ns // 1_000_000)
    except OSError as error:
        raise _unlisted(error, root, directory) from error
    finally:
        os.close(descriptor)


def _status(name: str, descriptor: int) -> os.stat_result | None:
    """None of what is not there, and of a link to where this user may not look. Raises  OSError: nothing of the directory can be looked at"""
    try:
        return os.stat(name, dir_fd=descriptor)
    except OSError as error:
        if error.errno in _NOWHERE:
            return None
        if stat.S_ISLNK(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode):
            return None
        raise


def _names(descriptor: int, above: str) -> list[str]:
    """In order; with its slash a directory sorts where its files belong: `a-b`, `a.b`, `a/x`, `a0`."""
    with os.scandir(descriptor) as entries:
        return sorted(
            above + entry.name + ("/" if _is_directory(entry, follow=not above) else "")
            for entry in entries
            if is_segment(entry.name)
            and above + entry.name != TEMPORARY
            and len(above) + len(entry.name) <= NAME_CHARACTERS_MAX
        )


def _is_directory(entry: os.DirEntry[str], *, follow: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow)
    except OSError:
        return False  # a link that leads nowhere


def _unlisted(error: OSError, root: str, directory: str) -> StoreError:
    return store_error(error, f"cannot list {directory or '.'} of {root}")
