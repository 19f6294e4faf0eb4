"""What becomes of each marked row: S, E and L compared column by column. The rule of a put back is here, once, for plan and run.

A column is put back if S differs from L and L equals E; L = S is done; a third value is a conflict if the damage touched the column.
A deleted row comes if nothing has its key. Rows are locked in the order of their keys, and compared as they are under lock.
Spec 76-selection, "Putting rows back".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

from vault.model.put_back import Decided, Evidence, Fate, PutBackScope, StandingReference
from vault.source.postgres.connection.connect import Connection
from vault.source.postgres.connection.sql_text import text
from vault.source.postgres.target.put_back.lock_wait import LockWait
from vault.source.postgres.target.put_back.sql_of_table import (
    Cursor,
    TableSql,
    bits,
    first,
    given,
    looked_up,
    match,
    same_value,
    table_of,
)
from vault.source.postgres.target.unique_keys import UniqueKey
from vault.sql.names import literal, quote

_LACKING = 'pg_temp."pgvault lacking"'
_XIDS = 1 << 32


def decide(
    connection: Connection,
    tables: dict[str, TableSql],
    scope: PutBackScope,
    *,
    locks: LockWait | None,
    pages: dict[str, int],
) -> list[Decided]:
    """See ports_of_put_back. `pages`: of every table that is looked into, by name; `locks` None: for a plan. Raises psycopg.Error"""
    with connection.transaction(), connection.cursor() as cursor:
        for staged in scope.tables:
            table = tables[str(staged.name)]
            _create(cursor, table)
            _of_live_rows(cursor, table, scope, locks)
            _of_others(cursor, table)
        for staged in scope.tables:
            table = tables[str(staged.name)]
            for key in table.unique:
                _refuse_taken(cursor, table, key)
            for reference in scope.references:
                if reference.unverified or reference.child != staged.name:
                    continue
                if set(reference.columns) <= set(table.columns):
                    _refuse_partnerless(cursor, tables, reference, pages)
        return [_counted(cursor, tables[str(staged.name)]) for staged in scope.tables]


def marked(cursor: Cursor, table: TableSql) -> int:
    return int(first(cursor, f"SELECT count(*) FROM {table.rows} WHERE wanted IS NOT NULL"))


def _create(cursor: Cursor, table: TableSql) -> None:
    shape = (
        f"0::pg_catalog.int8 AS n, ''::pg_catalog.text AS fate, {table.zeros}::pg_catalog.varbit AS put, {table.zeros}::pg_catalog.varbit AS other,"
        f" '0'::pg_catalog.oid AS place, '(0,0)'::pg_catalog.tid AS tid, '0'::pg_catalog.xid AS writer, {table.typed('l')}, {table.typed('n')}"
    )
    cursor.execute(text(f"DROP TABLE IF EXISTS {table.decided}"))
    cursor.execute(
        text(f"CREATE TEMPORARY TABLE {_bare(table.decided)} AS SELECT {shape} FROM {table.source} t WITH NO DATA")
    )


def _of_live_rows(cursor: Cursor, table: TableSql, scope: PutBackScope, locks: LockWait | None) -> None:
    """Rows that are there by their key."""
    live = ", ".join(
        f"CAST({value} AS {table.staged.standing.by_name[column].base}) AS l{at}"
        for at, (value, column) in enumerate(zip(table.live(), table.columns, strict=True), 1)
    )
    order = ", ".join(f"t.{quote(column)}" for column in table.key)
    lock = f" ORDER BY {order} FOR UPDATE OF t" if locks is not None else ""
    found = (
        f"SELECT s.*, t.tableoid AS place, t.ctid AS tid, t.xmin AS writer, {live} FROM {table.rows} s"
        f" JOIN {table.source} t ON {table.same_key('t', 's', 's')} WHERE s.wanted IS NOT NULL{lock}"
    )
    places = range(1, table.count + 1)
    alike = ", ".join(f"{one} AS {name}{at}" for at in places for name, one in _alike(table, scope, at))
    put = bits(f"z.kind = 'u' AND {_differs(at)} AND z.evident{at}" for at in places)
    other = bits(f"{_differs(at)} AND (z.kind = 'd' OR (z.damaged{at} AND NOT z.evident{at}))" for at in places)
    becomes = ", ".join(f"CASE WHEN get_bit(x.put, {at - 1}) = 1 THEN x.s{at} ELSE x.l{at} END" for at in places)
    seen = f"SELECT y.*, {alike} FROM ({found}) y OFFSET 0"  # OFFSET: each is evaluated once
    judged = f"SELECT z.*, {put} AS put, {other} AS other FROM ({seen}) z OFFSET 0"
    query = (
        f"INSERT INTO {table.decided} SELECT x.n, {_fate(table, scope)}, x.put, x.other, x.place, x.tid, x.writer,"
        f" {', '.join(table.each('l', alias='x'))}, {becomes} FROM ({judged}) x"
    )
    waiting = nullcontext() if locks is None else locks.bounded()
    with looked_up(cursor, rows=marked(cursor, table), pages=table.staged.standing.pages), waiting:
        cursor.execute(text(query))


def _differs(at: int) -> str:
    return f"get_bit(z.wanted, {at - 1}) = 1 AND NOT z.good{at}"


def _alike(table: TableSql, scope: PutBackScope, at: int) -> tuple[tuple[str, str], ...]:
    """Of one column of a found row `y`: whether the live value is the good one, is the damage, and whether there was any."""
    column = table.columns[at - 1]
    standing = table.staged.standing.by_name[column]
    good = ("good", same_value(f"y.l{at}", f"y.s{at}", standing.base))
    if column in table.staged.extra:
        added = "false"
        if standing.missing and not standing.base.endswith("]"):
            value = f"(CAST({literal(standing.missing)} AS {standing.base}[]))[1]"
            added = same_value(f"y.l{at}", value, standing.base)
        return good, ("evident", f"(y.l{at} IS NULL OR {added})"), ("damaged", "true")
    if scope.evidence is Evidence.SNAPSHOT:
        evident = same_value(f"y.l{at}", f"y.e{at}", standing.base)
        return good, ("evident", evident), ("damaged", f"NOT {same_value(f'y.s{at}', f'y.e{at}', standing.base)}")
    if scope.evidence is Evidence.TRANSACTION:
        return good, ("evident", _is_of(scope, "y")), ("damaged", "false")
    return good, ("evident", "true"), ("damaged", "false")


def _is_of(scope: PutBackScope, row: str) -> str:
    assert scope.xid is not None, "the evidence is a transaction"
    return f"{row}.writer = '{scope.xid % _XIDS}'::pg_catalog.xid"


def _fate(table: TableSql, scope: PutBackScope) -> str:
    same = " AND ".join(f"x.good{at}" for at in range(1, table.count + 1))
    of_others = ""
    if scope.evidence is Evidence.TRANSACTION:
        of_others = f" WHEN NOT ({same}) AND NOT ({_is_of(scope, 'x')}) THEN '{Fate.OF_OTHERS.value}'"
    return (
        f"CASE WHEN x.kind = 'd' THEN CASE WHEN {same} THEN '{Fate.DONE.value}' ELSE '{Fate.THERE_OTHERWISE.value}' END"
        f" WHEN x.put <> {table.zeros} THEN '{Fate.UPDATED.value}' WHEN x.other <> {table.zeros} THEN '{Fate.CHANGED_SINCE.value}'"
        f"{of_others} ELSE '{Fate.DONE.value}' END"
    )


def _of_others(cursor: Cursor, table: TableSql) -> None:
    """Rows whose key nothing has."""
    columns = ", ".join(table.each("n"))
    cursor.execute(
        text(
            f"INSERT INTO {table.decided} (n, fate, put, other, {columns})"
            f" SELECT s.n, CASE s.kind WHEN 'd' THEN '{Fate.INSERTED.value}' ELSE '{Fate.GONE_SINCE.value}' END, {table.ones}, {table.zeros},"
            f" {', '.join(table.each('s', alias='s'))} FROM {table.rows} s"
            f" WHERE s.wanted IS NOT NULL AND NOT EXISTS (SELECT FROM {table.decided} d WHERE d.n = s.n)"
        )
    )


def _refuse_taken(cursor: Cursor, table: TableSql, key: UniqueKey) -> None:
    """Rows that would have the value of a unique key that another row has, which keeps it."""
    if not key.needs <= set(table.columns):
        return
    touched = f"& {table.mask(key.needs)} <> {table.zeros}"
    comes = f"fate = '{Fate.INSERTED.value}' OR (fate = '{Fate.UPDATED.value}' AND put {touched})"
    n, place, tid = (table.own(word) for word in ("number", "place", "tid"))
    rows = table.as_rows("n", f"n AS {n}, place AS {place}, tid AS {tid}", where=comes)
    taken = (
        f"SELECT d.{n} AS n, t.tableoid AS place, t.ctid AS tid FROM {rows} d"
        f" JOIN (SELECT tableoid, ctid, * FROM {table.source}) t ON {key.same('t', 'd')}"
        f" WHERE (t.tableoid, t.ctid) IS DISTINCT FROM (d.{place}, d.{tid})"
    )
    with looked_up(cursor, rows=_decided(cursor, table), pages=table.staged.standing.pages):
        cursor.execute(text(f"CREATE TEMPORARY TABLE {_bare(_LACKING)} AS {taken}"))
    leaves = f"o.fate = '{Fate.UPDATED.value}' AND o.put {touched} AND o.place = x.place AND o.tid = x.tid"
    keeps = f"SELECT x.n FROM {_LACKING} x WHERE NOT EXISTS (SELECT FROM {table.decided} o WHERE {leaves})"
    update = f"UPDATE {table.decided} SET fate = '{Fate.KEY_TAKEN.value}' WHERE n IN ({keeps}) AND ({comes})"
    while True:  # who stays keeps his value from another, who then stays too
        cursor.execute(text(update))
        if not cursor.rowcount:
            break
    cursor.execute(text(f"DROP TABLE {_LACKING}"))


def _bare(name: str) -> str:
    return name.removeprefix("pg_temp.")


def _decided(cursor: Cursor, table: TableSql) -> int:
    return int(first(cursor, f"SELECT count(*) FROM {table.decided}"))


def _refuse_partnerless(
    cursor: Cursor, tables: dict[str, TableSql], reference: StandingReference, pages: dict[str, int]
) -> None:
    """Rows, and columns of rows, that would refer to what is not there and does not come."""
    child, parent = tables[str(reference.child)], tables.get(str(reference.parent))
    refers = child.each("n", alias="d", of=reference.columns)
    touched = f"& {child.mask(reference.columns)} <> {child.zeros}"
    coming = f"(d.fate = '{Fate.INSERTED.value}' OR (d.fate = '{Fate.UPDATED.value}' AND d.put {touched})) AND {given(refers)}"
    there = [f"p.{quote(column)}" for column in reference.parent_columns]
    source = table_of(reference.parent, partitioned=reference.parent_partitioned)
    lacking = (
        f"SELECT d.n FROM {child.decided} d WHERE {coming}"
        f" AND NOT EXISTS (SELECT FROM {source} p WHERE {match(reference, parent=there, child=refers)})"
    )
    with looked_up(cursor, rows=_decided(cursor, child), pages=pages.get(str(reference.parent), 0)):
        cursor.execute(text(f"CREATE TEMPORARY TABLE {_bare(_LACKING)} AS {lacking}"))
    comes = ""
    if parent is not None and set(reference.parent_columns) <= set(parent.columns):
        arriving = parent.each("n", alias="q", of=reference.parent_columns)
        comes = (
            f" AND NOT EXISTS (SELECT FROM {parent.decided} q WHERE q.fate IN ('{Fate.INSERTED.value}', '{Fate.UPDATED.value}')"
            f" AND {match(reference, parent=arriving, child=refers)})"
        )
    cursor.execute(text(f"ANALYZE {_LACKING}"))
    while _leave(cursor, child, reference, f"{coming}{comes}"):
        pass  # of a table that refers to itself, those that referred to what does not come either
    cursor.execute(text(f"DROP TABLE {_LACKING}"))


def _leave(cursor: Cursor, child: TableSql, reference: StandingReference, lacking: str) -> int:
    """Leave a deleted row out, and of an overwritten one the columns that would refer. Returns how many rows that were"""
    mask, zeros = child.mask(reference.columns), child.zeros
    partnerless, updated = f"'{Fate.PARTNERLESS.value}'", f"'{Fate.UPDATED.value}'"
    as_they_are = zip(
        child.each("n", of=reference.columns), child.each("l", alias="d", of=reference.columns), strict=True
    )
    values = ", ".join(f"{name} = {live}" for name, live in as_they_are)
    where = f"FROM {_LACKING} x WHERE x.n = d.n AND {lacking}"
    out = f"UPDATE {child.decided} d SET fate = {partnerless} {where} AND d.fate <> {updated}"
    left = f"CASE WHEN d.put & ~{mask} = {zeros} THEN {partnerless} ELSE {updated} END"
    stays = f"put = d.put & ~{mask}, other = d.other | (d.put & {mask}), {values}, fate = {left}"
    rows = 0
    for statement in (out, f"UPDATE {child.decided} d SET {stays} {where}"):
        cursor.execute(text(statement))
        rows += cursor.rowcount
    return rows


def _counted(cursor: Cursor, table: TableSql) -> Decided:
    fates: dict[str, int] = dict(
        cursor.execute(text(f"SELECT fate, count(*) FROM {table.decided} GROUP BY fate")).fetchall()
    )
    return Decided(
        table=table.staged.name,
        fates={fate: fates[fate.value] for fate in Fate if fate.value in fates},
        columns=dict(_by_column(cursor, table, "put", where=f"fate = '{Fate.UPDATED.value}'")),
        conflicts=dict(_by_column(cursor, table, "other", where="true")),
    )


def _by_column(cursor: Cursor, table: TableSql, bit: str, *, where: str) -> Iterator[tuple[str, int]]:
    """How many rows have the bit of a column, of columns that any has."""
    counts = ", ".join(f"count(*) FILTER (WHERE get_bit({bit}, {at}) = 1)" for at in range(table.count))
    row = cursor.execute(text(f"SELECT ARRAY[{counts}] FROM {table.decided} WHERE {where}")).fetchall()[0][0]
    yield from ((column, count) for column, count in zip(table.columns, row, strict=True) if count)
