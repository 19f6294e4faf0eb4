"""Files of a dataset appear together or not at all, over nothing, and what a killed process left goes with the next one."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from vault.errors import UnsafeError, UsageError
from vault.source.files.dataset_target import FolderDataset, Marks
from vault.source.files.sqlite_target import SqliteFile

MARKS = Marks(dataset="_pgvault/dataset.json", done="_pgvault/one.json")


def folder(root: Path, marks: Marks | None = MARKS) -> FolderDataset:
    return FolderDataset(root, os.urandom, marks=marks, mtime_ns=0)


def write(root: Path, marks: Marks, *paths: str) -> None:
    with folder(root, marks) as target:
        for path in (marks.dataset, *paths, marks.done):
            assert target.write(path, iter([b"a", b"bc"])) == 3
        target.finish()


def broken() -> Iterator[bytes]:
    yield b"x"
    raise ZeroDivisionError


def held(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("there", [False, True])
def test_all_of_it_is_there_at_the_end_and_nothing_before(tmp_path: Path, there: bool) -> None:
    root = tmp_path / "deep" / "out"
    if there:
        root.mkdir(parents=True)
    with folder(root) as target:
        target.write("t/snapshot=1/a.parquet", iter([b"x"]))
        assert not root.exists() or held(root) == [] or all(path.startswith(".pgvault-") for path in held(root))
        target.finish()
    assert held(tmp_path) == ["deep/out/t/snapshot=1/a.parquet"]


def test_what_ends_early_leaves_nothing(tmp_path: Path) -> None:
    write(tmp_path / "out", MARKS, "t/snapshot=1/a")
    before = held(tmp_path)
    for root in (tmp_path / "new", tmp_path / "out"):
        with (
            pytest.raises(ZeroDivisionError),
            folder(root, Marks(dataset=MARKS.dataset, done="_pgvault/2")) as target,
        ):
            target.write("t/snapshot=2/a", broken())
    assert held(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_parts_and_other_snapshots_come_into_one_place(tmp_path: Path) -> None:
    write(tmp_path, MARKS, "t/snapshot=1/part-1")
    write(
        tmp_path, Marks(dataset=MARKS.dataset, done="_pgvault/two.json"), "t/snapshot=1/part-2", "u/snapshot=1/part-2"
    )
    write(tmp_path, Marks(dataset=MARKS.dataset, done="_pgvault/three.json"), "t/snapshot=2/part-1")
    assert held(tmp_path) == [
        *("_pgvault/dataset.json", "_pgvault/one.json", "_pgvault/three.json", "_pgvault/two.json"),
        *("t/snapshot=1/part-1", "t/snapshot=1/part-2", "t/snapshot=2/part-1", "u/snapshot=1/part-2"),
    ]


def test_two_parts_that_began_together_both_come(tmp_path: Path) -> None:
    root = tmp_path / "out"
    marks = [Marks(dataset=MARKS.dataset, done=f"_pgvault/{number}") for number in (1, 2)]
    with folder(root, marks[0]) as one, folder(root, marks[1]) as other:
        for number, target in enumerate((one, other)):
            target.write(MARKS.dataset, iter([b"{}"]))
            target.write(f"t/snapshot=1/part-{number}", iter([b"x"]))
            target.write(marks[number].done, iter([b"{}"]))
            target.finish()
    assert held(root) == [
        "_pgvault/1",
        "_pgvault/2",
        "_pgvault/dataset.json",
        "t/snapshot=1/part-0",
        "t/snapshot=1/part-1",
    ]


@pytest.mark.parametrize("marks", [None, MARKS])
def test_something_else_is_in_the_way(tmp_path: Path, marks: Marks | None) -> None:
    (tmp_path / "file").write_text("mine")
    for root in (tmp_path, tmp_path / "file"):
        with pytest.raises(UnsafeError), folder(root, marks):
            pass
    assert held(tmp_path) == ["file"]


def test_the_same_is_not_written_twice(tmp_path: Path) -> None:
    write(tmp_path, MARKS, "t/snapshot=1/a")
    with pytest.raises(UnsafeError, match="this snapshot already"), folder(tmp_path):
        pass


def test_what_a_killed_process_left_is_swept_and_a_living_one_is_not(tmp_path: Path) -> None:
    for name in ("dead", "alive", "other"):
        (tmp_path / f".{'x' if name == 'other' else 'out'}.pgvault-{name}").mkdir()
        (tmp_path / f".{'x' if name == 'other' else 'out'}.pgvault-{name}" / "alive").touch()
    with open(tmp_path / ".out.pgvault-alive" / "alive", "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with folder(tmp_path / "out") as target:
            target.finish()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.pgvault-alive", ".x.pgvault-other", "out"]


def test_sqlite_appears_whole_and_over_nothing(tmp_path: Path) -> None:
    place = tmp_path / "out.sqlite"
    with pytest.raises(ZeroDivisionError), SqliteFile(place, os.urandom):
        raise ZeroDivisionError
    with SqliteFile(place, os.urandom) as file:
        file.create('odd "t"', [("a", "INTEGER"), ('b"', "TEXT")])
        file.insert('odd "t"', [(1, "x"), (None, None)], 2)
        assert not place.exists()
        assert file.finish() == place.stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == ["out.sqlite"]
    with sqlite3.connect(place) as connection:
        assert connection.execute('SELECT * FROM "odd ""t"""').fetchall() == [(1, "x"), (None, None)]
    connection.close()
    with pytest.raises(UnsafeError, match="exists already"), SqliteFile(place, os.urandom):
        pass


def test_a_value_that_sqlite_does_not_take_is_told_without_it(tmp_path: Path) -> None:
    with SqliteFile(tmp_path / "out", os.urandom) as file:
        file.create("t", [("a", "INTEGER")])
        with pytest.raises(UsageError, match="does not fit"):
            file.insert("t", [(2**63,)], 1)
    assert list(tmp_path.iterdir()) == []
