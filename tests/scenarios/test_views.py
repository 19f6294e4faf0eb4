"""What a user sees in a snapshot: captured directories, and their way out again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fix_views import Listener, ViewRepository
from vault.demo import project
from vault.errors import NotThere, UnsafeError, UsageError
from vault.ops.view.extract import extract
from vault.ops.view.tree import View
from vault.source.files.target import DirectoryWriter


def write_files(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.fixture
def odd_directory(tmp_path: Path) -> Path:
    root = write_files(tmp_path / "odd", {"a/b.txt": b"one", "a-b": b"two", "100%.txt": b"three", "a/c/d": b""})
    (root / "empty").mkdir()
    (root / "link").symlink_to("/etc/passwd")
    (root / "a" / "b.txt").chmod(0o640)
    os.utime(root / "a" / "b.txt", ns=(1_600_000_000_123_456_789, 1_600_000_000_123_456_789))
    Path(os.fsdecode(os.fsencode(root) + b"/\xff\n.bin")).write_bytes(b"\x00\xff")
    return root


def test_one_level_is_listed_and_all_levels_when_asked(odd_directory: Path, view_repository: ViewRepository) -> None:
    view = View(view_repository.take({"odd": odd_directory}))
    assert [entry.path for entry in view.ls()] == ["BACKUP_MANIFEST.md", "odd"]
    names = ["odd/100%25.txt", "odd/a", "odd/a-b", "odd/empty", "odd/link", "odd/%FF\n.bin"]
    assert [entry.path for entry in view.ls("odd")] == names
    assert [entry.path for entry in view.ls("/odd/a/")] == ["odd/a/b.txt", "odd/a/c"]
    assert [entry.path for entry in view.ls("odd/a", recursive=True)] == ["odd/a/b.txt", "odd/a/c", "odd/a/c/d"]
    assert [entry.path for entry in view.ls("odd/a/b.txt")] == ["odd/a/b.txt"]
    assert len(list(view.ls(recursive=True))) == 11
    (found,) = view.ls("odd/a/b.txt")
    assert (found.kind, found.size_bytes, found.mode & 0o777) == ("file", 3, 0o640)
    assert found.mtime_ns == 1_600_000_000_123_456_789


def test_files_come_back_byte_for_byte_under_the_names_that_ls_shows(
    odd_directory: Path, view_repository: ViewRepository
) -> None:
    view = View(view_repository.take({"odd": odd_directory}))
    assert b"".join(view.open("odd/%FF\n.bin")) == b"\x00\xff"
    assert b"".join(view.open("odd/100%25.txt")) == b"three"
    assert b"".join(view.open("odd/100%.txt")) == b"three"
    assert b"".join(view.open("odd/a/c/d")) == b""


def test_what_is_no_file_is_refused_and_a_near_name_is_offered(
    odd_directory: Path, view_repository: ViewRepository
) -> None:
    view = View(view_repository.take({"odd": odd_directory}))
    with pytest.raises(UsageError):
        view.open("odd/a")
    with pytest.raises(UsageError) as caught:
        view.open("odd/link")
    assert "/etc/passwd" in caught.value.why
    for path, near in (("odd/a/b.tx", "odd/a/b.txt"), ("BACKUP_MANIFST.md", "BACKUP_MANIFEST.md")):
        with pytest.raises(NotThere) as missing:
            view.open(path)
        assert near in missing.value.hint
    for path in ("", "..", "odd/../odd/a-b", "data_records", "schema.sql", "zzz"):
        with pytest.raises((NotThere, UsageError)):
            view.open(path)


def test_everything_extracted_equals_the_directory(
    odd_directory: Path, view_repository: ViewRepository, tmp_path: Path
) -> None:
    view = View(view_repository.take({"odd": odd_directory}))
    with DirectoryWriter(tmp_path / "out", os.urandom) as target:
        done = extract(view, [], target, progress=Listener())
    assert done.files == 7
    assert done.changed == ()
    for path in odd_directory.rglob("*"):
        copy = tmp_path / "out" / "odd" / path.relative_to(odd_directory)
        assert copy.lstat().st_mode == path.lstat().st_mode
        assert copy.lstat().st_mtime_ns == path.lstat().st_mtime_ns
        if path.is_symlink():
            assert copy.readlink() == path.readlink()
        elif path.is_file():
            assert copy.read_bytes() == path.read_bytes()
    manifest = tmp_path / "out" / "BACKUP_MANIFEST.md"
    assert manifest.stat().st_mode & 0o777 == 0o600
    assert b"".join(view.open("BACKUP_MANIFEST.md")) == manifest.read_bytes()


def test_a_selection_overlapping_itself_is_written_once(
    odd_directory: Path, view_repository: ViewRepository, tmp_path: Path
) -> None:
    view = View(view_repository.take({"odd": odd_directory}))
    with DirectoryWriter(tmp_path / "out", os.urandom) as target:
        done = extract(view, ["odd/a/c", "odd/a", "odd/a/b.txt", "odd/a"], target, progress=Listener())
    assert done.files == 2
    assert done.bytes == 3
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == ["a", "b.txt", "c", "d"]


def test_a_path_that_is_not_there_leaves_the_target_untouched(
    odd_directory: Path, view_repository: ViewRepository, tmp_path: Path
) -> None:
    view = View(view_repository.take({"odd": odd_directory}))
    with DirectoryWriter(tmp_path / "out", os.urandom) as target, pytest.raises(NotThere):
        extract(view, ["odd/a", "odd/nothing"], target, progress=Listener())
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "out" / "mine").write_bytes(b"keep")
    with pytest.raises(UnsafeError), DirectoryWriter(tmp_path / "out", os.urandom):
        pass


def test_the_manifest_counts_functions_and_names_what_was_not_given(
    tmp_path: Path, view_repository: ViewRepository
) -> None:
    functions = write_files(tmp_path / "functions", project.edge_functions())
    text = b"".join(View(view_repository.take({"edge_functions": functions})).open("BACKUP_MANIFEST.md")).decode()
    assert "### ✅ Edge Functions\n- Total Functions: 73\n" in text
    assert "| directory migrations | not_selected |" in text
    assert "### ✅ Migrations" not in text
