"""Why tables were read again, told from a snapshot and its parent."""

from __future__ import annotations

import pytest

from tests.fake_source import FakeDatabase
from tests.small_repository import new_repository, rows, take
from vault.ops.backup.run import BackupReport
from vault.ops.backup.why_read import TableReading, readings
from vault.repo.state import Open
from vault.store.memory import MemoryStore


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def told(repo: Open, report: BackupReport, parent: BackupReport | None) -> dict[str, TableReading]:
    indexed = repo.indexed(None)
    before = None if parent is None else indexed.snapshot(parent.id)
    return {item.name.name: reading for item, reading in readings(indexed.snapshot(report.id), before)}


def test_tables_tell_what_was_reused_and_why_the_rest_was_read(repo: Open) -> None:
    first = FakeDatabase(
        tables={"public.t": [rows(n, 300) for n in range(4)], "public.same": [rows(9, 300)], "public.none": []}
    )
    extents = list(first.tables["public.t"])
    tables = {**first.tables, "public.t": [*extents[:3], rows(7, 300)], "public.new": [rows(8, 300)]}
    one = take(repo, first)
    two = take(repo, FakeDatabase(tables=tables, earlier=first))
    assert told(repo, two, one) == {
        "t": TableReading(extents=4, reused=3, why_read="rows changed in 1 of its 4 extents"),
        "same": TableReading(extents=1, reused=1, why_read=None),
        "none": TableReading(extents=0, reused=0, why_read=None),
        "new": TableReading(extents=1, reused=0, why_read="the table is new"),
    }


def test_a_first_snapshot_has_read_everything(repo: Open) -> None:
    one = take(repo, FakeDatabase(tables={"public.t": [rows(1, 300)]}))
    why = "there is no earlier snapshot of this database"
    assert told(repo, one, None) == {"t": TableReading(extents=1, reused=0, why_read=why)}


def test_nobody_can_tell_when_the_parent_is_gone(repo: Open) -> None:
    first = FakeDatabase(tables={"public.t": [rows(1, 300)]})
    take(repo, first)
    two = take(repo, FakeDatabase(tables=first.tables, earlier=first))
    assert told(repo, two, None) == {"t": TableReading(extents=1, reused=None, why_read=None)}
