"""Staged rows: into temporary tables of the session, and marked as far as they were asked for or come along.

Nothing of a user's table is read here but its definition. Spec 76-selection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vault.model.put_back import LeftOut, PutBackScope, StandingReference, WantedRows
from vault.source.postgres.connection.connect import Connection
from vault.source.postgres.connection.sql_text import text
from vault.source.postgres.target.merge import QuietWriter
from vault.source.postgres.target.put_back.sql_of_table import (
    Cursor,
    TableSql,
    encoding_of,
    first,
    match,
    text_of,
)

_ANALYZED_MIN = 100
"""Rows from which statistics of a temporary table pay."""


def create(cursor: Cursor, table: TableSql) -> None:
    """Without rows; the query that gives the types is not planned. Raises psycopg.Error"""
    columns = f"{table.typed('s')}, {table.typed('e')}"
    shape = (
        f"0::pg_catalog.int8 AS n, ''::pg_catalog.text AS kind, true AS meant, {table.zeros}::pg_catalog.varbit AS wanted,"
        f" {columns}"
    )
    cursor.execute(text(f"DROP TABLE IF EXISTS {table.rows}"))
    cursor.execute(
        text(f"CREATE TEMPORARY TABLE {_bare(table.rows)} AS SELECT {shape} FROM {table.source} t WITH NO DATA")
    )


def _bare(name: str) -> str:
    return name.removeprefix("pg_temp.")


def copy(connection: Connection, table: str, blocks: Iterable[bytes]) -> int:
    """Rows in UTF-8, or the bytes that they are. Raises psycopg.Error"""
    statement = f"COPY {table} FROM STDIN (ENCODING '{encoding_of(connection)}')"
    with connection.cursor() as cursor:
        with cursor.copy(text(statement), writer=QuietWriter(cursor)) as stream:
            for block in blocks:
                stream.write(block)
        return cursor.rowcount


def analyze(cursor: Cursor, name: str, columns: Iterable[str]) -> None:
    """Of key columns alone, whose type has an order; others may have no comparable values. Raises psycopg.Error"""
    cursor.execute(text(f"ANALYZE {name} ({', '.join(columns)})"))


def stage(connection: Connection, table: TableSql, blocks: Iterable[bytes], *, wanted: WantedRows) -> int:
    """See ports_of_put_back. Raises psycopg.Error"""
    with connection.transaction(), connection.cursor() as cursor:
        create(cursor, table)
        rows = copy(connection, table.rows, blocks)
        if rows >= _ANALYZED_MIN:
            analyze(cursor, table.rows, table.each("s", of=table.staged.key))
        _join_equal_keys(cursor, table, wanted)
    return rows


def _join_equal_keys(cursor: Cursor, table: TableSql, wanted: WantedRows) -> None:
    """What went and came under keys that the server calls equal (numeric 1.0 and 1.00) was one row that was overwritten."""
    values = ", ".join(f"{name} = i.{name}" for name in table.each("e"))
    mask = table.ones if table.staged.asked and wanted is not WantedRows.MISSING else "NULL"
    cursor.execute(
        text(
            f"UPDATE {table.rows} d SET kind = 'u', wanted = CASE WHEN d.meant THEN CAST({mask} AS pg_catalog.varbit) END, {values}"
            f" FROM {table.rows} i"
            f" WHERE d.kind = 'd' AND i.kind = 'i' AND {table.same_keys('d', 'i', letters=('s', 'e'))}"
        )
    )
    cursor.execute(text(f"DELETE FROM {table.rows} WHERE kind = 'i'"))


def stage_extra(connection: Connection, table: TableSql, blocks: Iterable[bytes], *, wanted: WantedRows) -> None:
    """Values of columns that the evidence lacks, for rows that it changed too, and for all others. Raises psycopg.Error"""
    key, extra = table.staged.key, table.staged.extra
    with connection.transaction(), connection.cursor() as cursor:
        values = table.each("s", of=(*key, *extra))
        cursor.execute(text(f"DROP TABLE IF EXISTS {table.extra_rows}"))
        shape = f"SELECT {', '.join(values)} FROM {table.rows} WITH NO DATA"
        cursor.execute(text(f"CREATE TEMPORARY TABLE {_bare(table.extra_rows)} AS {shape}"))
        copy(connection, table.extra_rows, blocks)
        analyze(cursor, table.extra_rows, table.each("s", of=key))
        same = " AND ".join(
            f"{text_of(one)} = {text_of(other)}"
            for one, other in zip(table.each("s", alias="r", of=key), table.each("s", alias="x", of=key), strict=True)
        )  # both are texts of the one snapshot
        set_extra = ", ".join(f"{name} = x.{name}" for name in table.each("s", of=extra))
        cursor.execute(text(f"UPDATE {table.rows} r SET {set_extra} FROM {table.extra_rows} x WHERE {same}"))
        if wanted is not WantedRows.MISSING:
            number = first(cursor, f"SELECT coalesce(max(n), 0) FROM {table.rows}")
            cursor.execute(
                text(
                    f"INSERT INTO {table.rows} (n, kind, wanted, {', '.join(values)}) SELECT {number} + row_number() OVER (), 'u',"
                    f" {table.mask(extra)}, {', '.join('x.' + value for value in values)} FROM {table.extra_rows} x"
                    f" WHERE NOT EXISTS (SELECT FROM {table.rows} r WHERE {same})"
                )
            )
            analyze(cursor, table.rows, table.each("s", of=key))
        cursor.execute(text(f"DROP TABLE {table.extra_rows}"))


# --- what comes along ----------------------------------------------------------------------------


def mark(connection: Connection, tables: dict[str, TableSql], scope: PutBackScope) -> list[LeftOut]:
    """See ports_of_put_back. Rows that were asked for are marked already. Raises psycopg.Error"""
    links = [(one, {"parent": tables[str(one.parent)], "child": tables[str(one.child)]}) for one in _within(scope)]
    with connection.transaction(), connection.cursor() as cursor:
        if not scope.with_references:
            return [left for one, ends in links for left in _left_out(cursor, one, **ends)]
        while sum(_bring_along(cursor, one, **ends) for one, ends in links):
            pass
    return []


def _within(scope: PutBackScope) -> Iterator[StandingReference]:
    """Foreign keys whose both ends are staged, with the columns that they are about."""
    for reference in scope.references:
        parent, child = scope.of(reference.parent), scope.of(reference.child)
        if parent is None or child is None:
            continue
        if set(reference.parent_columns) <= set(parent.columns) and set(reference.columns) <= set(child.columns):
            yield reference


def _pair(reference: StandingReference, parent: TableSql, child: TableSql) -> str:
    """A deleted row of the parent that a row of the child referred to."""
    there = parent.each("s", alias="p", of=reference.parent_columns)
    return f"p.kind = 'd' AND {match(reference, parent=there, child=child.each('s', alias='c', of=reference.columns))}"


def _was_cut_off(reference: StandingReference, child: TableSql) -> str:
    was, became = (child.each(letter, alias="c", of=reference.columns) for letter in "se")
    return f"c.kind = 'u' AND {text_of(*was)} <> {text_of(*became)}"


def _bring_along(cursor: Cursor, reference: StandingReference, *, parent: TableSql, child: TableSql) -> int:
    """Mark what refers to marked rows of the parent, and what marked rows of the child refer to; returns how many rows that are more."""
    pair, mask = _pair(reference, parent, child), child.mask(reference.columns)
    marked = f"coalesce(c.wanted, {child.zeros})"
    gone = f"c.kind = 'd' AND c.wanted IS NULL AND p.wanted IS NOT NULL AND {pair}"
    cut_off = f"{_was_cut_off(reference, child)} AND {marked} & {mask} <> {mask} AND p.wanted IS NOT NULL AND {pair}"
    needed = f"p.wanted IS NULL AND c.wanted & {mask} = {mask} AND {pair}"
    more = 0
    for statement in (
        f"UPDATE {child.rows} c SET wanted = {child.ones} FROM {parent.rows} p WHERE {gone}",
        f"UPDATE {child.rows} c SET wanted = {marked} | {mask} FROM {parent.rows} p WHERE {cut_off}",
        f"UPDATE {parent.rows} p SET wanted = {parent.ones} FROM {child.rows} c WHERE {needed}",
    ):
        cursor.execute(text(statement))
        more += cursor.rowcount
    return more


def _left_out(cursor: Cursor, reference: StandingReference, *, parent: TableSql, child: TableSql) -> Iterator[LeftOut]:
    pair, mask = _pair(reference, parent, child), child.mask(reference.columns)
    refers = f"SELECT FROM {parent.rows} p WHERE p.wanted IS NOT NULL AND {pair}"
    gone = f"SELECT count(*) FROM {child.rows} c WHERE c.kind = 'd' AND c.wanted IS NULL AND EXISTS ({refers})"
    cut = (
        f"SELECT count(*) FROM {child.rows} c WHERE {_was_cut_off(reference, child)}"
        f" AND coalesce(c.wanted, {child.zeros}) & {mask} <> {mask} AND EXISTS ({refers})"
    )
    is_referred = f"SELECT FROM {child.rows} c WHERE c.kind = 'd' AND c.wanted IS NOT NULL AND {pair}"
    needed = f"SELECT count(*) FROM {parent.rows} p WHERE p.wanted IS NULL AND EXISTS ({is_referred})"
    left = LeftOut(
        reference=reference, gone=first(cursor, gone), cut_off=first(cursor, cut), needed=first(cursor, needed)
    )
    if left.gone or left.cut_off or left.needed:
        yield left
