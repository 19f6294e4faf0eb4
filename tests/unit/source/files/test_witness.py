"""A settled file shows its next change in its ctime: on real file systems, through mappings and running writes [FILE-2]."""

from __future__ import annotations

import errno
import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.small_repository import contents, new_repository, take
from vault.limits import MIB
from vault.ops.backup import files as backup_files
from vault.source.files import witness
from vault.source.files.directory import DirectoryFiles
from vault.store.memory import MemoryStore

RUNNING_BYTES = 512 * MIB


@pytest.fixture
def on_witness(tmp_path: Path) -> Path:
    if not _is_witness(tmp_path):
        pytest.skip("the directory for temporary files is on no file system that is a witness")
    return tmp_path


@pytest.fixture
def old_files_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file counts as young, so that nothing but its ctime can tell that it changed."""
    monkeypatch.setattr(backup_files, "_RACY_NS", -(10**18))


def _is_witness(directory: Path) -> bool:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        return witness.witnesses(descriptor)
    finally:
        os.close(descriptor)


def _next_tick(beside: Path) -> None:
    """Wait until the clock that stamps ctime has moved."""
    probe = beside.parent / f"{beside.name}-probe"
    probe.touch()
    start = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == start:
        probe.touch()


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED) as memory:
        yield memory


@pytest.mark.spec("FILE-2")
@pytest.mark.usefixtures("old_files_only")
def test_store_through_a_page_that_was_dirty_at_the_last_backup_is_captured(on_witness: Path) -> None:
    repo = new_repository(MemoryStore())
    (on_witness / "db").write_bytes(bytes(16_384))
    with mapped(on_witness / "db") as memory:
        for number, value in enumerate((b"one", b"two", b"six")):
            memory[:3] = value
            memory[8_192:8_195] = value
            report = take(repo, None, {"lib": DirectoryFiles(on_witness)})
            found = contents(repo, report.id)["lib/db"]
            assert (found[:3], found[8_192:8_195]) == (value, value), number
            _next_tick(on_witness)


@pytest.mark.spec("FILE-2")
def test_store_after_settling_moves_ctime(on_witness: Path) -> None:
    path = on_witness / "db"
    path.write_bytes(bytes(4_096))
    source = DirectoryFiles(on_witness)
    with mapped(path) as memory:
        memory[0:1] = b"1"
        settled = source.settle(b"db")
        assert settled.witnessed
        _next_tick(on_witness)
        memory[0:1] = b"2"
        assert path.stat().st_ctime_ns > settled.ctime_ns


@pytest.mark.spec("FILE-2")
def test_write_that_runs_is_waited_for(on_witness: Path) -> None:
    """The writer's ctime is there from its start on, its last byte comes at its end."""
    path = on_witness / "big"
    with open(path, "wb") as file:
        for _ in range(RUNNING_BYTES // MIB):
            file.write(b"a" * MIB)
    before = path.stat().st_ctime_ns
    code = f"import os\nos.pwrite(os.open({str(path)!r}, os.O_WRONLY), b'b' * {RUNNING_BYTES}, 0)"
    with subprocess.Popen([sys.executable, "-c", code]) as writer, open(path, "rb") as file:
        while path.stat().st_ctime_ns == before:
            assert writer.poll() is None or path.stat().st_ctime_ns != before
        settled = DirectoryFiles(on_witness).settle(b"big")
        last = os.pread(file.fileno(), 1, RUNNING_BYTES - 1)
        assert (last == b"b") or path.stat().st_ctime_ns != settled.ctime_ns


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no /dev/shm")
@pytest.mark.usefixtures("old_files_only")
def test_on_tmpfs_every_file_is_read_each_time(tmp_path_factory: pytest.TempPathFactory) -> None:
    repo = new_repository(MemoryStore())
    root = Path(f"/dev/shm/pgvault-test-{os.getpid()}")
    root.mkdir()
    try:
        (root / "db").write_bytes(bytes(4_096))
        with mapped(root / "db") as memory:
            for value in (b"one", b"two"):
                memory[:3] = value
                report = take(repo, None, {"lib": DirectoryFiles(root)})
                assert contents(repo, report.id)["lib/db"][:3] == value
        assert not _is_witness(root)
    finally:
        (root / "db").unlink()
        root.rmdir()


@pytest.mark.parametrize(
    ("magic", "expected"),
    [
        (0xEF53, True),
        (0x58465342, True),
        (0x9123683E, True),
        (0x01021994, False),  # tmpfs
        (0x65735546, False),  # FUSE
        (0x6969, False),  # NFS
        (0xFF534D42, False),  # CIFS
        (0xFE534D42, False),  # SMB2
        (0x794C7630, False),  # overlayfs
        (0x01021997, False),  # 9p
        (0x4D44, False),  # FAT
        (0x2FC12FC1, False),  # ZFS
        (0xF15F, False),  # eCryptfs
        (None, False),
    ],
)
def test_only_known_file_systems_are_witnesses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, magic: int | None, expected: bool
) -> None:
    monkeypatch.setattr(witness, "_file_system", lambda descriptor: magic)
    (tmp_path / "a").write_bytes(b"a")
    source = DirectoryFiles(tmp_path)
    assert [found.witnessed for found in source.scan()] == [expected]
    assert source.settle(b"a").witnessed is expected


def test_where_nothing_can_be_written_back_nothing_is_a_witness(
    monkeypatch: pytest.MonkeyPatch, on_witness: Path
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    (on_witness / "a").write_bytes(b"a")
    monkeypatch.setattr(witness, "libc", lambda name: None)
    assert not witness.witnesses(0)
    descriptor = os.open(on_witness / "a", os.O_RDONLY)
    assert witness.settle(descriptor), "fdatasync does where sync_file_range is not there"
    monkeypatch.setattr(os, "fdatasync", refuse)
    assert not witness.settle(descriptor)
    os.close(descriptor)
