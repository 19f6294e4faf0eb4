"""The calls of the two systems: what of macOS can be tried elsewhere, with its functions handed in."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

import pytest

from vault.store.disk import F_FULLFSYNC, RENAME_EXCL, MacDisk, OsDisk, system_disk
from vault.store.local import LocalStore, create_local


class MacLibrary:
    """renamex_np as its manual page has it."""

    def renamex_np(self, path: bytes, new: bytes, flags: ctypes.c_uint) -> int:
        assert flags.value == RENAME_EXCL
        try:
            os.link(path, new)
        except OSError as error:
            ctypes.set_errno(error.errno or 0)
            return -1
        os.unlink(path)
        return 0


class Control:
    """fcntl: notes what is asked, and refuses with `number`."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.asked: list[tuple[int, int]] = []

    def __call__(self, descriptor: int, command: int) -> int:
        self.asked.append((descriptor, command))
        if self.number:
            raise OSError(self.number, os.strerror(self.number))
        return 0


def test_system_has_its_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert type(system_disk()) is OsDisk
    monkeypatch.setattr(sys, "platform", "darwin")
    assert type(system_disk()) is MacDisk


def test_mac_syncs_to_the_medium() -> None:
    control = Control()
    MacDisk(control, MacLibrary()).fsync(7)
    assert control.asked == [(7, F_FULLFSYNC)]


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.EINVAL, errno.ENOTTY])
def test_mac_falls_back_to_fsync_where_there_is_nothing_else(tmp_path: Path, number: int) -> None:
    with open(tmp_path / "a", "wb") as file:
        MacDisk(Control(number), MacLibrary()).fsync(file.fileno())
        closed = os.dup(file.fileno())
    os.close(closed)
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        MacDisk(Control(number), MacLibrary()).fsync(closed)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EBADF])
def test_mac_failed_sync_is_an_error_and_never_tried_otherwise(tmp_path: Path, number: int) -> None:
    with open(tmp_path / "a", "wb") as file, pytest.raises(OSError, match=os.strerror(number)):
        MacDisk(Control(number), MacLibrary()).fsync(file.fileno())


def test_mac_rename_never_replaces(tmp_path: Path) -> None:
    disk = MacDisk(Control(), MacLibrary())
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    with pytest.raises(FileExistsError):
        disk.rename_new(str(tmp_path / "a"), str(tmp_path / "b"))
    disk.rename_new(str(tmp_path / "a"), str(tmp_path / "c"))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"b": "b", "c": "a"}


def test_rename_that_the_system_does_not_have_is_enosys(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=os.strerror(errno.ENOSYS)):
        MacDisk(Control(), object()).rename_new(str(tmp_path / "a"), str(tmp_path / "b"))


def test_store_on_a_mac_syncs_each_file_and_directory_fully(tmp_path: Path) -> None:
    control = Control()
    disk = MacDisk(control, MacLibrary())
    create_local(tmp_path / "repository", disk=disk)
    before = len(control.asked)
    store = LocalStore(tmp_path / "repository", os.urandom, disk=disk)
    store.put("packs/a", b"x")
    store.barrier()
    assert [command for _, command in control.asked[before:]] == [F_FULLFSYNC] * 3
    assert store.get("packs/a") == b"x"
