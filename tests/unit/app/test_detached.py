"""Detaching: the caller goes on, whatever becomes of the other process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os, sys, time
from vault.app import detached
if "late" not in sys.argv:
    detached._HEARD_WITHIN_S = 60  # however slow the machine
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

def body(heard):
    if "late" in sys.argv:
        time.sleep(0.5)
    if "dies" in sys.argv:
        os._exit(9)
    if "raises" in sys.argv:
        raise RuntimeError
    print("stdin:", sys.stdin.read())
    print("to the log")
    if "keeps quiet" not in sys.argv:
        heard()
    os.write(2, b"done\\n")
    return 0

print("heard:", detached.detach(body, log=log))
"""


def detach(log: Path, *words: str) -> str:
    """What the caller said; it comes back, whatever happens."""
    command = [sys.executable, "-c", SCRIPT, str(log), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=100).stdout.strip()


def test_caller_hears_that_it_began(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert detach(log) == "heard: True"


def test_caller_hears_that_it_ended_before_it_began(tmp_path: Path) -> None:
    for word in ("dies", "raises"):
        assert detach(tmp_path / "log", word) == "heard: False"


def test_caller_does_not_wait_for_who_comes_late(tmp_path: Path) -> None:
    assert detach(tmp_path / "log", "late") == "heard: None"
