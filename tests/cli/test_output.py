"""Where the command's words go: full and closed outputs, names that would forge a line, encodings."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.command import PASSPHRASE, Command
from vault.cli import about
from vault.ids import SnapshotId
from vault.model import DrillRecord
from vault.repo.remembered import Remembered


@pytest.mark.parametrize(
    ("time_ms", "shown"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_763_853_302_123, "2025-11-22T23:15:02.123Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (15_032_385_535_000, "2446-05-10T22:38:55.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
        (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        (-62_135_596_800_001, "+000000-12-31T23:59:59.999Z"),
        (2**63 * 1000 - 1, "+292277026596-12-04T15:30:07.999Z"),
        (-(2**63) * 1000, "-292277022657-01-27T08:29:52.000Z"),
    ],
)
def test_every_time_that_a_system_knows_is_shown(time_ms: int, shown: str) -> None:
    assert about.instant(time_ms) == shown


@pytest.fixture
def saved(pgvault_ready: Command) -> Command:
    """A repository with one snapshot of a directory, one name in which is odd."""
    odd = pgvault_ready.home / "odd"
    odd.mkdir()
    (odd / "plain").write_bytes(os.urandom(100_000))
    (odd / "new\nline\x1b[31m").write_text("found")
    done = pgvault_ready("backup", "--dir", "odd=odd")
    assert done.code == 0, done.err
    return pgvault_ready


def run_with_stdout(
    command: Command, arguments: tuple[str, ...], redirection: str, *, before: str = "", password: str = PASSPHRASE
) -> tuple[int, str]:
    """By a shell, which alone can start it with a closed output."""
    done = run_in_shell(command, f'exec {before}"$@" {redirection}', arguments, password=password)
    return done.returncode, done.stderr


def run_in_shell(
    command: Command, script: str, arguments: tuple[str, ...], *, password: str = PASSPHRASE
) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(command.home),
        "PGVAULT_REPOSITORY": str(command.repository),
        "PGVAULT_PASSWORD": password,
    }
    return subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, "-m", "vault", *arguments],
        env=environment, cwd=command.home, capture_output=True, stdin=subprocess.DEVNULL, text=True, check=False,
    )  # fmt: skip


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [("cat", "latest:odd/plain"), ("snapshots",), ("snapshots", "--json")])
def test_full_output_is_named_and_exits_1(saved: Command, arguments: tuple[str, ...]) -> None:
    code, said = run_with_stdout(saved, arguments, ">/dev/full")
    assert code == 1
    assert "defect" not in said
    assert "--json" in arguments or "cannot write to the standard output" in said


@pytest.mark.parametrize("arguments", [("cat", "latest:odd/plain"), ("snapshots",)])
def test_closed_output_is_named_and_exits_1(saved: Command, arguments: tuple[str, ...]) -> None:
    code, said = run_with_stdout(saved, arguments, ">&-")
    assert code == 1
    assert "cannot write to the standard output" in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("buffering", ["", "env PYTHONUNBUFFERED=1 "], ids=["buffered", "not buffered"])
@pytest.mark.parametrize("arguments", [("--help",), ("-V",), ("backup", "-h"), ("help", "errors")])
def test_full_output_of_help_is_named(saved: Command, arguments: tuple[str, ...], buffering: str) -> None:
    code, said = run_with_stdout(saved, arguments, ">/dev/full", before=buffering)
    assert code == 1
    assert "cannot write to the standard output" in said
    assert "Traceback" not in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_full_stderr_stops_no_backup(saved: Command) -> None:
    assert run_with_stdout(saved, ("backup", "--dir", "odd=odd"), ">/dev/null 2>/dev/full") == (0, "")
    assert len(saved("snapshots", "--json").json()["snapshots"]) == 2


@pytest.mark.parametrize("arguments", [("init", "-r", "other", "--no-recovery-kit"), ("key", "add")])
def test_closed_stdin_is_no_terminal(saved: Command, arguments: tuple[str, ...]) -> None:
    code, said = run_with_stdout(saved, arguments, "<&-", password="")
    assert code == 13, said
    assert "there is no terminal to ask on" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("cat", "latest:odd/plain"),
        ("snapshots",),
        ("ls", "latest", "-R"),
        ("help", "errors"),
        ("--help",),
        ("export", "latest", "--format", "tar", "-o", "-"),
    ],
)
def test_reader_that_leaves_ends_it_quietly(saved: Command, arguments: tuple[str, ...]) -> None:
    script = 'exec 3>&1; { "$@" 3>&-; echo "code $?" >&3; } | true'
    done = run_in_shell(saved, script, arguments)
    assert done.stdout == "code 0\n"
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


def test_reader_that_leaves_hides_no_damage(saved: Command) -> None:
    for pack in (saved.home / saved.repository / "packs").iterdir():
        pack.write_bytes(pack.read_bytes()[:-1])
    done = run_in_shell(saved, 'exec 3>&1; { "$@" 3>&-; echo "code $?" >&3; } | true', ("check",))
    assert done.stdout == "code 4\n"


def test_tar_to_stdout_is_a_stream_and_no_file(saved: Command) -> None:
    done = run_in_shell(saved, '"$@" | tar -t', ("export", "latest", "--format", "tar", "-o", "-"))
    assert any(line.endswith("/odd/plain") for line in done.stdout.splitlines())
    assert "written to the standard output" in done.stderr
    assert not (saved.home / "-").exists()
    assert saved("export", "latest", "--format", "layout", "-o", "-").code == 2


def test_closed_stderr_stops_no_backup(saved: Command) -> None:
    assert run_with_stdout(saved, ("backup", "--dir", "odd=odd"), ">/dev/null 2>&-") == (0, "")
    assert len(saved("snapshots", "--json").json()["snapshots"]) == 2


def test_name_with_a_line_end_stays_one_line_and_can_be_typed(saved: Command) -> None:
    listed = saved("ls", "latest:odd").out.splitlines()
    assert [line.split()[-1] for line in listed] == ["odd/new%0Aline%1B[31m", "odd/plain"]
    assert saved("cat", "latest:odd/new%0Aline%1B[31m").out == "found"


def test_name_of_a_source_forges_no_line(saved: Command) -> None:
    forged = "app\n  next: rm -rf /"
    assert saved("--source", forged, "backup", "--dir", "odd=odd").code == 0
    for arguments in (("snapshots",), ("show", "latest"), ("--source", forged + "x", "show", "latest")):
        done = saved(*arguments)
        assert "\n  next: rm" not in done.out + done.err
        assert "\\x0a  next: rm" in done.out + done.err


def test_file_of_a_far_time_is_listed_extracted_exported_and_restored(pgvault_ready: Command) -> None:
    files = pgvault_ready.home / "odd"
    files.mkdir()
    for name in ("a", "late", "z"):
        (files / name).write_text(name)
    os.utime(files / "late", ns=(0, 15_032_385_535 * 10**9))
    assert pgvault_ready("backup", "--dir", "odd=odd").code == 0
    far = "2446-05-10T22:38:55.000Z"
    listed = {entry["path"]: entry["mtime"] for entry in pgvault_ready("ls", "latest:odd", "--json").json()["entries"]}
    assert listed["odd/late"] == far
    assert far[:19].replace("T", " ") in pgvault_ready("ls", "latest:odd").out
    for arguments in (
        ("extract", "latest", "odd", "--to", "out"),
        ("restore", "latest", "--dir", "odd=out/odd2", "--yes"),
        ("export", "latest", "--format", "tar", "-o", "all.tar"),
    ):
        assert pgvault_ready(*arguments).code == 0
    for place in ("out/odd/late", "out/odd2/late"):
        assert (pgvault_ready.home / place).stat().st_mtime_ns == 15_032_385_535 * 10**9
    with tarfile.open(pgvault_ready.home / "all.tar") as archive:
        late = next(member for member in archive if member.name.endswith("odd/late"))
    assert late.mtime == 15_032_385_535


@pytest.mark.parametrize("arguments", [("--source", "a\udcff", "backup"), ("backup", "--tag", "a=\udcff")])
def test_name_that_is_not_utf8_is_refused_before_anything_is_read(saved: Command, arguments: tuple[str, ...]) -> None:
    done = saved(*arguments, "--dir", "odd=odd")
    assert (done.code, "not UTF-8" in done.err) == (2, True)


def test_a_drill_with_something_not_checked_is_not_called_equal_alone() -> None:
    snapshot = SnapshotId(bytes(32))
    drill = DrillRecord(
        created_ms=0, duration_ms=1, host="h", mismatches=(), not_checked=("rows t: why", "rows u: why"), passed=True,
        rows=1, server="18.0", snapshot=snapshot, source="s", tables=1,
    )  # fmt: skip
    ((_, told),) = about.notes(snapshot, Remembered(drills={snapshot: drill}))
    assert told.endswith("restored and equal, 2 things not checked")
    ((_, told),) = about.notes(snapshot, Remembered(drills={snapshot: replace(drill, not_checked=())}))
    assert told.endswith("restored and equal")
