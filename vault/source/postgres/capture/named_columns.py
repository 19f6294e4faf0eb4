"""A few columns of a table that is locked, whole and unplanned: so nobody's code runs (spec 86-foreign-code)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vault.ports import SourceTable
from vault.source.postgres.connection.connect import Session, translated
from vault.source.postgres.connection.sql_text import text
from vault.sql.names import qualified, quote


def read(session: Session, table: SourceTable, names: Sequence[str]) -> Iterator[bytes]:
    """COPY text in the encoding of the session. Raises  SourceError; Unreachable"""
    statement = f"COPY {qualified(table.name)} ({', '.join(map(quote, names))}) TO STDOUT"
    with session.lock, translated(f"reading columns of {table.name}"):
        with session.connection.cursor().copy(text(statement)) as stream:
            while piece := stream.read():
                yield bytes(piece)
