"""The local store on a disk that is watched, that fails, that is full, and that loses power."""

from __future__ import annotations

import errno
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.power_loss import DiskModel
from tests.recording_disk import RecordingDisk
from vault.errors import StoreError, StoreFull, Unavailable
from vault.limits import MIB
from vault.store.local import LocalStore, create_local


class DiskWithoutHardLinks(RecordingDisk):
    def link(self, path: str, new: str) -> None:
        raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    create_local(tmp_path / "repository")
    return tmp_path / "repository"


@pytest.fixture(params=[RecordingDisk, DiskWithoutHardLinks])
def disk(request: pytest.FixtureRequest) -> RecordingDisk:
    made = request.param()
    assert isinstance(made, RecordingDisk)
    return made


def files_in(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir())


def calls_refused(store: LocalStore) -> list[StoreError]:
    with pytest.raises(StoreError) as put:
        store.put("packs/later", b"x")
    with pytest.raises(StoreError) as barrier:
        store.barrier()
    return [put.value, barrier.value]


def test_file_is_synced_whole_before_it_gets_its_name(root: Path, disk: RecordingDisk) -> None:
    LocalStore(root, os.urandom, disk=disk).put("packs/a", b"0123456789")
    kinds = [step.kind for step in disk.steps]
    published = kinds.index("link") if "link" in kinds else kinds.index("rename")
    temporary = disk.steps[published].path
    assert "fsync" in [step.kind for step in disk.steps[:published] if step.path == temporary]
    assert b"".join(step.data for step in disk.steps[: kinds.index("fsync")]) == b"0123456789"
    assert "write" not in kinds[published:]


def test_barrier_syncs_each_directory_with_a_new_name_and_those_above_it_once(root: Path) -> None:
    disk = RecordingDisk()
    store = LocalStore(root, os.urandom, disk=disk)
    for name in ("packs/a", "packs/b", "index/deep/c"):
        store.put(name, b"x")

    def synced() -> list[str]:
        disk.steps.clear()
        store.barrier()
        return [os.path.relpath(step.path, root) for step in disk.steps if step.kind == "fsync"]

    assert synced() == [".", "index", "index/deep", "packs"]
    assert synced() == []
    store.put("packs/d", b"x")
    assert synced() == ["packs"]
    store.delete("index/deep/c")
    assert synced() == ["index/deep"]


def test_barrier_covers_a_name_that_another_process_put_without_one(root: Path) -> None:
    LocalStore(root, os.urandom).put("packs/a", b"x")
    disk = RecordingDisk()
    store = LocalStore(root, os.urandom, disk=disk)
    with pytest.raises(StoreError):
        store.put("packs/a", b"x")
    store.barrier()
    assert [os.path.relpath(step.path, root) for step in disk.steps] == [".", "packs"]


def test_create_syncs_every_directory_that_it_makes(tmp_path: Path) -> None:
    disk = RecordingDisk()
    create_local(tmp_path / "a" / "b", disk=disk)
    model = DiskModel(str(tmp_path / "a"), None)
    for step in disk.steps:
        model.replay(step)
    made = [step.path for step in disk.steps if step.kind == "mkdir"]
    assert made == [str(tmp_path / "a"), str(tmp_path / "a/b"), str(tmp_path / "a/b/tmp")]
    for path in made:
        after = [step.path for step in disk.steps[[step.path for step in disk.steps].index(path) :]]
        assert os.path.dirname(path) in after
    assert model.pessimistic() == {"b": None, "b/tmp": None}
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "a", tmp_path / "a/b/tmp")] == [0o700, 0o700]


def test_create_syncs_a_beginning_that_a_killed_run_may_not_have_synced(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    disk = RecordingDisk()
    create_local(tmp_path, disk=disk)
    synced = [step.path for step in disk.steps if step.kind == "fsync"]
    assert {str(tmp_path), str(tmp_path.parent)} <= set(synced)


def test_deleting_goes_on_after_a_refusal_and_tells_the_first(root: Path) -> None:
    names = ("packs/a", "packs/b", "packs/c")
    disk = RecordingDisk(lambda kind, path: errno.EIO if kind == "unlink" and path[-1] in "ab" else 0)
    store = LocalStore(root, os.urandom, disk=disk)
    for name in names:
        store.put(name, b"x")
    with pytest.raises(StoreError, match="cannot delete packs/a"):
        store.delete(*names)
    assert [file.name for file in store.list("packs/")] == ["packs/a", "packs/b"]


@pytest.mark.spec("STORE-4")
def test_power_loss_at_any_moment_tears_no_file_and_loses_nothing_behind_a_barrier(
    root: Path, disk: RecordingDisk
) -> None:
    store = LocalStore(root, os.urandom, disk=disk)
    contents = {name: name.encode() * 9 for name in ("config", "packs/a", "packs/b", "index/x/1", "snapshots/s")}
    put: list[str] = []
    for position, (name, data) in enumerate(contents.items()):
        store.put(name, data)
        put.append(name)
        if position % 2 == 1:
            store.barrier()
            disk.note("barrier", " ".join(put))
    store.barrier()
    disk.note("barrier", " ".join(put))

    promised: list[str] = []
    model = DiskModel(str(root), {"tmp": None})
    for step in disk.steps:
        if step.kind == "barrier":
            promised = step.path.split()
            continue
        model.replay(step)
        for left in (model.as_written(), *model.states(most=256, choice=random.Random(1))):
            assert left is not None
            visible = {name: data for name, data in left.items() if data is not None and not name.startswith("tmp/")}
            assert visible == {name: contents[name] for name in visible}
            assert set(promised) <= set(visible)
    assert promised == list(contents)


def test_failed_file_sync_is_not_tried_again_and_poisons_the_store(root: Path, disk: RecordingDisk) -> None:
    store = LocalStore(root, os.urandom, disk=disk)
    store.put("packs/before", b"x")
    asked: list[str] = []

    def fail(kind: str, path: str) -> int:
        if kind != "fsync":
            return 0
        asked.append(path)
        return errno.EIO

    disk.failing = fail
    with pytest.raises(StoreError, match="sync of packs/a") as caught:
        store.put("packs/a", b"x")
    assert not isinstance(caught.value, Unavailable)
    disk.failing = lambda kind, path: 0
    for refused in calls_refused(store):
        assert "sync of packs/a failed" in refused.why
    assert len(asked) == 1
    assert files_in(root) == ["packs/before"]
    assert store.get("packs/before") == b"x"


@pytest.mark.parametrize("number", [errno.EIO, errno.ETIMEDOUT, errno.ENOSPC])
def test_failed_directory_sync_poisons_the_store(root: Path, number: int) -> None:
    disk = RecordingDisk()
    store = LocalStore(root, os.urandom, disk=disk)
    store.put("packs/a", b"x")
    disk.failing = lambda kind, path: number if kind == "fsync" else 0
    with pytest.raises(StoreError) as caught:
        store.barrier()
    assert isinstance(caught.value, StoreFull) == (number == errno.ENOSPC)
    assert not isinstance(caught.value, Unavailable)
    disk.failing = lambda kind, path: 0
    for refused in calls_refused(store):
        assert "nothing more is written" in refused.message


@pytest.mark.parametrize("kind", ["open", "write", "fsync", "link", "mkdir"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_is_named_and_leaves_nothing(root: Path, kind: str, number: int) -> None:
    disk = RecordingDisk(lambda asked, path: number if asked == kind else 0)
    with pytest.raises(StoreFull, match="packs") as caught:
        LocalStore(root, os.urandom, disk=disk).put("packs/a", b"x" * 100)
    assert "free space" in caught.value.hint
    assert files_in(root) == []


@pytest.mark.parametrize("kind", ["open", "write", "link", "mkdir"])
def test_failed_call_leaves_the_store_usable(root: Path, kind: str) -> None:
    disk = RecordingDisk(lambda asked, path: errno.EIO if asked == kind else 0)
    store = LocalStore(root, os.urandom, disk=disk)
    with pytest.raises(StoreError):
        store.put("packs/a", b"x")
    disk.failing = lambda kind, path: 0
    store.put("packs/a", b"x")
    assert files_in(root) == ["packs/a"]


def test_unlinking_of_a_finished_temporary_file_may_fail(root: Path) -> None:
    disk = RecordingDisk(lambda kind, path: errno.EIO if kind == "unlink" else 0)
    store = LocalStore(root, os.urandom, disk=disk)
    store.put("packs/a", b"x")
    assert [file.name for file in store.list("")] == ["packs/a"]
    assert len(os.listdir(root / "tmp")) == 1


def test_file_system_with_neither_links_nor_exclusive_rename_is_refused(root: Path) -> None:
    disk = DiskWithoutHardLinks(lambda kind, path: errno.EINVAL if kind == "rename" else 0)
    with pytest.raises(StoreError) as caught:
        LocalStore(root, os.urandom, disk=disk).put("packs/a", b"x")
    assert "another file system" in caught.value.hint
    assert files_in(root) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    target = tmp_path / "mounted"
    target.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "pgvault-test", str(target)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a tmpfs: {mounted.stderr.strip()}")
    yield target
    subprocess.run(["umount", str(target)], check=True)


@pytest.mark.root
def test_really_full_file_system_refuses_the_file_and_keeps_the_others(small_disk: Path) -> None:
    create_local(small_disk / "repository")
    store = LocalStore(small_disk / "repository", os.urandom)
    store.put("packs/0", bytes(MIB))
    store.barrier()
    with pytest.raises(StoreFull, match="packs/1"):
        store.put("packs/1", bytes(8 * MIB))
    assert [(file.name, file.size) for file in store.list("")] == [("packs/0", MIB)]
    assert os.listdir(small_disk / "repository" / "tmp") == []
    store.put("packs/2", bytes(2 * MIB))
    store.barrier()
    assert store.get("packs/2") == bytes(2 * MIB)


@pytest.mark.spec("STORE-4")
def test_barrier_covers_what_was_only_looked_at(root: Path) -> None:
    """Somebody put it, or deleted beside it, and was killed before his barrier; from now on it is relied on."""
    LocalStore(root, os.urandom).put("packs/a", b"x")
    LocalStore(root, os.urandom).put("index/b", b"x")
    disk = RecordingDisk()
    store = LocalStore(root, os.urandom, disk=disk)

    def synced() -> list[str]:
        disk.steps.clear()
        store.barrier()
        return [os.path.relpath(step.path, root) for step in disk.steps if step.kind == "fsync"]

    assert synced() == []
    assert list(store.list("packs/none")) == []
    assert synced() == [".", "packs"]
    store.get_range("index/b", 0, 1)
    assert synced() == [".", "index"]
    assert [file.name for file in store.list("")] == ["index/b", "packs/a"]
    assert synced() == ["index", "packs"]
    assert list(store.list("snapshots/")) == []
    assert synced() == []
