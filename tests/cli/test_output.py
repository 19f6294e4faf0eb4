"""Where the command's words go: full and closed outputs, names that would forge a line, encodings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import PASSPHRASE, Command


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
