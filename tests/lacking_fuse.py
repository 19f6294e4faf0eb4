"""A directory once more, by FUSE, as file systems have it that lack something.

    python -m tests.lacking_fuse BACKING MOUNT [CALL...]

CALL  link           there are no hard links, as on FAT
      noreplace      a rename that never replaces is refused
      fsyncdir       a directory cannot be synced
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

from mfusepy import FUSE, FuseOSError, Operations  # type: ignore[import-untyped]

_NOREPLACE = 1


class Passthrough(Operations):  # type: ignore[misc]
    use_ns = True

    def __init__(self, backing: str, lacks: set[str]) -> None:
        self._backing = backing
        self._lacks = lacks

    def _at(self, path: str) -> str:
        return self._backing + path

    def _refuse(self, call: str, number: int) -> None:
        if call in self._lacks:
            raise FuseOSError(number)

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        status = os.lstat(self._at(path))
        times = {name: getattr(status, f"{name}_ns") for name in ("st_atime", "st_mtime", "st_ctime")}
        names = ("st_mode", "st_size", "st_nlink", "st_uid", "st_gid", "st_ino")
        return {**{name: getattr(status, name) for name in names}, **times}

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *os.listdir(self._at(path))]

    def open(self, path: str, flags: int) -> int:
        return os.open(self._at(path), flags & ~os.O_NOFOLLOW)

    def create(self, path: str, mode: int, fi: object = None) -> int:
        return os.open(self._at(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        return os.pwrite(fh, data, offset)

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        os.fsync(fh)
        return 0

    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        self._refuse("fsyncdir", errno.EINVAL)
        return 0

    def link(self, target: str, source: str) -> int:
        self._refuse("link", errno.EPERM)
        os.link(self._at(source), self._at(target))
        return 0

    def rename(self, old: str, new: str) -> int:
        os.rename(self._at(old), self._at(new))
        return 0

    def rename_new(self, old: str, new: str) -> int:
        self._refuse("noreplace", errno.EINVAL)
        if os.path.lexists(self._at(new)):
            raise FuseOSError(errno.EEXIST)
        return self.rename(old, new)

    def unlink(self, path: str) -> int:
        os.unlink(self._at(path))
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        os.mkdir(self._at(path), mode)
        return 0

    def rmdir(self, path: str) -> int:
        os.rmdir(self._at(path))
        return 0

    def chmod(self, path: str, mode: int) -> int:
        os.chmod(self._at(path), mode)
        return 0

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        os.truncate(self._at(path), length)
        return 0

    def utimens(self, path: str, times: tuple[int, int]) -> int:
        os.utime(self._at(path), ns=times)
        return 0

    def statfs(self, path: str) -> dict[str, Any]:
        status = os.statvfs(self._at(path))
        names = (
            "f_bavail",
            "f_bfree",
            "f_blocks",
            "f_bsize",
            "f_favail",
            "f_ffree",
            "f_files",
            "f_frsize",
            "f_namemax",
        )
        return {name: getattr(status, name) for name in names}


class Fuse(FUSE):  # type: ignore[misc]
    """With the flags of a rename, which the library drops."""

    def rename_fuse_3(self, old: bytes, new: bytes, flags: int) -> int:
        paths = (old.decode(self.encoding, self.errors), new.decode(self.encoding, self.errors))
        call = self.operations.rename_new if flags & _NOREPLACE else self.operations.rename
        return int(call(*paths))


if __name__ == "__main__":
    Fuse(Passthrough(sys.argv[1], set(sys.argv[3:])), sys.argv[2], foreground=True, nothreads=True)
