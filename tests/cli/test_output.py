"""Where the command's words go: full and closed outputs, names that would forge a line, encodings."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.cli.command import PASSPHRASE, Command
from vault.cli import about


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


def run_with_stdout(command: Command, arguments: tuple[str, ...], redirection: str) -> tuple[int, str]:
    """By a shell, which alone can start it with a closed output."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(command.home),
        "PGVAULT_REPOSITORY": str(command.repository),
        "PGVAULT_PASSWORD": PASSPHRASE,
    }
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", "vault", *arguments],
        env=environment, cwd=command.home, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


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
