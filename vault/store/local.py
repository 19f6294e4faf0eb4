"""A store in a local directory, with the discipline that makes a name mean its bytes.

put      write tmp/<random>, fsync it, link it to its name (which fails if the name is taken), unlink tmp/<random>
barrier  fsync every directory that got or lost a name since the last one, or in which something was looked at: what is found there
         may be of a run that was killed before its own barrier, and is relied on from now on

Invariant: a name, once visible, has all its bytes, and they were synced before the name existed; so no crash shows a
torn file, and a name that a barrier covered survives power loss. A failed fsync is never tried again: the kernel
reports a lost write once and then calls the page clean, so the store is poisoned instead.
Never overwrites, never creates its root on opening (`create_local` does), never follows its own errors with a retry; what is written
where another directory stands meanwhile (`vault.store.root`) is an error at the next barrier.
Spec 70-store.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from vault.errors import AlreadyExists, LimitExceeded, Malformed, NotFound, StoreError
from vault.limits import PACK_BYTES_MAX
from vault.ports import Entropy, StoredFile
from vault.store.creation import create_local as create_local
from vault.store.disk import Disk, system_disk
from vault.store.durable import NO_RENAME, give_name, replaces, sync_directory
from vault.store.listing import walk
from vault.store.mounts import network_of, own_mounts
from vault.store.names import TEMPORARY, validate_name, validate_prefix
from vault.store.oserror import full_or_failed, store_error
from vault.store.root import GONE, Root

_WORN: Final = frozenset({errno.EIO, errno.EBADMSG, errno.EUCLEAN})
"""What a disk says of a bad sector, a file system of a wrong checksum: damage of this file, like any other."""


class LocalStore:
    """Files below `root`; `entropy` only draws temporary names. Safe for threads and for several processes.

    mounts   text of /proc/self/mountinfo, asked for when needed
    """

    def __init__(
        self, root: Path, entropy: Entropy, *, disk: Disk | None = None, mounts: Callable[[], str] = own_mounts
    ) -> None:
        self._root = os.path.abspath(root)
        self._held = Root(self._root)
        self._entropy = entropy
        self._disk: Disk = system_disk() if disk is None else disk
        self._mounts = mounts
        self._lock = threading.Lock()
        self._barrier = threading.Lock()
        self._dirty: set[str] = set()
        self._entered: set[str] = set()
        self._poison = ""

    @property
    def url(self) -> str:
        return self._held.url

    @property
    def network(self) -> str:
        return network_of(self._root, self._mounts())

    def put(self, name: str, data: bytes) -> None:
        validate_name(name)
        self._refuse_if_poisoned()
        self._held.hold()
        if os.path.lexists(self._path(name)):
            self._mark(name)
            raise self._taken(name)
        temporary = self._write_temporary(name, data)
        try:
            self._enter_directory(name)
            self._publish(temporary, name)
        finally:
            # After a rename it is gone; after a link it is a second name of a finished file, which `sweep_tmp` removes.
            with contextlib.suppress(OSError):
                self._disk.unlink(temporary)

    def get(self, name: str) -> bytes:
        """As the port; a file above PACK_BYTES_MAX is not loaded. Raises  LimitExceeded; Malformed: the disk cannot read it"""
        with self._reading(name) as (descriptor, size):
            if size > PACK_BYTES_MAX:
                raise LimitExceeded(
                    f"{name} is too large", why=f"it has {size} bytes, {PACK_BYTES_MAX} are allowed", file=name
                )
            return _read_exactly(descriptor, 0, size)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        assert offset >= 0
        assert length >= 0
        with self._reading(name) as (descriptor, size):
            data = b"" if offset + length > size else _read_exactly(descriptor, offset, length)
        if len(data) < length or offset > size:
            raise Malformed(
                f"{name} is too short",
                why=f"it has {size} bytes, bytes {offset} to {offset + length} are needed",
                file=name,
            )
        return data

    def list(self, prefix: str) -> Iterator[StoredFile]:
        validate_prefix(prefix)
        self._held.require()
        directory = prefix.rpartition("/")[0]
        if directory and os.path.isdir(self._path(directory)):
            self._mark(prefix)
        return self._walked(prefix)

    def _walked(self, prefix: str) -> Iterator[StoredFile]:
        for file in walk(self._root, prefix):
            self._mark(file.name)
            yield file
        self._held.require()

    def delete(self, *names: str) -> None:
        for name in names:
            validate_name(name)
        refused: list[StoreError] = []
        for name in names:
            try:
                self._disk.unlink(self._path(name))
            except OSError as error:
                if error.errno not in GONE:
                    failed = store_error(error, f"cannot delete {name} in {self.url}")
                    failed.__cause__ = error
                    refused.append(failed)
                else:
                    self._held.require()
            else:
                self._mark(name)
        if refused:
            raise refused[0]

    def barrier(self) -> None:
        """As the port; also makes deletions durable. Waits for a barrier that runs in another thread."""
        with self._barrier:
            self._refuse_if_poisoned()
            self._held.require()
            with self._lock:
                dirty, self._dirty = self._dirty, set()
            for directory in sorted(dirty):
                try:
                    sync_directory(self._disk, os.path.join(self._root, directory))
                except OSError as error:
                    raise self._poisoned(error, directory or ".") from error
            self._held.require()

    def sweep_tmp(self, *, older_than_ms: int) -> int:
        """Remove what killed runs left in `tmp/`, if older than that by the file system's own clock; return how many."""
        removed = 0
        try:
            with os.scandir(os.path.join(self._root, TEMPORARY)) as entries:
                left = [entry for entry in entries if not entry.is_dir(follow_symlinks=False)]
            now_ms = self._file_time_ms() if left else 0
            for entry in left:
                age_ms = now_ms - entry.stat(follow_symlinks=False).st_mtime_ns // 1_000_000
                if age_ms > older_than_ms:
                    self._disk.unlink(entry.path)
                    removed += 1
        except FileNotFoundError:
            self._held.require()
        except OSError as error:
            raise store_error(error, f"cannot clear {TEMPORARY}/ in {self.url}") from error
        return removed

    def _file_time_ms(self) -> int:
        """What the file system's clock says, a server's perhaps: the time of a file that is made for this."""
        path = os.path.join(self._root, TEMPORARY, self._entropy(16).hex())
        descriptor = self._disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW)
        try:
            return os.fstat(descriptor).st_mtime_ns // 1_000_000
        finally:
            with contextlib.suppress(OSError):
                self._disk.close(descriptor)
            with contextlib.suppress(OSError):
                self._disk.unlink(path)

    def _path(self, name: str) -> str:
        return os.path.join(self._root, name)

    def _write_temporary(self, name: str, data: bytes) -> str:
        path = os.path.join(self._root, TEMPORARY, self._entropy(16).hex())
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            try:
                descriptor = self._disk.open(path, flags)
            except FileNotFoundError:
                self._held.require()
                with contextlib.suppress(FileExistsError):
                    self._disk.mkdir(os.path.dirname(path), 0o700)
                descriptor = self._disk.open(path, flags)
        except OSError as error:
            raise store_error(error, f"cannot write {name} in {self.url}") from error
        try:
            self._fill(descriptor, name, data)
        except BaseException:
            with contextlib.suppress(OSError):
                self._disk.unlink(path)
            raise
        return path

    def _fill(self, descriptor: int, name: str, data: bytes) -> None:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self._disk.write(descriptor, rest) :]
            try:
                self._disk.fsync(descriptor)
            except OSError as error:
                raise self._poisoned(error, name) from error
        except OSError as error:
            raise store_error(error, f"cannot write {name} in {self.url}") from error
        finally:
            # The bytes are synced, or an error is already under way: close can add nothing to either.
            with contextlib.suppress(OSError):
                self._disk.close(descriptor)

    def _enter_directory(self, name: str) -> None:
        """Make the directories of `name` that are missing."""
        directory = os.path.dirname(name)
        if directory in self._entered:
            return
        for part in reversed(_ancestors(directory)[:-1]):
            try:
                self._disk.mkdir(os.path.join(self._root, part), 0o700)
            except FileExistsError:
                continue
            except OSError as error:
                raise store_error(error, f"cannot make the directory {part} in {self.url}") from error

    def _publish(self, temporary: str, name: str) -> None:
        try:
            give_name(self._disk, temporary, self._path(name))
        except FileExistsError as error:
            self._mark(name)
            raise self._taken(name) from error
        except OSError as error:
            if error.errno in NO_RENAME:
                raise replaces(f"cannot write {name} in {self.url}") from error
            raise store_error(error, f"cannot write {name} in {self.url}") from error
        self._mark(name)

    def _mark(self, name: str) -> None:
        """Have the next barrier sync the directory of `name`; on the first use also those above it.

        They may have been made by a run that was killed before its barrier. For the same reason a name that is found is marked, and a
        directory that is listed: its writer synced the bytes, perhaps not the name, and who deleted something perhaps not that.
        """
        directory = name.rpartition("/")[0]
        if directory in self._dirty:
            return
        with self._lock:
            self._dirty.add(directory)
            if directory not in self._entered:
                self._dirty.update(_ancestors(directory))
                self._entered.add(directory)

    def _taken(self, name: str) -> AlreadyExists:
        return AlreadyExists(f"{name} exists already in {self.url}")

    def _refuse_if_poisoned(self) -> None:
        if self._poison:
            raise StoreError(
                f"nothing more is written to {self.url}",
                why=self._poison,
                hint="check the disk, then run the command again",
            )

    def _poisoned(self, error: OSError, name: str) -> StoreError:
        with self._lock:
            self._poison = f"an earlier sync of {name} failed: {error.strerror}"
        return full_or_failed(error, f"the sync of {name} in {self.url} failed")

    @contextlib.contextmanager
    def _reading(self, name: str) -> Iterator[tuple[int, int]]:
        """Open `name`; give its descriptor and size, and translate what goes wrong inside."""
        validate_name(name)
        self._held.hold()
        try:
            descriptor = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise StoreError(f"{name} in {self.url} is not a regular file")
                self._mark(name)
                yield descriptor, status.st_size
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno in _WORN:
                raise Malformed(
                    f"{name} cannot be read from the disk",
                    why=os.strerror(error.errno),
                    hint="look at the disk's health, and copy the repository elsewhere",
                    file=name,
                ) from error
            if error.errno not in GONE:
                raise store_error(error, f"cannot read {name} in {self.url}") from error
            self._held.require()
            raise NotFound(f"{name} is not in {self.url}") from error


def _ancestors(directory: str) -> list[str]:
    """`directory` and those above it up to the root, which is the empty text."""
    directories = [directory]
    while directories[-1]:
        directories.append(os.path.dirname(directories[-1]))
    return directories


def _read_exactly(descriptor: int, offset: int, length: int) -> bytes:
    """Up to `length` bytes; fewer only at the end of the file."""
    pieces: list[bytes] = []
    while length > 0:
        piece = os.pread(descriptor, length, offset)
        if not piece:
            break
        pieces.append(piece)
        offset += len(piece)
        length -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
