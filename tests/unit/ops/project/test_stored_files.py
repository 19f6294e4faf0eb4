"""Rows that describe files beside the files: what has no counterpart, whatever the layout of the bucket is."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from vault.model import Missing, State, TableName
from vault.ops.project import stored_files
from vault.ops.project.stored_files import FileRow, StoredFiles, compare

OBJECTS = TableName(schema="storage", name="objects")
ROWS = [
    FileRow(bucket="avatars", name="a/1.png", version="v1"),
    FileRow(bucket="avatars", name="a-1.png", version="v2"),
    FileRow(bucket="docs", name="ä//x.pdf", version="v3"),
]


def told(
    rows: list[FileRow],
    paths: Collection[str],
    *,
    bucket: str = "",
    recent: Collection[str] = (),
    missing: Collection[Missing] = (),
) -> list[tuple[str, State]]:
    stored = StoredFiles(
        directory="storage",
        paths=[path.encode() for path in paths],
        recent=[path.encode() for path in recent],
        bucket=bucket,
        missing=missing,
    )
    return [(one.item, one.state) for one in compare(OBJECTS, rows, stored)]


ALL = ["avatars/a/1.png", "avatars/a-1.png", "docs/ä/%/x.pdf"]


def test_every_row_has_its_object_and_the_other_way_round() -> None:
    assert told(ROWS, ALL) == []
    assert told(ROWS, ["avatars/a/1.png/v1", "avatars/a-1.png/v2", "docs/ä/%/x.pdf/v3"]) == []
    assert told(ROWS[:2], ["a/1.png", "a-1.png"], bucket="avatars") == []
    assert told([], []) == []


def test_a_row_without_an_object_is_named() -> None:
    assert told(ROWS, ALL[1:]) == [("file avatars/a/1.png", State.NOT_EXPORTABLE)]


def test_an_object_without_a_row_is_told_and_no_gap() -> None:
    unnamed = [("rows of storage.objects for objects without one", State.NOT_SELECTED)]
    assert told(ROWS, [*ALL, "avatars/stray"]) == unnamed
    assert told(ROWS, [*ALL, "avatars/stray"], recent=["avatars/stray"]) == []
    assert told([], ALL) == unnamed


def test_a_bucket_of_which_nothing_is_there_is_one_line() -> None:
    assert told(ROWS, ["a/1.png", "a-1.png"], bucket="avatars") == [("files of bucket docs", State.NOT_EXPORTABLE)]
    assert told(ROWS, ["somewhere/else"]) == [("files of storage.objects", State.NOT_EXPORTABLE)]


def test_a_file_of_one_bucket_stands_for_none_of_another() -> None:
    other = FileRow(bucket="docs", name="a/1.png", version="")
    assert ("files of bucket docs", State.NOT_EXPORTABLE) in told([ROWS[0], other], ["a/1.png"], bucket="avatars")


def test_what_could_not_be_captured_is_told_once() -> None:
    denied = Missing(item="avatars/a/1.png", state=State.NOT_PERMITTED, why="no right")
    assert told(ROWS, ALL[1:], missing=[denied]) == []


def test_with_patterns_that_leave_files_out_no_row_is_a_gap() -> None:
    left_out = Missing(item="what --exclude *.png leaves out", state=State.NOT_SELECTED, why="2 paths")
    assert told(ROWS, ALL[1:], missing=[left_out]) == [("file avatars/a/1.png", State.NOT_SELECTED)]


def test_very_many_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_files, "NAMED_MAX", 3)
    rows = [FileRow(bucket=bucket, name=str(number), version="") for bucket in ("a", "b") for number in range(10)]
    items = [item for item, _ in told(rows, ["a/0", "b/0"])]
    assert items == ["file a/1", "file a/2", "file a/3", "files of 15 more rows"]
