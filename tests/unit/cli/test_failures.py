"""Errors as every front end tells them: no password of a URL or connection string is in them, wherever they go."""

from __future__ import annotations

import pytest

from vault.cli import jsonout
from vault.cli.exit_codes import ExitCode
from vault.cli.failures import told
from vault.errors import AuthenticationFailed, VaultError

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
    "error",
    [
        MemoryError(),
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
