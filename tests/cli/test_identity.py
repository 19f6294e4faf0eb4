"""Which snapshot is the latest, and whose it is: told by numbers and servers, never by a clock or a name alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import PASSPHRASE, Command
from tests.small_repository import TestClock, take
from vault.repo.state import Closed
from vault.source.files.directory import DirectoryFiles
from vault.store.local import LocalStore

READER = Path(__file__).resolve().parents[2] / "spec" / "reader.py"
YEAR_2096_MS = 4_000_000_000_000


@pytest.fixture
def ahead(pgvault_ready: Command) -> Command:
    """Its first snapshot says 2096; `f` is the directory that is saved."""
    (pgvault_ready.home / "f").mkdir()
    store = LocalStore(pgvault_ready.repository, os.urandom)
    source = DirectoryFiles(pgvault_ready.home / "f")
    take(Closed(store).open(PASSPHRASE), None, {"f": source}, source="f", clock=TestClock(YEAR_2096_MS))
    return pgvault_ready


def test_a_snapshot_from_the_future_is_marked_and_the_next_backup_warns(ahead: Command) -> None:
    assert "in " in ahead("snapshots").out
    assert "FUTURE" in ahead("snapshots").out
    assert "FUTURE" in ahead("show", "latest").out
    done = ahead("backup", "--dir", "f=f")
    assert (done.code, "2096" in done.err) == (0, True), done.err
    listed = ahead("snapshots", "--json").json()["snapshots"]
    assert [(one["sequence"], bool(one["warnings"])) for one in listed] == [(1, True), (2, False)]
    assert "2096" not in ahead("backup", "--dir", "f=f").err


def test_latest_is_the_one_with_the_greatest_number_for_every_reader(ahead: Command) -> None:
    (ahead.home / "f" / "letter").write_text("today")
    saved = ahead("backup", "--dir", "f=f", "--json").json()["snapshot"]
    assert ahead("show", "latest", "--json").json()["snapshot"]["id"] == saved
    assert ahead("cat", "latest:f/letter").out == "today"
    read = subprocess.run(
        [sys.executable, str(READER), str(ahead.repository), "ls", "latest"],
        env={**os.environ, "PGVAULT_PASSWORD": PASSPHRASE}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "directories/f/letter" in read.stdout
