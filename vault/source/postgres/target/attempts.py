"""Statements on one connection of a target: each call is one transaction, errors are ours and hold no row data.

Deadlocks of parallel DDL are run again. Spec 75-restore.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import psycopg

from vault.errors import SourceError, Unreachable
from vault.source.postgres.connection.connect import Connection
from vault.source.postgres.connection.psycopg_errors import is_lost, is_sayable, words
from vault.source.postgres.connection.sql_text import text
from vault.sql.sqlstate import DEADLOCK_DETECTED, DEPENDENT_OBJECTS_STILL_EXIST

T = TypeVar("T")

_ATTEMPTS: Final = 3


def translate(error: psycopg.Error, doing: str, *, script: bool = False) -> SourceError | Unreachable:
    """Our error for psycopg's, without any value of a row. `script`: of an extension, whose own words are the reason."""
    why, detail = words(error), error.diag.message_detail
    if is_lost(error):
        return Unreachable(f"{doing}: the connection to the target was lost", why=why)
    if script:
        why = ": ".join(part for part in (error.diag.message_primary or why, detail) if part)
    if (
        error.sqlstate == DEPENDENT_OBJECTS_STILL_EXIST and detail and is_sayable(error)
    ):  # which names objects, never values
        why = f"{why} ({'; '.join(detail.splitlines())}): drop what depends on it first, or name it with --only too"
    return SourceError(doing, why=why, sqlstate=error.sqlstate or "", inside=error.diag.context is not None)


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
                if error.sqlstate != DEADLOCK_DETECTED or attempt == _ATTEMPTS:
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
