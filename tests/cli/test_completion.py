"""What TAB offers, asked of the command itself and of real shells; and that it never asks, waits or fails aloud."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click
import pytest

from tests.cli.command import HANG_S, PASSPHRASE, Command
from tests.cli.test_journey import conforming
from vault.cli import completion
from vault.cli.command_names import COMMANDS
from vault.cli.main import group

SHELLS = ("bash", "zsh", "fish")
NOTHING_KNOWN = {"command", "words"}
"""Arguments whose words nobody can foresee."""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """A repository with a snapshot of a directory."""
    command = Command(home=tmp_path_factory.mktemp("saved"))
    assert command("init", "--no-recovery-kit").code == 0
    (command.home / "files").mkdir()
    (command.home / "files" / "a b.txt").write_text("1")
    (command.home / "files" / "deep").mkdir()
    (command.home / "files" / "deep" / "er").write_text("2")
    (command.home / "pgvault.toml").write_text("version = 1\n[source.nightly]\ndirectories = { files = 'files' }\n")
    assert command("backup").code == 0
    return command


def snapshot_of(saved: Command) -> str:
    found = saved("snapshots", "--json").json()["snapshots"][0]["id"]
    assert isinstance(found, str)
    return found[:12]


def offers(saved: Command, *words: str, **environment: str) -> list[str]:
    """The words, or the kind of path, that are offered."""
    done = saved("completion", "fish", "--offer", f"--patience={HANG_S}", "--", *words, **environment)
    assert (done.code, done.err) == (0, "")
    rows = [line.split("\t") for line in done.out.splitlines()]
    return [word if kind == "plain" else kind for kind, word, _ in rows]


def test_commands_options_and_choices(saved: Command) -> None:
    assert offers(saved, "sho") == ["show"]
    assert set(COMMANDS) <= set(offers(saved, ""))
    assert offers(saved, "key", "pass") == ["passwd"]
    assert "--only" in offers(saved, "restore", "latest", "--")
    assert offers(saved, "table", "latest", "x", "--format", "c") == ["csv", "copy"]


def test_names_of_the_repository_and_of_the_configuration(saved: Command) -> None:
    ours = snapshot_of(saved)
    assert offers(saved, "show", "") == ["latest", ours]
    assert offers(saved, "show", ours[:6]) == [ours]
    assert offers(saved, "pin", "--reason", "x", "l") == ["latest"]
    assert offers(saved, "ls", "lat") == ["latest:"]
    assert offers(saved, "ls", "latest:f") == ["latest:files/"]
    assert offers(saved, "cat", "latest:files/d") == ["latest:files/deep/"]
    assert offers(saved, "extract", "latest", "files/a") == ["files/a b.txt"]
    assert offers(saved, "restore", "latest", "--only", "user") == ["users", "user_roles"]
    assert offers(saved, "backup", "--source", "n") == ["nightly"]
    assert offers(saved, "backup", "--dir", "f") == ["files="]
    assert offers(saved, "help", "run") == ["run", "runbooks"] if "run" in COMMANDS else ["runbooks"]
    assert offers(saved, "snapshots", "-r", "x") == ["dir"]
    assert offers(saved, "init", "--recovery-kit", "x") == ["file"]
    assert len(offers(saved, "key", "remove", "")) == 1


def test_without_a_passphrase_it_neither_asks_nor_runs_what_would_give_one(saved: Command) -> None:
    ours, marker = snapshot_of(saved), saved.home / "ran"
    command = f"sh -c 'touch {marker}; echo {PASSPHRASE}'"
    for given in ({}, {"PGVAULT_PASSWORD_COMMAND": command}, {"PGVAULT_PASSWORD": "another"}):
        variables = {"PGVAULT_PASSWORD": "", **given}
        assert offers(saved, "ls", "latest:f", **variables) == []
        assert offers(saved, "show", "", **variables) == ["latest", ours]  # names of files need no key
    assert not marker.exists()


def test_a_secret_in_a_pipe_is_left_to_who_waits_for_it(saved: Command) -> None:
    pipe = saved.home / "pipe"
    os.mkfifo(pipe)
    assert offers(saved, "ls", "latest:f", PGVAULT_PASSWORD="", PGVAULT_PASSWORD_FILE=str(pipe)) == []


def test_what_does_not_answer_is_not_waited_for() -> None:
    slow = click.Argument(["slow"], type=Slow())
    assert completion.offered(click.Command("x", params=[slow]), [""], patience_s=0.05) == []


class Slow(click.types.StringParamType):
    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        time.sleep(HANG_S)
        raise AssertionError


def test_a_broken_place_is_no_noise(saved: Command) -> None:
    for wrong in ("s3://bucket/x", "/nowhere", "sftp:x", ""):
        assert offers(saved, "show", "8", PGVAULT_REPOSITORY=wrong) == []
    broken = replace(saved, environment={"PGVAULT_CONFIG": "/nowhere"})
    assert offers(broken, "show", "8") == []


def test_every_argument_has_its_offers() -> None:
    """A new command says what may stand there, or that nobody knows."""
    known = {*completion.NAMES, *completion.PATHS, *NOTHING_KNOWN}
    for path, command in commands(group(), ()):
        for param in command.params:
            if isinstance(param, click.Argument) and not isinstance(param.type, click.Choice):
                assert param.name in known, f"name it in vault/cli/completion.py, or here: {param.name} of {path}"


def commands(command: click.Command, path: tuple[str, ...]) -> list[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        return [(" ".join(path), command)]
    context = click.Context(command)
    inner = ((name, command.get_command(context, name)) for name in command.list_commands(context))
    return [found for name, one in inner if one is not None for found in commands(one, (*path, name))]


# --- real shells ---------------------------------------------------------------------------------


@pytest.fixture
def shell(saved: Command, tmp_path: Path) -> Mapping[str, str]:
    """The environment of a shell that finds the command in its PATH."""
    program = tmp_path / "bin" / "pgvault"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m vault "$@"\n')
    program.chmod(0o755)
    variables = saved.variables({})
    return {**variables, "PATH": f"{program.parent}:{variables['PATH']}", "TERM": "dumb", "PYTHONPATH": os.getcwd()}


def run(shell: Mapping[str, str], saved: Command, *command: str) -> list[str]:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(
        command, env=dict(shell), cwd=saved.home, capture_output=True, text=True, timeout=HANG_S, check=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


BASH = """
eval "$(pgvault completion bash)"
COMP_LINE=$1 COMP_POINT=${#1}
_pgvault
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("pgvault sho", ["show"]),
        ("pgvault show la", ["latest"]),
        ("pgvault ls lat", ["latest:"]),
        ("pgvault backup --dir fil", ["files="]),
        ("pgvault backup --dir files=fi", []),
        ("pgvault -r fil", ["files"]),
        ("pgvault nothing ", [""]),
    ],
)
def test_bash(shell: Mapping[str, str], saved: Command, line: str, shown: list[str]) -> None:
    assert run(shell, saved, "bash", "--norc", "-c", BASH, "bash", line) == (shown or [""])


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("pgvault sho", ["show"]),
        ("pgvault show la", ["latest"]),
        ("pgvault ls lat", ["latest:"]),
        ("pgvault nothing ", []),
        ("pgvault -r fil", ["files/"]),
    ],
)
def test_fish(shell: Mapping[str, str], saved: Command, line: str, shown: list[str]) -> None:
    asked = "pgvault completion fish | source; complete -C $argv[1]"
    lines = run(shell, saved, "fish", "--no-config", "-c", asked, line)
    assert [one.partition("\t")[0] for one in lines] == shown


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("pgvault show la\t", "pgvault show latest"),
        ("pgvault ls lat\t", "pgvault ls latest:"),
        ("pgvault backup --dir fil\t", "pgvault backup --dir files="),
    ],
)
def test_zsh(shell: Mapping[str, str], saved: Command, typed: str, shown: str) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    setup = 'PS1="%% "; autoload -U compinit; compinit -D; eval "$(pgvault completion zsh)"; echo RE""ADY\n'
    said = typed_at(["zsh", "-f", "-i"], shell, saved.home, [(setup, "READY"), (typed, shown)])
    assert shown in said


def typed_at(command: list[str], environment: Mapping[str, str], home: Path, dialogue: list[tuple[str, str]]) -> str:
    """What a terminal shows: each text is typed, and what shall come of it is waited for."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(home)
        os.execvpe(command[0], command, dict(environment))
    said, deadline = "", time.monotonic() + HANG_S
    try:
        for typed, awaited in dialogue:
            os.write(terminal, typed.encode())
            said = ""
            while awaited not in said and time.monotonic() < deadline:
                if select.select([terminal], [], [], 1.0)[0]:
                    said += os.read(terminal, 65536).decode(errors="replace")
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(terminal)
    return said


def test_the_scripts_are_in_the_package(saved: Command) -> None:
    for name in SHELLS:
        assert f"pgvault completion {name}" in saved("completion", name).out
        assert conforming(saved("completion", name, "--json").json(), "completion")["shell"] == name
