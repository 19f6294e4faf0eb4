"""Lists that people and programs build on: exit codes, error codes, commands, and where they are documented."""

from __future__ import annotations

import click
import pytest

from vault import errors
from vault.cli.command_names import COMMANDS
from vault.cli.exit_codes import GRAVITY, MEANING, OF_ERROR, ExitCode, error_classes, exit_code_of, gravest
from vault.cli.main import group
from vault.cli.options import Command

ERRORS = list(error_classes())
EXIT_CODES = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 20, 130}
ERROR_CODES = """
AUTHENTICATION_FAILED CONTENT_MISMATCH DAMAGED DECLINED FAILED FORMAT_NEWER INTERRUPTED KEY_UNAVAILABLE LIMIT_EXCEEDED MALFORMED MISCONFIGURED
MISSING_OBJECT NOT_THERE NO_REPOSITORY PERMISSION_MISSING REPO_LOCKED ROLLED_BACK SECRET_UNAVAILABLE SOURCE_FAILED
SOURCE_INCOHERENT SOURCE_MEANING_LOST SOURCE_UNREACHABLE STATE_UNUSABLE STORE_ALREADY_EXISTS STORE_CREDENTIALS STORE_DENIED STORE_FAILED STORE_FULL STORE_NOT_FOUND STORE_UNAVAILABLE UNREADABLE UNSAFE
USAGE WRONG_PASSPHRASE
"""


def test_exit_codes_are_those_of_the_contract() -> None:
    assert {int(code) for code in ExitCode} == EXIT_CODES
    assert len(list(ExitCode)) == len(EXIT_CODES)
    assert set(MEANING) == set(ExitCode)


def test_every_exit_code_has_its_place_among_the_graver_and_the_lighter() -> None:
    assert len(GRAVITY) == len(set(GRAVITY)) == len(ExitCode)
    assert gravest([]) is ExitCode.OK
    assert gravest([ExitCode.UNREACHABLE, ExitCode.DAMAGE, ExitCode.INCOMPLETE]) is ExitCode.DAMAGE


def test_error_codes_are_a_closed_list_without_twins() -> None:
    assert len({kind.code for kind in ERRORS}) == len(ERRORS)
    assert sorted(kind.code for kind in error_classes()) == sorted(ERROR_CODES.split())


def test_every_error_of_the_tree_is_in_the_errors_module() -> None:
    assert {kind.__module__ for kind in ERRORS} == {"vault.errors"}


@pytest.mark.parametrize("kind", ERRORS, ids=[kind.code for kind in ERRORS])
def test_error_leads_to_a_failing_exit_code(kind: type[errors.VaultError]) -> None:
    assert exit_code_of(kind) not in (ExitCode.OK, ExitCode.INCOMPLETE, ExitCode.DIFFERENCES)
    assert exit_code_of(kind) == OF_ERROR.get(kind, exit_code_of(kind))


def commands_of(name: str) -> list[click.Command]:
    top = group()
    command = top.get_command(click.Context(top), name)
    assert command is not None
    return list(command.commands.values()) if isinstance(command, click.Group) else [command]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_examples_and_the_global_options(name: str) -> None:
    for command in commands_of(name):
        assert isinstance(command, Command)
        assert command.help
        assert command.examples
        assert all(f"pgvault {name}" in example for example in command.examples)
        flags = {flag for param in command.params for flag in param.opts}
        assert {"--json", "-q", "-v", "-r", "--repo", "--source"} <= flags


@pytest.mark.parametrize("name", COMMANDS)
def test_no_option_takes_a_secret(name: str) -> None:
    """The name of a file that holds one, or will, is none."""
    words = ("password", "passphrase", "secret", "token")
    flags = [
        flag
        for command in commands_of(name)
        for param in command.params
        if isinstance(param, click.Option) and not param.is_flag and param.metavar != "FILE"
        for flag in param.opts
    ]
    assert [flag for flag in flags if any(word in flag for word in words)] == []
