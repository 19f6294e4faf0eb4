"""The directory of a local store, held from its first use on: whether what is at its path now is still the same.

A file system can go away under a path, by `umount -l` or a cable. What is there then is the directory that it was mounted over: empty,
writable, and nobody finds again what is put there once it is mounted anew. So who has written asks. Spec 70-store, STORE-12.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import weakref
from typing import Final

from vault.errors import NoRepository, StoreError
from vault.store.oserror import no_repository, store_error

GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR})


class Root:
    """Safe for threads. Open as long as it is referred to, so that nobody unmounts it by mistake, nor an automounter."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.url = os.fsencode(path).decode("utf-8", "backslashreplace")
        self._descriptor = -1
        self._lock = threading.Lock()

    def hold(self) -> None:
        """From now on this is the one. Does nothing if there is none yet: who opens something in it hears of that."""
        if self._descriptor >= 0:
            return
        with self._lock:
            if self._descriptor < 0:
                try:
                    descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                except OSError:
                    return
                weakref.finalize(self, os.close, descriptor)
                self._descriptor = descriptor

    def require(self) -> None:
        """Raises  NoRepository: there is no such directory; StoreError: it cannot be read, or is another one than was held"""
        try:
            there = os.stat(self.path)
        except OSError as error:
            raise self._missing() if error.errno in GONE else store_error(error, f"cannot read {self.url}") from error
        if not stat.S_ISDIR(there.st_mode):
            raise self._missing()
        self.hold()
        if self._descriptor >= 0 and not os.path.samestat(there, os.fstat(self._descriptor)):
            raise StoreError(
                f"{self.url} is another directory than when this command began",
                why="its file system went away, or another one was mounted over it: what is written there now would be lost",
                hint="mount it, see that `config` is in it, then run the command again",
            )

    def _missing(self) -> NoRepository:
        return no_repository(self.url)
