"""What a plan shows of decided rows: who wrote the live ones, and a few of them as text. Reads temporary tables alone."""

from __future__ import annotations

from typing import Final

from vault.model.put_back import Fate, RowWriter, SampleRow
from vault.source.postgres.connection.connect import Connection
from vault.source.postgres.connection.sql_text import text
from vault.source.postgres.target.put_back.sql_of_table import TableSql, encoding_of

WRITERS_MAX: Final = 10
_FATES_SHOWN: Final = (Fate.INSERTED, Fate.UPDATED, Fate.CHANGED_SINCE, Fate.THERE_OTHERWISE, Fate.KEY_TAKEN)
_TRACKED: Final = "SELECT pg_catalog.current_setting('track_commit_timestamp') = 'on'"
_COMMITTED: Final = """pg_catalog.to_char(pg_catalog.pg_xact_commit_timestamp(writer) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""
_NORMAL_XID: Final = 3
"""Smaller ones are no transactions that somebody ran."""


def writers(connection: Connection, table: TableSql) -> list[RowWriter]:
    """Raises psycopg.Error"""
    with connection.transaction():
        tracked = connection.execute(_TRACKED).fetchall()[0][0]
        committed = (
            f"CASE WHEN writer::pg_catalog.text::pg_catalog.int8 >= {_NORMAL_XID} THEN {_COMMITTED} END"
            if tracked
            else "NULL"
        )
        query = (
            f"SELECT writer::pg_catalog.text::pg_catalog.int8, count(*) AS rows, {committed} FROM {table.decided}"
            f" WHERE writer IS NOT NULL AND fate <> '{Fate.DONE.value}' GROUP BY writer ORDER BY rows DESC, 1 LIMIT {WRITERS_MAX}"
        )
        # groups by text: xid has no order
        rows = connection.execute(
            text(query.replace("GROUP BY writer", "GROUP BY writer::pg_catalog.text, writer"))
        ).fetchall()
    return [RowWriter(xid=xid, rows=count, committed=when) for xid, count, when in rows]


def sample(connection: Connection, table: TableSql, rows: int) -> list[SampleRow]:
    """Raises psycopg.Error"""
    values = (*table.each("l", alias="x"), *table.each("s", alias="r"))
    printed = "pg_catalog.format('%s', {})"
    if encoding_of(connection) != "UTF8":  # bytes that are no text: as escapes
        printed = f"pg_catalog.encode(pg_catalog.convert_to({printed}, 'SQL_ASCII'), 'escape')"
    fields = [f"CASE WHEN {value} IS NOT NULL THEN {printed.format(value)} END" for value in values]
    flags = [f"get_bit(x.{bit}, {at}) = 1" for bit in ("put", "other") for at in range(table.count)]
    shown = []
    with connection.transaction():
        for fate in _FATES_SHOWN:
            query = (
                f"SELECT ARRAY[{', '.join(fields)}], ARRAY[{', '.join(flags)}] FROM {table.decided} x"
                f" JOIN {table.rows} r ON r.n = x.n WHERE x.fate = '{fate.value}' ORDER BY x.n LIMIT {rows}"
            )
            shown += [_shown(table, fate, *row) for row in connection.execute(text(query)).fetchall()]
    return shown


def _shown(table: TableSql, fate: Fate, values: list[str | None], flags: list[bool]) -> SampleRow:
    live, good = values[: table.count], values[table.count :]
    known = good if fate in (Fate.INSERTED, Fate.KEY_TAKEN) else live
    named = dict(zip(table.columns, known, strict=True))
    changes = [one or other for one, other in zip(flags[: table.count], flags[table.count :], strict=True)]
    return SampleRow(
        table=table.staged.name,
        fate=fate,
        key=tuple((column, named[column]) for column in table.staged.key),
        values=tuple(
            (column, before, after)
            for column, before, after, changed in zip(table.columns, live, good, changes, strict=True)
            if changed and column not in table.staged.key
        ),
    )
