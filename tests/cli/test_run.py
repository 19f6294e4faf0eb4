"""`run`: the command is as if it were alone, and there is a backup before or after it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import psycopg.conninfo
import pytest

from tests.cli.command import Command
from tests.cli.shapes import SHAPES
from tests.fix_postgres import Cluster
from tests.jobs_support import only, over, record, state_of
from vault.model.jobs import JobKind

CONFIG = '[source.app]\ndirectories = { documents = "documents" }\n'


@pytest.fixture
def project(pgvault_ready: Command) -> Command:
    (pgvault_ready.home / "documents").mkdir()
    (pgvault_ready.home / "documents" / "letter").write_text("dear reader")
    (pgvault_ready.home / "pgvault.toml").write_text(CONFIG)
    return pgvault_ready


def snapshots(project: Command) -> list[dict[str, object]]:
    return list(project("snapshots", "--json").json()["snapshots"])


def run(project: Command, *arguments: str, **options: object) -> subprocess.Popen[bytes]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    words = [sys.executable, "-m", "vault", "run", *arguments]
    return subprocess.Popen(words, cwd=project.home, env=project.variables({}), **pipes)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("when", ["--before", "--after"])
def test_input_output_and_exit_code_are_the_commands(project: Command, when: str) -> None:
    script = "tr a-z A-Z; echo talk >&2; exit 7"
    process = run(project, when, "--", "sh", "-c", script)
    out, err = process.communicate(b"to the command\n")
    assert out == b"TO THE COMMAND\n"
    assert b"talk\n" in err
    assert process.returncode == 7
    assert len(snapshots(project)) == (1 if when == "--before" else 0)
    kinds = [record(state_of(project), name).kind for name in state_of(project).jobs()]
    assert kinds == ([JobKind.FOREGROUND] if when == "--before" else [])


def test_descriptors_and_environment_are_the_commands(project: Command) -> None:
    for when in ("--before", "--after"):
        read, write = os.pipe()
        process = run(project, when, "--", "sh", "-c", f"echo $PGVAULT_PASSWORD >/dev/fd/{write}", pass_fds=[write])
        process.communicate()
        os.close(write)
        assert os.read(read, 100).decode().strip() == project.variables({})["PGVAULT_PASSWORD"]
        os.close(read)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks /proc which signals are ignored")
def test_signals_that_python_ignores_are_as_ever_for_the_command(project: Command) -> None:
    asked = ["grep", "^Sig", "/proc/self/status"]
    plain = subprocess.run(asked, capture_output=True, text=True, check=True)
    for when in ("--before", "--after"):
        assert project("run", when, "--", *asked).out == plain.stdout


def test_backup_comes_before_the_command(project: Command) -> None:
    done = project("run", "--before", "--tag", "why=test", "--", "rm", "-r", "documents")
    assert done.code == 0
    assert done.out == ""
    assert "Directory documents: 1 path" in done.err
    (snapshot,) = snapshots(project)
    assert snapshot["tags"] == {"why": "test"}
    assert not (project.home / "documents").exists()


def test_without_a_snapshot_the_command_does_not_run(project: Command) -> None:
    for environment, code in (({"PGVAULT_PASSWORD": "wrong"}, 12), ({"PGVAULT_REPOSITORY": "nowhere"}, 10)):
        done = project("run", "--before", "--", "touch", "ran", **environment)
        assert done.code == code
        assert "next:" in done.err
        assert "touch was not run" in done.err
        assert not (project.home / "ran").exists()
    done = project("run", "--before", "--even-without-backup", "--", "touch", "ran", PGVAULT_PASSWORD="wrong")
    assert done.code == 0
    assert "wrong passphrase" in done.err
    assert (project.home / "ran").exists()


def test_what_is_not_all_of_it_runs_nothing_also_if_it_looks_like_a_ruin(project: Command) -> None:
    documents = project.home / "documents"
    for number in range(30):
        (documents / f"{number}").write_text(f"file {number}")
    assert project("backup").code == 0
    for number in range(1, 30):
        (documents / f"{number}").unlink()
    os.mkfifo(documents / "pipe")
    done = project("run", "--before", "--", "touch", "ran")
    assert done.code == 5, done.err
    assert "touch was not run" in done.err
    assert not (project.home / "ran").exists()
    (documents / "pipe").unlink()
    assert project("run", "--before", "--", "touch", "ran").code == 0, "it looks like a ruin, and is whole"
    assert (project.home / "ran").exists()


def test_backup_comes_after_the_command_that_succeeded(project: Command) -> None:
    done = project("run", "--after", "--", "sh", "-c", "echo second > documents/letter; echo up")
    assert done.code == 0
    assert done.out == "up\n"
    assert "in the background" in done.err
    job = over(state_of(project), only(state_of(project)).id)
    assert (job.exit_code, job.kind) == (0, JobKind.RUN)
    assert "second" not in " ".join(job.command)
    name = str(job.snapshot)
    assert project("cat", f"{name}:documents/letter").out == "second\n"


def test_what_the_job_says_for_programs_is_on_stderr(project: Command) -> None:
    done = project("run", "--after", "--json", "--", "echo", "up")
    assert done.out == "up\n"
    jsonschema.validate(json.loads(done.err.splitlines()[-1]), SHAPES["job"])
    over(state_of(project), only(state_of(project)).id)


def test_stack_that_is_up_does_not_fail_for_a_backup(project: Command) -> None:
    done = project("run", "--after", "--", "true", PGVAULT_STATE_DIR="pgvault.toml/state")
    assert done.code == 0
    assert "NO BACKUP RUNS" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--", "true"),
        ("--before", "--after", "--", "true"),
        ("--after",),
        ("--after", "--even-without-backup", "--", "true"),
        ("--before", "--", "no-such-command"),
        ("--before", "--", "./pgvault.toml"),
        ("--after", "--source", "other", "--", "touch", "ran"),
    ],
)
def test_what_makes_no_sense_runs_nothing(project: Command, arguments: tuple[str, ...]) -> None:
    done = project("run", *arguments)
    assert done.code == 2, done.err
    assert "next:" in done.err
    assert snapshots(project) == []
    assert not (project.home / "ran").exists()


SAYS = """
import os, signal, sys
def heard(number, frame):
    os.write(1, b"%d\\n" % number)
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1):
    signal.signal(number, heard)
os.write(1, b"ready\\n")
while sys.stdin.buffer.raw.read(1):
    pass
"""


def test_signals_are_forwarded_once(project: Command) -> None:
    process = run(project, "--after", "--", sys.executable, "-c", SAYS, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        process.send_signal(number)
        assert process.stdout.readline() == b"%d\n" % number
    out, _ = process.communicate()
    assert (out, process.returncode) == (b"", 0)
    over(state_of(project), only(state_of(project)).id)


def test_key_of_a_terminal_reaches_the_command_once(project: Command) -> None:
    """And the terminal is still the command's: it is one there."""
    program = SAYS.replace("while sys.stdin.buffer.raw.read(1):\n    pass", "print(sys.stdin.isatty()); input()")
    (project.home / "program.py").write_text(program)
    words = [sys.executable, "-m", "vault", "run", "--after", "--", sys.executable, "program.py"]
    child, master = pty.fork()
    if child == 0:
        os.chdir(project.home)
        os.execve(words[0], words, project.variables({}))
    said = _read_until(master, b"True\r\n")
    os.write(master, b"\x03")
    said = _read_until(master, b"2\r\n")
    os.write(master, b"\n")
    said += _read_until(master, b"in the background")
    assert len(re.findall(rb"(?m)^(?:\^C)?2\r$", said)) == 1  # a job's id may end with the same digit
    while _more(master):
        pass
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    over(state_of(project), only(state_of(project)).id)


def _more(master: int) -> bytes:
    try:
        return os.read(master, 4096)
    except OSError:
        return b""


def _read_until(master: int, wanted: bytes) -> bytes:
    said = b""
    while wanted not in said:
        piece = _more(master)
        assert piece, said
        said += piece
    return said


def test_command_that_a_signal_ends_ends_us_by_it(project: Command) -> None:
    for when in ("--before", "--after"):
        for number, code in ((signal.SIGTERM, -15), (signal.SIGINT, -2)):
            process = run(project, when, "--", "sh", "-c", f"kill -{int(number)} $$")
            process.communicate()
            assert process.returncode == code
    process = run(project, "--after", "--", "sh", "-c", "kill -9 $$")
    process.communicate()
    assert process.returncode == 137


def test_missing_command_is_told_before_anything_is_saved(project: Command, tmp_path: Path) -> None:
    done = project("run", "--before", "--", str(tmp_path / "nothing"))
    assert done.code == 2
    assert "cannot run" in done.err
    assert snapshots(project) == []


@pytest.mark.postgres
def test_a_snapshot_of_another_database_than_is_configured_is_none_before_a_command(
    project: Command, pg15: Cluster
) -> None:
    """libpq's variables name one, so that a mistyped source had a snapshot, of that."""
    named = psycopg.conninfo.conninfo_to_dict(pg15.dsn("postgres"))
    keys = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE", "password": "PGPASSWORD"}
    variables = {keys[key]: str(value) for key, value in named.items() if key in keys}
    done = project("run", "--before", "--source", "zzz", "--", "touch", "ran", **variables)
    assert (done.code, snapshots(project)) == (2, [])
    assert "no source zzz is configured, so touch is not run" in done.err
    assert not (project.home / "ran").exists()
