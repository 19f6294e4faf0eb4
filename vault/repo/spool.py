"""Sealed packs that wait on this machine's disk for a slow way to their store, so that a database is not held open meanwhile.

A directory of this program alone (0700, files 0600), one below it for each run, locked as long as that lives; what a run that was
killed left is removed by the next. What lies here counts for nothing: a pack is the repository's when its store has it, and until then
no fragment and no snapshot names it (70-store). Never fills the disk: some of it is left to others.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from vault.limits import MIB
from vault.ports import Entropy

LEFT_FREE_BYTES: Final = 4096 * MIB
LEFT_FREE_SHARE: Final = 10
"""Of the disk at least that much, and a tenth of it, is left to everybody else: a database's log may be there."""
_LOCK: Final = "lock"


class Spool:
    """Made by `opened`. Thread-safe, but for `close`."""

    def __init__(self, directory: Path, descriptor: int, entropy: Entropy) -> None:
        self._directory = directory
        self._descriptor = descriptor
        self._entropy = entropy

    def put(self, data: bytes) -> Path | None:
        """A new file with these bytes; None: the disk has no room for it, or cannot be written."""
        path = self._directory / self._entropy(16).hex()
        try:
            disk = os.statvfs(self._directory)
            left_free = max(LEFT_FREE_BYTES, disk.f_blocks * disk.f_frsize // LEFT_FREE_SHARE)
            if disk.f_bavail * disk.f_frsize - len(data) < left_free:
                return None
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
        except OSError:
            with suppress(OSError):
                path.unlink()
            return None
        return path

    def close(self) -> None:
        """Remove it with what is left in it."""
        shutil.rmtree(self._directory, ignore_errors=True)
        os.close(self._descriptor)


def opened(above: Path, entropy: Entropy) -> Spool | None:
    """A new spool below `above`, after those of the dead there were removed; None: none can be made."""
    try:
        return Spool(*_made(above, entropy), entropy)
    except OSError:
        return None


@contextmanager
def private_directory(above: Path, entropy: Entropy) -> Iterator[Path]:
    """A new directory below `above`, gone at the end; those of the dead there are removed first. Raises  OSError"""
    directory, descriptor = _made(above, entropy)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(descriptor)


def _made(above: Path, entropy: Entropy) -> tuple[Path, int]:
    """A directory, and the descriptor that keeps it locked."""
    above.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(above):
        _sweep(above)
        directory = above / entropy(16).hex()
        directory.mkdir(mode=0o700)
        descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return directory, descriptor


@contextmanager
def _alone(above: Path) -> Iterator[None]:
    """So that nobody sweeps a spool between its making and its lock."""
    descriptor = os.open(above / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sweep(above: Path) -> None:
    for directory in above.iterdir():
        if not _is_alive(directory):
            shutil.rmtree(directory, ignore_errors=True)  # of what is no directory it removes nothing


def _is_alive(directory: Path) -> bool:
    try:
        descriptor = os.open(directory / _LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
