"""A passphrase command where nobody is: it has no terminal to ask on, and does not hang for ever."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from vault.app import secret
from vault.app.settings import Settings
from vault.errors import SecretUnavailable
secret.UNATTENDED_S = float(sys.argv[2])
try:
    print(secret.passphrase(Settings(password_command=sys.argv[1])))
except SecretUnavailable as error:
    print(f"{error.message}: {error.why}")
"""


def obtained(command: str, patience_s: float = 60) -> str:
    """What comes of the command in a session without a terminal."""
    words = [sys.executable, "-c", SCRIPT, command, str(patience_s)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, start_new_session=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_command_that_hangs_is_ended_with_all_that_it_started() -> None:
    for command in ("sleep 1000", "sh -c 'sleep 1000; echo late'"):
        assert "within 0.5 s" in obtained(command, 0.5)


def test_command_cannot_ask_on_a_terminal_that_is_not_there() -> None:
    assert "failed" in obtained("sh -c 'read answer </dev/tty && echo $answer'")


def test_command_that_prints_nothing_gives_no_passphrase() -> None:
    assert "empty" in obtained("true")


def test_command_that_answers_is_heard() -> None:
    assert obtained("echo word") == "word"
