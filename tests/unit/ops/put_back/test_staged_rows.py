"""Rows as the target stages them, and which of them an expression chose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vault.model import TableName
from vault.model.put_back import StagedTable, StandingColumn, StandingTable, WantedRows
from vault.ops.diff.rows import RowChange
from vault.ops.put_back.staged_rows import BATCH_BYTES, StagedRows

NAME = TableName(schema="public", name="t")


def table(*columns: str, asked: bool = True, extra: tuple[str, ...] = ()) -> StagedTable:
    standing = StandingTable(
        name=NAME,
        oid=1,
        partitioned=False,
        partition=False,
        columns=tuple(StandingColumn(name=name, base="text") for name in (*columns, *extra)),
        keys=(("id",),),
        deferrable=False,
        pages=1,
    )
    return StagedTable(number=1, standing=standing, columns=columns, key=("id",), extra=extra, asked=asked)


def deleted(*fields: bytes) -> RowChange:
    return RowChange(before=fields, after=None)


def inserted(*fields: bytes) -> RowChange:
    return RowChange(before=None, after=fields)


def lines(rows: StagedRows) -> list[list[bytes]]:
    return [line.split(b"\t") for line in b"".join(rows).split(b"\n")[:-1]]


def test_kinds_masks_and_sides() -> None:
    changes = [
        deleted(b"1", b"a"),
        RowChange(before=(b"2", b"b"), after=(b"2", b"x")),
        inserted(b"3", b"c"),
    ]
    rows = StagedRows(changes, table("id", "v", extra=("e",)), ("id", "v"), wanted=WantedRows.MISSING)
    assert lines(rows) == [
        [b"1", b"d", b"t", b"111", b"1", b"a", b"\\N", b"\\N", b"\\N", b"\\N"],
        [b"2", b"u", b"t", b"\\N", b"2", b"b", b"\\N", b"2", b"x", b"\\N"],
        [b"3", b"i", b"t", b"\\N", b"\\N", b"\\N", b"\\N", b"3", b"c", b"\\N"],
    ]
    assert (rows.deleted, rows.updated, rows.inserted) == (1, 1, 1)


def test_inserted_rows_alone_are_counted_and_not_staged() -> None:
    rows = StagedRows([inserted(b"1", b"a")], table("id", "v"), ("id", "v"), wanted=WantedRows.ALL)
    assert (lines(rows), rows.inserted) == ([], 1)


def test_rows_that_differ_in_columns_alone_that_are_not_written_are_left_out() -> None:
    change = RowChange(before=(b"1", b"a", b"old"), after=(b"1", b"a", b"new"))
    rows = StagedRows([change], table("id", "v"), ("id", "v", "gone"), wanted=WantedRows.ALL)
    assert (lines(rows), rows.updated) == ([], 0)


class Longer:
    """Chooses rows whose second field is longer than one byte; reads everything before it answers, as a server does."""

    def matching(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        rows = [row for block in blocks for row in block.split(b"\n")[:-1]]
        yield b"".join(row + b"\n" for row in rows if len(row.split(b"\t")[1]) > 1)


def test_what_an_expression_leaves_out_is_staged_and_not_wanted() -> None:
    changes = [
        deleted(b"1", b"aa"),
        deleted(b"2", b"b"),
        inserted(b"9", b"zz"),
        deleted(b"3", b"cc"),
        deleted(b"4", b"d"),
    ]
    rows = StagedRows(changes, table("id", "v"), ("id", "v"), wanted=WantedRows.MISSING, chooser=Longer())
    assert [tuple(line[2:5]) for line in lines(rows) if line[1] == b"d"] == [
        (b"t", b"11", b"1"),
        (b"f", b"\\N", b"2"),
        (b"t", b"11", b"3"),
        (b"f", b"\\N", b"4"),
    ]
    assert rows.left_out == 2


def test_an_expression_that_chooses_nothing_leaves_every_row() -> None:
    rows = StagedRows([deleted(b"1", b"a")], table("id", "v"), ("id", "v"), wanted=WantedRows.ALL, chooser=Longer())
    assert [line[3] for line in lines(rows)] == [b"\\N"]


def test_an_expression_is_asked_about_a_bounded_number_of_rows_at_once() -> None:
    class Counting:
        def __init__(self) -> None:
            self.asked: list[int] = []

        def matching(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
            self.asked += (block.count(b"\n") for block in blocks)
            return iter(())

    chooser = Counting()
    changes = (deleted(b"%d" % n, b"x" * (BATCH_BYTES // 4)) for n in range(10))
    rows = StagedRows(changes, table("id", "v"), ("id", "v"), wanted=WantedRows.ALL, chooser=chooser)
    assert [line[0] for line in lines(rows)] == [b"%d" % n for n in range(1, 11)]
    assert chooser.asked == [4, 4, 2]
