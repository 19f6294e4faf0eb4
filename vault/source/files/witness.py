"""Whether a file's ctime witnesses its content, and what has to be done first that it does.

A store through a shared mapping moves ctime only when it meets a page that was written back since: the first one after
that. And a long write() moves ctime at its start, before its last bytes are there. So a descriptor is *settled* before the
state of its file is taken: dirty pages are written back, and a write that runs is waited for. From then on the next change
moves ctime, on the file systems named here and on no other.
Never changes a file. Spec 88-files.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from functools import cache
from typing import Any, Final

WITNESSES: Final = {0xEF53: "ext2, ext3, ext4", 0x58465342: "xfs", 0x9123683E: "btrfs"}
"""linux/magic.h; each tried (Linux 6.18). On tmpfs and overlayfs a settled file's ctime did not move, either; FUSE, NFS, SMB and
all the rest, and every file system of another kernel, are no witnesses."""

_WRITE_AND_WAIT: Final = 7
"""SYNC_FILE_RANGE_WAIT_BEFORE, _WRITE, _WAIT_AFTER: 8 microseconds a clean file, where fsync takes 751 (ext4)."""
_STATFS_BYTES: Final = 256
"""More than any struct statfs of Linux; its first member is f_type, of the size of a long."""


def witnesses(descriptor: int) -> bool:
    """Whether the file system of an open file moves ctime at each change of a settled file."""
    return _file_system(descriptor) in WITNESSES


class Witnesses:
    """As `witnesses`, for many files by name; each device is asked once. Used by one thread."""

    def __init__(self) -> None:
        self._known: dict[int, bool] = {}

    def of(self, device: int, directory: int, name: bytes) -> bool:
        """`device`: st_dev of `name` in the open `directory`. Raises OSError"""
        if device not in self._known:
            flags = getattr(os, "O_PATH", os.O_NONBLOCK) | os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(name, flags, dir_fd=directory)
            try:
                self._known[device] = os.fstat(descriptor).st_dev == device and witnesses(descriptor)
            finally:
                os.close(descriptor)
        return self._known[device]


def settle(descriptor: int) -> bool:
    """Write back what is dirty and wait for a write that runs; whether that could be done. Waits for the disk."""
    try:
        if (call := libc("sync_file_range")) is None or call(
            ctypes.c_int(descriptor), ctypes.c_int64(0), ctypes.c_int64(0), ctypes.c_uint(_WRITE_AND_WAIT)
        ):
            os.fdatasync(descriptor)
        # ext4 and btrfs take the lock for it that a write holds to its end; xfs takes that one for each read.
        with contextlib.suppress(OSError):  # no data from here on
            os.lseek(descriptor, 0, os.SEEK_DATA)
        os.lseek(descriptor, 0, os.SEEK_SET)
    except (OSError, AttributeError):  # another system than Linux may lack either
        return False
    return True


def _file_system(descriptor: int) -> int | None:
    """The magic number; None where there is none."""
    call = libc("fstatfs")
    if call is None:
        return None
    facts = ctypes.create_string_buffer(_STATFS_BYTES)
    if call(ctypes.c_int(descriptor), facts):
        return None
    return ctypes.c_ulong.from_buffer(facts).value


@cache
def libc(name: str) -> Any:
    """The C library's function on Linux, else None."""
    return getattr(ctypes.CDLL(None, use_errno=True), name, None) if sys.platform == "linux" else None
