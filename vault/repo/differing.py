"""What differs between the lists of two snapshots, as (then, now), None where there is nothing. Reads no contents.

Of snapshots of one repository, opened once, what they share is not read (`Snapshot.can_read`); of others both lists are walked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from vault.errors import NotThere
from vault.format.lists import ENTRIES, EXTENTS, FILES, LARGE_OBJECTS, SEQUENCES, TABLES, ListFormat
from vault.model import (
    DatabasePart,
    EntryItem,
    Extent,
    FileItem,
    LargeObjectItem,
    ListRef,
    SequenceItem,
    TableItem,
)
from vault.pipeline.list_differences import between, differences
from vault.pipeline.lists import walk
from vault.repo.snapshot import Snapshot

T = TypeVar("T")
Pairs = Iterator[tuple[T | None, T | None]]


def tables(then: Snapshot, now: Snapshot) -> Pairs[TableItem]:
    """By name. Both hold a database, here and below. Raises  IntegrityError"""
    return _changed((then, database(then).tables), (now, database(now).tables), TABLES)


def entries(then: Snapshot, now: Snapshot) -> Pairs[EntryItem]:
    """By identity."""
    return _changed((then, database(then).entries), (now, database(now).entries), ENTRIES)


def sequences(then: Snapshot, now: Snapshot) -> Pairs[SequenceItem]:
    """By name."""
    return _changed((then, database(then).sequences), (now, database(now).sequences), SEQUENCES)


def large_objects(then: Snapshot, now: Snapshot) -> Pairs[LargeObjectItem]:
    """By oid."""
    return _changed((then, database(then).large_objects), (now, database(now).large_objects), LARGE_OBJECTS)


def files(then: Snapshot, now: Snapshot, directory: str) -> Pairs[FileItem]:
    """By path. Raises  NotThere: not a directory of both; IntegrityError"""
    return _changed((then, then.directory(directory)), (now, now.directory(directory)), FILES)


def extents(then: tuple[Snapshot, TableItem], now: tuple[Snapshot, TableItem]) -> Pairs[Extent]:
    """Of two tables, by start. Raises  IntegrityError"""
    if then[1].inline is None and now[1].inline is None:
        return _changed((then[0], then[1].extents), (now[0], now[1].extents), EXTENTS)
    return between(then[0].extents(then[1]), now[0].extents(now[1]), key=EXTENTS.key)


def database(snapshot: Snapshot) -> DatabasePart:
    """Raises  NotThere"""
    part = snapshot.manifest.database
    if part is None:
        raise NotThere(
            f"snapshot {snapshot.id.hex()[:12]} holds no database", hint="choose another with: pgvault snapshots"
        )
    return part


def _changed(then: tuple[Snapshot, ListRef], now: tuple[Snapshot, ListRef], form: ListFormat[T]) -> Pairs[T]:
    if now[0].can_read(then[0]):
        return differences(then[1], now[1], form, load=now[0].load)
    return between(*(walk(listed, form, snapshot.load) for snapshot, listed in (then, now)), key=form.key)
