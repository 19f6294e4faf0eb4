"""What a restore of files, or an export, has told as done is still there after a loss of power: seen in a copy of the disk under a file system
that nobody unmounted."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.file_systems import ext4, image_of, mounted_or_skip, the_disk_as_it_is
from vault.source.files.dataset_target import FolderDataset
from vault.source.files.staging import is_stage
from vault.source.files.target import DirectoryWriter

pytestmark = pytest.mark.root
FILES = {f"d{number % 3}/f{number}": b"%d" % number * 3000 for number in range(40)}
DISK_BYTES = 32 << 20


def after_power_is_lost(place: Path, below: str) -> dict[str, bytes]:
    """What a machine that is started again finds below that directory."""
    copy = shutil.copy(image_of(place), place.with_name("later.image"))
    with the_disk_as_it_is(place.with_name("later"), Path(copy)) as later:
        root = later / below
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_restored_files_survive_a_loss_of_power(tmp_path: Path) -> None:
    with mounted_or_skip(ext4(tmp_path / "disk", size_bytes=DISK_BYTES)) as disk:
        with DirectoryWriter(disk / "restored", os.urandom) as target:
            for name, data in FILES.items():
                target.write_file(name.encode(), [data], mode=0o600, mtime_ns=1)
            target.make_directory(b"empty", mode=0o700, mtime_ns=1)
            target.finish()
        assert after_power_is_lost(disk, "restored") == FILES


@pytest.mark.parametrize("is_there", [False, True])
def test_exported_files_survive_a_loss_of_power(tmp_path: Path, is_there: bool) -> None:
    with mounted_or_skip(ext4(tmp_path / "disk", size_bytes=DISK_BYTES)) as disk:
        if is_there:
            (disk / "exported").mkdir()
        with FolderDataset(disk / "exported", os.urandom, marks=None, mtime_ns=1) as target:
            for name, data in FILES.items():
                target.write(name, iter([data]))
            target.finish()
            found = after_power_is_lost(disk, "exported")
        assert {name: data for name, data in found.items() if not is_stage(name)} == FILES
