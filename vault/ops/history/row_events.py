"""How the rows with certain values changed from snapshot to snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from vault.model import Column, TableItem, TableName
from vault.ops.diff.columns import matched_columns
from vault.ops.diff.tables import same_database
from vault.ops.history.events import (
    APPEARED,
    DELETED,
    GONE,
    INSERTED,
    THERE,
    UNKNOWN,
    UPDATED,
    WENT,
    Event,
    Value,
    not_captured,
    shown,
    unread,
)
from vault.ops.history.row import RowsThen, StoredRow

_Told = tuple[TableName | bytes, ...]
"""A row by its table and its values."""
_Pairs = Sequence[tuple[Column, Column]]


def row_events(past: Iterable[RowsThen]) -> Iterator[Event]:
    """Newest first. `past` likewise. What cannot be read, or was not captured, is told and passed over."""
    newer: RowsThen | None = None
    for then in past:
        if then.unread is not None:
            yield unread(then.snapshot, then.unread)
            continue
        if then.uncaptured:
            yield Event(
                snapshot=then.snapshot,
                what="row",
                change=UNKNOWN,
                notes=(not_captured(then.uncaptured),),
                is_whole=False,
            )
            continue
        if newer is not None:
            yield from _between(then, newer)
        newer = then
    if newer is not None:
        yield from (_whole(newer, row, THERE) for row in newer.rows)


def _between(older: RowsThen, newer: RowsThen) -> Iterator[Event]:
    if older.lacking and newer.rows:
        lacking = ", ".join(older.lacking)
        note = f"the table had no {lacking} before: which row it was then cannot be told"
        yield Event(snapshot=newer.snapshot, what="row", change=UNKNOWN, notes=(note,), is_whole=False)
        return
    pairs = _pairs(older, newer)
    gone, new = _left(older, newer, pairs)
    for before, after in _matched(gone, new, pairs):
        if before is not None and after is not None:
            yield _updated(newer, before, after, pairs=pairs)
        elif after is not None:
            yield _whole(newer, after, INSERTED if _tells(after.item, newer) else APPEARED)
        elif before is not None:
            yield _whole(newer, before, DELETED if _tells(before.item, older) else WENT)


def _tells(item: TableItem, then: RowsThen) -> bool:
    """Whether the columns that were asked for tell a row; else it may be there all the same, with another value."""
    return bool(item.told_by) and set(then.wanted).issuperset(item.told_by)


def _pairs(older: RowsThen, newer: RowsThen) -> _Pairs:
    """Columns of both, before and after, as the first of their tables have them."""
    if not older.items or not newer.items:
        return ()
    oids = {item.oid: item for item in older.items}
    after = next((item for item in newer.items if item.oid in oids), newer.items[0])
    before = oids.get(after.oid, older.items[0])
    same = after.oid in oids and same_database(older.snapshot, newer.snapshot)
    return matched_columns(before.columns, after.columns, same_table=same)


def _left(was: RowsThen, now: RowsThen, pairs: _Pairs) -> tuple[list[StoredRow], list[StoredRow]]:
    """What is not in both, each as often as it is there more often. Columns that only one side has say nothing of a row."""
    old, new = ([pair[side].name for pair in pairs] for side in (0, 1))
    later = _later_names(was, now)
    before: list[tuple[_Told, StoredRow]] = [
        ((later.get(row.item.name, row.item.name), *_projected(row, old)), row) for row in was.rows
    ]
    after: list[tuple[_Told, StoredRow]] = [((row.item.name, *_projected(row, new)), row) for row in now.rows]
    surplus = Counter(key for key, _ in before)
    surplus.subtract(key for key, _ in after)
    return [row for key, row in before if _takes(surplus, key, 1)], [
        row for key, row in after if _takes(surplus, key, -1)
    ]


def _later_names(was: RowsThen, now: RowsThen) -> Mapping[TableName, TableName]:
    """What a table, or a partition, was called, and what it is called now. A table by itself is the same one, whatever its name."""
    if len(was.items) == len(now.items) == 1:
        return {was.items[0].name: now.items[0].name}
    if not same_database(was.snapshot, now.snapshot):
        return {}
    names = {item.oid: item.name for item in now.items}
    return {item.name: names[item.oid] for item in was.items if item.oid in names}


def _takes(surplus: Counter[_Told], key: _Told, step: int) -> bool:
    if surplus[key] * step <= 0:
        return False
    surplus[key] -= step
    return True


def _projected(row: StoredRow, names: Sequence[str]) -> tuple[bytes, ...]:
    values = row.values()
    return tuple(values.get(name, b"") for name in names)


def _matched(
    gone: list[StoredRow], new: list[StoredRow], pairs: _Pairs
) -> Iterator[tuple[StoredRow | None, StoredRow | None]]:
    """One gone and one new with the same key are one that changed; without a key two that are alone are."""
    old, key = {new.name: old.name for old, new in pairs}, _key(new or gone)
    if not key and len(gone) == len(new) == 1:
        yield gone[0], new[0]
        return
    by_key: dict[tuple[bytes, ...], list[StoredRow]] = {}
    if key and gone and all(name in old for name in key):
        for told, rows in groupby(gone, lambda row: tuple(row.values().get(old[name], b"") for name in key)):
            by_key.setdefault(told, []).extend(rows)
    taken: set[int] = set()
    for row in new:
        same = by_key.get(tuple(row.values()[name] for name in key), []) if key else []
        before = same.pop() if same else None
        if before is not None:
            taken.add(id(before))
        yield before, row
    yield from ((row, None) for row in gone if id(row) not in taken)


def _key(rows: Sequence[StoredRow]) -> tuple[str, ...]:
    return rows[0].item.told_by if rows else ()


def _updated(then: RowsThen, before: StoredRow, after: StoredRow, *, pairs: _Pairs) -> Event:
    was, now = before.values(), after.values()
    changed = [
        Value(name=new.name, before=shown(was[old.name]), after=shown(now[new.name]))
        for old, new in pairs
        if old.name in was and new.name in now and was[old.name] != now[new.name]
    ]
    moved = () if before.item.name == after.item.name else (f"moved from {before.item.name} to {after.item.name}",)
    return Event(
        snapshot=then.snapshot,
        what="row",
        change=UPDATED,
        key=_told(after.item, now),
        values=tuple(changed),
        notes=moved,
    )


def _whole(then: RowsThen, row: StoredRow, change: str) -> Event:
    """Of a row that has nothing before it, or nothing after."""
    values = row.values()
    told = [(name, shown(field)) for name, field in values.items()]
    return Event(
        snapshot=then.snapshot,
        what="row",
        change=change,
        key=_told(row.item, values),
        values=tuple(
            Value(name=name, before=text if change in GONE else None, after=None if change in GONE else text)
            for name, text in told
        ),
    )


def _told(item: TableItem, values: dict[str, bytes]) -> tuple[tuple[str, str | None], ...]:
    return tuple((name, shown(values[name])) for name in item.told_by)
