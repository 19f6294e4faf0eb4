"""What the file system says of a directory before anybody writes there: who may, how much room there is, what lies around."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from vault.ops.doctor.repository import Room

TEMPORARY = "tmp"
_TRIED_BYTES = 4096
READ_ONLY = getattr(os, "ST_RDONLY", 1)


def room(path: Path | None) -> Room:
    """As this user may use it; None is a bucket's, which tells nothing."""
    if path is None:
        return Room(free_bytes=None, free_files=None)
    try:
        told = os.statvfs(path)
    except OSError:
        return Room(free_bytes=None, free_files=None)
    return Room(free_bytes=told.f_bavail * told.f_frsize, free_files=told.f_favail if told.f_files else None)


def not_writable(path: Path, *, below: tuple[str, ...] = ()) -> str:
    """Why this user cannot make files in `path` or in its directories of these names, or empty; of what is not there, its parent counts."""
    there = next((one for one in (path, *path.absolute().parents) if os.path.lexists(one)), path)
    for one in (there, *(path / name for name in below if (path / name).exists())):
        if not one.is_dir():
            return f"{one} is no directory"
        if not os.access(one, os.W_OK | os.X_OK):
            return f"{one} is mounted read-only" if _is_read_only(one) else f"this user may not write in {one}"
    return ""


def not_makeable(path: Path, *, below: tuple[str, ...] = ()) -> str:
    """As `not_writable`, and tried, with a file without a name where the system has such.

    What the rights say is not all: a quota, a full disk, a file system that went read-only. Of what is not there, its parent counts.
    """
    if why := not_writable(path, below=below):
        return why
    there = next((one for one in (path, *path.absolute().parents) if os.path.lexists(one)), path)
    for one in (there, *(path / name for name in below if (path / name).exists())):
        try:
            with tempfile.TemporaryFile(dir=one) as file:
                file.write(b"\0" * _TRIED_BYTES)
                file.flush()
        except OSError as error:
            return f"{one}: {error.strerror or type(error).__name__}"
    return ""


def _is_read_only(path: Path) -> bool:
    try:
        return bool(os.statvfs(path).f_flag & READ_ONLY)
    except OSError:
        return False


def old_temporary_files(repository: Path | None, *, now_ms: int, older_than_ms: int) -> int:
    """How many files of runs that were killed lie in the repository; None is a bucket's, where nothing half-written has a name."""
    if repository is None:
        return 0
    try:
        with os.scandir(repository / TEMPORARY) as entries:
            times_ms = [entry.stat(follow_symlinks=False).st_mtime_ns // 1_000_000 for entry in entries]
    except OSError:
        return 0
    return sum(now_ms - time_ms > older_than_ms for time_ms in times_ms)
