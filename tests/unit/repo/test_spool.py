"""What waits on this machine's disk: how much of the disk it leaves to others, and what stays behind of whom."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from vault.limits import MIB
from vault.repo import spool
from vault.repo.spool import Spool, private_directory

GIB = 1024 * MIB


@pytest.fixture(autouse=True)
def _no_descriptor_stays_open() -> Iterator[None]:
    before = os.listdir("/dev/fd")
    yield
    assert os.listdir("/dev/fd") == before


@contextmanager
def opened(above: Path) -> Iterator[Spool]:
    made = spool.opened(above, os.urandom)
    assert made is not None
    try:
        yield made
    finally:
        made.close()


def directories(above: Path) -> list[Path]:
    return [path for path in above.iterdir() if path.is_dir()]


@pytest.mark.parametrize(("disk_bytes", "left_bytes"), [(20 * GIB, 4 * GIB), (100 * GIB, 10 * GIB)])
def test_a_tenth_of_the_disk_and_four_gibibytes_are_left_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk_bytes: int, left_bytes: int
) -> None:
    free_bytes = left_bytes + 5 * 512

    def statvfs(_: Path) -> SimpleNamespace:
        return SimpleNamespace(f_blocks=disk_bytes // 512, f_bavail=free_bytes // 512, f_frsize=512)

    with opened(tmp_path) as made:
        monkeypatch.setattr(os, "statvfs", statvfs)
        assert made.put(bytes(5 * 512)) is not None
        assert made.put(bytes(5 * 512 + 1)) is None


def test_of_what_cannot_be_written_whole_nothing_stays(tmp_path: Path) -> None:
    with opened(tmp_path) as made:
        kept = made.put(b"kept")
        assert kept is not None
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            assert made.put(bytes(100_000)) is None
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert sorted(path.name for path in kept.parent.iterdir()) == sorted(["lock", kept.name])


def test_it_is_this_users_alone(tmp_path: Path) -> None:
    with opened(tmp_path / "cache" / "spool") as made:
        kept = made.put(b"kept")
        assert kept is not None
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (kept, kept.parent, kept.parent.parent)}
        assert list(modes.values()) == [0o600, 0o700, 0o700]
        locks = [kept.parent / "lock", kept.parent.parent / "lock"]
        assert [stat.S_IMODE(path.stat().st_mode) for path in locks] == [0o600, 0o600]


def test_nobody_sweeps_while_one_is_made(tmp_path: Path) -> None:
    is_locked: list[bool] = []

    def entropy(length: int) -> bytes:
        with open(tmp_path / "lock", "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                is_locked.append(True)
        return os.urandom(length)

    made = spool.opened(tmp_path, entropy)
    assert made is not None
    made.close()
    assert is_locked == [True]
    with opened(tmp_path):
        pass


def test_one_that_was_left_before_it_had_a_lock_is_removed(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    with opened(tmp_path):
        assert not (tmp_path / "half").exists()
        assert len(directories(tmp_path)) == 1


def test_one_that_somebody_removed_meanwhile_is_closed_all_the_same(tmp_path: Path) -> None:
    with opened(tmp_path):
        (directory,) = directories(tmp_path)
        shutil.rmtree(directory)


def test_a_private_directory_is_there_as_long_as_it_is_used(tmp_path: Path) -> None:
    with private_directory(tmp_path, os.urandom) as first, private_directory(tmp_path, os.urandom) as second:
        (first / "file").write_bytes(b"x")
        assert sorted(directories(tmp_path)) == sorted([first, second])
        shutil.rmtree(second)
    assert directories(tmp_path) == []
