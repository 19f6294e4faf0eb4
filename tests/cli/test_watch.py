"""`watch`: a service that is ready, saves what was missed once, says what it waits for, and ends when it is told to."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import jsonschema
import pytest

from tests.cli.command import HANG_S, Command
from tests.cli.shapes import SHAPES
from tests.jobs_support import over, state_of, until
from vault.app import jobs
from vault.app.schedule.watching import last_saved_ms
from vault.model.jobs import JobKind

CONFIG = '[source.app]\ndirectories = { documents = "documents" }\n[schedule]\nprune = "never"\ncheck = "never"\n'


@pytest.fixture
def project(pgvault_ready: Command) -> Command:
    (pgvault_ready.home / "documents").mkdir()
    (pgvault_ready.home / "documents" / "letter").write_text("dear reader")
    (pgvault_ready.home / "pgvault.toml").write_text(CONFIG)
    return pgvault_ready


def read_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stderr is not None
    said = ""
    while words not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    return said


def stop(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> str:
    process.send_signal(number)
    out, _ = process.communicate(timeout=HANG_S)
    return out


def test_it_saves_what_was_never_saved_waits_and_stops(project: Command) -> None:
    process = project.start("watch", "--json")
    said = read_until(process, "next backup 20")
    assert "watching: every day at " in said
    lines = [json.loads(line) for line in stop(process).splitlines()]
    assert process.returncode == 0
    jsonschema.validate(lines[0], SHAPES["schedule run"])
    jsonschema.validate(lines[-1], SHAPES["watch"])
    assert (lines[-1]["runs"], lines[-1]["failed"]) == (1, 0)
    (name,) = state_of(project).jobs()
    job = over(state_of(project), name)
    assert (job.exit_code, job.kind) == (0, JobKind.SCHEDULE)
    known = (state_of(project), job.repository, ("app",))
    assert last_saved_ms(*known, now_ms=job.started_ms) == job.started_ms
    assert last_saved_ms(*known, now_ms=job.started_ms - 1) == 0, "a clock was ahead: nothing waits for its time"


def test_what_was_saved_before_it_came_is_not_saved_again(project: Command) -> None:
    assert project("backup", "--wait").code == 0
    process = project.start("watch", "--every", "1w")
    read_until(process, "next backup 20")
    stop(process)
    assert len(state_of(project).jobs()) == 1


def test_run_that_fails_does_not_end_it(project: Command) -> None:
    (project.home / "documents" / "letter").unlink()
    (project.home / "documents").rmdir()
    process = project.start("watch")
    said = read_until(process, "next backup 20")
    assert "the run saved nothing" in said
    assert process.poll() is None
    stop(process)
    assert process.returncode == 0


def test_run_that_cannot_be_started_does_not_end_it(project: Command) -> None:
    """A process that may have no more open files starts no other one."""
    process = project.start("watch", limits="ulimit -n 6")
    said = read_until(process, "next backup 20")
    assert "the run saved nothing (it could not be started: Too many open files)" in said
    assert process.poll() is None
    stop(process)
    assert process.returncode == 0


def test_run_whose_check_finds_damage_saved_all_the_same(project: Command) -> None:
    snapshots = project.home / "repository" / "snapshots"
    snapshots.mkdir(exist_ok=True)
    (snapshots / f"{7:064x}").write_bytes(b"junk")
    (project.home / "pgvault.toml").write_text(CONFIG.replace('check = "never"', 'check = "daily"'))
    process = project.start("watch", "--json")
    said = read_until(process, "next backup 20")
    assert "the run saved nothing" not in said
    lines = [json.loads(line) for line in stop(process).splitlines()]
    assert lines[0]["exit_code"] == 4
    assert (lines[-1]["runs"], lines[-1]["failed"]) == (1, 0)


def test_interrupted_it_ends_as_interrupted(project: Command) -> None:
    process = project.start("watch")
    read_until(process, "next backup 20")
    stop(process, signal.SIGINT)
    assert process.returncode == 130


def test_what_makes_no_sense_ends_it_at_once(project: Command) -> None:
    for arguments, environment in ((("--every", "5h"), {}), ((), {"PGVAULT_REPOSITORY": ""})):
        done = project("watch", *arguments, **environment)
        assert done.code == 2, done.err
        assert "next:" in done.err


def test_backup_that_runs_goes_on_when_it_stops(project: Command) -> None:
    fifo = project.home / "gate"
    os.mkfifo(fifo)
    held = Command(home=project.home, environment={"PGVAULT_PASSWORD": "", "PGVAULT_PASSWORD_COMMAND": f"cat {fifo}"})
    process = held.start("watch")
    until(lambda: bool(state_of(project).jobs()))
    (name,) = state_of(project).jobs()
    stop(process)
    assert process.returncode == 0
    assert jobs.is_alive(state_of(project), name)
    fifo.write_text(project.variables({})["PGVAULT_PASSWORD"])
    assert over(state_of(project), name).exit_code == 0


def test_service_manager_hears_that_it_is_ready_what_it_does_and_that_it_stops(project: Command) -> None:
    path = Path("/tmp") / f"pgvault-watch-{os.getpid()}"
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))

        def hear() -> None:
            """All the time: few of its signs of life find room where nobody reads."""
            while not heard or heard[-1] != "STOPPING=1":
                heard.append(manager.recv(1000).decode())

        listening = threading.Thread(target=hear, daemon=True)
        listening.start()
        try:
            service = Command(home=project.home, environment={"NOTIFY_SOCKET": str(path)})
            process = service.start("watch")
            read_until(process, "next backup 20")
            stop(process)
            listening.join(HANG_S)
        finally:
            path.unlink()
    told = [text for text in heard if text != "WATCHDOG=1"]
    assert told[0] == "READY=1"
    assert told[1] == "STATUS=a backup runs"
    assert told[2].startswith("STATUS=next backup 20")
    assert told[3:] == ["STOPPING=1"]


def test_a_second_one_for_the_same_is_refused(project: Command) -> None:
    process = project.start("watch")
    read_until(process, "next backup 20")
    refused = project("watch")
    assert (refused.code, "another pgvault watch does this already" in refused.err) == (11, True)
    stop(process)
    again = project.start("watch")
    read_until(again, "next backup 20")
    stop(again)
