"""Where a local store may be made, what is left of it where it may not, and what is said, to the letter."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from tests.recording_disk import RecordingDisk
from vault.errors import AlreadyExists, StoreError, StoreFull
from vault.store.local import create_local

REPLACES = "the file system has neither hard links nor a rename that never replaces"


def failing(numbers: dict[str, int]) -> RecordingDisk:
    return RecordingDisk(lambda kind, path: numbers.get(kind, 0))


def test_it_is_private_and_empty_with_its_parents(tmp_path: Path) -> None:
    create_local(tmp_path / "above/repository")
    for made in ("above", "above/repository", "above/repository/tmp"):
        assert stat.S_IMODE((tmp_path / made).stat().st_mode) == 0o700
    assert os.listdir(tmp_path / "above/repository") == ["tmp"]
    assert os.listdir(tmp_path / "above/repository/tmp") == []


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ({"mkdir": errno.ENXIO}, os.strerror(errno.ENXIO)),
        ({"fsync": errno.EIO}, os.strerror(errno.EIO)),
        (
            {"fsync": errno.EINVAL},
            "the file system cannot sync a directory, so a loss of power could take what was reported as saved",
        ),
        ({"link": errno.EIO}, os.strerror(errno.EIO)),
        ({"link": errno.EPERM, "rename": errno.EINVAL}, REPLACES),
        ({"link": errno.ENOSYS, "rename": errno.ENOSYS}, REPLACES),
        ({"link": errno.EMLINK, "rename": errno.EIO}, os.strerror(errno.EIO)),
    ],
)
def test_a_file_system_that_is_not_fit_is_refused_with_the_reason(
    tmp_path: Path, numbers: dict[str, int], why: str
) -> None:
    root = tmp_path / "repository"
    with pytest.raises(StoreError) as caught:
        create_local(root, disk=failing(numbers))
    assert (str(caught.value), caught.value.why) == (f"cannot create a repository at {root}", why)
    assert not (root / "tmp").is_dir() or os.listdir(root / "tmp") == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS])
def test_without_hard_links_a_rename_that_never_replaces_will_do(tmp_path: Path, number: int) -> None:
    disk = failing({"link": number})
    create_local(tmp_path / "repository", disk=disk)
    assert [step.kind for step in disk.steps].count("rename") == 1
    assert os.listdir(tmp_path / "repository/tmp") == []


def test_a_full_disk_is_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(StoreFull):
        create_local(tmp_path / "repository", disk=failing({"mkdir": errno.ENOSPC}))


def test_a_directory_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"")
    with pytest.raises(AlreadyExists) as caught:
        create_local(tmp_path)
    assert str(caught.value) == f"{tmp_path} is not empty"
    assert caught.value.why == "a repository is created in a new or empty directory"
    assert caught.value.hint == "name another one"
    assert os.listdir(tmp_path) == ["other"]


def test_what_a_killed_run_left_in_its_place_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    for word in ("taken", "other", "free"):
        (tmp_path / "tmp" / f"{os.getpid()}-{word}").write_bytes(b"")
    create_local(tmp_path)
    assert os.listdir(tmp_path / "tmp") == []


def test_who_may_not_open_the_directory_above_did_not_make_it(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()

    def refusing(number: int) -> RecordingDisk:
        return RecordingDisk(lambda kind, path: number if kind == "open" and path == str(tmp_path) else 0)

    with pytest.raises(StoreError, match="cannot create"):
        create_local(tmp_path / "repository", disk=refusing(errno.EIO))
    create_local(tmp_path / "repository", disk=refusing(errno.EACCES))
