"""Ctrl-C by somebody who is impatient: however often, the command ends, and Python says nothing of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from tests.cli.command import Command
from tests.jobs_support import Gate, only, over, state_of

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
HAMMERED = 4
"""Times; one in four was heard where nobody catches it when this was written."""


@pytest.fixture
def blocked(pgvault_ready: Command) -> Command:
    """A repository with a file that is larger than what a pipe holds."""
    files = pgvault_ready.home / "files"
    files.mkdir()
    (files / "large").write_bytes(os.urandom(1_000_000))
    done = pgvault_ready("backup", "--dir", "files=files")
    assert done.code == 0, done.err
    return pgvault_ready


@pytest.mark.parametrize("name", SIGNALS)
def test_who_interrupts_again_and_again_sees_no_traceback(blocked: Command, name: str) -> None:
    for _ in range(HAMMERED):
        code, said = hammered(blocked, signal.Signals[name])
        assert code in (130, -signal.Signals[name]), said
        assert "Traceback" not in said
        assert "Exception ignored" not in said


def hammered(command: Command, number: int) -> tuple[int, str]:
    """Exit code and stderr of a command that gets the signal until it is no more."""
    with subprocess.Popen(
        [sys.executable, "-m", "vault", "cat", "latest:files/large"],
        cwd=command.home,
        env=command.variables({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.read(1), running.stderr.read()  # it writes, and then waits for a reader
        with suppress(ProcessLookupError):
            while running.poll() is None:
                os.kill(running.pid, number)
        said = running.stderr.read().decode()
    return running.returncode, said


@pytest.mark.parametrize("name", SIGNALS)
def test_what_comes_after_the_end_ends_the_process_at_once(name: str) -> None:
    script = f"""
import os, signal, time
from vault.cli import interrupting
interrupting.install()
interrupting.over()
os.kill(os.getpid(), signal.{name})
time.sleep(60)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (-signal.Signals[name], "")


@pytest.mark.parametrize("pause_ms", [0, 1, 2, 4, 8])
def test_job_that_is_told_to_end_as_soon_as_it_is_there_says_so(pgvault_ready: Command, pause_ms: int) -> None:
    gate = Gate(pgvault_ready.home)
    state = state_of(pgvault_ready)
    command = Command(home=pgvault_ready.home, environment=gate.environment)
    starting = command.start("backup", "--dir", "home=.", "--background")
    is_over = False
    while not list((state.root / "jobs").glob("*.json")):
        assert not is_over, "no job came"
        is_over = starting.poll() is not None
    job = only(state)
    time.sleep(pause_ms / 1000)
    os.kill(job.pid, signal.SIGTERM)
    starting.communicate()
    ended = over(state, job.id)
    assert (ended.exit_code, ended.error and ended.error.code) == (130, "INTERRUPTED")
    gate.remove()
