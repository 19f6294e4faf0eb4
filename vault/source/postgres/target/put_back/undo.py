"""A script for psql that takes a put back back: written from the locked values, before anything else is written.

It refuses unless every row is as the put back left it (in the columns that it wrote), and does nothing if all are as before already.
Its rows stand in COPY blocks, never as literals. Spec 76-selection, "Undo".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from vault.model.put_back import Decided, Fate, PutBackScope
from vault.source.postgres.connection.connect import Connection
from vault.source.postgres.connection.sql_text import text
from vault.source.postgres.target.put_back.sql_of_table import TableSql, encoding_of, match, table_of, text_of
from vault.sql.names import literal, quote
from vault.sql.settings import SHARED, TAKEN_IN

LOCK_TIMEOUT: Final = "10s"
_STATES: Final = 'pg_temp."pgvault undo states"'
_HEAD: Final = """\
-- Undo of a put back by pgvault. It holds values of rows: keep it as you keep the database.
-- Apply it with: psql -X -d DATABASE -f THIS_FILE
\\set ON_ERROR_STOP on
\\encoding {encoding}
BEGIN ISOLATION LEVEL READ COMMITTED;
"""
_BRANCHES: Final = """\
SELECT total = fresh AS ready, total = old AS undone FROM (
  SELECT coalesce(sum(total), 0) AS total, coalesce(sum(fresh), 0) AS fresh, coalesce(sum(old), 0) AS old FROM {states}) x \\gset
\\if :undone
  \\echo 'everything is as it was before: nothing was done'
  ROLLBACK;
  \\quit
\\endif
\\if :ready
\\else
  DO $pgvault$ BEGIN RAISE EXCEPTION 'rows were changed since they were put back: nothing was done'; END $pgvault$;
\\endif
"""
_TAIL: Final = "COMMIT;\n\\echo 'rows are as they were before'\n"


def undo(
    connection: Connection, tables: Sequence[TableSql], scope: PutBackScope, decided: Sequence[Decided]
) -> Iterator[bytes]:
    """Within the transaction that decided, of tables that get anything. Raises psycopg.Error"""
    written = [(table, counts) for table, counts in zip(tables, decided, strict=True) if counts.written]
    yield _head(scope, encoding_of(connection))
    yield f"CREATE TEMPORARY TABLE {_bare(_STATES)} (total int8, fresh int8, old int8) ON COMMIT DROP;\n".encode()
    for table, _ in written:
        yield _staged(table).encode()
        yield from _rows(connection, table)
        yield b"\\.\n"
        yield _looked_at(table).encode()
    yield _BRANCHES.format(states=_STATES).encode()
    for table, counts in reversed(written):
        yield _taken_back(table, scope, counts).encode()
    yield _TAIL.encode()


def _bare(name: str) -> str:
    return name.removeprefix("pg_temp.")


def _head(scope: PutBackScope, encoding: str) -> bytes:
    settings = dict(SHARED + TAKEN_IN) | {"lock_timeout": LOCK_TIMEOUT, "client_min_messages": "warning"}
    del settings["client_encoding"]
    if scope.replica:
        settings["session_replication_role"] = "replica"
    lines = "".join(f"SET LOCAL {name} = {literal(value)};\n" for name, value in settings.items())
    return (_HEAD.format(encoding=encoding) + lines).encode()


def _name(table: TableSql) -> str:
    return f'pg_temp."pgvault undo {table.staged.number}"'


def _staged(table: TableSql) -> str:
    shape = (
        f"''::pg_catalog.text AS fate, {table.zeros}::pg_catalog.varbit AS put, {table.typed('l')}, {table.typed('n')}"
    )
    return (
        f"CREATE TEMPORARY TABLE {_bare(_name(table))} ON COMMIT DROP AS SELECT {shape} FROM {table.source} t WITH NO DATA;\n"
        f"COPY {_name(table)} FROM stdin;\n"
    )


def _rows(connection: Connection, table: TableSql) -> Iterator[bytes]:
    listed = ", ".join(("fate", "put", *table.each("l"), *table.each("n")))
    written = f"SELECT {listed} FROM {table.decided} WHERE fate IN ('{Fate.INSERTED.value}', '{Fate.UPDATED.value}') ORDER BY n"
    statement = f"COPY ({written}) TO STDOUT (ENCODING '{encoding_of(connection)}')"
    with connection.cursor() as cursor, cursor.copy(text(statement)) as stream:
        while piece := stream.read():
            yield bytes(piece)


def _looked_at(table: TableSql) -> str:
    """Lock the rows in the order of their keys, and count those that are as they were left, and as they were before."""
    order = ", ".join(f"t.{quote(column)}" for column in table.key)
    here = f"FROM {_name(table)} r JOIN {table.source} t ON {table.same_key('t', 'n', 'r')}"
    fresh, old = (
        " AND ".join(
            f"(get_bit(r.put, {at}) = 0 OR {text_of(live)} = {text_of(value)})"
            for at, (live, value) in enumerate(zip(table.live(), table.each(letter, alias="r"), strict=True))
        )
        for letter in "nl"
    )
    came = f"r.fate = '{Fate.INSERTED.value}'"
    same_key = table.same_key("t", "n", "r")
    return (
        f"DO $pgvault$ BEGIN PERFORM 1 FROM (SELECT 1 {here} ORDER BY {order} FOR UPDATE OF t) x; END $pgvault$;\n"
        f"INSERT INTO {_STATES} SELECT (SELECT count(*) FROM {_name(table)}), (SELECT count(*) {here} WHERE {fresh}),\n"
        f"  (SELECT count(*) {here} WHERE NOT {came} AND {old})\n"
        f"  + (SELECT count(*) FROM {_name(table)} r WHERE {came} AND NOT EXISTS (SELECT FROM {table.source} t WHERE {same_key}));\n"
    )


def _taken_back(table: TableSql, scope: PutBackScope, counts: Decided) -> str:
    script = ""
    if counts.inserted:
        script += "SELECT pg_catalog.set_config('storage.allow_delete_query', 'true', true) \\g /dev/null\n"
        script += "".join(_children(table, scope)) + (
            f"DELETE FROM {table.source} t USING {_name(table)} r WHERE r.fate = '{Fate.INSERTED.value}'"
            f" AND {table.same_key('t', 'n', 'r')};\n"
        )
    if counts.updated:
        script += _overwritten(table, counts)
    return script


def _children(table: TableSql, scope: PutBackScope) -> Iterator[str]:
    """Rows that came to refer to what is deleted would go with it, or refer to nothing."""
    for reference in scope.references:
        if reference.parent != table.staged.name or not set(reference.parent_columns) <= set(table.columns):
            continue
        child = table_of(reference.child, partitioned=reference.child_partitioned)
        refers = match(
            reference,
            parent=table.each("n", alias="r", of=reference.parent_columns),
            child=[f"c.{quote(column)}" for column in reference.columns],
        )
        others = ""
        if reference.child == table.staged.name:
            gone = f"SELECT FROM {_name(table)} o WHERE o.fate = '{Fate.INSERTED.value}' AND {table.same_key('c', 'n', 'o')}"
            others = f" AND NOT EXISTS ({gone})"
        said = literal(f"rows of {reference.child} refer by {reference.name} to rows that would go: nothing was done")
        yield (
            f"DO $pgvault$ BEGIN IF EXISTS (SELECT FROM {child} c JOIN {_name(table)} r ON {refers}"
            f" WHERE r.fate = '{Fate.INSERTED.value}'{others}) THEN RAISE EXCEPTION USING MESSAGE = {said}; END IF; END $pgvault$;\n"
        )


def _overwritten(table: TableSql, counts: Decided) -> str:
    """Where a unique key or an identity stands against UPDATE, out and in again."""
    standing = table.staged.standing
    where = f"r.fate = '{Fate.UPDATED.value}' AND {table.same_key('t', 'n', 'r')}"

    def values(row: str) -> str:
        return ", ".join(
            f"{quote(column)} = CASE WHEN get_bit(r.put, {table.place(column) - 1}) = 1"
            f" THEN r.l{table.place(column)} ELSE {row}.{quote(column)} END"
            for column in counts.columns
        )

    touched = {column for key in table.unique for column in key.needs} & set(counts.columns)
    if not touched and not any(standing.by_name[column].always for column in counts.columns):
        return f"UPDATE {table.source} t SET {values('t')} FROM {_name(table)} r WHERE {where};\n"
    columns = [column.name for column in standing.columns if not column.computed]
    listed = ", ".join(map(quote, columns))
    number = table.own("number")
    return (
        f"CREATE TEMPORARY TABLE {_bare(table.moved)} ON COMMIT DROP AS SELECT r.ctid AS {number},"
        f" {', '.join(f't.{quote(column)}' for column in columns)} FROM {table.source} t JOIN {_name(table)} r ON {where};\n"
        f"DELETE FROM {table.source} t USING {_name(table)} r WHERE {where};\n"
        f"UPDATE {table.moved} m SET {values('m')} FROM {_name(table)} r WHERE r.ctid = m.{number};\n"
        f"INSERT INTO {table.name} ({listed}) OVERRIDING SYSTEM VALUE SELECT {listed} FROM {table.moved};\n"
    )
