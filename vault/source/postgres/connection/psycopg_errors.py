"""What an error of psycopg tells, for a source and a target alike: whether the connection is gone, and in which words.

Never shows a value of a row: details and hints are left out, and the server's message too where it may quote one.
"""

from __future__ import annotations

import psycopg

from vault.sql.sqlstate import UNIQUE_VIOLATION, ends_connection, may_quote_rows

_OUR_MISTAKES = (psycopg.DataError, psycopg.ProgrammingError, psycopg.NotSupportedError)
"""What psycopg refuses to send, so without a state of the server."""
_OF_LIBPQ = (
    "server closed the connection unexpectedly",
    "connection not open",
    "could not receive data from server",
    "could not send data to server",
    "out of memory",
)
"""What libpq finds out itself; nothing but these words is passed on, since its texts may quote what the server sent."""

_RAISING = frozenset(
    {
        *("exec_stmt_raise", "exec_stmt_assert"),
        *("PLy_output", "PLy_elog", "PLy_elog_impl", "do_util_elog", "plperl_util_elog", "pltcl_elog"),
    }
)
"""Routines of the server's languages that report what a function told them to: its author's text, with any SQLSTATE and any name."""


def is_lost(error: psycopg.Error) -> bool:
    """The server ended the connection, or it broke; libpq gives what it finds out itself no state."""
    if error.sqlstate:
        return ends_connection(error.sqlstate)
    return not isinstance(error, _OUR_MISTAKES)


def is_sayable(error: psycopg.Error) -> bool:
    """Whether what the server says holds nothing of a row, with the state that it gives and whoever raised it."""
    state, diag = error.sqlstate or "", error.diag
    if _is_raised(error):
        return False
    names_key = state == UNIQUE_VIOLATION and diag.constraint_name is not None
    return names_key or not may_quote_rows(state, inside=diag.context is not None)


def _is_raised(error: psycopg.Error) -> bool:
    return error.diag.source_function in _RAISING


def words(error: psycopg.Error) -> str:
    """The server's own; only the kind of the error and the name of the constraint or column where they may hold a row."""
    state, said = error.sqlstate or "", error.diag.message_primary
    if said and is_sayable(error):
        return said
    if not error.sqlstate and (heard := next((words for words in _OF_LIBPQ if words in str(error)), None)):
        return heard
    named = None if _is_raised(error) else error.diag.constraint_name or error.diag.column_name
    return f"{type(error).__name__}{f' of {named}' if named else ''}{f' ({state})' if state else ''}"
