"""One table of SQLSTATEs, and who reads an error of psycopg sees the same in it: a source, a target, and psql's messages."""

from __future__ import annotations

import ast

import psycopg
import pytest
from psycopg.pq import DiagnosticField

from tests.architecture.sources import modules
from vault.errors import SourceError, Unreachable
from vault.source.postgres.connection import connect
from vault.source.postgres.connection.psycopg_errors import is_lost
from vault.source.postgres.target import attempts
from vault.sql import sqlstate

TABLE = "vault.sql.sqlstate"
NAMED = {
    name: value
    for name, value in vars(sqlstate).items()
    if name[0] != "_" and isinstance(value, str) and len(value) == 5
}
KNOWN = sorted(
    {
        state
        for kind in vars(psycopg.errors).values()
        if isinstance(kind, type) and issubclass(kind, psycopg.Error) and (state := kind.sqlstate)
    }
)
ENDED = {"57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25P04"}
SECRET = b"card 4711"


def server_error(state: str, **fields: bytes) -> psycopg.Error:
    said = {"MESSAGE_PRIMARY": SECRET, "MESSAGE_DETAIL": SECRET, "SQLSTATE": state.encode(), **fields}
    kind = psycopg.errors.lookup(state)
    return kind("", info={DiagnosticField[name]: text for name, text in said.items()}, encoding="utf-8")


def both(error: psycopg.Error) -> list[SourceError | Unreachable]:
    return [connect.translate(error, "reading"), attempts.translate(error, "rows of t")]


def test_there_are_states_to_look_at() -> None:
    assert len(NAMED) > 20
    assert len(KNOWN) > 200
    assert ENDED | set(NAMED.values()) <= set(KNOWN)


@pytest.mark.parametrize("name", NAMED)
def test_a_state_has_the_name_that_postgresql_gives_it(name: str) -> None:
    called = psycopg.errors.lookup(NAMED[name]).__name__  # some end in a line, beside a class of the same name
    assert called.rstrip("_").upper() == name.replace("_", "")


def test_no_module_but_the_table_writes_a_state_out() -> None:
    states = {*KNOWN, *(state.encode() for state in KNOWN)}
    wrong = [
        f"{module}:{node.lineno} {node.value!r}"
        for module, tree in modules()
        for node in ast.walk(tree)
        if module != TABLE and isinstance(node, ast.Constant) and node.value in states
    ]
    assert wrong == []


def test_each_state_of_the_table_decides_something() -> None:
    used: set[str] = set()
    for _, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                used.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                used.add(node.id)
    assert set(NAMED) - used == set()


@pytest.mark.parametrize("state", KNOWN)
def test_source_and_target_agree_on_the_end_of_a_connection(state: str) -> None:
    lost = state in ENDED or state.startswith("08")
    assert [isinstance(error, Unreachable) for error in both(server_error(state))] == [lost, lost]


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (psycopg.OperationalError("server closed the connection unexpectedly"), True),
        (psycopg.DatabaseError("no result but a state of libpq's own"), True),
        (psycopg.InterfaceError("the connection is closed"), True),
        (psycopg.DataError("text cannot contain NUL"), False),
        (psycopg.ProgrammingError("the last operation gave no rows"), False),
        (psycopg.NotSupportedError("not by this libpq"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_without_state_is_a_lost_connection_unless_psycopg_refused(error: psycopg.Error, lost: bool) -> None:
    assert is_lost(error) is lost
    assert [isinstance(told, Unreachable) for told in both(error)] == [lost, lost]


@pytest.mark.parametrize("state", [state for state in KNOWN if state[:2] in ("22", "23", "P0")])
def test_what_may_quote_a_row_is_shown_to_nobody(state: str) -> None:
    for error in both(server_error(state)):
        assert SECRET.decode() not in f"{error} {error.message} {error.why} {error.hint}"
        assert state in error.why


def test_the_name_of_a_violated_constraint_is_shown_by_both() -> None:
    for state in ("23514", "23503", "23502"):
        assert [error.why.split()[-2] for error in both(server_error(state, CONSTRAINT_NAME=b"c"))] == ["c", "c"]


def test_who_goes_on_after_a_refusal_does_not_go_on_without_a_connection() -> None:
    assert not issubclass(Unreachable, SourceError)
