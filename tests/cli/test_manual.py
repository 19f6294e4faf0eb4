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


def test_no_entry_of_a_help_text_is_empty(pgvault: Command) -> None:
    """As that of SNAPSHOT was; an argument without a line of its own is in the command's text."""
    for path, command in commands(group(), ()):
        context = click.Context(command, info_name=path)
        formatter = context.make_formatter()
        command.format_options(context, formatter)
        shown = formatter.getvalue().splitlines()
        for line, after in zip(shown, [*shown[1:], ""], strict=True):
            is_term = line.startswith("  ") and line[2:3].strip()
            is_told = "  " in line.strip() or after.startswith("    ")
            assert is_told or not is_term, f"{path}: {line}"
    assert "SNAPSHOT  An id or its beginning, latest, latest~2, a date, or a tag" in pgvault("restore", "--help").out


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
