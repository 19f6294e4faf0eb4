"""Directories in a backup: what is read, what is taken over, and what is told."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fake_source import FakeDirectory
from tests.small_repository import CLOCK, Quiet, contents, damage, new_repository, rows, take
from vault.model import Coverage, Missing, State
from vault.ops.backup import gaps
from vault.ops.backup import run as backup
from vault.ops.backup.run import BackupReport
from vault.repo.state import Open
from vault.source.files.directory import DirectoryFiles
from vault.store.memory import MemoryStore


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def back_up(repo: Open, directory: FakeDirectory) -> BackupReport:
    directory.reads.clear()
    return take(repo, None, {"lib": directory})


def missing(report: BackupReport) -> dict[str, tuple[State, str]]:
    """Path -> state and reason, over all components, without what nobody asked for."""
    found: dict[str, tuple[State, str]] = {}
    for coverage in report.ledger.values():
        assert isinstance(coverage, Coverage)
        asked = (item for item in coverage.missing if item.state is not State.NOT_SELECTED)
        found.update({item.item: (item.state, item.why) for item in asked})
    return found


def test_unchanged_file_is_not_read_again(repo: Open) -> None:
    directory = FakeDirectory({b"a": b"a" * 100, b"b": b"b" * 100, b"c": b""})
    first = back_up(repo, directory)
    assert directory.reads == [b"a", b"b", b"c"]
    directory.rest()
    directory.write(b"b", b"B" * 100)
    directory.write(b"bb", b"new")
    directory.rest()
    second = back_up(repo, directory)
    assert directory.reads == [b"b", b"bb"]
    assert contents(repo, second.id)["lib/b"] == b"B" * 100
    assert contents(repo, first.id)["lib/b"] == b"b" * 100
    directory.remove(b"a")
    third = back_up(repo, directory)
    assert directory.reads == []
    assert "lib/a" not in contents(repo, third.id)
    assert damage(repo) == ()


def test_change_that_keeps_size_and_mtime_is_seen_by_its_ctime(repo: Open) -> None:
    directory = FakeDirectory({b"a": b"one"})
    back_up(repo, directory)
    old = directory.files[b"a"]
    directory.write(b"a", b"two")
    changed = directory.files[b"a"]
    directory.files[b"a"] = type(old)(
        **{name: getattr(changed, name) for name in old.__slots__} | {"mtime_ns": old.mtime_ns}
    )
    assert contents(repo, back_up(repo, directory).id)["lib/a"] == b"two"


@pytest.mark.parametrize(("age_ns", "read_again"), [(0, True), (1_999_999_999, True), (2_000_000_001, False)])
def test_file_young_when_it_was_read_is_read_again(repo: Open, age_ns: int, read_again: bool) -> None:
    directory = FakeDirectory({})
    directory.write(b"a", b"one")
    directory.clock_ns += age_ns
    back_up(repo, directory)
    assert directory.reads == [b"a"]
    directory.rest()
    back_up(repo, directory)
    assert directory.reads == ([b"a"] if read_again else [])


@pytest.mark.spec("FILE-1")
def test_file_system_that_is_no_witness_has_everything_read_each_time(repo: Open) -> None:
    directory = FakeDirectory({})
    directory.witness = False
    directory.write(b"a", b"one")
    directory.rest()
    back_up(repo, directory)
    directory.contents[b"a"] = b"two"
    assert contents(repo, back_up(repo, directory).id)["lib/a"] == b"two"
    directory.files[b"a"] = replace(directory.files[b"a"], witnessed=True)
    back_up(repo, directory)
    assert directory.reads == [b"a"], "what was read on another file system is taken over on none"
    back_up(repo, directory)
    assert directory.reads == []


def test_racy_file_changed_without_a_trace_is_captured(repo: Open) -> None:
    """Two writes within one tick of a coarse clock: no time differs, only the content."""
    directory = FakeDirectory({})
    directory.write(b"a", b"one")
    back_up(repo, directory)
    directory.contents[b"a"] = b"two"
    assert contents(repo, back_up(repo, directory).id)["lib/a"] == b"two"


def test_file_whose_chunks_are_gone_is_read_again(repo: Open) -> None:
    assert isinstance(repo.store, MemoryStore)
    directory = FakeDirectory({b"a": rows(1, 1_000), b"b": rows(2, 1_000)})
    first = back_up(repo, directory)
    expected = contents(repo, first.id)
    for name in [name for name in repo.store.files if name.startswith("packs/")]:
        del repo.store.files[name]
    back_up(repo, directory)
    assert directory.reads == [b"a", b"b"]
    assert contents(repo, first.id)["lib/a"] == expected["lib/a"]


def changing(action: Callable[[FakeDirectory, int], None]) -> FakeDirectory:
    """A directory of which the file `b` is changed at each of its readings."""
    count = 0

    def on_read(path: bytes) -> None:
        nonlocal count
        if path == b"b":
            count += 1
            directory.clock_ns += 1_000_000_000
            action(directory, count)

    directory = FakeDirectory({b"a": b"a", b"b": b"b" * 50_000, b"c": b"c"}, on_read=on_read)
    return directory


def test_file_that_changes_once_while_it_is_read_is_read_anew(repo: Open) -> None:
    directory = changing(lambda d, count: d.write(b"b", b"changed") if count == 1 else None)
    report = back_up(repo, directory)
    assert directory.reads == [b"a", b"b", b"b", b"c"]
    assert contents(repo, report.id)["lib/b"] == b"changed"
    assert missing(report) == {}


def test_file_that_keeps_changing_is_stored_and_told(repo: Open) -> None:
    directory = changing(lambda d, count: d.write(b"b", b"change %d" % count))
    report = back_up(repo, directory)
    assert contents(repo, report.id)["lib/b"] == b"change 2"
    ((item, (state, why)),) = missing(report).items()
    assert item.endswith("b")
    assert state is State.FAILED
    assert "changed" in why
    directory.on_read = lambda path: None
    directory.rest()
    back_up(repo, directory)
    assert directory.reads == [b"b"], "it may have changed since, so its times prove nothing"


def test_file_that_vanishes_before_it_is_read_is_told(repo: Open) -> None:
    report = back_up(repo, changing(lambda d, count: d.remove(b"b")))
    assert set(contents(repo, report.id)) == {"lib/a", "lib/c", "ledger"}
    ((item, (state, why)),) = missing(report).items()
    assert item.endswith("b")
    assert state is State.FAILED
    assert "vanished" in why


def test_file_of_which_nobody_can_tell_whether_it_changed_is_stored_and_told(repo: Open) -> None:
    problem = Missing(item="b", state=State.FAILED, why="Too many open files", fix="check the file system")
    directory = changing(lambda d, count: d.with_problem(b"b", problem))
    report = back_up(repo, directory)
    assert directory.reads == [b"a", b"b", b"c"], "a second reading would tell no more"
    assert contents(repo, report.id)["lib/b"] == b"b" * 50_000
    ((_, (state, why)),) = missing(report).items()
    assert state is State.FAILED
    assert why == "it cannot be told whether it changed while it was read: Too many open files"


def test_directory_on_disk_names_sockets_and_what_may_not_be_read(repo: Open, tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"plain")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "link").symlink_to("../plain")
    os.mkfifo(tmp_path / "pipe")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket"))
    listening.close()
    report = take(repo, None, {"lib": DirectoryFiles(tmp_path)})
    told = {item.rpartition("/")[2]: state for item, (state, _) in missing(report).items()}
    assert told == {"pipe": State.NOT_EXPORTABLE, "socket": State.NOT_EXPORTABLE}
    snapshot = repo.indexed(None).snapshot(report.id)
    assert [file.path for file in snapshot.files("lib")] == [b"below", b"below/link", b"plain"]
    assert snapshot.file("lib", b"below/link").target == b"../plain"


TIMES_NS = [
    pytest.param(15_032_385_535 * 10**9, id="the last second of ext4, 2446"),
    pytest.param(2**63 * 10**9 - 1, id="the last of 64 bits of seconds"),
    pytest.param(-(2**63) * 10**9, id="the first of 64 bits of seconds"),
    pytest.param(-1, id="just before the epoch"),
]


@pytest.mark.spec("TREE-12")
@pytest.mark.parametrize("time_ns", TIMES_NS)
def test_file_of_any_time_that_a_system_knows_comes_back(repo: Open, time_ns: int) -> None:
    directory = FakeDirectory({b"a": b"a", b"b": b"b", b"c": b"c"})
    directory.files[b"b"] = replace(directory.files[b"b"], mtime_ns=time_ns, ctime_ns=time_ns)
    report = back_up(repo, directory)
    snapshot = repo.indexed(None).snapshot(report.id)
    assert snapshot.file("lib", b"b").mtime_ns == time_ns
    assert {"lib/a", "lib/b", "lib/c"} < set(contents(repo, report.id))
    assert missing(report) == {}
    assert damage(repo) == ()


HOSTILE: list[dict[str, Any]] = [
    {"mtime_ns": 2**63 * 10**9},
    {"mtime_ns": -(2**63) * 10**9 - 1},
    {"ctime_ns": 10**40},
    {"mtime_ns": 1.5},
    {"inode": -1},
    {"inode": 2**64},
    {"mode": 0o10000},
    {"mode": -1},
    {"target": b"a link's"},
    {"path": b"b/" * 2**15 + b"b"},
    {"path": b"b/../../b"},
    {"path": b"b\0"},
]


@pytest.mark.spec("ENC-13")
@pytest.mark.parametrize("fields", HOSTILE, ids=str)
def test_item_that_no_reader_takes_is_told_and_takes_no_other_with_it(repo: Open, fields: dict[str, Any]) -> None:
    directory = FakeDirectory({b"a": b"a", b"b": b"b", b"c": b"c"})
    hostile = replace(directory.files[b"b"], **fields)
    directory.files[hostile.path] = hostile
    directory.contents[hostile.path] = b"b"
    if hostile.path != b"b":
        directory.remove(b"b")
    report = back_up(repo, directory)
    assert set(contents(repo, report.id)) == {"lib/a", "lib/c", "ledger"}
    ((item, (state, why)),) = missing(report).items()
    assert "b" in item
    assert state is State.FAILED
    assert "cannot be stored" in why
    assert damage(repo) == ()
    assert back_up(repo, directory).manifest.sequence == 2


def test_ledger_of_very_many_problems_stays_readable_and_counts_all(
    repo: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gaps, "_TOLD_MAX", 3)
    directory = FakeDirectory({b"%d" % number * 2_000: b"x" for number in range(10)} | {b"good": b"good"})
    for path in list(directory.files):
        if path != b"good":
            directory.with_problem(path, Missing(item=path.decode(), state=State.FAILED, why="no"))
    told = missing(back_up(repo, directory))
    assert len(told) == 4
    assert max(map(len, told)) < 1_100
    assert any("(7 more)" in item for item in told)


@pytest.mark.skipif(sys.platform != "linux", reason="the range of a file system's times is known for ext4")
def test_directory_on_disk_with_a_file_of_2446_is_saved_whole(repo: Open, tmp_path: Path) -> None:
    for name in ("a", "late", "z"):
        (tmp_path / name).write_text(name)
    os.utime(tmp_path / "late", ns=(0, 15_032_385_535 * 10**9))
    late = (tmp_path / "late").stat().st_mtime_ns
    report = take(repo, None, {"lib": DirectoryFiles(tmp_path)})
    found = {file.path: file.mtime_ns for file in repo.indexed(None).snapshot(report.id).files("lib")}
    assert set(found) == {b"a", b"late", b"z"}
    assert found[b"late"] == late > 2**33 * 10**9


def test_full_reads_everything_again(repo: Open) -> None:
    directory = FakeDirectory({b"a": b"a", b"b": b"b"})
    back_up(repo, directory)
    directory.reads.clear()
    report = backup.run(
        repo,
        request=backup.BackupRequest(source="project", selection="", program="test", full=True),
        open_capture=None,
        directories={"lib": directory},
        clock=CLOCK,
        entropy=os.urandom,
        progress=Quiet(),
    )
    assert directory.reads == [b"a", b"b"]
    assert report.manifest.sequence == 2
