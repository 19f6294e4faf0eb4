"""Waiting for background jobs, bounded by when a machine hangs; and holding one up at a place that a test chooses."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from tests.cli.command import HANG_S, PASSPHRASE, Command
from vault.app import jobs
from vault.app.state import StateDirectory
from vault.model.jobs import Job


def state_of(pgvault: Command) -> StateDirectory:
    return StateDirectory(pgvault.home / ".local" / "state" / "pgvault")


def until(holds: Callable[[], bool]) -> None:
    """Wait for what has to come; when it does not, the machine or the program hangs."""
    deadline = time.monotonic() + HANG_S
    while not holds():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def record(directory: StateDirectory, job: str) -> Job:
    found = jobs.load(directory, job)
    assert found is not None
    assert found.job is not None, found.why
    return found.job


def over(directory: StateDirectory, job: str) -> Job:
    """The job's record when its process is gone."""
    until(lambda: not jobs.is_alive(directory, job))
    return record(directory, job)


def only(directory: StateDirectory) -> Job:
    """The record of the one job that there is."""
    (name,) = directory.jobs()
    return record(directory, name)


class Gate:
    """A passphrase command that waits: jobs stand before it until `open`."""

    def __init__(self, home: Path, passphrase: str = PASSPHRASE) -> None:
        self._fifo = home / "gate"
        self._passphrase = passphrase
        os.mkfifo(self._fifo)
        self.environment = {"PGVAULT_PASSWORD": "", "PGVAULT_PASSWORD_COMMAND": f"cat {self._fifo}"}

    def open(self) -> None:
        """Let one job through; waits for one to come."""
        self._fifo.write_text(self._passphrase)

    def heard(self) -> TextIO:
        """Wait for one to come; it goes on with what is written there, when that is closed."""
        found: list[int] = []

        def has_come() -> bool:
            with suppress(OSError):
                found.append(os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK))
            return bool(found)

        until(has_come)
        return os.fdopen(found[0], "w")

    def remove(self) -> None:
        """Let everything go that still waits, with nothing."""
        os.close(os.open(self._fifo, os.O_RDWR | os.O_NONBLOCK))
        self._fifo.unlink()
