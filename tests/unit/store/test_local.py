"""What is special about a store in a directory: its root, its rights, and what others put there."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.recording_disk import RecordingDisk
from vault.errors import AlreadyExists, LimitExceeded, NoRepository, NotFound, StoreError
from vault.limits import PACK_BYTES_MAX
from vault.store.local import LocalStore, create_local


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    create_local(tmp_path / "repository")
    return LocalStore(tmp_path / "repository", os.urandom)


def test_missing_root_is_no_repository_and_is_never_created(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "nowhere", os.urandom)
    calls = (
        lambda: store.get("config"),
        lambda: store.get_range("config", 0, 1),
        lambda: store.list(""),
        lambda: store.put("config", b""),
        lambda: store.delete("config"),
        lambda: store.sweep_tmp(older_than_ms=0),
    )
    for call in calls:
        with pytest.raises(NoRepository, match="nowhere"):
            call()
    assert os.listdir(tmp_path) == []


def test_root_that_is_a_file_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NoRepository):
        LocalStore(tmp_path / "file", os.urandom).get("config")


def test_create_refuses_a_directory_with_something_in_it(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_bytes(b"")
    with pytest.raises(AlreadyExists, match="not empty"):
        create_local(tmp_path)
    assert os.listdir(tmp_path) == ["letter.txt"]


def test_a_place_that_is_no_text_is_named_all_the_same(tmp_path: Path) -> None:
    place = tmp_path / os.fsdecode(b"\xff")
    create_local(place)
    assert LocalStore(place, os.urandom).url == f"{tmp_path}/\\xff"
    (place / "letter.txt").write_bytes(b"")
    with pytest.raises(AlreadyExists, match=r"/\\xff is not empty"):
        create_local(place)


def test_create_takes_an_empty_directory_and_its_own_beginning(tmp_path: Path) -> None:
    create_local(tmp_path)
    create_local(tmp_path)
    assert os.listdir(tmp_path) == ["tmp"]


def test_files_and_directories_are_private(store: LocalStore, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store.put("packs/deep/a", b"x")
    finally:
        os.umask(before)
    modes = [
        (tmp_path / "repository" / name).stat().st_mode & 0o777 for name in ("packs", "packs/deep", "packs/deep/a")
    ]
    assert modes == [0o700, 0o700, 0o600]


def test_missing_tmp_is_made_again(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "repository/tmp").rmdir()
    store.put("packs/a", b"x")
    assert store.get("packs/a") == b"x"


def test_list_leaves_out_what_no_store_has_written(store: LocalStore, tmp_path: Path) -> None:
    root = tmp_path / "repository"
    store.put("packs/a", b"x")
    for name in (".DS_Store", "packs/.nfs01", "packs/UPPER", "tmp/0123", "packs/a b"):
        (root / name).write_bytes(b"")
    (root / "lost+found").mkdir()
    os.symlink("nowhere", root / "packs/dangling")
    os.mkfifo(root / "packs/fifo")
    assert [file.name for file in store.list("")] == ["packs/a"]


def test_list_gives_the_longest_name_and_none_that_is_longer(store: LocalStore, tmp_path: Path) -> None:
    longest = "packs/" + "a" * 249
    store.put(longest, b"x")
    (tmp_path / "repository" / (longest + "a")).write_bytes(b"x")
    assert [file.name for file in store.list("")] == [longest]


def test_list_follows_no_circle_and_no_depth(store: LocalStore, tmp_path: Path) -> None:
    """Names are 255 characters at most, so nothing of ours lies deeper; a link at the top may lead to another disk."""
    root = tmp_path / "repository"
    store.put("packs/a", b"x")
    os.symlink("circle", root / "packs/circle")
    os.symlink("..", root / "packs/round")
    os.symlink(".", root / "round")
    (root / "packs" / "/".join(["deep"] * 60)).mkdir(parents=True)
    (root / "packs" / "/".join(["deep"] * 60) / "file").write_bytes(b"x")
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "b").write_bytes(b"x")
    os.symlink(tmp_path / "disk", root / "index")
    assert [file.name for file in store.list("packs/")] == ["packs/a"]
    assert [file.name for file in store.list("index/")] == ["index/b"]
    assert {"index/b", "packs/a"} <= {file.name for file in store.list("")}


def test_pipe_in_place_of_a_file_is_refused_without_waiting(store: LocalStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "repository/fifo")
    with pytest.raises(StoreError, match="not a regular file"):
        store.get("fifo")


def test_file_above_the_bound_is_not_loaded(store: LocalStore, tmp_path: Path) -> None:
    with open(tmp_path / "repository/large", "wb") as file:
        file.truncate(PACK_BYTES_MAX + 1)
    with pytest.raises(LimitExceeded, match="large"):
        store.get("large")
    assert store.get_range("large", PACK_BYTES_MAX, 1) == b"\0"


def test_file_below_a_file_is_not_found(store: LocalStore) -> None:
    store.put("config", b"x")
    with pytest.raises(NotFound):
        store.get("config/a")
    with pytest.raises(StoreError):
        store.put("config/a", b"")


@pytest.mark.spec("STORE-8")
def test_sweep_removes_only_old_temporary_files(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the clock that gives files their times: this machine's may be years ahead of a file server's."""
    store.put("packs/a", b"x")
    for name, age_s in (("old", 1000), ("new", 10)):
        path = tmp_path / "repository/tmp" / name
        path.write_bytes(b"")
        made_s = path.stat().st_mtime
        os.utime(path, (made_s - age_s, made_s - age_s))
    monkeypatch.setattr(time, "time_ns", lambda: 2**61)
    monkeypatch.setattr(time, "time", lambda: 2**31)
    assert store.sweep_tmp(older_than_ms=100_000) == 1
    assert os.listdir(tmp_path / "repository/tmp") == ["new"]
    assert store.get("packs/a") == b"x"


def test_interrupted_put_leaves_no_temporary_file(tmp_path: Path) -> None:
    def interrupt(kind: str, path: str) -> int:
        if kind == "write":
            raise KeyboardInterrupt
        return 0

    create_local(tmp_path / "repository")
    with pytest.raises(KeyboardInterrupt):
        LocalStore(tmp_path / "repository", os.urandom, disk=RecordingDisk(interrupt)).put("packs/a", b"x")
    assert os.listdir(tmp_path / "repository/tmp") == []


def test_barrier_waits_for_the_one_that_took_its_names(tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()
    order: list[str] = []

    def slow(kind: str, path: str) -> int:
        if kind == "fsync" and path.endswith("packs"):
            entered.set()
            assert leave.wait(300)
            order.append("synced")
        return 0

    create_local(tmp_path / "repository")
    store = LocalStore(tmp_path / "repository", os.urandom, disk=RecordingDisk(slow))
    store.put("packs/a", b"x")
    first = threading.Thread(target=store.barrier)

    def pass_second() -> None:
        store.barrier()
        order.append("second")

    second = threading.Thread(target=pass_second)
    first.start()
    assert entered.wait(300)
    second.start()
    leave.set()
    first.join()
    second.join()
    assert order == ["synced", "second"]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_missing_rights_are_named_with_a_hint(tmp_path: Path) -> None:
    create_local(tmp_path / "repository")
    store = LocalStore(tmp_path / "repository", os.urandom)
    store.put("packs/a", b"x")
    os.seteuid(65534)
    try:
        for call in (lambda: store.get("packs/a"), lambda: store.put("packs/b", b"x")):
            with pytest.raises(StoreError) as caught:
                call()
            assert not isinstance(caught.value, NotFound)
            assert "owner of the repository" in caught.value.hint
    finally:
        os.seteuid(0)


@pytest.mark.spec("STORE-12")
@pytest.mark.parametrize("call", ["put", "list", "barrier", "missing", "delete"])
def test_another_directory_in_its_place_is_an_error(tmp_path: Path, call: str) -> None:
    """As where its file system goes away; `tests/file_systems.py` has real ones."""
    create_local(tmp_path / "repository")
    store = LocalStore(tmp_path / "repository", os.urandom)
    store.put("packs/a", b"x")
    (tmp_path / "repository").rename(tmp_path / "gone")
    (tmp_path / "repository").mkdir()
    calls: dict[str, Callable[[], object]] = {
        "put": lambda: store.put("packs/b", b"x"),
        "list": lambda: list(store.list("")),
        "barrier": store.barrier,
        "missing": lambda: store.get("packs/a"),
        "delete": lambda: store.delete("packs/a"),
    }
    with pytest.raises(StoreError, match="another directory") as caught:
        calls[call]()
    assert "mount it" in caught.value.hint
    assert os.listdir(tmp_path / "repository") == []


@pytest.mark.spec("STORE-12")
def test_a_directory_that_is_exchanged_while_a_barrier_syncs_is_noticed(tmp_path: Path) -> None:
    create_local(tmp_path / "repository")

    def exchange(kind: str, path: str) -> int:
        if kind == "fsync" and path.endswith("packs"):
            (tmp_path / "repository").rename(tmp_path / "gone")
            (tmp_path / "repository").mkdir()
        return 0

    store = LocalStore(tmp_path / "repository", os.urandom, disk=RecordingDisk(exchange))
    store.put("packs/a", b"x")
    with pytest.raises(StoreError, match="another directory"):
        store.barrier()


def test_no_repository_is_made_where_names_are_replaced(tmp_path: Path) -> None:
    class Replacing(RecordingDisk):
        def link(self, path: str, new: str) -> None:
            os.replace(path, new)

    with pytest.raises(StoreError, match="cannot create a repository") as caught:
        create_local(tmp_path / "repository", disk=Replacing())
    assert "never replaces" in caught.value.why
    assert os.listdir(tmp_path / "repository" / "tmp") == []
