"""FUSE: the only module that knows it. Answers the kernel out of `tree` and `contents`; everything is read-only.

libfuse calls from threads of its own. An error of ours becomes an errno, and is told once: what is not there, and EIO for what cannot be
read. The loop ends by `fusermount -u`, SIGINT, SIGTERM or SIGHUP, and unmounts.
"""

from __future__ import annotations

import errno
import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import mfusepy  # type: ignore[import-untyped]

from vault.cli.mount.contents import FileContents, Handle
from vault.cli.mount.tree import PathNode, Tree
from vault.errors import NotThere, VaultError

_KINDS: Final = {"file": stat.S_IFREG, "directory": stat.S_IFDIR, "symlink": stat.S_IFLNK}
_FILE, _DIRECTORY, _LINK = 0o600, 0o700, 0o777
_BLOCK_BYTES: Final = 512
_IDLE_THREADS: Final = 10
_REMEMBERED_S: Final = 5
"""For so long the kernel may answer itself: as long as a list of snapshots is taken for new."""
_TOLD_MAX: Final = 100


_T = TypeVar("_T")
_Offset = int
"""Behind a size, as libfuse gives both."""


class Files(mfusepy.Operations):  # type: ignore[misc]
    """`mounted` is called when the kernel has taken it, `tell` with what could not be read."""

    use_ns = True

    def __init__(
        self, tree: Tree, contents: FileContents, *, mounted: Callable[[], None], tell: Callable[[VaultError], None]
    ) -> None:
        self._tree, self._contents = tree, contents
        self._mounted, self._tell = mounted, tell
        self._handles: dict[int, Handle] = {}
        self._told: set[str] = set()
        self._next = 1
        self._lock = threading.Lock()
        self.is_mounted = False

    def init(self, path: str) -> None:
        self.is_mounted = True
        self._mounted()

    def getattr(self, path: str, fh: Any = None) -> dict[str, int]:
        return self._answer(lambda: self._attributes(self._tree.node(path)))

    def readdir(self, path: str, fh: int) -> Iterator[tuple[str, int, int]]:
        names = self._answer(lambda: list(self._tree.names(path)))
        yield from ((name, stat.S_IFDIR, 0) for name in (".", ".."))
        yield from ((os.fsdecode(name), _KINDS[kind], 0) for name, kind in names)

    def readlink(self, path: str) -> str:
        return os.fsdecode(self._answer(lambda: self._tree.node(path)).target)

    def open(self, path: str, fi: Any) -> int:
        if fi.flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        handle = self._answer(lambda: self._contents.open(self._tree.node(path)))
        with self._lock:
            fi.fh, self._next = self._next, self._next + 1
            self._handles[fi.fh] = handle
        # What is streamed is asked for in the order in which it is read, and never kept by the kernel in part.
        fi.direct_io, fi.keep_cache = int(handle.is_streamed), int(not handle.is_streamed)
        return 0

    def read(self, path: str, size: int, offset: _Offset, fi: Any) -> bytes:
        handle = self._handles[fi.fh]
        return self._answer(lambda: handle.read(offset, size))

    def release(self, path: str, fi: Any) -> int:
        with self._lock:
            self._handles.pop(fi.fh, None)
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        return {"f_bsize": 4096, "f_frsize": 4096, "f_namemax": 255, "f_flag": os.ST_RDONLY}

    def _attributes(self, node: PathNode) -> dict[str, int]:
        size = self._contents.size(node)
        mode = {"file": _FILE, "directory": _DIRECTORY, "symlink": _LINK}[node.kind]
        if node.entry is not None and node.kind != "symlink":
            mode = node.entry.mode & 0o777
        times = dict.fromkeys(("st_mtime", "st_ctime", "st_atime"), node.mtime_ns)
        return {
            "st_mode": _KINDS[node.kind] | mode,
            "st_nlink": 1,
            "st_size": size,
            "st_blocks": -(-size // _BLOCK_BYTES),
            "st_uid": os.getuid(),
            "st_gid": os.getgid(),
            **times,
        }

    def _answer(self, ask: Callable[[], _T]) -> _T:
        """Raises  OSError, with what the kernel is told"""
        try:
            return ask()
        except NotThere as error:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT)) from error
        except VaultError as error:
            self._tell_once(error)
            raise OSError(errno.EIO, os.strerror(errno.EIO)) from error
        except OSError as error:
            self._tell_once(VaultError("the spool cannot be written", why=error.strerror or ""))
            raise

    def _tell_once(self, error: VaultError) -> None:
        with self._lock:
            if error.message in self._told or len(self._told) >= _TOLD_MAX:
                return
            self._told.add(error.message)
        self._tell(error)


def _threads() -> dict[str, int]:
    """Idle ones that are kept: 3.14 of libfuse complains on stderr if nobody says how many. Version 2 has no such option."""
    return {"max_idle_threads": _IDLE_THREADS} if mfusepy.fuse_version_major >= 3 else {}


def serve(files: Files, place: str) -> None:
    """Mount at `place`, and return when it is unmounted. Raises  VaultError: it could not be mounted; libfuse has said why on stderr"""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in kept.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)  # else libfuse, which alone can end the loop, leaves it as it is
    try:
        mfusepy.FUSE(
            files,
            place,
            raw_fi=True,
            foreground=True,
            fsname="pgvault",
            subtype="pgvault",
            ro=True,
            nosuid=True,
            nodev=True,
            attr_timeout=_REMEMBERED_S,
            entry_timeout=_REMEMBERED_S,
            **_threads(),
        )
    except RuntimeError as error:
        if not files.is_mounted:
            raise VaultError(
                f"{place} could not be mounted",
                why="libfuse refused it, and said why above",
                hint="pgvault help mount",
            ) from error
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
