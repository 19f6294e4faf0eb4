"""A passphrase as a run without a terminal obtains it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from vault.app import secret
from vault.app.settings import Settings
from vault.errors import SecretUnavailable


def with_command(text: str) -> Settings:
    return Settings(environment={"PATH": "/usr/bin:/bin", "PGVAULT_PASSWORD_COMMAND": text})


def test_a_command_that_waits_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    started = tmp_path / "started"
    script = f"sleep 1000 & echo $! > {started}; sleep 1000"
    with pytest.raises(SecretUnavailable, match="within"):
        secret.unattended(with_command(f"sh -c '{script}'"), patience_s=5.0)
    process = started.read_text().strip()
    deadline = time.monotonic() + 60
    while runs(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not runs(process)


def runs(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_command_has_no_terminal_and_nothing_to_read() -> None:
    asks = f"{sys.executable} -c \"import sys; print(sys.stdin.read() or 'nothing'); open('/dev/tty')\""
    with pytest.raises(SecretUnavailable, match="failed"):
        secret.unattended(with_command(asks), patience_s=60)
    reads = f"{sys.executable} -c \"import sys; print(sys.stdin.read() or 'nothing')\""
    assert secret.unattended(with_command(reads), patience_s=60) == "nothing"


def test_nothing_but_a_terminal_is_no_passphrase() -> None:
    with pytest.raises(SecretUnavailable, match="no passphrase"):
        secret.unattended(Settings(environment={}), patience_s=1)


def test_where_it_comes_from_is_told_without_it() -> None:
    here = secret.origin(Settings(environment={"PGVAULT_PASSWORD": "hunter2"}, password_file="/else"))
    there = secret.origin(Settings(environment={}, password_file="/secret/place"))
    assert (here.kind, here.name, here.configured) == (secret.Kind.VALUE, "PGVAULT_PASSWORD", False)
    assert (there.kind, there.configured) == (secret.Kind.FILE, True)
    assert "hunter2" not in repr(here)
