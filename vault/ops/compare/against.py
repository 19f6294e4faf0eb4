"""A snapshot against the database as it is now, without a restore: which definitions, values and tables are still exactly these.

Never shows a value of a row; both sides are streamed. The database is read as for a backup, in one consistent view, so nothing of its owners'
code is run (86-foreign-code). What cannot be compared is told, never taken for equal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import Enum

from vault.model import State, TableItem, TableName
from vault.ops.compare import facts, row_digests
from vault.ops.compare.databases import large_objects
from vault.ops.compare.facts import ComparedLargeObject, Difference
from vault.ops.compare.row_digests import RowsDigest
from vault.ops.project.backup_selection import narrowed
from vault.ports import Capture, Progress, RowReader, SourceTable
from vault.repo.leaves import without_rows
from vault.repo.snapshot import Snapshot
from vault.sql.names import qualified


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
    """`same_database`: by system identifier and oid. `definitions`: entries that are not the same; None: the server's major is another.

    values        sequences and large objects that are not the same; values_unread: those that one of the two could not read, in words
    """

    same_database: bool
    definitions: tuple[Difference, ...] | None
    tables: tuple[ComparedTable, ...]
    values: tuple[Difference, ...]
    values_unread: tuple[str, ...]

    @property
    def has_differences(self) -> bool:
        return bool(self.definitions or self.values) or any(one.state is TableState.DIFFERENT for one in self.tables)

    @property
    def is_complete(self) -> bool:
        told = self.definitions is not None and not self.values_unread
        return told and all(one.state is not TableState.NOT_COMPARED for one in self.tables)


def compare_against(snapshot: Snapshot, live: Capture, *, key: bytes, progress: Progress) -> Against:
    """`key`: 32 random bytes. `snapshot` has a database.

    Raises  SourceError, Incoherent, Unreachable: the database could not be read; IntegrityError: the snapshot is damaged
    """
    database = snapshot.manifest.database
    assert database is not None, "the caller has looked"
    definitions: tuple[Difference, ...] | None = None
    of_a_part = bool(narrowed(snapshot.manifest.selection))
    if database.server.version_num // 10_000 == live.server.version_num // 10_000:  # pg_dump writes for its server
        differences = facts.entries(snapshot.entries(snapshot.order()), live.schema().entries)
        definitions = tuple(one for one in differences if not (of_a_part and one.what == facts.UNKNOWN))
    progress.stage("comparing values", database.large_objects.sums.bytes)
    values, unread = _values(snapshot, live, progress)
    progress.stage("comparing rows", database.tables.sums.bytes)
    return Against(
        same_database=database.server.database_key == live.server.database_key,
        definitions=definitions,
        tables=tuple(_tables(snapshot, live, key=key, progress=progress)),
        values=values,
        values_unread=unread,
    )


def _values(snapshot: Snapshot, live: Capture, progress: Progress) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
    """Sequences and large objects: what differs, and what only one of the two could read."""
    of_a_part = bool(narrowed(snapshot.manifest.selection))
    coverage = snapshot.manifest.coverage
    found: list[Difference] = []
    unread: list[str] = []
    compared = (
        ("sequences", "sequence ", facts.sequences(snapshot.sequences(), live.sequences())),
        ("large_objects", "large objects of ", _large_objects(snapshot, live, progress)),
    )
    for component, start, differences in compared:
        is_whole = component not in coverage or coverage[component][0] in (State.CAPTURED, State.EMPTY)
        gaps = {gap.item for gap in live.missing if gap.item.startswith(start)}
        unread += sorted(f"{item}: not readable in the database" for item in gaps)
        for one in differences:
            if one.what == facts.UNKNOWN and of_a_part:
                continue
            if one.what == facts.UNKNOWN and not is_whole:
                unread.append(f"{one.kind} {one.name}: the snapshot could not read all of its kind")
            elif not (one.what == facts.MISSING and _is_unread(one, gaps)):  # told above
                found.append(one)
    return tuple(found), tuple(unread)


def _is_unread(one: Difference, gaps: Collection[str]) -> bool:
    """Gaps of large objects name their owners alone."""
    if one.about is None:
        return bool(gaps)
    return f"sequence {qualified(TableName(schema=one.about.names[0], name=one.about.names[1]))}" in gaps


def _large_objects(snapshot: Snapshot, live: Capture, progress: Progress) -> Iterator[Difference]:
    database = snapshot.manifest.database
    assert database is not None, "the caller has looked"
    recorded = (
        ComparedLargeObject(
            item=item,
            blocks=_told(snapshot.large_object_blocks(item), progress),
            version_num=database.server.version_num,
        )
        for item in snapshot.large_objects()
    )
    return facts.large_objects(recorded, large_objects(live))


def _tables(snapshot: Snapshot, live: Capture, *, key: bytes, progress: Progress) -> Iterator[ComparedTable]:
    tables = {table.name: table for table in live.tables}
    unread = {gap.item: gap.why for gap in live.missing}
    assert snapshot.manifest.database is not None, "the caller has looked"
    encodings = (snapshot.manifest.database.server.encoding, live.server.encoding)
    groups: dict[TableName, list[TableItem]] = {}
    for item in snapshot.tables():
        groups.setdefault(row_digests.group_of(item), []).append(item)
    later = _later_leaves(snapshot, live, groups)
    with closing(live.reader()) as reader:
        for group, items in groups.items():
            rows = sum(item.sums.rows for item in items)
            state, why = _comparable(items, tables, unread, encodings)
            pairs = [(items[0], leaf) for leaf in later.get(group, ())]
            if state is TableState.EQUAL and not all(row_digests.in_columns_of(*pair) for pair in pairs):
                state, why = TableState.DIFFERENT, "a partition that is new has other columns"
            if state is not TableState.EQUAL:
                yield ComparedTable(name=group, state=state, rows=rows, why=why)
                continue
            then = row_digests.of_text(_told(_rows(snapshot, items), progress), key=key)
            leaves = [*((item, tables[item.name]) for item in items), *pairs]
            now = _now(reader, leaves, key)
            same = then == now
            why = "" if same else next(text for _, text in row_digests.differing({group: then}, {group: now}))
            state = TableState.EQUAL if same else TableState.DIFFERENT
            yield ComparedTable(name=group, state=state, rows=rows, rows_now=now.rows, why=why)
    for name in without_rows(snapshot):
        yield ComparedTable(name=name, state=TableState.NOT_COMPARED, rows=0, why="its rows are not in the snapshot")


def _later_leaves(
    snapshot: Snapshot, live: Capture, groups: Mapping[TableName, Sequence[TableItem]]
) -> dict[TableName, list[SourceTable]]:
    """Leaves that came later to what is loaded through its root: their rows are rows of it. A snapshot of a part leaves out leaves itself."""
    recorded = {item.name for items in groups.values() for item in items}
    later = [
        table
        for table in live.tables
        if table.load_via_root is not None and table.load_via_root in groups and table.name not in recorded
    ]
    if not later or narrowed(snapshot.manifest.selection):
        return {}
    defined = {entry.identity.names for entry in snapshot.entries(snapshot.order()) if entry.identity.desc == "TABLE"}
    found: dict[TableName, list[SourceTable]] = {}
    for table in later:
        if (table.name.schema, table.name.name) not in defined:  # else it was there, and could not be read
            found.setdefault(row_digests.group_of(table), []).append(table)
    return found


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
