"""What a local store lists where the system refuses to show a directory or a file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from vault.errors import StoreError
from vault.store.listing import walk
from vault.store.root import Root


def listed(root: Path, prefix: str = "") -> list[str]:
    return [file.name for file in walk(str(root), prefix)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "packs/deep").mkdir(parents=True)
    for name in ("config", "packs/a", "packs/b", "packs/deep/c"):
        (tmp_path / name).write_bytes(b"x" * len(name))
    return tmp_path


def test_size_and_time_are_those_of_the_file(root: Path) -> None:
    os.utime(root / "packs/a", ns=(0, 7_000_999_999))
    (found,) = walk(str(root), "packs/a")
    assert (found.name, found.size, found.modified_ms) == ("packs/a", 7, 7_000)


@pytest.mark.parametrize(("prefix", "directory"), [("", "."), ("packs/", "packs"), ("packs/deep/c", "packs/deep")])
def test_a_directory_that_cannot_be_listed_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch, prefix: str, directory: str
) -> None:
    def refused(*arguments: object, **named: object) -> object:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    for call in ("scandir", "open"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, refused)
            with pytest.raises(StoreError) as caught:
                listed(root, prefix)
        assert str(caught.value) == f"cannot list {directory} of {root}"
        assert caught.value.why == os.strerror(errno.EIO)


def test_a_directory_that_is_not_there_or_a_file_has_nothing_below(root: Path) -> None:
    assert listed(root, "snapshots/") == listed(root, "config/") == listed(root, "packs/a/") == []


@pytest.mark.parametrize(
    ("number", "left_out"),
    [(errno.ENOENT, True), (errno.ENOTDIR, True), (errno.ELOOP, True), (errno.ENAMETOOLONG, True), (errno.EIO, False)],
)
def test_a_file_that_leads_nowhere_is_left_out_and_another_failure_is_told(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: int, left_out: bool
) -> None:
    stat = os.stat

    def refusing(path: str, *, dir_fd: int, follow_symlinks: bool = True) -> os.stat_result:
        if path == "a" and follow_symlinks:
            raise OSError(number, os.strerror(number))
        return stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "stat", refusing)
    if left_out:
        assert listed(root) == ["config", "packs/b", "packs/deep/c"]
        return
    with pytest.raises(StoreError, match=r"^cannot list packs of "):
        listed(root)
    (root / "packs/a").unlink()
    os.symlink("/elsewhere", root / "packs/a")
    assert listed(root) == ["config", "packs/b", "packs/deep/c"], "a link to where nobody may look"


def test_a_link_that_leads_round_to_itself_is_left_out_at_the_top_as_well(root: Path) -> None:
    for place in ("circle", "packs/circle"):
        os.symlink("circle", root / place)
    assert listed(root) == ["config", "packs/a", "packs/b", "packs/deep/c"]


def test_a_root_that_cannot_be_looked_at_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Root(str(root))

    def refused(path: str) -> os.stat_result:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", refused)
        with pytest.raises(StoreError) as caught:
            held.require()
    assert (str(caught.value), caught.value.why) == (f"cannot read {root}", os.strerror(errno.EIO))
    held.require()
