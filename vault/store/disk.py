"""The system calls by which a local store changes a disk, as a Protocol, so that tests can record and fail each one.

Nothing here decides anything; order and meaning are in `vault.store.local`. Spec 70-store.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import sys
from collections.abc import Callable
from typing import Any, Final, Protocol

AT_FDCWD: Final = -100
RENAME_NOREPLACE: Final = 1
"""linux/fs.h"""
F_FULLFSYNC: Final = 51
RENAME_EXCL: Final = 4
"""sys/fcntl.h and sys/stdio.h of macOS"""
_NO_FULL_SYNC: Final = frozenset({errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY})
"""What file systems of other kinds (SMB, FAT) say of F_FULLFSYNC; fsync is all that they have."""


class Disk(Protocol):
    """Each method is one call on absolute paths and raises OSError as that call does."""

    def open(self, path: str, flags: int, mode: int = 0o600) -> int: ...
    def write(self, descriptor: int, data: memoryview) -> int: ...
    def fsync(self, descriptor: int) -> None: ...
    def close(self, descriptor: int) -> None: ...
    def mkdir(self, path: str, mode: int) -> None: ...
    def link(self, path: str, new: str) -> None: ...
    def rename_new(self, path: str, new: str) -> None:
        """Rename; fail with EEXIST if `new` is there, and with ENOSYS or EINVAL where that cannot be asked for."""

    def unlink(self, path: str) -> None: ...


def system_disk() -> Disk:
    """The disk of the system that this runs on."""
    return MacDisk() if sys.platform == "darwin" else OsDisk()


class OsDisk:
    """The real disk of Linux."""

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        return os.open(path, flags | os.O_CLOEXEC, mode)

    def write(self, descriptor: int, data: memoryview) -> int:
        return os.write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(path, mode)

    def link(self, path: str, new: str) -> None:
        os.link(path, new)

    def rename_new(self, path: str, new: str) -> None:
        _call(
            _library(),
            "renameat2",
            AT_FDCWD,
            os.fsencode(path),
            AT_FDCWD,
            os.fsencode(new),
            ctypes.c_uint(RENAME_NOREPLACE),
        )

    def unlink(self, path: str) -> None:
        os.unlink(path)


class MacDisk(OsDisk):
    """The real disk of macOS, where fsync does not reach the medium, and a rename that never replaces has another name.

    control  fcntl.fcntl
    library  the C library
    """

    def __init__(self, control: Callable[[int, int], object] = fcntl.fcntl, library: object = None) -> None:
        self._control = control
        self._functions = _library() if library is None else library

    def fsync(self, descriptor: int) -> None:
        try:
            self._control(descriptor, F_FULLFSYNC)
        except OSError as error:
            if error.errno not in _NO_FULL_SYNC:
                raise
            super().fsync(descriptor)

    def rename_new(self, path: str, new: str) -> None:
        _call(self._functions, "renamex_np", os.fsencode(path), os.fsencode(new), ctypes.c_uint(RENAME_EXCL))


def _library() -> object:
    return ctypes.CDLL(None, use_errno=True)


def _call(library: object, name: str, *arguments: object) -> None:
    """Raises  OSError: as the function says, ENOSYS if there is none"""
    function: Any = getattr(library, name, None)
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
