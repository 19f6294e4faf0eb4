"""The system calls by which a local store changes a disk, as a Protocol, so that tests can record and fail each one.

Nothing here decides anything; order and meaning are in `vault.store.local`. Spec 70-store.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Final, Protocol

AT_FDCWD: Final = -100
RENAME_NOREPLACE: Final = 1
"""linux/fs.h"""


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


class OsDisk:
    """The real disk."""

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
        call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
        if call is None:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        if call(AT_FDCWD, os.fsencode(path), AT_FDCWD, os.fsencode(new), ctypes.c_uint(RENAME_NOREPLACE)) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def unlink(self, path: str) -> None:
        os.unlink(path)
