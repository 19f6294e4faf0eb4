"""What is told when pgvault itself cannot be loaded: three parts without a traceback, as a line of JSON where that was asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from vault.cli import main as command_line
from vault.cli.exit_codes import ExitCode

_WITHOUT_WORDS = """
import sys
class Refusing:
    def find_spec(self, name, path, target=None):
        if name == "vault.cli":
            raise OSError(12, "Cannot allocate memory", "/x/vault/cli")
sys.meta_path.insert(0, Refusing())
from vault.__main__ import main
main()
"""


_UNREACHABLE = """
from vault.cli import main
from vault.errors import Unreachable
def group():
    try:
        raise MemoryError
    except MemoryError as error:
        raise Unreachable("short") from error
main.group = group
main.main()
"""
_NO_HANDLER = """
from vault.__main__ import main as program
from vault.cli import main
def refuse(*_):
    raise MemoryError
main.run = main._may_be_memory = refuse
program()
"""


def run(place: Path, raised: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m vault` where the import of click raises."""
    (place / "click.py").write_text(f"raise {raised}\n", encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "vault", *arguments],
        env={**os.environ, "PYTHONPATH": f"{place}:{os.getcwd()}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "raised",
    [
        "MemoryError",
        "ImportError('failed to map segment from shared object')",
        "SystemError('error return without exception set')",
        "SyntaxError('invalid syntax')",
        "ValueError(\"field 'args' is required for FunctionDef\")",
        "OSError(12, 'Cannot allocate memory', '/x/vault/cli')",
    ],
)
def test_no_memory_to_load_pgvault_is_told(tmp_path: Path, raised: str) -> None:
    done = run(tmp_path, raised, "snapshots")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert "there is not enough memory" in done.stderr
    assert "next:" in done.stderr


def test_no_memory_to_load_even_what_tells_it_is_told(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_WORDS],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert "there is not enough memory" in done.stderr
    assert "next:" in done.stderr


def test_with_json_it_is_a_line_of_json(tmp_path: Path) -> None:
    done = run(tmp_path, "MemoryError", "snapshots", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    line = json.loads(done.stdout)
    assert line == {**line, "type": "error", "code": "FAILED", "exit_code": 1}
    assert line["message"]
    assert line["fix"]


def test_a_library_that_is_missing_is_not_called_memory_alone(tmp_path: Path) -> None:
    assert "not installed whole" in run(tmp_path, "ImportError('no such thing')", "snapshots").stderr


@pytest.mark.parametrize(
    "error", [MemoryError(), SystemError("error return without exception set"), ImportError("x"), OSError(12, "memory")]
)
def test_no_memory_to_tell_the_first_is_told(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "run", _raising(error))
    monkeypatch.setattr(os, "_exit", sys.exit)
    with pytest.raises(SystemExit) as end:
        command_line.main(["snapshots"])
    assert end.value.code == 1
    assert "not enough memory" in capfd.readouterr().err


def test_whatever_comes_of_telling_that_there_is_no_memory_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    second = ValueError("field 'args' is required for FunctionDef")
    second.__context__ = MemoryError()
    monkeypatch.setattr(command_line, "run", _raising(second))
    monkeypatch.setattr(os, "_exit", sys.exit)
    with pytest.raises(SystemExit):
        command_line.main(["snapshots"])
    assert "not enough memory" in capfd.readouterr().err


def test_what_is_not_memory_is_not_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_line, "run", _raising(KeyError("x")))
    with pytest.raises(KeyError):
        command_line.main(["snapshots"])


def _raising(error: Exception) -> Callable[[Sequence[str]], int]:
    def run_it(_: Sequence[str]) -> int:
        raise error

    return run_it


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_output_leaves_the_exit_code_of_what_lacked_memory() -> None:
    """What stood before the failed write, which is no want of memory, is not looked at."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-c", _UNREACHABLE, "snapshots", "--json"],
            env={**os.environ, "PYTHONPATH": os.getcwd()},
            stdout=full,
            check=False,
        )
    assert done.returncode == ExitCode.UNREACHABLE


@pytest.mark.parametrize("asked", [(), ("--json",)])
def test_no_memory_before_the_last_words_is_told(asked: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _NO_HANDLER, "snapshots", *asked],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "not enough memory" in (done.stdout if asked else done.stderr)
