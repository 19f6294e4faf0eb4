"""What a comparison of rows does not see is told by `log` all the same, and nothing is told twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.fake_source import FakeDatabase
from tests.unit.ops.history.history_support import Days, days, table
from vault.errors import Malformed
from vault.model import Column, TableName
from vault.ops.diff.scratch import Scratch
from vault.ops.history.events import Event, history
from vault.ops.history.row import rows_then
from vault.ops.history.row_events import row_events
from vault.ops.history.value_events import Needle, RowTexts

NAME = "public.orders"
ORDERS = TableName(schema="public", name="orders")
ID, BODY = Column(name="id", type="bigint", attnum=1), Column(name="body", type="text", attnum=2)
NOTE = Column(name="note", type="text", attnum=3)
JSON = Column(name="body", type="json", attnum=2)
NO_ROWS = FakeDatabase(uncaptured=(NAME,))


def of(text: bytes, *columns: Column) -> FakeDatabase:
    return FakeDatabase(tables={NAME: [text]}, columns={NAME: columns})


def searched(taken: Days, scratch: Path, name: TableName | None = ORDERS) -> Sequence[tuple[int, str, str]]:
    """(number of the snapshot, what and what happened, notes), newest first."""
    differ = RowTexts(Needle("secret"), name, scratch=Scratch(scratch), key=bytes(32))
    return numbered(taken, list(history(taken.newest_first, differ)))


def numbered(taken: Days, events: Sequence[Event]) -> Sequence[tuple[int, str, str]]:
    numbers = {snapshot.id: number for number, snapshot in enumerate(taken.snapshots, 1)}
    return [(numbers[one.snapshot.id], f"{one.what} {one.change}", "; ".join(one.notes)) for one in events]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (of(b"1\ta\n", ID, BODY), of(b"1\ta\tsecret\n", ID, BODY, NOTE), "rows appeared: 1 row has it in note"),
        (of(b"1\ta\tsecret\n", ID, BODY, NOTE), of(b"1\ta\n", ID, BODY), "rows went: 1 row has it in note"),
        (of(b"1\t[]\n", ID, BODY), of(b'1\t["secret"]\n', ID, JSON), "rows appeared: 1 row has it in body"),
        (of(b"1\tsecret\n", ID, BODY), of(b"1\t1\n2\t2\n", ID, JSON), "rows went: 1 row has it in body"),
        (of(b"1\tsecret\n", ID, BODY), of(b'1\t"secret"\n', ID, JSON), "rows changed: 1 row has it in body"),
    ],
)
def test_a_text_in_columns_of_one_side_alone_is_told(
    before: FakeDatabase, after: FakeDatabase, told: str, tmp_path: Path
) -> None:
    found = [f"{what}: {notes}" for number, what, notes in searched(days(before, after), tmp_path) if number == 2]
    assert len(found) == 1
    assert found[0].startswith(told)


def test_columns_without_the_text_are_not_told(tmp_path: Path) -> None:
    taken = days(of(b"1\ta\n2\tb\n", ID, BODY), of(b"1\ta\t\\N\n2\tsecret\tc\n", ID, BODY, NOTE))
    assert searched(taken, tmp_path) == [(2, "row appeared", "")]


def test_a_text_that_came_while_rows_were_not_captured_is_not_passed_over(tmp_path: Path) -> None:
    taken = days(table(b"1\ta\n"), NO_ROWS, table(b"1\tsecret\n"))
    lacking = "not compared: rows of public.orders were not captured"
    for name in (ORDERS, None):
        assert searched(taken, tmp_path, name) == [(3, "rows unknown", lacking), (2, "rows unknown", lacking)]


def rows_of(taken: Days, wanted: Mapping[str, str]) -> Sequence[tuple[int, str, str]]:
    return numbered(taken, list(row_events(rows_then(taken.newest_first, ORDERS, wanted))))


def test_a_row_that_was_not_captured_was_not_deleted() -> None:
    lacking = (2, "row unknown", "not compared: rows of public.orders were not captured")
    taken = days(table(b"1\ta\n"), NO_ROWS, table(b"1\ta\n"))
    assert rows_of(taken, {"id": "1"}) == [lacking, (1, "row there", "")]
    taken = days(table(b"1\ta\n"), NO_ROWS, table(b"1\tb\n"))
    assert rows_of(taken, {"id": "1"}) == [lacking, (3, "row updated", ""), (1, "row there", "")]
    taken = days(table(b"1\ta\n"), NO_ROWS)
    assert rows_of(taken, {"id": "1"}) == [lacking, (1, "row there", "")]


def test_a_partition_that_was_not_captured_has_not_lost_its_rows() -> None:
    parts = {"public.a": NAME, "public.b": NAME}
    both = FakeDatabase(tables={"public.a": [b"1\tx\n"], "public.b": [b"2\ty\n"]}, partitions=parts)
    one = FakeDatabase(tables={"public.a": [b"1\tx\n"]}, uncaptured=("public.b",), partitions=parts)
    taken = days(both, one, both)
    lacking = (2, "row unknown", "not compared: rows of public.b were not captured")
    assert rows_of(taken, {"id": "2"}) == [lacking, (1, "row there", "")]


def test_a_table_that_is_not_there_has_no_rows() -> None:
    other = FakeDatabase(tables={"public.items": [b"1\ta\n"]})
    assert rows_of(days(table(b"1\ta\n"), other), {"id": "1"}) == [(2, "row deleted", ""), (1, "row there", "")]


def test_what_was_told_before_a_chunk_failed_is_not_told_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two tables the first is read, and the second one cannot be: the next comparison of the same day is of both."""

    def day(first: bytes, second: bytes) -> FakeDatabase:
        return FakeDatabase(tables={"public.a": [first], "public.b": [second]})

    twice = b"1\tsecret\n1\tsecret\n"
    taken = days(day(b"0\tx\n", b"1\tsecret\n"), day(b"0\tx\n", b"2\tsecret\n"), day(b"0\tx\n" + twice, b"3\tsecret\n"))
    (lost,) = {
        ref.id
        for item in taken.snapshots[1].tables()
        if item.name.name == "b"
        for one in taken.snapshots[1].extents(item)
        for ref in one.chunks.inline
    }
    whole = taken.reader.get

    def get(object_id: object, *rest: object, **more: object) -> bytes:
        if object_id == lost:
            raise Malformed("damaged")
        return whole(object_id, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(taken.reader, "get", get)
    assert [(number, what) for number, what, _ in searched(taken, tmp_path, None)] == [
        (3, "row appeared"), (3, "row appeared"), (2, "snapshot unread"), (3, "row went"), (3, "row appeared"), (1, "rows there"),
    ]  # fmt: skip
