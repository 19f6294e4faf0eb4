"""What an error of psycopg tells, for a source and a target alike: whether the connection is gone, and in which words.

Never shows a value of a row: details and hints are left out, and the server's message too where it may quote one.
"""

from __future__ import annotations

import psycopg

from vault.sql.sqlstate import UNIQUE_VIOLATION, ends_connection, may_quote_rows

_OUR_MISTAKES = (psycopg.DataError, psycopg.ProgrammingError, psycopg.NotSupportedError)
"""What psycopg refuses to send, so without a state of the server."""


def is_lost(error: psycopg.Error) -> bool:
    """The server ended the connection, or it broke; libpq gives what it finds out itself no state."""
    if error.sqlstate:
        return ends_connection(error.sqlstate)
    return not isinstance(error, _OUR_MISTAKES)


def words(error: psycopg.Error) -> str:
    """The server's own; only the kind of the error and the name of the constraint or column where they may hold a row."""
    state, said = error.sqlstate or "", error.diag.message_primary
    names_key = state == UNIQUE_VIOLATION and error.diag.constraint_name
    if said and (names_key or not may_quote_rows(state)):
        return said
    named = error.diag.constraint_name or error.diag.column_name
    return f"{type(error).__name__}{f' of {named}' if named else ''}{f' ({state})' if state else ''}"
