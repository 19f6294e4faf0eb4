"""What a snapshot gives of one table: its rows, and the values of its generated columns."""

from __future__ import annotations

import pytest

from tests.fake_source import FakeDatabase
from tests.small_repository import new_repository, rows, take
from vault.model import TableName
from vault.repo.state import Open
from vault.store.memory import MemoryStore

NAME = TableName(schema="public", name="t")
ROWS = [rows(number, 20) for number in range(3)]
VALUES = [b"".join(b"made %d of %d\n" % (row, number) for row in range(20)) for number in range(3)]


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def test_values_of_generated_columns_come_with_their_rows(repo: Open) -> None:
    report = take(repo, FakeDatabase(tables={"public.t": ROWS}, generated={"public.t": VALUES}))
    snapshot = repo.indexed(None).snapshot(report.id)
    table = snapshot.table(NAME)
    assert snapshot.has_values(table)
    assert b"".join(snapshot.values(table)) == b"".join(VALUES)
    assert b"".join(snapshot.rows(table)) == b"".join(ROWS)
    extents = list(snapshot.extents(table))
    assert [b"".join(snapshot.extent_rows(extent)) for extent in extents] == ROWS
    assert [b"".join(snapshot.extent_values(extent, 1)) for extent in extents] == VALUES
    assert b"".join(snapshot.rows_of(extents[1:])) == b"".join(ROWS[1:])


def test_a_table_without_generated_columns_or_without_their_values_has_none(repo: Open) -> None:
    tables = {"public.t": ROWS, "public.u": ROWS}
    report = take(repo, FakeDatabase(tables=tables, generated={"public.t": []}))
    snapshot = repo.indexed(None).snapshot(report.id)
    for name in ("t", "u"):
        table = snapshot.table(TableName(schema="public", name=name))
        assert not snapshot.has_values(table)
        assert list(snapshot.values(table)) == []
    assert snapshot.table(NAME).generated
