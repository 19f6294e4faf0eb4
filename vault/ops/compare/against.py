"""A snapshot against the database as it is now, without a restore: which definitions and which tables are still exactly these.

Never shows a value of a row; both sides are streamed. The database is read as for a backup, in one consistent view, so nothing of its owners'
code is run (86-foreign-code). What cannot be compared is told, never taken for equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import Enum

from vault.model import TableItem, TableName
from vault.ops.compare import facts, row_digests
from vault.ops.compare.facts import Difference
from vault.ops.compare.row_digests import RowsDigest
from vault.ops.project.backup_selection import narrowed
from vault.ports import Capture, Progress, RowReader, SourceTable
from vault.repo.snapshot import Snapshot


class TableState(str, Enum):
    EQUAL = "equal"
    DIFFERENT = "different"
    NOT_COMPARED = "not_compared"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedTable:
    """A table, or a partitioned one that its leaves are loaded through. `rows` of the snapshot, `rows_now` where they were read."""

    name: TableName
    state: TableState
    rows: int
    rows_now: int | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """`same_database`: by system identifier and oid. `definitions`: entries that are not the same; None: the server's major is another."""

    same_database: bool
    definitions: tuple[Difference, ...] | None
    tables: tuple[ComparedTable, ...]

    @property
    def has_differences(self) -> bool:
        return bool(self.definitions) or any(one.state is TableState.DIFFERENT for one in self.tables)

    @property
    def is_complete(self) -> bool:
        return self.definitions is not None and all(one.state is not TableState.NOT_COMPARED for one in self.tables)


def compare_against(snapshot: Snapshot, live: Capture, *, key: bytes, progress: Progress) -> Against:
    """`key`: 32 random bytes. `snapshot` has a database.

    Raises  SourceError, Incoherent, Unreachable: the database could not be read; IntegrityError: the snapshot is damaged
    """
    database = snapshot.manifest.database
    assert database is not None, "the caller has looked"
    definitions: tuple[Difference, ...] | None = None
    if database.server.version_num // 10_000 == live.server.version_num // 10_000:  # pg_dump writes for its server
        differences = facts.entries(snapshot.entries(snapshot.order()), live.schema().entries)
        of_a_part = bool(narrowed(snapshot.manifest.selection))
        definitions = tuple(one for one in differences if not (of_a_part and one.what == facts.UNKNOWN))
    progress.stage("comparing rows", database.tables.sums.bytes)
    return Against(
        same_database=database.server.database_key == live.server.database_key,
        definitions=definitions,
        tables=tuple(_tables(snapshot, live, key=key, progress=progress)),
    )


def _tables(snapshot: Snapshot, live: Capture, *, key: bytes, progress: Progress) -> Iterator[ComparedTable]:
    tables = {table.name: table for table in live.tables}
    unread = {gap.item: gap.why for gap in live.missing}
    assert snapshot.manifest.database is not None, "the caller has looked"
    encodings = (snapshot.manifest.database.server.encoding, live.server.encoding)
    groups: dict[TableName, list[TableItem]] = {}
    for item in snapshot.tables():
        groups.setdefault(row_digests.group_of(item), []).append(item)
    with closing(live.reader()) as reader:
        for group, items in groups.items():
            rows = sum(item.sums.rows for item in items)
            state, why = _comparable(items, tables, unread, encodings)
            if state is not TableState.EQUAL:
                yield ComparedTable(name=group, state=state, rows=rows, why=why)
                continue
            then = row_digests.of_text(_told(_rows(snapshot, items), progress), key=key)
            leaves = [(item, tables[item.name]) for item in items]
            now = _now(reader, leaves, key)
            same = then == now
            why = "" if same else next(text for _, text in row_digests.differing({group: then}, {group: now}))
            state = TableState.EQUAL if same else TableState.DIFFERENT
            yield ComparedTable(name=group, state=state, rows=rows, rows_now=now.rows, why=why)


def _rows(snapshot: Snapshot, items: Iterable[TableItem]) -> Iterator[bytes]:
    for item in items:
        yield from snapshot.rows(item)


def _now(reader: RowReader, leaves: Iterable[tuple[TableItem, SourceTable]], key: bytes) -> RowsDigest:
    total = RowsDigest()
    for item, table in leaves:
        ordered = row_digests.in_columns_of(item, table)
        assert ordered is not None, "`_comparable` has looked"
        total += row_digests.of_live(reader, ordered, key=key)
    return total


def _comparable(
    items: Iterable[TableItem],
    tables: Mapping[TableName, SourceTable],
    unread: Mapping[str, str],
    encodings: tuple[str, str],
) -> tuple[TableState, str]:
    """EQUAL: its rows can be compared. A table that is gone, or has other columns, has other rows."""
    for item in items:
        table = tables.get(item.name)
        if table is None:
            gap = next((why for name, why in unread.items() if name.removeprefix("table ") == str(item.name)), None)
            return (TableState.DIFFERENT, "it is gone") if gap is None else (TableState.NOT_COMPARED, gap)
        if encodings[0] != encodings[1]:
            return TableState.NOT_COMPARED, f"its text is in {encodings[0]}, and the database is in {encodings[1]}"
        if item.condition != table.condition:
            return TableState.NOT_COMPARED, "another part of its rows belongs to the project"
        if row_digests.in_columns_of(item, table) is None:
            return TableState.DIFFERENT, "it has other columns"
    return TableState.EQUAL, ""


def _told(blocks: Iterable[bytes], progress: Progress) -> Iterator[bytes]:
    for block in blocks:
        progress.advance(len(block))
        yield block
