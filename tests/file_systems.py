"""Real file systems for tests: small ones in memory or in a file, read-only ones, and one by FUSE that lacks calls.

Each is a context manager that mounts at a new directory and unmounts at the end, whatever happened. Raises NoMount where that is not
permitted; `mounted_or_skip` makes that a skip that names what is missing.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

PAGE_BYTES: Final = 4096
_WAIT_S: Final = 60


class NoMount(Exception):
    """A file system of this kind cannot be mounted here."""


@contextmanager
def mounted_or_skip(system: AbstractContextManager[Path]) -> Iterator[Path]:
    """The mounted directory."""
    with ExitStack() as stack:
        try:
            place = stack.enter_context(system)
        except NoMount as missing:
            pytest.skip(f"MISSING: {missing}")
        yield place


@contextmanager
def in_memory(place: Path, *, size_bytes: int) -> Iterator[Path]:
    with _mounted(place, "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs"):
        yield place


@contextmanager
def ext4(place: Path, *, size_bytes: int) -> Iterator[Path]:
    image = image_of(place)
    with image.open("wb") as file:
        file.truncate(size_bytes)
    try:
        _run("mkfs.ext4", "-q", "-m", "0", str(image))
        with _mounted(place, "-o", "loop", str(image)):
            yield place
    finally:
        image.unlink()


def image_of(place: Path) -> Path:
    """The file that an `ext4` lies in."""
    return place.with_name(f"{place.name}.image")


@contextmanager
def the_disk_as_it_is(place: Path, image: Path) -> Iterator[Path]:
    """A disk that was not unmounted, as the next start of the machine finds it."""
    with _mounted(place, "-o", "loop", str(image)):
        yield place


@contextmanager
def once_more(place: Path, directory: Path) -> Iterator[Path]:
    """`directory` at `place` too."""
    with _mounted(place, "--bind", str(directory)):
        yield place


@contextmanager
def read_only(place: Path, directory: Path) -> Iterator[Path]:
    """`directory` once more, at `place`, where nobody can write."""
    with _mounted(place, "--bind", str(directory)):
        _run("mount", "-o", "remount,ro,bind", str(place))
        yield place


@contextmanager
def lacking(place: Path, *calls: str, library: int = 3) -> Iterator[Path]:
    """A directory beside `place`, reached by FUSE, without these of `tests/lacking_fuse.py`."""
    found = Path(f"/lib/x86_64-linux-gnu/libfuse{library if library > 2 else ''}.so.{library}")
    if not os.access("/dev/fuse", os.W_OK) or not found.exists():
        raise NoMount("FUSE, by /dev/fuse and libfuse")
    place.mkdir()
    backing = place.with_name(f"{place.name}.backing")
    backing.mkdir()
    command = [sys.executable, "-m", "tests.lacking_fuse", str(backing), str(place), *calls]
    environment = {**os.environ, "FUSE_LIBRARY_PATH": str(found)}
    said = place.with_name(f"{place.name}.said")  # a pipe that nobody reads would stop it when it is full
    with said.open("w") as errors, subprocess.Popen(command, env=environment, stdout=errors, stderr=errors) as child:
        try:
            _until_mounted(place, child, said)
            yield place
        finally:
            try:
                _unmount(place)
            finally:
                child.kill()


def vanish(place: Path) -> None:
    """As a cable that is pulled: who looks at the path finds the directory below, who has something open goes on."""
    _run("umount", "--lazy", str(place))


def free_bytes(place: Path) -> int:
    status = os.statvfs(place)
    return status.f_bavail * status.f_frsize


def fill(place: Path, *, leaving_bytes: int) -> Path:
    """Have no more than so much left, by a file that is returned: without it there is room again."""
    ballast = place / "ballast"
    with ballast.open("wb") as file:
        while (more := free_bytes(place) - leaving_bytes) >= PAGE_BYTES:
            try:
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, more // PAGE_BYTES * PAGE_BYTES)
            except OSError:  # its own blocks of metadata take room too
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, PAGE_BYTES)
                except OSError:  # what was deleted before is free only when the journal says so
                    break
    return ballast


@contextmanager
def _mounted(place: Path, *arguments: str) -> Iterator[None]:
    place.mkdir()
    _run("mount", *arguments, str(place))
    try:
        yield
    finally:
        _unmount(place)


def _unmount(place: Path) -> None:
    gc.unfreeze()  # `repo.uncollected` freezes what it meets
    gc.collect()  # a store holds its directory
    if subprocess.run(["umount", str(place)], capture_output=True).returncode and _is_mounted(place):
        vanish(place)  # a frame still holds what it used; it goes with that


def _is_mounted(place: Path) -> bool:
    """By the kernel's list: `os.path.ismount` does not see a directory that is bound to another of its file system."""
    return any(line.split()[4] == str(place) for line in Path("/proc/self/mountinfo").read_text().splitlines())


def _run(*command: str) -> None:
    """Raises  NoMount"""
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError as missing:
        raise NoMount(command[0]) from missing
    if done.returncode:
        raise NoMount(f"{command[0]}: {done.stderr.strip()}")


def _until_mounted(place: Path, child: subprocess.Popen[bytes], said: Path) -> None:
    ends = time.monotonic() + _WAIT_S
    while not _is_mounted(place):
        if child.poll() is not None or time.monotonic() > ends:
            raise NoMount(f"FUSE: {said.read_text()[-300:]}")
        time.sleep(0.01)
