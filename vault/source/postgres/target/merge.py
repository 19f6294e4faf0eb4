"""Rows into a table that may have some: staged in a temporary table, compared with what is there, added or exchanged.

One transaction a table, with triggers and foreign keys off where that is allowed (they may fire against a half-restored
database); foreign keys are verified afterwards. Rows are compared by their text under the fixed settings; keys by the operators
of the key's own index, and by text where the table has no such key. Spec 76-selection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import psycopg
from psycopg.copy import LibpqWriter

from vault.errors import SourceError
from vault.model import MergedRows, TableItem
from vault.source.postgres.connection.connect import Connection
from vault.source.postgres.connection.sql_text import text
from vault.source.postgres.target.comparing import by_hash_or_merge
from vault.source.postgres.target.foreign_keys import stranded
from vault.source.postgres.target.harmless import require_harmless
from vault.source.postgres.target.held_table import held, looking
from vault.source.postgres.target.silent_triggers import triggers_off
from vault.source.postgres.target.unique_keys import UniqueKey, key_of, unique_keys
from vault.sql.names import literal, qualified, quote

STAGE: Final = 'pg_temp."pgvault rows"'
_NEW: Final = 'pg_temp."pgvault new rows"'
ALLOW_DELETE: Final = "select pg_catalog.set_config('storage.allow_delete_query', 'true', true)"
"""Supabase guards the tables of its file storage against DELETE; whoever means it says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """SQL of one table. `source`: its rows that a backup would read; `by`: the key that `key` names; `known`: columns that come."""

    table: str
    source: str
    columns: str
    listed: str
    key: tuple[str, ...]
    whole: tuple[str, ...]
    unique: tuple[UniqueKey, ...]
    by: UniqueKey | None
    known: frozenset[str]

    def ours(self, word: str) -> str:
        """A name for a column of ours beside the table's, which may have any name."""
        name, number = f"pgvault {word}", 1
        while name in self.known:
            name, number = f"pgvault {word} {number}", number + 1
        return quote(name)

    def row(self, alias: str, names: Sequence[str] | None = None) -> str:
        listed = ", ".join(f"{alias}.{name}" for name in (self.whole if names is None else names))
        return f'(ROW({listed})::pg_catalog.text COLLATE pg_catalog."C")'

    def same_key(self, one: str, other: str) -> str:
        if self.by is not None:
            return self.by.same(one, other)
        return f"{self.row(one, self.key)} = {self.row(other, self.key)}"

    @property
    def deferrable(self) -> bool:
        """ON CONFLICT is refused where a key is deferrable, and replicas do not check such a key afterwards."""
        return any(key.deferrable for key in self.unique)


@dataclass(frozen=True, slots=True, kw_only=True)
class Into:
    """How rows come in. `encoding` of their text; `replicate`: triggers and foreign keys may be switched off."""

    encoding: str
    exact: bool
    replicate: bool


def merge(connection: Connection, table: TableItem, blocks: Iterator[bytes], *, rows: int, into: Into) -> MergedRows:
    """See ports.TargetSession.merge. Raises psycopg.Error, SourceError: nothing was changed"""
    name = table.load_via_root or table.name
    with connection.transaction(), connection.cursor() as cursor:
        names = names_of(table, unique_keys(connection, name))
        if into.exact:
            cursor.execute(ALLOW_DELETE)
        with (
            held(connection, name, mode="SHARE ROW EXCLUSIVE" if into.exact or names.deferrable else "ROW EXCLUSIVE"),
            triggers_off(connection, name, replicate=into.replicate) as fired,
        ):
            done = _bring(cursor, names, blocks, rows=rows, into=into)
        if into.exact and done.refused:
            raise SourceError("rows cannot be replaced", why=f"{done.refused} of them would not arrive")
        if into.exact and done.added + done.removed + done.changed and fired:
            raise SourceError("rows cannot be replaced", why=f"{', '.join(fired)} would fire: ENABLE ALWAYS or REPLICA")
        return replace(done, fired=fired if done.added + done.changed else ())


def foresee(connection: Connection, table: TableItem, blocks: Iterator[bytes], *, rows: int, into: Into) -> MergedRows:
    """What `merge` would do, but for rows that another key would keep out. Changes nothing. Raises psycopg.Error, SourceError

    Of a table that is a part of another it is not told what its rows would strand.
    """
    name = table.load_via_root or table.name
    with looking(connection, name) as cursor:
        require_harmless(connection, table)
        names = names_of(table, unique_keys(connection, name))
        if _first(cursor, f"SELECT NOT EXISTS (SELECT FROM {names.source})"):
            return MergedRows(added=rows)
        stage(cursor, names, blocks, into.encoding)
        with by_hash_or_merge(cursor):
            found = _count_changes(cursor, names, exact=into.exact)
        if not (found.removed or found.changed) or table.load_via_root or table.condition:
            return found
        return replace(found, stranded=stranded(connection, table.name, left=STAGE, columns=names.known))


def _count_changes(cursor: psycopg.Cursor[tuple[Any, ...]], names: Names, *, exact: bool) -> MergedRows:
    differing = _count_differing(cursor, names)
    if names.key and not exact:
        return MergedRows(added=_first(cursor, f"SELECT count(*) {_missing(names)}"), differing=differing)
    added = _first(cursor, f"SELECT count(*) {_lacking(names)}")
    removed = _first(cursor, f"SELECT count(*) FROM ({_others(names)}) o") if exact else 0
    return _parted(MergedRows(added=added, removed=removed), differing if exact else 0)


def _parted(done: MergedRows, changed: int) -> MergedRows:
    """Of rows that went and came, those of one key are changed ones."""
    return replace(done, added=done.added - changed, removed=done.removed - changed, changed=changed)


def _bring(
    cursor: psycopg.Cursor[tuple[Any, ...]], names: Names, blocks: Iterator[bytes], *, rows: int, into: Into
) -> MergedRows:
    if not names.deferrable and _first(cursor, f"SELECT NOT EXISTS (SELECT FROM {names.source})"):
        added = _copy(cursor, names.table, names=names, blocks=blocks, encoding=into.encoding)
        return MergedRows(added=added, refused=rows - added)
    stage(cursor, names, blocks, into.encoding)
    with by_hash_or_merge(cursor):
        if names.key and not into.exact:
            return _merge_by_key(cursor, names)
        changed = _count_differing(cursor, names) if into.exact else 0
        removed = _delete_others(cursor, names) if into.exact else 0
        added, refused = _insert(cursor, names, _lacking(names))
    return _parted(MergedRows(added=added, refused=refused, removed=removed), changed)


def stage(cursor: psycopg.Cursor[tuple[Any, ...]], names: Names, blocks: Iterator[bytes], encoding: str) -> None:
    """Rows into a temporary table that the transaction ends with."""
    like = f"CREATE TEMPORARY TABLE {STAGE} ON COMMIT DROP AS SELECT {names.columns} FROM {names.source} WITH NO DATA"
    cursor.execute(text(like))
    _copy(cursor, STAGE, names=names, blocks=blocks, encoding=encoding)


def _merge_by_key(cursor: psycopg.Cursor[tuple[Any, ...]], names: Names) -> MergedRows:
    differing = _count_differing(cursor, names)
    added, refused = _insert(cursor, names, _missing(names))
    return MergedRows(added=added, differing=differing, refused=refused)


def _count_differing(cursor: psycopg.Cursor[tuple[Any, ...]], names: Names) -> int:
    """Rows that both sides have by their key, with other values; 0 without a key."""
    if not names.key:
        return 0
    pairs = f"FROM {STAGE} s JOIN (SELECT * FROM {names.source}) t ON {names.same_key('t', 's')}"
    return int(_first(cursor, f"SELECT count(*) {pairs} WHERE {names.row('t')} <> {names.row('s')}"))


def _missing(names: Names) -> str:
    """Rows of the stage whose key the table does not have: the rest of a query."""
    there = f"SELECT FROM (SELECT * FROM {names.source}) t WHERE {names.same_key('t', 's')}"
    return f"FROM {STAGE} s WHERE NOT EXISTS ({there})"


def _insert(cursor: psycopg.Cursor[tuple[Any, ...]], names: Names, lacking: str) -> tuple[int, int]:
    """Insert the rows of `lacking`, the rest of a query; returns how many, and how many did not arrive."""
    wanted = int(_first(cursor, f"SELECT count(*) {lacking}"))
    ruled = _first(cursor, _RULED.format(literal(names.table)))
    insert = f"INSERT INTO {names.table} {names.listed} OVERRIDING SYSTEM VALUE SELECT {names.columns} "
    if not (ruled or names.deferrable):
        cursor.execute(text(f"{insert}{lacking} ON CONFLICT DO NOTHING"))
        return cursor.rowcount, wanted - cursor.rowcount
    cursor.execute(text(f"CREATE TEMPORARY TABLE {_NEW} ON COMMIT DROP AS SELECT {names.columns} {lacking}"))
    _leave_out_conflicts(cursor, names)
    cursor.execute(text(f"{insert} FROM {_NEW}"))
    added = cursor.rowcount
    _refuse_duplicates(cursor, names)
    return added, wanted - added


def _leave_out_conflicts(cursor: psycopg.Cursor[tuple[Any, ...]], names: Names) -> None:
    """What ON CONFLICT DO NOTHING does, which PostgreSQL does not have where there are rules or deferrable keys."""
    for key in names.unique:
        if not key.needs <= names.known:
            continue
        there = f"SELECT FROM (SELECT * FROM {names.source}) t WHERE {key.same('t', 's')}"
        before = f"SELECT FROM {_NEW} b WHERE b.ctid < s.ctid AND {key.same('b', 's')}"
        for reason in (
            there,
            before,
        ):  # one by one: PostgreSQL joins for EXISTS, but not where two have an OR between them
            cursor.execute(text(f"DELETE FROM {_NEW} s WHERE EXISTS ({reason})"))


def _refuse_duplicates(cursor: psycopg.Cursor[tuple[Any, ...]], names: Names) -> None:
    """Of deferrable keys over columns that the server computes; it checks the others, or they were looked up.

    Raises  SourceError
    """
    for key in names.unique:
        if key.deferrable and not key.needs <= names.known:
            same = key.same("t", "o")
            twice = f"SELECT EXISTS (SELECT FROM {names.table} t JOIN {names.table} o ON (t.tableoid, t.ctid) < (o.tableoid, o.ctid) AND {same})"
            if _first(cursor, twice):
                raise SourceError("rows cannot be added", why=f"they would violate {key.name}, which is deferrable")


def _lacking(names: Names) -> str:
    """Rows of the stage that the table has less often: the rest of a query."""
    numbered = _numbered(names, f"{STAGE} s", alias="s", columns=names.columns)
    return f"FROM ({numbered}) n {_beyond(names, f'(SELECT * FROM {names.source}) t', 't')}"


def _others(names: Names) -> str:
    """Where the rows are that the stage has less often, a query."""
    physical = f"SELECT tableoid, ctid, * FROM {names.source}"
    numbered = _numbered(names, f"({physical}) t", alias="t", columns="t.tableoid, t.ctid")
    return f"SELECT n.tableoid, n.ctid FROM ({numbered}) n {_beyond(names, f'{STAGE} s', 's')}"


def _beyond(names: Names, source: str, alias: str) -> str:
    """Of numbered rows those that `source` has less often: the rest of a query."""
    row, place, count = map(names.ours, ("row", "place", "count"))
    counted = f"SELECT {names.row(alias)} AS {row}, count(*) AS {count} FROM {source} GROUP BY 1"
    return f"LEFT JOIN ({counted}) c USING ({row}) WHERE n.{place} > coalesce(c.{count}, 0)"


def _delete_others(cursor: psycopg.Cursor[tuple[Any, ...]], names: Names) -> int:
    """Delete rows that the stage has less often. Without any, no DELETE is sent: a publication may forbid the very word."""
    others = _others(names)
    if not _first(cursor, f"SELECT EXISTS ({others})"):
        return 0
    cursor.execute(text(f"DELETE FROM {names.table} WHERE (tableoid, ctid) IN ({others})"))
    return cursor.rowcount


def _numbered(names: Names, source: str, *, alias: str, columns: str) -> str:
    row = names.row(alias)
    listed = f"{columns}, " if columns else ""
    place = f"row_number() OVER (PARTITION BY {row}) AS {names.ours('place')}"
    return f"SELECT {listed}{row} AS {names.ours('row')}, {place} FROM {source}"


def names_of(table: TableItem, unique: Sequence[UniqueKey]) -> Names:
    columns = tuple(quote(column.name) for column in table.columns)
    name = qualified(table.load_via_root or table.name)
    only = name if table.load_via_root else f"ONLY {name}"
    return Names(
        table=name,
        source=f"{only} {table.condition}",
        columns=", ".join(columns),
        listed=f"({', '.join(columns)})" if columns else "",
        key=tuple(quote(column) for column in table.told_by),
        whole=columns,
        unique=tuple(unique),
        by=key_of(unique, table.told_by),
        known=frozenset(column.name for column in table.columns),
    )


def _copy(
    cursor: psycopg.Cursor[tuple[Any, ...]], into: str, *, names: Names, blocks: Iterable[bytes], encoding: str
) -> int:
    statement = f"COPY {into} {names.listed} FROM STDIN (ENCODING {literal(encoding)})"
    with cursor.copy(text(statement), writer=QuietWriter(cursor)) as copy:
        for block in blocks:
            copy.write(block)
    return cursor.rowcount


def _first(cursor: psycopg.Cursor[tuple[Any, ...]], query: str) -> Any:
    return cursor.execute(text(query)).fetchall()[0][0]


class QuietWriter(LibpqWriter):
    """Lets the error that ends a COPY stand alone: psycopg would print what then fails at its end on stderr."""

    def finish(self, exc: BaseException | None = None) -> None:
        try:
            super().finish(exc)
        except psycopg.Error:
            if exc is None:
                raise


_RULED: Final = """select exists (select from pg_catalog.pg_rewrite where ev_class = {}::pg_catalog.regclass and ev_type in ('2', '3'))"""
