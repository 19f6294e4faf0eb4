"""What stands where a command was stopped, and what to type."""

from __future__ import annotations

import pytest

from vault.cli.interrupted import STANDS, interrupted
from vault.cli.main import COMMANDS


def test_every_command_that_is_named_is_one() -> None:
    assert set(STANDS) <= set(COMMANDS)


@pytest.mark.parametrize("command", sorted(STANDS))
def test_a_stopped_command_says_what_stands_and_how_to_go_on(command: str) -> None:
    failure = interrupted(command, (command, "--source", "a shop"))
    assert (failure.exit_code, failure.code, failure.message) == (130, "INTERRUPTED", "interrupted")
    assert failure.why == STANDS[command]
    assert failure.fix == f"to go on: pgvault {command} --source 'a shop'"


def test_a_password_that_was_typed_is_not_told() -> None:
    assert "hunter2" not in interrupted("backup", ("backup", "-d", "postgresql://ada:hunter2@db/app")).fix


def test_a_command_that_only_reads_says_nothing_more() -> None:
    assert (interrupted("ls", ("ls", "latest")).why, interrupted(None, ()).fix) == ("", "")
