"""Errors as every front end tells them: no password of a URL or connection string is in them, wherever they go."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from vault.cli import jsonout
from vault.cli.exit_codes import ExitCode
from vault.cli.failures import told
from vault.errors import AuthenticationFailed, SourceError, Unreachable, VaultError

SECRET = "hunter2-in-a-url"
URL = f"postgresql://ada:{SECRET}@db/app"


def test_no_part_of_an_error_holds_a_password() -> None:
    error = VaultError(f"cannot use {URL}", why=f"password={SECRET}", hint=f"pgvault backup -d {URL}")
    why = told(error)
    assert SECRET not in repr(why)
    assert "postgresql://ada:***@db/app" in why.message
    line = jsonout.error(error, ExitCode.FAILED)
    assert SECRET not in repr(line)
    assert (line["message"], line["why"], line["fix"]) == (why.message, why.why, why.fix)


def test_damage_without_a_word_of_its_own_leads_to_a_check() -> None:
    why = told(AuthenticationFailed("sealed bytes do not match their tag", file="packs/ab"))
    assert "pgvault check" in why.fix
    assert told(AuthenticationFailed("the configuration does not open", hint="use the kit")).fix == "use the kit"
    assert not told(VaultError("no such thing")).fix


@pytest.mark.parametrize(
    ("number", "fix"), [(errno.EMFILE, "ulimit -n"), (errno.ENFILE, "ulimit -n"), (errno.EFBIG, "ulimit -f")]
)
def test_a_limit_that_was_met_is_what_is_to_be_raised(number: int, fix: str) -> None:
    why = told(VaultError("cannot write config", why=os.strerror(number), hint="check the file system"))
    assert fix in why.fix


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("can't start new thread"),
        ImportError("libzstd.so: failed to map segment from shared object"),
        ImportError("libzstd.so: cannot allocate memory in static TLS block"),
    ],
)
def test_too_little_memory_is_no_defect_of_ours(error: Exception) -> None:
    assert "memory" in told(error).message
    assert "ulimit" in told(error).fix


def test_a_library_that_cannot_be_loaded_may_be_either() -> None:
    """psycopg says nothing but the names of its parts where memory was short."""
    why = told(ImportError("couldn't import psycopg 'python' implementation: "))
    assert "defect" not in why.why
    assert "install pgvault again" in why.fix


def test_a_library_that_cannot_be_loaded_is_named() -> None:
    assert told(ImportError("cannot import name 'x' from 'vault.y'", name="vault.y")).message.endswith(": vault.y")


def test_a_thread_that_cannot_start_may_be_one_too_many() -> None:
    """The system gives one answer for want of memory and for ulimit -u, TasksMax and --pids-limit."""
    why = told(RuntimeError("can't start new thread"))
    assert "too many threads" in why.message
    for limit in ("ulimit -v", "ulimit -u", "TasksMax"):
        assert limit in why.fix


@pytest.mark.skipif(sys.platform != "linux", reason="no limit of address space")
@pytest.mark.parametrize(("kind", "option"), [("RLIMIT_AS", "-v"), ("RLIMIT_DATA", "-d")])
def test_the_limit_that_may_be_at_fault_is_named(kind: str, option: str) -> None:
    program = f"""
import resource
from vault.cli.failures import told
resource.setrlimit(resource.{kind}, (2**31, 2**31))
print(told(KeyError("x")).why, told(KeyError("x")).fix)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "limited to 2.0 GiB" in done.stdout
    assert "a defect of pgvault" in done.stdout
    assert f"(ulimit {option})" in done.stdout


def test_a_server_out_of_memory_is_told_with_what_to_do_there() -> None:
    assert "server's log" in told(SourceError("the server refused", why="out of memory", sqlstate="53200")).fix
    assert not told(SourceError("the server refused", sqlstate="42601")).fix


def test_a_lost_server_is_told_with_where_to_look() -> None:
    assert "in its log" in told(Unreachable("the connection to the server was lost")).fix
    assert told(Unreachable("cannot connect", hint="check host")).fix == "check host"
