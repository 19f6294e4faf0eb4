"""What a local store says, to the letter, of each call that the disk refuses, and of what is at its bounds."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.recording_disk import RecordingDisk
from vault.errors import AlreadyExists, LimitExceeded, Malformed, NotFound, StoreError
from vault.store import local
from vault.store.disk import OsDisk
from vault.store.local import LocalStore, create_local

BROKEN = os.strerror(errno.ENXIO)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    create_local(tmp_path / "repository")
    return tmp_path / "repository"


def failing(root: Path, wanted: str, ending: str = "") -> LocalStore:
    """The calls of one kind on paths with that ending fail."""

    def number(kind: str, path: str) -> int:
        return errno.ENXIO if kind == wanted and path.endswith(ending) else 0

    return LocalStore(root, os.urandom, disk=RecordingDisk(number))


@pytest.mark.parametrize(
    ("kind", "ending", "message"),
    [
        ("open", "", "cannot write packs/a in {root}"),
        ("write", "", "cannot write packs/a in {root}"),
        ("mkdir", "packs", "cannot make the directory packs in {root}"),
        ("link", "", "cannot write packs/a in {root}"),
        ("fsync", "", "the sync of packs/a in {root} failed"),
    ],
)
def test_a_put_that_fails_says_what_of_it(root: Path, kind: str, ending: str, message: str) -> None:
    with pytest.raises(StoreError) as caught:
        failing(root, kind, ending).put("packs/a", b"x")
    assert (str(caught.value), caught.value.why) == (message.format(root=root), BROKEN)


@pytest.mark.parametrize(("ending", "name"), [("packs", "packs"), ("repository/", ".")])
def test_a_barrier_that_fails_names_the_directory_and_so_does_what_comes_after(
    root: Path, ending: str, name: str
) -> None:
    store = failing(root, "fsync", ending)
    store.put("packs/a", b"x")
    with pytest.raises(StoreError) as caught:
        store.barrier()
    assert (str(caught.value), caught.value.why) == (f"the sync of {name} in {root} failed", BROKEN)
    with pytest.raises(StoreError) as after:
        store.put("packs/b", b"x")
    assert str(after.value) == f"nothing more is written to {root}"
    assert after.value.why == f"an earlier sync of {name} failed: {BROKEN}"
    assert after.value.hint == "check the disk, then run the command again"


def test_a_file_that_cannot_be_deleted_or_cleared_is_named(root: Path) -> None:
    LocalStore(root, os.urandom).put("packs/a", b"x")
    store = failing(root, "unlink", "a")
    with pytest.raises(StoreError) as caught:
        store.delete("packs/a")
    assert (str(caught.value), caught.value.why) == (f"cannot delete packs/a in {root}", BROKEN)
    assert isinstance(caught.value.__cause__, OSError)
    (root / "tmp/left-a").write_bytes(b"")
    os.utime(root / "tmp/left-a", (0, 0))
    with pytest.raises(StoreError) as caught:
        store.sweep_tmp(older_than_ms=0)
    assert (str(caught.value), caught.value.why) == (f"cannot clear tmp/ in {root}", BROKEN)


def test_names_that_are_taken_or_not_there_or_no_files_are_told(root: Path) -> None:
    store = LocalStore(root, os.urandom)
    store.put("packs/a", b"x")
    os.mkdir(root / "packs/directory")
    calls: list[tuple[Callable[[], object], type[StoreError], str]] = [
        (lambda: store.put("packs/a", b"x"), AlreadyExists, f"packs/a exists already in {root}"),
        (lambda: store.get("packs/b"), NotFound, f"packs/b is not in {root}"),
        (lambda: store.get("packs/directory"), StoreError, f"packs/directory in {root} is not a regular file"),
    ]
    for call, kind, message in calls:
        with pytest.raises(kind) as caught:
            call()
        assert str(caught.value) == message


def test_a_name_that_is_taken_meanwhile_is_told_the_same(root: Path) -> None:
    class Meanwhile(OsDisk):
        def link(self, path: str, new: str) -> None:
            Path(new).write_bytes(b"another's")
            super().link(path, new)

    with pytest.raises(AlreadyExists) as caught:
        LocalStore(root, os.urandom, disk=Meanwhile()).put("packs/a", b"x")
    assert str(caught.value) == f"packs/a exists already in {root}"
    assert os.listdir(root / "tmp") == []


def test_a_range_that_is_not_there_is_told(root: Path) -> None:
    store = LocalStore(root, os.urandom)
    store.put("packs/a", b"0123")
    with pytest.raises(Malformed) as caught:
        store.get_range("packs/a", 1, 4)
    told = caught.value
    assert (told.message, told.file) == ("packs/a is too short", "packs/a")
    assert told.why == "it has 4 bytes, bytes 1 to 5 are needed"


def test_a_file_is_loaded_up_to_the_bound(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "PACK_BYTES_MAX", 4)
    store = LocalStore(root, os.urandom)
    store.put("packs/a", b"0123")
    store.put("packs/b", b"01234")
    assert store.get("packs/a") == b"0123"
    with pytest.raises(LimitExceeded) as caught:
        store.get("packs/b")
    assert caught.value.message == "packs/b is too large"
    assert (caught.value.why, caught.value.file) == ("it has 5 bytes, 4 are allowed", "packs/b")


@pytest.mark.parametrize("number", [errno.EIO, errno.EBADMSG, errno.EUCLEAN, errno.ENXIO])
def test_what_a_disk_cannot_read_is_damage_of_the_file_if_it_says_so(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    store = LocalStore(root, os.urandom)
    store.put("packs/a", b"x")

    def refused(descriptor: int, length: int, offset: int) -> bytes:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pread", refused)
    if number == errno.ENXIO:
        with pytest.raises(StoreError) as failed:
            store.get("packs/a")
        assert str(failed.value) == f"cannot read packs/a in {root}"
    else:
        with pytest.raises(Malformed) as damaged:
            store.get("packs/a")
        assert damaged.value.message == "packs/a cannot be read from the disk"
        assert (damaged.value.why, damaged.value.file) == (os.strerror(number), "packs/a")


def test_a_kernel_may_give_a_file_in_pieces(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(root, os.urandom)
    store.put("packs/a", bytes(range(100)))
    whole = os.pread
    monkeypatch.setattr(os, "pread", lambda descriptor, length, offset: whole(descriptor, min(7, length), offset))
    assert store.get("packs/a") == bytes(range(100))
    assert store.get_range("packs/a", 10, 33) == bytes(range(10, 43))


def test_a_file_that_is_cut_while_it_is_read_gives_no_range_that_is_short(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(root, os.urandom)
    store.put("packs/a", bytes(range(100)))
    whole = os.pread

    def cut(descriptor: int, length: int, offset: int) -> bytes:
        os.truncate(root / "packs/a", 60)
        return whole(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", cut)
    with pytest.raises(Malformed, match="packs/a is too short"):
        store.get_range("packs/a", 50, 20)
    assert store.get_range("packs/a", 50, 10) == bytes(range(50, 60))


@pytest.mark.spec("STORE-8")
def test_what_is_exactly_as_old_as_allowed_is_not_swept(root: Path) -> None:
    class Stopped(OsDisk):
        """What is made in `tmp/` is of one time."""

        def open(self, path: str, flags: int, mode: int = 0o600) -> int:
            descriptor = super().open(path, flags, mode)
            if flags & os.O_CREAT:
                os.utime(descriptor, ns=(0, 5_000_000_000))
            return descriptor

    for name, age_ms in (("older", 1_001), ("as old", 1_000), ("ahead", -9_000)):
        (root / "tmp" / name).write_bytes(b"")
        os.utime(root / "tmp" / name, ns=(0, (5_000 - age_ms) * 1_000_000))
    (root / "tmp/directory").mkdir()
    assert LocalStore(root, os.urandom, disk=Stopped()).sweep_tmp(older_than_ms=1_000) == 1
    assert sorted(os.listdir(root / "tmp")) == ["ahead", "as old", "directory"]
