"""Directories that paths imply."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.model import FileItem, FileType
from vault.ops.view.folders import with_folders

PARTS = st.text("ab-/0", min_size=1, max_size=7).map(lambda text: "/".join(filter(None, text.split("/")))).filter(bool)


def above(path: str) -> set[str]:
    return {str(parent) for parent in PurePosixPath(path).parents} - {"."}


def items(files: set[str], directories: set[str]) -> list[FileItem]:
    kinds = dict.fromkeys(files, FileType.FILE) | dict.fromkeys(directories, FileType.DIRECTORY)
    sorted_paths = sorted(kinds, key=str.encode)
    return [FileItem(path=path.encode(), type=kinds[path], mode=0o644, mtime_ns=1) for path in sorted_paths]


def shown(files: set[str], directories: set[str]) -> list[str]:
    return [item.path.decode() for item in with_folders(items(files, directories), mtime_ns=2)]


@pytest.mark.parametrize(
    ("files", "directories", "paths"),
    [
        ({"a/b/c", "a/b/d", "e"}, set(), ["a", "a/b", "a/b/c", "a/b/d", "e"]),
        ({"a-b", "a/b", "a0"}, set(), ["a-b", "a", "a/b", "a0"]),
        ({"a-b", "a-b-/x", "a/b"}, {"a"}, ["a", "a-b", "a-b-", "a-b-/x", "a/b"]),
        ({"a-/b", "a/b"}, {"a", "a-"}, ["a", "a-", "a-/b", "a/b"]),
        ({"a/b-c/d", "a/b/c"}, set(), ["a", "a/b-c", "a/b-c/d", "a/b", "a/b/c"]),
    ],
)
def test_a_directory_without_an_item_comes_before_what_is_below_it(
    files: set[str], directories: set[str], paths: list[str]
) -> None:
    assert shown(files, directories) == paths


@given(st.sets(PARTS, max_size=12), st.sets(PARTS, max_size=6))
def test_every_directory_is_there_once_and_before_its_content(paths: set[str], directories: set[str]) -> None:
    implied = {directory for path in paths | directories for directory in above(path)}
    files = paths - implied - directories
    seen = shown(files, directories)
    assert sorted(seen) == sorted(files | directories | implied)
    for at, path in enumerate(seen):
        assert above(path) <= set(seen[:at])


def test_items_that_are_there_stay_as_they_are() -> None:
    held = items({"a/b/c", "a-b"}, {"a"})
    done = list(with_folders(held, mtime_ns=2))
    assert [item for item in done if item in held] == held
    (added,) = (item for item in done if item not in held)
    assert (added.path, added.type, added.mode, added.mtime_ns) == (b"a/b", FileType.DIRECTORY, 0o700, 2)
