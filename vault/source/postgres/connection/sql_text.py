"""Text as a statement of psycopg, sent as it is. The one place where text from a snapshot or a catalog becomes SQL."""

from __future__ import annotations

from psycopg import sql


def text(statement: str) -> sql.SQL:
    """`statement` without parameters; with percent signs as they are."""
    return sql.SQL(statement)
