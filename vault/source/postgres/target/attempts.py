"""Statements on one connection of a target: each call is one transaction, errors are ours and hold no row data.

Deadlocks of parallel DDL are run again. Spec 75-restore.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import psycopg

from vault.errors import SourceError, Unreachable
from vault.source.postgres.connection.connect import Connection
from vault.source.postgres.connection.text import text

T = TypeVar("T")

_DATA_ERRORS: Final = ("22", "23", "P0")
UNIQUE_VIOLATION: Final = "23505"
_DEPENDED_ON: Final = "2BP01"
"""Its detail names objects, never values."""
_DEADLOCK: Final = "40P01"
_ATTEMPTS: Final = 3


def translate(error: psycopg.Error, doing: str, *, script: bool = False) -> SourceError:
    """Our error for psycopg's, without any value of a row. `script`: of an extension, whose own words are the reason."""
    state = error.sqlstate or ""
    why = error.diag.message_primary or type(error).__name__
    if script:
        why = ": ".join(part for part in (why, error.diag.message_detail) if part)
    elif state.startswith(_DATA_ERRORS) and not (state == UNIQUE_VIOLATION and error.diag.constraint_name):
        named = error.diag.constraint_name or error.diag.column_name or ""
        why = f"{type(error).__name__}{f' of {named}' if named else ''} ({state})"
    if state == _DEPENDED_ON and error.diag.message_detail:
        why = f"{why} ({'; '.join(error.diag.message_detail.splitlines())}): drop what depends on it first, or name it with --only too"
    if not state and isinstance(error, psycopg.OperationalError):
        return Unreachable(f"{doing}: the connection to the target was lost", why=why)
    if state.startswith(("08", "57P")):
        return Unreachable(f"{doing}: the target ended the connection", why=why, sqlstate=state)
    return SourceError(doing, why=why, sqlstate=state)


class Attempts:
    """`connection` is in autocommit mode and has the fixed settings."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, statements: Sequence[str]) -> None:
        self._attempt("statement failed", lambda: self._run(statements))

    def _attempt(self, doing: str, function: Callable[[], T], *, script: bool = False) -> T:
        """Parallel DDL can deadlock on catalogs and foreign tables' locks: the victim is run again."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return function()
            except psycopg.Error as error:
                if error.sqlstate != _DEADLOCK or attempt == _ATTEMPTS:
                    raise translate(error, doing, script=script) from error
        raise AssertionError("unreachable")

    def _run(self, statements: Sequence[str]) -> None:
        with self._connection.transaction():
            self._run_inside(statements)

    def _run_inside(self, statements: Sequence[str]) -> None:
        for statement in statements:
            self._connection.execute(text(statement))

    def _query(self, doing: str, query: str, values: dict[str, str | None] | None = None) -> list[tuple[Any, ...]]:
        return self._attempt(doing, lambda: self._connection.execute(text(query), values).fetchall())
