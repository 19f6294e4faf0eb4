"""A file system that is really full: nothing is committed, nothing is harmed, and with room again the next run works."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_source import FakeDatabase, FakeDirectory
from tests.small_repository import contents, damage, new_repository, opened, rows, take
from vault.errors import StoreFull
from vault.limits import MIB
from vault.store.local import LocalStore, create_local

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounts a file system, which takes root"),
]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of eight mebibytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=200", "tmpfs", place], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)  # an open repository holds its directory


def free_bytes(place: Path) -> int:
    status = os.statvfs(place)
    return status.f_bavail * status.f_frsize


def test_backup_into_a_full_disk_is_refused_and_harms_nothing(small_disk: Path) -> None:
    root = small_disk / "repository"
    create_local(root)
    store = LocalStore(root, os.urandom)
    repo = new_repository(store)
    first = take(repo, FakeDatabase(tables={"public.t": [rows(1, 5_000)]}), {"lib": FakeDirectory({b"f": b"x" * 9})})
    expected = contents(repo, first.id)
    database = FakeDatabase(tables={"public.t": [rows(n, 20_000) for n in range(2, 14)]})
    directory = FakeDirectory({b"f": os.urandom(6 * MIB)})
    ballast = small_disk / "ballast"
    for room in (0, 100_000, 1 * MIB, 3 * MIB):
        ballast.write_bytes(bytes(max(0, free_bytes(small_disk) - room)))
        with pytest.raises(StoreFull):
            take(opened(LocalStore(root, os.urandom)), database, {"lib": directory})
        ballast.unlink()
        repo = opened(LocalStore(root, os.urandom))
        assert [snapshot_id for snapshot_id, _ in repo.snapshots()] == [first.id]
        assert contents(repo, first.id) == expected
        assert damage(repo) == ()
        assert list((root / "tmp").iterdir()) == [], "nothing half-written is left to fill the disk"
        assert not list((root / "leases").iterdir()) if (root / "leases").exists() else True
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    second = take(repo, database, {"lib": directory})
    assert contents(repo, second.id)["lib/f"] == directory.contents[b"f"]
    assert contents(repo, first.id) == expected
    assert damage(repo) == ()


def test_disk_without_inodes_is_full_too(small_disk: Path) -> None:
    root = small_disk / "repository"
    create_local(root)
    repo = new_repository(LocalStore(root, os.urandom))
    first = take(repo, None, {"lib": FakeDirectory({b"f": b"content"})})
    fillers = small_disk / "fillers"
    fillers.mkdir()
    while os.statvfs(small_disk).f_favail > 0:
        (fillers / str(os.statvfs(small_disk).f_favail)).touch()
    with pytest.raises(StoreFull):
        take(repo, None, {"lib": FakeDirectory({b"g": b"more"})})
    assert contents(repo, first.id)["lib/f"] == b"content"
    for path in fillers.iterdir():
        path.unlink()
    second = take(opened(LocalStore(root, os.urandom)), None, {"lib": FakeDirectory({b"g": b"more"})})
    assert contents(repo, second.id)["lib/g"] == b"more"
    assert damage(repo) == ()
