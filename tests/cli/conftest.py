"""Fixtures of the command's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import Command


@pytest.fixture
def pgvault(tmp_path: Path) -> Command:
    """The command in an empty directory, without a repository."""
    return Command(home=tmp_path)


@pytest.fixture
def pgvault_ready(pgvault: Command) -> Command:
    """The command with a repository."""
    done = pgvault("init", "--no-recovery-kit")
    assert done.code == 0, done.err
    return pgvault
