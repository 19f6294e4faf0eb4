"""The manual page: all commands and options, as `--help` has them, in a form that man and its critics take."""

from __future__ import annotations

import shutil
import subprocess

import click
import pytest

from tests.cli.command import Command
from tests.cli.test_completion import commands
from vault.cli.main import group
from vault.cli.options import GLOBAL_NAMES


def test_it_has_every_command_and_option(pgvault: Command) -> None:
    page = pgvault("help", "--man").out.replace(r"\-", "-")
    for path, command in commands(group(), ()):
        assert f'.SS "pgvault {path}' in page
        for param in command.params:
            if isinstance(param, click.Option) and not param.hidden and param.name not in GLOBAL_NAMES:
                assert all(name in page for name in param.opts), f"{path}: {param.opts}"
    for title in ("NAME", "SYNOPSIS", "ENVIRONMENT", "EXIT STATUS", "FILES"):
        assert f"\n.SH {title}\n" in page
    assert "130" in page
    assert page.isascii()


@pytest.mark.parametrize(
    ("program", "harmless"),
    [
        (("mandoc", "-Tlint"), ("missing date",)),
        (("groff", "-ww", "-man", "-Tascii", "-z"), ()),
    ],
)
def test_its_critics_find_nothing(pgvault: Command, program: tuple[str, ...], harmless: tuple[str, ...]) -> None:
    if shutil.which(program[0]) is None:
        pytest.skip(f"{program[0]} is not installed")
    page = pgvault("help", "--man").out
    done = subprocess.run(program, input=page, capture_output=True, text=True)
    said = (done.stdout + done.stderr).splitlines()
    assert [line for line in said if not any(word in line for word in harmless)] == []
