"""A directory that is backed up: its paths in bytewise order, and the bytes of its files.

Never follows a link, never leaves the root, never changes anything, and never drops a path silently: what cannot be
captured is given with its `problem`. Invariant: the paths of a scan ascend strictly, bytewise, over the whole tree.

Order: below a directory `a` everything starts with `a/`, and `a.b` sorts between `a` and `a/x`. So a directory has two
places among its siblings: `a`, where it is given and its names are read, and `a/`, where the scan goes into it.
Held at a time: the names of one directory a level, and of those between their two places. Descriptors: three.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from vault.errors import PermissionMissing, SourceError
from vault.limits import MIB
from vault.model import FileType, Missing, State
from vault.model.files import path_text
from vault.model.words import MORE_FILES
from vault.ports import SourceFile
from vault.source.files.exclude import Exclude
from vault.source.files.paths import (
    DENIED,
    DIRECTORY_FLAGS,
    GONE,
    DirectoryCursor,
    directory_error,
    open_below,
    open_root,
    split_path,
)
from vault.source.files.witness import Witnesses, settle, witnesses

PIECE_BYTES: Final = 1 * MIB

_TYPES: Final = {stat.S_IFREG: FileType.FILE, stat.S_IFDIR: FileType.DIRECTORY, stat.S_IFLNK: FileType.SYMLINK}
_OTHER_TYPES: Final = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
}


@dataclass(slots=True, kw_only=True)
class _Listing:
    """Names of one directory that are still to come, in descending order; `inside`: listings between their places."""

    parts: list[bytes]
    names: list[bytes]
    inside: dict[bytes, _Listing] = field(default_factory=dict)


class DirectoryFiles:
    """Implements ports.DirectorySource for `root`, which may be a link itself."""

    def __init__(self, root: bytes | Path, exclude: Sequence[str] = ()) -> None:
        """`exclude`: patterns in gitignore's syntax. Raises  UsageError: one is none"""
        self._root = os.fsencode(root)
        self._exclude = Exclude(exclude)

    def scan(self) -> Iterator[SourceFile]:
        """As the port; the root is not given. `type` is empty for what is no file, directory or link.

        A directory whose names could not be read is given with a problem; what is below it is missing.
        Raises  SourceError: the root cannot be read
        """
        root = open_root(self._root)
        cursor = DirectoryCursor(root)
        try:
            names, error = _read_names(root, b".")
            if error is not None:
                raise directory_error(error, f"cannot read the directory {path_text(self._root)}") from error
            yield from _walk(
                cursor, _Listing(parts=[], names=names), _Look(witnesses=Witnesses(), exclude=self._exclude)
            )
        finally:
            cursor.close()
            os.close(root)

    def settle(self, path: bytes) -> SourceFile:
        """As the port; waits for the disk. Raises as `read`"""
        with self._opened(path) as descriptor:
            settled = settle(descriptor)
            file = _described(os.fstat(descriptor), path)
            return replace(file, witnessed=settled and witnesses(descriptor))

    def read(self, path: bytes) -> Iterator[bytes]:
        """As the port: what the file holds while it is read, to its end; compare `status` before and after.

        Raises  SourceError: vanished, or no regular file any more; PermissionMissing; UnsafeError: no relative path
        """
        with self._opened(path) as descriptor:
            while piece := os.read(descriptor, PIECE_BYTES):
                yield piece

    @contextmanager
    def _opened(self, path: bytes) -> Iterator[int]:
        """A descriptor of the regular file `path`; what goes wrong inside is translated."""
        parts = split_path(path)
        try:
            descriptor = self._open_file(parts)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise SourceError(f"cannot read {path_text(path)}", why="it is not a regular file any more")
                yield descriptor
            finally:
                os.close(descriptor)
        except OSError as error:
            kind = PermissionMissing if error.errno in DENIED else SourceError
            raise kind(f"cannot read {path_text(path)}", why=_why(error), hint=_fix(error)) from error

    def status(self, path: bytes) -> SourceFile | None:
        """As the port. Raises  SourceError: the root cannot be read; UnsafeError: no relative path"""
        *above, name = split_path(path)
        root = open_root(self._root)
        try:
            directory = open_below(root, above)
            try:
                return _describe(directory, name, path=path, witnesses=Witnesses())
            finally:
                os.close(directory)
        except OSError as error:
            return None if error.errno in GONE else _unreadable(path, error)
        finally:
            os.close(root)

    def now_ns(self) -> int:
        return time.time_ns()  # noqa: TID251 - ctime is of the kernel's clock, so no other may be compared with it

    def _open_file(self, parts: list[bytes]) -> int:
        root = open_root(self._root)
        try:
            directory = open_below(root, parts[:-1])
        finally:
            os.close(root)
        try:
            # NONBLOCK: a pipe that took the file's place must not hold the backup.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            return os.open(parts[-1], flags, dir_fd=directory)
        finally:
            os.close(directory)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What a scan asks about each path."""

    witnesses: Witnesses
    exclude: Exclude


def _walk(cursor: DirectoryCursor, top: _Listing, look: _Look) -> Iterator[SourceFile]:
    stack = [top]
    while stack:
        listing = stack[-1]
        if not listing.names:
            stack.pop()
            continue
        name = listing.names.pop()
        if name.endswith(b"/"):
            below = listing.inside.pop(name[:-1], None)
            if below is not None:
                stack.append(below)
            continue
        yield _visit(cursor, listing, name, look)


def _visit(cursor: DirectoryCursor, listing: _Listing, name: bytes, look: _Look) -> SourceFile:
    """Describe `name`; of a directory also read the names, for its second place."""
    parts = [*listing.parts, name]
    path = b"/".join(parts)
    try:
        directory = cursor.at(listing.parts)
        file = _describe(directory, name, path=path, witnesses=look.witnesses)
    except OSError as error:
        file = _unreadable(path, error)
    left_out = look.exclude.pattern_for(path, directory=file.type == FileType.DIRECTORY)
    if left_out:
        return replace(file, problem=Missing(item=path_text(path), state=State.NOT_SELECTED, why=left_out))
    if file.type != FileType.DIRECTORY:
        return file
    names, failure = _read_names(directory, name)
    # Its second place was planned when its parent was read; without one its content would be out of order.
    if _has_second_place(listing, name):
        listing.inside[name] = _Listing(parts=parts, names=names)
    elif names:
        return _with_problem(file, State.FAILED, why="it became a directory while its parent was read", fix=_AGAIN)
    if failure is None:
        return file
    state = State.NOT_PERMITTED if failure.errno in DENIED else State.FAILED
    return _with_problem(file, state, why=f"its names could not all be read: {_why(failure)}", fix=_fix(failure))


def _has_second_place(listing: _Listing, name: bytes) -> bool:
    """Whether `name/` is still to come; between the two are only names that go on after `name` with a lower byte."""
    place = name + b"/"
    for later in reversed(listing.names):
        if later >= place:
            return later == place
    return False


def _read_names(directory: int, name: bytes) -> tuple[list[bytes], OSError | None]:
    """Names in the directory `name`, descending, directories also with a slash; and why there may be more."""
    names: list[bytes] = []
    try:
        descriptor = os.open(name, DIRECTORY_FLAGS, dir_fd=directory)
        try:
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    encoded = os.fsencode(entry.name)
                    names.append(encoded)
                    if entry.is_dir(follow_symlinks=False):
                        names.append(encoded + b"/")
        finally:
            os.close(descriptor)
    except OSError as error:
        return sorted(names, reverse=True), error
    return sorted(names, reverse=True), None


def _described(status: os.stat_result, path: bytes) -> SourceFile:
    kind = _TYPES.get(stat.S_IFMT(status.st_mode))
    return SourceFile(
        path=path,
        type=kind.value if kind else "",
        mode=stat.S_IMODE(status.st_mode),
        mtime_ns=status.st_mtime_ns,
        size=status.st_size if kind is FileType.FILE else 0,
        ctime_ns=status.st_ctime_ns,
        inode=status.st_ino,
        target=b"",
    )


def _describe(directory: int, name: bytes, *, path: bytes, witnesses: Witnesses) -> SourceFile:
    """State of `name` in `directory`. Raises OSError if it is gone or cannot be looked at."""
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    kind = _TYPES.get(stat.S_IFMT(status.st_mode))
    file = _described(status, path)
    if kind is FileType.SYMLINK:
        file = replace(file, target=os.readlink(name, dir_fd=directory))
    if kind is None:
        what = _OTHER_TYPES.get(stat.S_IFMT(status.st_mode), "of an unknown type")
        return _with_problem(
            file, State.NOT_EXPORTABLE, why=f"it is {what}", fix="leave it out; it has no content to back up"
        )
    if kind is FileType.FILE and not os.access(name, os.R_OK, dir_fd=directory, effective_ids=True):
        return _with_problem(file, State.NOT_PERMITTED, why="permission denied", fix=_RIGHTS)
    if kind is FileType.FILE:
        return replace(file, witnessed=witnesses.of(status.st_dev, directory, name))
    return file


_AGAIN: Final = "run the backup again while nothing changes the directory"
_RIGHTS: Final = "give the user that runs the backup the right to read it"


def _unreadable(path: bytes, error: OSError) -> SourceFile:
    file = SourceFile(path=path, type="", mode=0, mtime_ns=0, size=0, ctime_ns=0, inode=0, target=b"")
    state = State.NOT_PERMITTED if error.errno in DENIED else State.FAILED
    return _with_problem(file, state, why=_why(error), fix=_fix(error))


def _with_problem(file: SourceFile, state: State, *, why: str, fix: str) -> SourceFile:
    return replace(file, problem=Missing(item=path_text(file.path), state=state, why=why, fix=fix))


def _why(error: OSError) -> str:
    if error.errno in DENIED:
        return "permission denied"
    if error.errno in GONE:
        return "it vanished, or was replaced, while the directory was read"
    return os.strerror(error.errno) if error.errno else str(error)


def _fix(error: OSError) -> str:
    if error.errno in DENIED:
        return _RIGHTS
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return MORE_FILES
    return _AGAIN if error.errno in GONE else "check the file system"
