"""Make the directory of a local store, where the file system is fit for one: it keeps names apart, and can make them durable.

What is not is refused here, before there is a repository. Spec 70-store.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from vault.errors import AlreadyExists, StoreError
from vault.store.disk import Disk, system_disk
from vault.store.durable import NO_RENAME, CannotSync, give_name, make_durably, replaces, sync_directory
from vault.store.names import TEMPORARY
from vault.store.oserror import full_or_failed


def create_local(root: Path, *, disk: Disk | None = None) -> None:
    """Make `root` and its `tmp/` (0700), and its parents where missing, all durable on return.

    Raises  AlreadyExists: something is in `root` already; StoreFull; StoreError: it fails, or the file system is not fit for it
    """
    calls: Disk = system_disk() if disk is None else disk
    path = os.path.abspath(root)
    url = os.fsencode(path).decode("utf-8", "backslashreplace")
    message = f"cannot create a repository at {url}"
    try:
        make_durably(calls, path)
        _sync_above(calls, path)
        if set(os.listdir(path)) - {TEMPORARY}:
            raise AlreadyExists(
                f"{url} is not empty",
                why="a repository is created in a new or empty directory",
                hint="name another one",
            )
        make_durably(calls, os.path.join(path, TEMPORARY))
        sync_directory(calls, path)
        _require_create_only(calls, path, message)
    except CannotSync as error:
        raise StoreError(
            message,
            why=f"{error.strerror}, so a loss of power could take what was reported as saved",
            hint="put the repository on another file system",
        ) from error
    except OSError as error:
        raise full_or_failed(error, message) from error


def _sync_above(disk: Disk, root: str) -> None:
    """The root may have been made by a run that was killed before it synced its name. Who may not open the directory above did not make it.

    Raises  OSError
    """
    try:
        sync_directory(disk, os.path.dirname(root))
    except PermissionError:
        pass


def _require_create_only(disk: Disk, root: str, message: str) -> None:
    """Give an empty file in `tmp/` a name that is free, then one that is taken. Raises  StoreError: that is replaced, or neither can be asked for; OSError

    Linux itself refuses a rename to a name that is there, and asks the file system only about one that is free.
    """
    taken, other, free = (os.path.join(root, TEMPORARY, f"{os.getpid()}-{word}") for word in ("taken", "other", "free"))
    try:
        for path in (taken, other):
            disk.close(disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW))
        with contextlib.suppress(FileNotFoundError):
            disk.unlink(free)  # of a run that was killed
        give_name(disk, other, free)
        give_name(disk, free, taken)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno in NO_RENAME:
            raise replaces(message) from error
        raise
    finally:
        for path in (taken, other, free):
            with contextlib.suppress(OSError):
                disk.unlink(path)
    raise replaces(message)
