"""A directory that a snapshot is restored into.

Never follows a link below its root, never writes outside it, never removes anything, and replaces only when told to. A file
appears under its name only with all its bytes, its mode and its time. Invariant: until its mode is set, what is made
here is open to its owner alone. Inverse of `vault.source.files.directory`.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from vault.errors import SourceError, UnsafeError
from vault.model import Missing, State
from vault.model.files import path_text
from vault.ports import Entropy
from vault.source.files.durable import sync_file_systems
from vault.source.files.paths import DIRECTORY_FLAGS, DirectoryCursor, directory_error, open_root, split_path

_FILE_MODE_BITS: Final = 0o1777
_DIRECTORY_MODE_BITS: Final = 0o3777
"""A set-user-id or set-group-id file would serve whoever restores, not its owner of then, whom no snapshot names."""
_NO_HARD_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS})
_COARSEST_TIME_NS: Final = 2_000_000_000
"""FAT counts in steps of two seconds; a difference up to that is no other time."""


class DirectoryWriter:
    """Use as a context; call `finish` at the end. `entropy` only draws temporary names. Used by one thread.

    merge    the root may hold something; nothing that is there is touched
    replace  files and links that are there give way
    """

    def __init__(self, root: bytes | Path, entropy: Entropy, *, merge: bool = False, replace: bool = False) -> None:
        self._root = os.fsencode(root)
        self._entropy = entropy
        self._merge = merge
        self._replace = replace
        self._descriptor = -1
        self._cursor = DirectoryCursor(-1)
        self._directories: dict[bytes, tuple[int, int]] = {}
        self._made: dict[tuple[int, int], bytes] = {}
        self._fresh: set[bytes] = set()
        self._changed: list[Missing] = []

    def __enter__(self) -> Self:
        """Make the root if it is missing.

        Raises  UnsafeError: it holds something, and `merge` is off; SourceError; PermissionMissing
        """
        try:
            os.makedirs(self._root, 0o700, exist_ok=True)
        except FileExistsError as error:
            raise SourceError(
                f"cannot restore into {path_text(self._root)}", why="it is not a directory", hint="check the path"
            ) from error
        except OSError as error:
            raise directory_error(error, f"cannot make the directory {path_text(self._root)}") from error
        descriptor = open_root(self._root)
        try:
            if not self._merge and os.listdir(descriptor):
                raise UnsafeError(
                    f"the directory {path_text(self._root)} is not empty",
                    why="files in it could be replaced",
                    hint="name a new or empty directory",
                )
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self._cursor = DirectoryCursor(descriptor)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cursor.close()
        os.close(self._descriptor)

    def make_directory(self, path: bytes, *, mode: int, mtime_ns: int) -> None:
        """Make the directory and those above it; `mode` and `mtime_ns` are set by `finish`.

        Raises  UnsafeError: not a safe path, or a link or file is in the way; SourceError; PermissionMissing
        """
        parts = split_path(path)
        with self._translated(path):
            status = os.fstat(self._open(parts))
        if path not in self._fresh and not self._merge:
            raise _in_the_way(path)
        self._refuse_other(status, path)
        self._made[status.st_dev, status.st_ino] = path
        self._directories[path] = (mode & _DIRECTORY_MODE_BITS, mtime_ns)

    def write_file(self, path: bytes, blocks: Iterable[bytes], *, mode: int, mtime_ns: int) -> None:
        """Write `blocks` to a new file and give it its name at the end; an error leaves nothing of it.

        Raises  UnsafeError: not a safe path, or something is in the way; SourceError; PermissionMissing
        """
        *above, name = split_path(path)
        if mode & ~_FILE_MODE_BITS:
            why = f"mode {mode:o} was restored as {mode & _FILE_MODE_BITS:o}"
            self._note(path, why, "set it by hand, if the owner is right")
        with self._translated(path):
            directory = self._open(above)
            temporary = self._temporary()
            descriptor = os.open(
                temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory
            )
            try:
                try:
                    for block in blocks:
                        _write_all(descriptor, block)
                    os.fchmod(descriptor, mode & _FILE_MODE_BITS)
                    self._set_time(descriptor, path, mtime_ns)
                finally:
                    os.close(descriptor)
                self._place(directory, temporary, name=name, path=path)
            except BaseException:
                _remove(directory, temporary)
                raise

    def make_symlink(self, path: bytes, target: bytes, *, mtime_ns: int) -> None:
        """Make a link that says `target`, wherever that leads; nothing here follows it.

        Raises  UnsafeError: not a safe path, or something is in the way; SourceError; PermissionMissing
        """
        *above, name = split_path(path)
        if not target or b"\0" in target:
            raise UnsafeError(f"refused the link {path_text(path)}", why="its target is empty or holds a NUL")
        with self._translated(path):
            directory = self._open(above)
            temporary = self._temporary()
            os.symlink(target, temporary, dir_fd=directory)
            try:
                with contextlib.suppress(OverflowError):
                    os.utime(temporary, ns=(mtime_ns, mtime_ns), dir_fd=directory, follow_symlinks=False)
                reached_ns = os.stat(temporary, dir_fd=directory, follow_symlinks=False).st_mtime_ns
                self._note_time(path, reached_ns, mtime_ns)
                self._place(directory, temporary, name=name, path=path)
            except BaseException:
                _remove(directory, temporary)
                raise

    def finish(self) -> Sequence[Missing]:
        """Set modes and times of the directories, innermost first, have all of it on the disk, and return what is otherwise than in the snapshot.

        Raises  UnsafeError: a directory was swapped for a link; SourceError: also if the disk could not write it; PermissionMissing
        """
        for path in sorted(self._directories, reverse=True):
            mode, mtime_ns = self._directories[path]
            *above, name = split_path(path)
            with self._translated(path):
                descriptor = os.open(name, DIRECTORY_FLAGS, dir_fd=self._cursor.at(above))
                try:
                    os.fchmod(descriptor, mode)
                    self._set_time(descriptor, path, mtime_ns)
                finally:
                    os.close(descriptor)
        self._directories.clear()
        try:
            sync_file_systems(self._descriptor, {device for device, _ in self._made})
        except OSError as error:
            raise directory_error(error, f"cannot write {path_text(self._root)} to the disk") from error
        return tuple(self._changed)

    def _open(self, parts: list[bytes]) -> int:
        """The descriptor of a directory, which is made where it is missing; valid until the next call."""
        depth = len(parts)
        while True:
            try:
                directory = self._cursor.at(parts[:depth])
                break
            except FileNotFoundError:
                if depth == 0:
                    raise
                depth -= 1
        for position in range(depth, len(parts)):
            os.mkdir(parts[position], 0o700, dir_fd=directory)
            self._fresh.add(b"/".join(parts[: position + 1]))
            directory = self._cursor.at(parts[: position + 1])
        return directory

    def _refuse_other(self, status: os.stat_result, path: bytes) -> None:
        """A file system that ignores case, or composes letters, has one file or directory for two paths.

        Raises  UnsafeError: it was made for another path
        """
        if self._made.get((status.st_dev, status.st_ino), path) != path:
            raise _in_the_way(path)

    def _place(self, directory: int, temporary: bytes, *, name: bytes, path: bytes) -> None:
        status = os.stat(temporary, dir_fd=directory, follow_symlinks=False)
        if self._replace and (there := _status(directory, name)) is not None:
            self._refuse_other(there, path)
            self._made.pop((there.st_dev, there.st_ino), None)  # its number is free once it is replaced
        self._put_in_place(directory, temporary, name=name, path=path)
        self._made[status.st_dev, status.st_ino] = path

    def _put_in_place(self, directory: int, temporary: bytes, *, name: bytes, path: bytes) -> None:
        if not self._replace:
            try:
                os.link(temporary, name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
            except FileExistsError as error:
                raise _in_the_way(path) from error
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
                    raise
                if _status(directory, name) is not None:
                    raise _in_the_way(path) from error
            else:
                os.unlink(temporary, dir_fd=directory)
                return
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)

    def _temporary(self) -> bytes:
        return b".pgvault-" + self._entropy(16).hex().encode()

    def _set_time(self, descriptor: int, path: bytes, mtime_ns: int) -> None:
        with contextlib.suppress(OverflowError):  # what was reached instead is told
            os.utime(descriptor, ns=(mtime_ns, mtime_ns))
        self._note_time(path, os.fstat(descriptor).st_mtime_ns, mtime_ns)

    def _note_time(self, path: bytes, reached_ns: int, mtime_ns: int) -> None:
        if abs(reached_ns - mtime_ns) > _COARSEST_TIME_NS:
            self._note(path, "its time is outside what the file system can hold", "restore to another file system")

    def _note(self, path: bytes, why: str, fix: str) -> None:
        self._changed.append(Missing(item=path_text(path), state=State.NOT_EXPORTABLE, why=why, fix=fix))

    @contextlib.contextmanager
    def _translated(self, path: bytes) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY}:
                raise UnsafeError(
                    f"refused to restore {path_text(path)}",
                    why="a link, or something of another type, is in its way",
                    hint="restore into a new directory",
                ) from error
            raise directory_error(error, f"cannot restore {path_text(path)} into {path_text(self._root)}") from error


def _in_the_way(path: bytes) -> UnsafeError:
    return UnsafeError(
        f"{path_text(path)} exists already",
        why="it came meanwhile, or two paths of the snapshot are one name in this file system",
        hint="restore to a file system that tells upper from lower case and keeps names as they are",
    )


def _write_all(descriptor: int, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _status(directory: int, name: bytes) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _remove(directory: int, name: bytes) -> None:
    """Clean up behind an error that is under way, which is the one to be told."""
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=directory)
