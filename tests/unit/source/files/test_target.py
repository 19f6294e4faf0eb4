"""Directories that a snapshot is restored into: equal to the source, and nothing outside is ever touched."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from vault.errors import SourceError, UnsafeError, VaultError
from vault.source.files.directory import DirectoryFiles
from vault.source.files.paths import DirectoryCursor
from vault.source.files.target import DirectoryWriter


def copy(source: Path, target: Path) -> None:
    files = DirectoryFiles(source)
    with DirectoryWriter(target, os.urandom) as writing:
        for item in files.scan():
            if item.type == "d":
                writing.make_directory(item.path, mode=item.mode, mtime_ns=item.mtime_ns)
            elif item.type == "l":
                writing.make_symlink(item.path, item.target, mtime_ns=item.mtime_ns)
            else:
                writing.write_file(item.path, files.read(item.path), mode=item.mode, mtime_ns=item.mtime_ns)
        assert writing.finish() == ()


def state(root: Path) -> list[tuple[bytes, str, int, int, int, bytes, bytes]]:
    files = DirectoryFiles(root)
    return [
        (
            item.path,
            item.type,
            item.mode,
            item.mtime_ns,
            item.size,
            item.target,
            b"".join(files.read(item.path)) if item.type == "f" else b"",
        )
        for item in files.scan()
    ]


def write(target: DirectoryWriter, path: bytes, content: bytes = b"x", mode: int = 0o644) -> None:
    target.write_file(path, [content], mode=mode, mtime_ns=0)


@pytest.fixture
def target(tmp_path: Path) -> Iterator[DirectoryWriter]:
    with DirectoryWriter(tmp_path / "target", os.urandom) as opened:
        yield opened


def test_copy_equals_the_source_in_names_bytes_modes_and_times(tmp_path: Path) -> None:
    source = os.fsencode(tmp_path / "source")
    for name in (b"plain", b"new\nline", b"quo'te\"", b"\xff\xfe", b"-rf", b"deep/er"):
        os.makedirs(source + b"/" + name)
        with open(source + b"/" + name + b"/file\xff", "wb") as file:
            file.write(os.urandom(3_000_000 if name == b"plain" else 10))
    os.makedirs(source + b"/empty")
    os.symlink(b"/etc/\xff", source + b"/link")
    os.symlink(b"plain", source + b"/to-directory")
    os.chmod(source + b"/plain/file\xff", 0o444)
    os.chmod(source + b"/plain", 0o500)
    for number, item in enumerate(DirectoryFiles(source).scan()):
        os.utime(source + b"/" + item.path, ns=(0, number * 1_000_000_007), follow_symlinks=False)
    copy(tmp_path / "source", tmp_path / "target")
    assert state(tmp_path / "target") == state(tmp_path / "source")
    assert len(state(tmp_path / "target")) > 12


def test_three_hundred_nested_directories_are_made(tmp_path: Path) -> None:
    parts = [b"d" * 20] * 300
    with DirectoryWriter(tmp_path / "target", os.urandom) as target:
        for depth in range(1, 301):
            target.make_directory(b"/".join(parts[:depth]), mode=0o755, mtime_ns=depth)
        write(target, b"/".join([*parts, b"leaf"]))
        target.finish()
    found = state(tmp_path / "target")
    assert [item[3] for item in found] == [*range(1, 301), 0]


def test_missing_parents_are_made_private(target: DirectoryWriter, tmp_path: Path) -> None:
    write(target, b"a/b/c")
    assert [(item[0], item[2]) for item in state(tmp_path / "target")] == [
        (b"a", 0o700),
        (b"a/b", 0o700),
        (b"a/b/c", 0o644),
    ]


def test_directory_with_something_in_it_is_refused_unless_merging(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    with pytest.raises(UnsafeError, match="not empty"), DirectoryWriter(tmp_path, os.urandom):
        pass
    with DirectoryWriter(tmp_path, os.urandom, merge=True) as target:
        write(target, b"theirs")
        with pytest.raises(UnsafeError, match="mine exists already"):
            write(target, b"mine", b"theirs")
    with DirectoryWriter(tmp_path, os.urandom, merge=True, replace=True) as target:
        write(target, b"replaced", b"1")
        write(target, b"replaced", b"2")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "mine": b"mine",
        "theirs": b"x",
        "replaced": b"2",
    }


def test_target_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SourceError), DirectoryWriter(tmp_path / "file", os.urandom):
        pass


@pytest.mark.parametrize("path", [b"", b"/abs", b"../up", b"a/../../up", b"a//b", b"a/", b"./a", b"a\0b"])
def test_path_that_could_lead_outside_is_refused(target: DirectoryWriter, tmp_path: Path, path: bytes) -> None:
    with pytest.raises(UnsafeError):
        write(target, path)
    with pytest.raises(UnsafeError):
        target.make_directory(path, mode=0o755, mtime_ns=0)
    with pytest.raises(UnsafeError):
        target.make_symlink(path, b"x", mtime_ns=0)
    assert os.listdir(tmp_path) == ["target"]
    assert os.listdir(tmp_path / "target") == []


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_bytes(b"untouched")
    with DirectoryWriter(tmp_path / "target", os.urandom, merge=True, replace=True) as target:
        target.make_symlink(b"door", os.fsencode(tmp_path / "outside"), mtime_ns=0)
        target.make_symlink(b"file", os.fsencode(tmp_path / "outside/file"), mtime_ns=0)
        for path in (b"door/new", b"door/file", b"door/deep/new"):
            with pytest.raises(UnsafeError, match="door"):
                write(target, path)
        for path in (b"door", b"door/new"):
            with pytest.raises(UnsafeError, match="door"):
                target.make_directory(path, mode=0o777, mtime_ns=0)
        write(target, b"file", b"replaces the link")
        target.finish()
    assert (tmp_path / "outside/file").read_bytes() == b"untouched"
    assert os.listdir(tmp_path / "outside") == ["file"]
    assert not (tmp_path / "target/file").is_symlink()


def test_directory_swapped_for_a_link_keeps_its_attributes_inside(target: DirectoryWriter, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir(mode=0o711)
    target.make_directory(b"a", mode=0o777, mtime_ns=0)
    (tmp_path / "target/a").rmdir()
    os.symlink(tmp_path / "outside", tmp_path / "target/a")
    with pytest.raises(UnsafeError):
        target.finish()
    assert (tmp_path / "outside").stat().st_mode & 0o777 == 0o711


def test_failed_file_leaves_nothing(target: DirectoryWriter, tmp_path: Path) -> None:
    class Broken(VaultError):
        pass

    def blocks() -> Iterator[bytes]:
        yield b"half"
        raise Broken("damaged")

    with pytest.raises(Broken):
        target.write_file(b"a", blocks(), mode=0o644, mtime_ns=0)
    assert os.listdir(tmp_path / "target") == []


def test_file_has_no_name_and_no_open_mode_before_its_end(target: DirectoryWriter, tmp_path: Path) -> None:
    seen: list[tuple[bytes, int]] = []

    def blocks() -> Iterator[bytes]:
        yield b"one"
        for path in (tmp_path / "target").iterdir():
            seen.append((path.name.encode()[:9], path.stat().st_mode & 0o7777))
        yield b"two"

    before = os.umask(0)
    try:
        target.write_file(b"a", blocks(), mode=0o666, mtime_ns=0)
    finally:
        os.umask(before)
    assert seen == [(b".pgvault-", 0o600)]
    assert (tmp_path / "target/a").read_bytes() == b"onetwo"
    assert (tmp_path / "target/a").stat().st_mode & 0o7777 == 0o666


def test_same_path_twice_is_refused_and_keeps_the_first(target: DirectoryWriter, tmp_path: Path) -> None:
    write(target, b"a", b"first")
    with pytest.raises(UnsafeError, match="exists already"):
        write(target, b"a", b"second")
    with pytest.raises(UnsafeError):
        write(target, b"a/b")
    assert (tmp_path / "target/a").read_bytes() == b"first"
    assert os.listdir(tmp_path / "target") == ["a"]


def test_set_user_id_is_taken_off_and_told(target: DirectoryWriter, tmp_path: Path) -> None:
    write(target, b"tool\xff", mode=0o4755)
    (changed,) = target.finish()
    assert changed.item == "tool%FF"
    assert "4755" in changed.why
    assert [item[2] for item in state(tmp_path / "target")] == [0o755]


def test_time_that_the_file_system_cannot_hold_is_told(target: DirectoryWriter, tmp_path: Path) -> None:
    for path, mtime_ns in ((b"a", 2**80), (b"b", 1), (b"c", 2**100)):
        target.write_file(path, [b"x"], mode=0o644, mtime_ns=mtime_ns)
        target.make_directory(b"in-" + path, mode=0o755, mtime_ns=mtime_ns)
    changed = target.finish()
    if (tmp_path / "target/a").stat().st_mtime_ns == 2**80:
        pytest.skip("this file system holds every time")
    assert [item.item for item in changed] == ["a", "c", "in-c", "in-a"]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_owner_without_privileges_restores_directories_that_it_may_not_enter() -> None:
    root = Path(tempfile.mkdtemp())
    os.chown(root, 65534, 65534)
    os.seteuid(65534)
    try:
        with DirectoryWriter(root, os.urandom) as target:
            target.make_directory(b"a", mode=0o400, mtime_ns=1)
            target.make_directory(b"a/b", mode=0o000, mtime_ns=2)
            write(target, b"a/b/c")
            target.finish()
    finally:
        os.seteuid(0)
    found = [(item[0], item[2], item[3]) for item in state(root)]
    shutil.rmtree(root)
    assert found == [(b"a", 0o400, 1), (b"a/b", 0o000, 2), (b"a/b/c", 0o644, 0)]


@pytest.mark.parametrize("link", [b"", b"a\0b"])
def test_link_without_a_target_is_refused(target: DirectoryWriter, link: bytes) -> None:
    with pytest.raises(UnsafeError):
        target.make_symlink(b"a", link, mtime_ns=0)


def test_descriptors_are_closed_at_the_end(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with DirectoryWriter(tmp_path / "target", os.urandom) as target:
        write(target, b"a/b/c")
        with pytest.raises(UnsafeError):
            write(target, b"a/b/c/d")
    assert len(os.listdir("/proc/self/fd")) == before


class FoldingCursor(DirectoryCursor):
    """A directory as a file system shows it that ignores case: each name is opened in lower case."""

    def at(self, parts: Sequence[bytes]) -> int:
        return super().at([part.lower() for part in parts])


def test_two_directories_that_are_one_name_there_are_not_mixed(target: DirectoryWriter, tmp_path: Path) -> None:
    target._cursor = FoldingCursor(target._descriptor)
    target.make_directory(b"a", mode=0o755, mtime_ns=0)
    with pytest.raises(UnsafeError, match="A exists already"):
        target.make_directory(b"A", mode=0o755, mtime_ns=0)


def test_two_files_that_are_one_name_there_do_not_replace_each_other(tmp_path: Path) -> None:
    """As on a file system that ignores case, or composes letters: the second path names the first one's file."""
    with DirectoryWriter(tmp_path, os.urandom, merge=True, replace=True) as target:
        write(target, b"a", b"first")
        os.link(tmp_path / "a", tmp_path / "A")
        with pytest.raises(UnsafeError, match="A exists already"):
            write(target, b"A", b"second")
    assert (tmp_path / "a").read_bytes() == b"first"
