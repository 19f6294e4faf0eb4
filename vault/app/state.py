"""The state directory: what this machine remembers of jobs and of what was installed, and one lock a source.

    jobs/ID.json, jobs/ID.log    a job's record and its log, kept for 90 days
    logs/SOURCE.log              leads to the log of the source's newest job: a path to `tail -f` that stays
    locks/NAME                   held by the process that may work on it (flock), free when that process is gone
    schedule.json                what was installed, and where
    undone/SCHEDULE.json         what its last run left undone after the backup
    undo/TIME-TABLE.sql          what takes a put back of rows back: values of rows, kept for 90 days

Directories are 0700, files 0600, each JSON file is replaced as a whole. Losing the directory costs the memory of what was, never a
snapshot; a damaged file reads as None with the reason. Nothing heavy is imported here: starting a job reads it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from vault.app.settings import Settings
from vault.errors import StateUnusable
from vault.repo import private

FOLDERS: Final = ("jobs", "logs", "locks")
KEPT_MS: Final = 90 * 24 * 60 * 60 * 1000
JSON_BYTES_MAX: Final = 1024 * 1024
_NAME_BYTES_MAX: Final = 100
_ATTEMPTS: Final = 6
_PAUSE_S: Final = 0.01
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """Paths below `root`; nothing is made before something is written."""

    root: Path

    @property
    def schedule(self) -> Path:
        return self.root / "schedule.json"

    @property
    def schedule_lock(self) -> Path:
        """Held between reading and writing it; no source's has a name without a dot."""
        return self.root / "locks" / "schedule"

    def record(self, job: str) -> Path:
        return self.root / "jobs" / f"{job}.json"

    def log(self, job: str) -> Path:
        return self.root / "jobs" / f"{job}.log"

    @property
    def undo(self) -> Path:
        return self.root / "undo"

    def stable_log(self, source: str) -> Path:
        return self.root / "logs" / f"{file_name(source)}.log"

    def lock(self, source: str, repository: str) -> Path:
        """Of a source in a repository: the same source may be saved into another one meanwhile."""
        return self.root / "locks" / f"{file_name(source)}.{hashlib.sha256(repository.encode()).hexdigest()[:8]}"

    def watch_lock(self, schedule: str) -> Path:
        """Held by the process that watches; no source's has a name that begins with a dot."""
        return self.root / "locks" / f".watch-{file_name(schedule)}"

    def jobs(self) -> list[str]:
        """Ids of the jobs that have a record, the newest first. Raises  StateUnusable"""
        with told(self.root):
            try:
                names = os.listdir(self.root / "jobs")
            except FileNotFoundError:
                return []
        return sorted((name.removesuffix(".json") for name in names if name.endswith(".json")), reverse=True)

    def make(self) -> None:
        """Make the directories. Raises  StateUnusable"""
        with told(self.root):
            for path in (self.root, *(self.root / name for name in FOLDERS)):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)


def state_directory(settings: Settings) -> StateDirectory:
    """Raises  StateUnusable: nothing says where it is"""
    if settings.state_dir is None:
        raise StateUnusable(
            "no directory for the program's state",
            why="neither PGVAULT_STATE_DIR, XDG_STATE_HOME nor HOME is set",
            hint="set PGVAULT_STATE_DIR to a directory of your own",
        )
    return StateDirectory(settings.state_dir)


def file_name(text: str) -> str:
    """A name for a file: readable, different for different texts, never hidden or too long."""
    name = quote(text, safe="@:+,=").replace("~", "%7E")
    if name.startswith("."):
        name = "%2E" + name[1:]
    if len(name) > _NAME_BYTES_MAX or not name:
        name = f"{name[:_NAME_BYTES_MAX]}~{hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest()[:16]}"
    return name


# --- JSON ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a file of JSON holds: an object, or None and why not."""

    value: Mapping[str, Any] | None
    why: str = ""


def read_json(path: Path) -> Found | None:
    """None if there is no such file. Never raises: what cannot be read is told."""
    try:
        with path.open("rb") as file:
            data = file.read(JSON_BYTES_MAX + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return Found(value=None, why=error.strerror or "it cannot be read")
    if len(data) > JSON_BYTES_MAX:
        return Found(value=None, why="it is larger than any that pgvault writes")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return Found(value=None, why="it is no JSON")
    return Found(value=value) if isinstance(value, dict) else Found(value=None, why="it holds no object")


def write_json(path: Path, value: Mapping[str, object], *, room_bytes: int = 0) -> None:
    """Replace the file as a whole, padded with blanks to `room_bytes`.

    On a full disk, what fits into the room that an earlier call took is written there in place: how a job ended can then
    still be told. Raises  StateUnusable
    """
    data = json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"
    data = data[:-1].ljust(room_bytes - 1) + b"\n"
    with told(path):
        try:
            private.save(path, data)
        except OSError as error:
            if error.errno not in _FULL or not _in_place(path, data):
                raise


def _in_place(path: Path, data: bytes) -> bool:
    """Whether the bytes could be written over those that are there, which take no new room."""
    try:
        with path.open("r+b") as file:
            if os.fstat(file.fileno()).st_size != len(data):
                return False
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        return False
    return True


# --- links, locks, age ---------------------------------------------------------------------------


def point(link: Path, target: Path) -> Path:
    """Let `link` lead to `target`, in one step; returns the path to tell people: the target, where no link can be made."""
    temporary = link.with_name(f"{link.name}.{os.getpid()}")
    try:
        with suppress(FileNotFoundError):
            temporary.unlink()
        temporary.symlink_to(os.path.relpath(target, link.parent))
        temporary.replace(link)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        return target
    return link


class Lock:
    """A lock that is held until `release`, or until every process that has the descriptor is gone."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def release(self) -> None:
        os.close(self.descriptor)


def take(path: Path) -> Lock | None:
    """The file's lock, or None while another process holds it; the file is made if it is not there. Raises  StateUnusable

    Who asks `is_held` holds the lock for a moment: therefore more than one attempt, about 50 ms in all.
    """
    with told(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            for attempt in range(_ATTEMPTS):
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return Lock(descriptor)
                except BlockingIOError:
                    time.sleep(_PAUSE_S if attempt < _ATTEMPTS - 1 else 0)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None


def is_held(path: Path) -> bool:
    """Whether a process holds the lock of the file; False if there is no file. Raises  StateUnusable"""
    with told(path):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            # Shared, so that two who ask do not take each other for the holder.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
    return False


def tidy(state: StateDirectory, *, now_ms: int) -> None:
    """Remove what was last written more than 90 days ago, and links that lead to nothing. What cannot be removed stays."""
    for path in _files(state.root / "jobs"):
        with suppress(OSError, StateUnusable):
            old = now_ms - path.lstat().st_mtime_ns // 1_000_000 > KEPT_MS
            if old and not is_held(path.with_suffix(".log")):
                path.unlink()
    for path in _files(state.undo):
        with suppress(OSError):
            if now_ms - path.lstat().st_mtime_ns // 1_000_000 > KEPT_MS:
                path.unlink()
    for path in _files(state.root / "logs"):
        with suppress(OSError):
            if path.is_symlink() and not path.exists():
                path.unlink()


def _files(folder: Path) -> Iterator[Path]:
    with suppress(OSError):
        yield from sorted(folder.iterdir())


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Around what is done there. Raises  StateUnusable: for what the operating system refuses"""
    try:
        yield
    except OSError as error:
        raise StateUnusable(
            f"the state directory cannot be used: {path}",
            why=error.strerror or type(error).__name__,
            hint="make room, or let PGVAULT_STATE_DIR name a directory that you may write to",
        ) from error
