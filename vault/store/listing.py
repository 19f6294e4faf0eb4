"""The files below a local root in ascending order of their whole names. Reads directories only, never file contents.

Invariant: each directory is held as sorted names, one directory a level at a time, whatever the number of files.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from vault.ports import StoredFile
from vault.store.names import TEMPORARY, is_segment
from vault.store.oserror import store_error


def walk(root: str, prefix: str) -> Iterator[StoredFile]:
    """Files below `root` whose name starts with `prefix`. What cannot be a name, and `tmp/`, is left out.

    Raises  StoreError, Unavailable: a directory cannot be read
    """
    return _walk(root, prefix.rpartition("/")[0], prefix)


def _walk(root: str, directory: str, prefix: str) -> Iterator[StoredFile]:
    above = directory + "/" if directory else ""
    try:
        with os.scandir(os.path.join(root, directory)) as entries:
            # With its slash a directory sorts where its files belong: `a-b`, `a.b`, `a/x`, `a0`.
            names = sorted(
                above + entry.name + ("/" if entry.is_dir() else "")
                for entry in entries
                if is_segment(entry.name) and above + entry.name != TEMPORARY
            )
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise store_error(error, f"cannot list {directory or '.'} of {root}") from error
    for name in names:
        if name.endswith("/"):
            if name.startswith(prefix) or prefix.startswith(name):
                yield from _walk(root, name[:-1], prefix)
        elif name.startswith(prefix):
            yield from _stored(root, name)


def _stored(root: str, name: str) -> Iterator[StoredFile]:
    """The file, or nothing: it was deleted since, or is no regular file."""
    try:
        status = os.stat(os.path.join(root, name))
    except FileNotFoundError:
        return
    except OSError as error:
        raise store_error(error, f"cannot list {name} of {root}") from error
    if stat.S_ISREG(status.st_mode):
        yield StoredFile(name=name, size=status.st_size, modified_ms=status.st_mtime_ns // 1_000_000)
