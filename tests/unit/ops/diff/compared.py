"""Two databases of plain values, captured into a repository in memory, and what differs between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fake_source import FakeDatabase
from tests.small_repository import new_repository, take
from vault.ops.diff.rows import ChangeCounts, RowChange, TableChanges, changed_tables
from vault.ops.diff.scratch import Scratch
from vault.repo.snapshot import Snapshot
from vault.store.memory import MemoryStore

KEY = bytes(range(32))
Row = tuple[bytes, ...]


def captured(*databases: FakeDatabase, apart: bool = False) -> tuple[Snapshot, ...]:
    """Snapshots of one source in one repository; `apart`: each in a repository of its own, or opened anew."""
    repo = new_repository(MemoryStore())
    taken = [take(repo, database, moved=True).id for database in databases]
    indexed = repo.indexed(None)
    return tuple((repo.indexed(None) if apart else indexed).snapshot(one) for one in taken)


@contextmanager
def changes_of(before: Snapshot, after: Snapshot, scratch: Path, *only: str) -> Iterator[dict[str, TableChanges]]:
    found = changed_tables(
        before, after, chosen=lambda name: not only or str(name) in only, scratch=Scratch(scratch), key=KEY
    )
    tables = {str(changes.name): changes for changes in found}
    try:
        yield tables
    finally:
        for changes in tables.values():
            changes.close()


def differ(
    before: FakeDatabase, after: FakeDatabase, scratch: Path, *, apart: bool = False
) -> dict[str, list[RowChange]]:
    """Every change of every table; counts are those of the changes."""
    was, now = captured(before, after, apart=apart)
    found: dict[str, list[RowChange]] = {}
    with changes_of(was, now, scratch) as tables:
        for name, changes in tables.items():
            counts = changes.counts()
            found[name] = list(changes)
            assert counts == counted(found[name])
    return {name: changes for name, changes in found.items() if changes}


def counted(changes: list[RowChange]) -> ChangeCounts:
    return ChangeCounts(
        inserted=sum(one.before is None for one in changes),
        deleted=sum(one.after is None for one in changes),
        updated=sum(None not in (one.before, one.after) for one in changes),
    )


def text_of(*rows: tuple[object, ...]) -> bytes:
    return b"".join("\t".join(map(str, row)).encode() + b"\n" for row in rows)
