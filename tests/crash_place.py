"""Directories in which the works of `tests/crash_work.py` are tried, laid out anew for each trial, and looked at after it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.crash_world import Place, Refused, Work
from tests.power_loss import Files
from vault.store.disk import Disk
from vault.store.local import LocalStore, create_local


class Lost(Exception):
    """Something did not hold; says where."""


@contextmanager
def scratch() -> Iterator[Path]:
    """In memory, where the system has a place for that: nothing here has to outlive the machine."""
    base = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(prefix="pgvault-crash-", dir=base) as directory:
        yield Path(directory)


def look_at(work: Work, place: Place) -> None:
    work.whole(place)
    ran(work, place)
    work.done(place)


def ran(work: Work, place: Place) -> bool:
    """Whether it reports that it is done; else it was refused."""
    try:
        work.run(place)
    except Refused:
        return False
    return True


@contextmanager
def named(where: str) -> Iterator[None]:
    """Raises  Lost: with what went wrong inside"""
    try:
        yield
    except Lost:
        raise
    except Exception as wrong:
        raise Lost(f"{where}: {type(wrong).__name__}: {wrong}") from wrong


def place_at(directory: Path, disk: Disk | None = None) -> Place:
    root = directory / "repository"
    local = LocalStore(root, os.urandom, disk=disk)
    return Place(store=local, own=directory / "own", make=partial(_make, root, disk))


def _make(root: Path, disk: Disk | None) -> None:
    """As `app.stores.create_store`."""
    if not any((root / name).exists() for name in ("config", "keys")):
        create_local(root, disk=disk)


def lay(root: Path, files: Files | None) -> None:
    """Have exactly these there."""
    if root.exists():
        shutil.rmtree(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    if files is None:
        return
    root.mkdir()
    for name, data in files.items():
        path = root / name
        (path if data is None else path.parent).mkdir(parents=True, exist_ok=True)
        if data is not None:
            path.write_bytes(data)


def tree(root: Path) -> Files:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
