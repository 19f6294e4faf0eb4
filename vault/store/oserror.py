"""What an OSError of a local store means: the one table from errno to our errors. Pure."""

from __future__ import annotations

import errno
import shlex
from typing import Final

from vault.errors import NoRepository, StoreDenied, StoreError, StoreFull, Unavailable

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DENIED: Final = frozenset({errno.EACCES, errno.EPERM})
_AGAIN: Final = frozenset({errno.ETIMEDOUT, errno.ESTALE, errno.EAGAIN})


def full_or_failed(error: OSError, message: str) -> StoreError:
    """Translate the failure of a call that must not be tried again, a sync above all: never Unavailable."""
    why = error.strerror or str(error)
    if error.errno in _FULL:
        return StoreFull(message, why=why, hint="free space there, then run the command again")
    if error.errno in _DENIED:
        return StoreDenied(message, why=why, hint="run as the owner of the repository, or give this user rights to it")
    if error.errno == errno.EROFS:
        return StoreError(message, why=why, hint="mount the file system writable")
    return StoreError(message, why=why)


def store_error(error: OSError, message: str) -> StoreError:
    """Translate `error`; timeouts and stale handles of network file systems are worth another attempt."""
    if error.errno in _AGAIN:
        return Unavailable(message, why=error.strerror or str(error))
    return full_or_failed(error, message)


def no_repository(url: str) -> NoRepository:
    return NoRepository(
        f"no repository at {url}",
        why="there is no such directory",
        hint=f"check the path; or create a repository there: pgvault init -r {shlex.quote(url)}",
    )
