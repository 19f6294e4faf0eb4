"""What the server says is passed on, except where it may hold a value of a row."""

from __future__ import annotations

import os
import signal

import psycopg
import pytest

from tests.fix_postgres import Cluster, server
from vault.errors import SourceError, Unreachable
from vault.source.postgres.connection import connect
from vault.source.postgres.target import attempts

pytestmark = [pytest.mark.postgres, pytest.mark.spec("RST-26")]


def failing(cluster: Cluster, statement: str) -> list[SourceError | Unreachable]:
    """As a source and as a target tell it."""
    with cluster.connect() as connection, pytest.raises(psycopg.Error) as failed:
        connection.execute(statement.encode())
    return [translate(failed.value, "doing it") for translate in (connect.translate, attempts.translate)]


@pytest.mark.parametrize(
    "statement",
    [
        "do $$begin raise 'secret'; end$$",
        "do $$begin raise 'secret' using errcode = '42501', detail = 'secret'; end$$",
        "do $$begin raise 'secret' using errcode = '2BP01', detail = 'secret'; end$$",
        "do $$begin raise 'secret' using errcode = '23505', constraint = 'secret', column = 'secret'; end$$",
        "do $$begin raise 'secret' using errcode = 'U1234'; end$$",
        "do $$begin raise 'secret' using errcode = 'PT404', hint = 'secret'; end$$",
        "do $$begin assert false, 'secret'; end$$",
        "do $$begin execute 'secret'; end$$",
        "do $$begin execute 'select ''secret'; end$$",
        "select 'secret'::int",
        "select 'secret'::pg_catalog.jsonb",
        "create temp table t (a text check (a <> 'secret')); insert into t values ('secret')",
        "create temp table t (a text unique); insert into t values ('secret'), ('secret')",
        "create domain pg_temp.d as text check (value <> 'secret'); select 'secret'::pg_temp.d",
    ],
)
def test_no_error_holds_a_value(pg15: Cluster, statement: str) -> None:
    for error in failing(pg15, statement):
        said = f"{error.message} {error.why} {error.hint}"
        assert "secret" not in said
        assert error.why, "what is left tells the kind"


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("select * from nowhere", 'relation "nowhere" does not exist'),
        ("do $$begin perform nowhere(); end$$", "function nowhere() does not exist"),
        ("create role postgres", 'role "postgres" already exists'),
        ("selct 1", 'syntax error at or near "selct"'),
        ("create temp table t (a int); create view pg_temp.v as select * from t; drop table t", "cannot drop table t"),
    ],
)
def test_what_names_objects_is_said(pg15: Cluster, statement: str, says: str) -> None:
    for error in failing(pg15, statement):
        assert says in error.why


def test_what_came_twice_is_told_by_its_key(pg15: Cluster) -> None:
    statement = "create temp table t (a text constraint once unique); insert into t values ('secret'), ('secret')"
    (told,) = (error.why for error in failing(pg15, statement)[1:])
    assert told == 'duplicate key value violates unique constraint "once"'


def test_a_server_process_that_is_killed_is_told_in_libpqs_words() -> None:
    """Where memory is short the kernel ends the process of a session without a word: there is no state, and no message of the server."""
    with server(15) as cluster, cluster.connect() as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError) as lost:
            connection.execute("select 'secret'")
    for translate in (connect.translate, attempts.translate):
        error = translate(lost.value, "doing it")
        assert isinstance(error, Unreachable)
        assert error.why == "server closed the connection unexpectedly"
