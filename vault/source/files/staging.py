"""A private place beside what is about to appear, so that nothing half-written has its name. What a killed process left is swept by the next.

It has the lock of its process; the lock goes with that, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from vault.ports import Entropy
from vault.source.files.paths import directory_error

_ALIVE: Final = "alive"
_MARK: Final = ".pgvault-"


@contextmanager
def staged(directory: Path, name: str, entropy: Entropy) -> Iterator[Path]:
    """An empty directory of mode 0700 in `directory`, on its file system, for something that will be called `name`. Gone at the end.

    Raises  SourceError, PermissionMissing: there can be none
    """
    prefix = f".{name}{_MARK}" if name else _MARK
    try:
        _sweep(directory, prefix)
        place = directory / f"{prefix}{entropy(8).hex()}"
        place.mkdir(mode=0o700)
    except OSError as error:
        raise directory_error(error, f"cannot write in {directory}") from error
    new = place / f"{_ALIVE}.new"
    lock = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        new.rename(place / _ALIVE)
        data = place / "data"
        data.mkdir(mode=0o700)
        yield data
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(lock)


def is_stage(name: str) -> bool:
    """Whether a file name is that of such a place without a name of its own."""
    return name.startswith(_MARK)


def _sweep(directory: Path, prefix: str) -> None:
    for place in directory.iterdir():
        if not place.name.startswith(prefix) or place.is_symlink():
            continue
        try:
            lock = os.open(place / _ALIVE, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:
            continue  # another process removes it, or has not locked it yet
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(place, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)
