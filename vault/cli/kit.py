"""Where a recovery kit goes: to a terminal, or to a new private file that is read back.

Never to a pipe or a log, never over an existing file, never into the repository that it opens.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from vault.app.places import Place
from vault.errors import UnsafeError, UsageError, VaultError


class KitFile:
    """A new file of mode 0600, taken before anything else happens, so that a kit that is made has its place."""

    def __init__(self, path: Path, repository: Place) -> None:
        if repository.holds(path):
            raise UnsafeError(
                "the recovery kit would lie in the repository",
                why="whoever takes the repository would have its key",
                hint="name a file elsewhere",
            )
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise UnsafeError(
                f"{path} exists already", why="a kit never overwrites a file", hint="name a new file"
            ) from error
        except OSError as error:
            raise UsageError(f"cannot create {path}", why=error.strerror or "") from error

    def write(self, text: str) -> None:
        """Write, sync, read back and compare. Raises  VaultError: the file does not hold the kit"""
        data = text.encode("utf-8")
        try:
            with os.fdopen(self._descriptor, "r+b") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            _sync_directory(self.path.parent)
            intact = self.path.read_bytes() == data
        except OSError as error:
            raise self._failed(error.strerror or type(error).__name__) from error
        if not intact:
            raise self._failed("it reads back differently")

    def discard(self) -> None:
        """Remove the file that got no kit."""
        os.close(self._descriptor)
        self.path.unlink(missing_ok=True)

    def _failed(self, why: str) -> VaultError:
        return VaultError(
            f"the recovery kit could not be written to {self.path}",
            why=why,
            hint="the repository is there; make another kit with: pgvault key recovery-kit FILE",
        )


def _sync_directory(path: Path) -> None:
    """So that the file's name survives a loss of power. Raises  OSError: but not where directories cannot be synced at all"""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(descriptor)


def require_terminal(*, json: bool, hint: str) -> None:
    """Raises  UsageError: there is no terminal that could show a kit to a person"""
    if json or not sys.stdout.isatty():
        raise UsageError(
            "there is no terminal to show the recovery kit on",
            why="the kit opens the repository, so it is not written to pipes and logs",
            hint=hint,
        )
