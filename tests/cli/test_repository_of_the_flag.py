"""What is to be typed next works where only `-r` names the repository, wherever it is said."""

from __future__ import annotations

from typing import Protocol

import pytest

from tests.cli.command import Command, Done


class Said(Protocol):
    def __call__(self, *arguments: str) -> Done: ...


@pytest.fixture
def said(pgvault: Command) -> Said:
    """Calls of the program whose repository no setting names."""
    (pgvault.home / "lib").mkdir()
    (pgvault.home / "lib" / "f").write_text("x")

    def call(*arguments: str) -> Done:
        return pgvault("-r", "elsewhere", *arguments, PGVAULT_REPOSITORY="")

    for line in (("init", "--no-recovery-kit"), ("backup", "--dir", "lib=lib")):
        assert call(*line).code == 0
    return call


def test_the_screens_and_the_remarks_name_it(said: Said) -> None:
    screen = said("status").out
    assert "next: pgvault -r elsewhere schedule install" in screen
    assert "next: pgvault -r elsewhere drill" in screen
    assert "next: pgvault -r elsewhere check --read-data" in screen
    assert "next: pgvault -r elsewhere schedule install" in said("doctor").out
    assert "next: pgvault -r elsewhere check --read-data" in said("check").err


def test_programs_are_told_it_too(said: Said) -> None:
    (schedule,) = (one for one in said("doctor", "--json").json()["findings"] if one["check"] == "schedule")
    assert schedule["fix"] == "pgvault -r elsewhere schedule install"
    (reason,) = said("--source", "none", "status", "--json").json()["why"]
    assert reason["fix"] == "pgvault -r elsewhere backup --source none"
