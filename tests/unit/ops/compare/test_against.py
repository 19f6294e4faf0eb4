"""A snapshot against the database as it is: what is compared beside tables, and rows in partitions that came later."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.fake_source import FakeCapture, FakeDatabase
from tests.small_repository import Quiet, new_repository, rows, take
from vault.model import Missing, State, TableName
from vault.ops.compare.against import Against, TableState, compare_against
from vault.ports import SourceTable
from vault.repo.state import Open
from vault.store.memory import MemoryStore

ROOT = TableName(schema="public", name="parted")


class Parted(FakeCapture):
    """Each of its tables is a leaf that is loaded through the same root."""

    @property
    def tables(self) -> Sequence[SourceTable]:
        return [replace(table, load_via_root=ROOT) for table in super().tables]


class PartedOpener:
    def __init__(self, database: FakeDatabase) -> None:
        self.database = database

    def __call__(self) -> Parted:
        return Parted(self.database)


def database(**changes: object) -> FakeDatabase:
    return replace(
        FakeDatabase(
            tables={"public.t": [rows(1, 50)]}, sequences={"public.s": 7}, large_objects={5: b"x" * 100, 6: b"y"}
        ),
        **changes,  # type: ignore[arg-type]
    )


def against(repo: Open, live: FakeCapture) -> Against:
    ((snapshot_id, _),) = repo.snapshots()
    return compare_against(repo.indexed(None).snapshot(snapshot_id), live, key=os.urandom(32), progress=Quiet())


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def test_the_same_database_is_equal_in_everything(repo: Open) -> None:
    take(repo, database())
    compared = against(repo, FakeCapture(database()))
    assert (compared.has_differences, compared.is_complete) == (False, True)


def test_sequences_and_large_objects_are_compared(repo: Open) -> None:
    take(repo, database())
    live = database(sequences={"public.s": 8}, large_objects={5: b"x" * 99 + b"z", 7: b"y"})
    compared = against(repo, FakeCapture(live))
    assert {(one.kind, one.name, one.what) for one in compared.values} == {
        ("sequence", "public.s", "differs"),
        ("large object", "5", "differs"),
        ("large object", "6", "missing"),
        ("large object", "7", "not in the snapshot"),
    }
    assert compared.has_differences


def test_what_the_database_does_not_let_be_read_is_not_compared(repo: Open) -> None:
    take(repo, database(sequences={"public.s": 7, "public.gone": 1}))
    gap = Missing(item='sequence "public"."s"', state=State.NOT_PERMITTED, why="it may not be read")
    compared = against(repo, FakeCapture(database(sequences={}, missing=(gap,))))
    assert [(one.name, one.what) for one in compared.values] == [("public.gone", "missing")]
    assert compared.values_unread == ('sequence "public"."s": not readable in the database',)
    assert not compared.is_complete


def test_rows_in_a_partition_that_came_later_are_rows_of_the_table(repo: Open) -> None:
    then = database(tables={"public.p1": [rows(1, 50)]})
    take(repo, PartedOpener(then))  # type: ignore[arg-type]
    same = against(repo, Parted(then))
    assert [(one.name, one.state) for one in same.tables] == [(ROOT, TableState.EQUAL)]
    more = replace(then, tables={**then.tables, "public.p2": [rows(2, 3)]})
    (table,) = against(repo, Parted(more)).tables
    assert (table.name, table.state, table.rows, table.rows_now) == (ROOT, TableState.DIFFERENT, 50, 53)
