"""Rows that differ between two snapshots: matched by key, or as wholes, whatever of them is stored equal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fake_source import FakeDatabase
from tests.small_repository import rows
from tests.unit.ops.diff.compared import captured, changes_of, differ, text_of
from vault.model import Column, TableName
from vault.ops.diff.rows import ChangeCounts, RowChange

T = "public.t"


def of(*extents: bytes, table: str = T, **options: object) -> FakeDatabase:
    return FakeDatabase(tables={table: extents}, **options)  # type: ignore[arg-type]


def columns(*names: str, start: int = 1, types: dict[str, str] | None = None) -> tuple[Column, ...]:
    return tuple(
        Column(name=name, type=(types or {}).get(name, "text"), attnum=at) for at, name in enumerate(names, start)
    )


def test_equal_tables_are_left_out_and_nothing_of_them_is_read(tmp_path: Path) -> None:
    was, now = captured(of(rows(1, 5_000)), of(rows(1, 5_000)))
    with changes_of(was, now, tmp_path) as tables:
        assert tables == {}


def test_rows_are_inserted_deleted_and_updated_under_their_key(tmp_path: Path) -> None:
    before = text_of((1, "a"), (2, "b"), (3, "c"))
    after = text_of((1, "a"), (2, "B"), (4, "d"))
    assert differ(of(before), of(after), tmp_path) == {
        T: [
            RowChange(before=(b"2", b"b"), after=(b"2", b"B")),
            RowChange(before=(b"3", b"c"), after=None),
            RowChange(before=None, after=(b"4", b"d")),
        ]
    }


@pytest.mark.parametrize("apart", [False, True])
def test_rows_that_only_lie_elsewhere_do_not_differ(tmp_path: Path, apart: bool) -> None:
    lines = rows(1, 20_000).splitlines(keepends=True)
    moved = b"".join(lines[10_000:] + lines[:10_000])
    assert differ(of(b"".join(lines)), of(moved), tmp_path, apart=apart) == {}
    halves = (b"".join(lines[::2]), b"".join(lines[1::2]))
    assert differ(of(b"".join(lines)), of(*halves), tmp_path, apart=apart) == {}


@pytest.mark.parametrize("apart", [False, True])
def test_what_is_read_is_told_and_never_more_than_there_is(tmp_path: Path, apart: bool) -> None:
    was, now = captured(of(rows(1, 20_000)), of(rows(2, 20_000)), apart=apart)
    heard: list[int] = []
    with changes_of(was, now, tmp_path) as tables:
        tables[T].counts(heard.append)
        assert 0 < sum(heard) <= tables[T].compared_bytes_max


def test_without_a_key_rows_count_as_wholes_as_often_as_they_are_there(tmp_path: Path) -> None:
    before = text_of((1, "a"), (1, "a"), (1, "a"), (2, "b"))
    after = text_of((2, "B"), (1, "a"))
    found = differ(of(before, keys={T: ()}), of(after, keys={T: ()}), tmp_path)[T]
    assert sorted((one.before, one.after) for one in found if one.before) == [
        ((b"1", b"a"), None),
        ((b"1", b"a"), None),
        ((b"2", b"b"), None),
    ]
    assert [one.after for one in found if one.before is None] == [(b"2", b"B")]


def test_a_key_that_only_one_snapshot_has_tells_no_rows(tmp_path: Path) -> None:
    was, now = captured(of(text_of((1, "a"))), of(text_of((1, "b")), keys={T: ("body",)}))
    with changes_of(was, now, tmp_path) as tables:
        assert tables[T].key == ()
        assert tables[T].counts() == ChangeCounts(inserted=1, deleted=1)


def test_long_rows_that_share_their_first_pieces_differ(tmp_path: Path) -> None:
    long = b"x" * 2_900_000
    before, after = b"1\t" + long + b"a\n2\tshort\n", b"1\t" + long + b"b\n2\tshort\n"
    found = differ(of(before), of(after), tmp_path)[T]
    assert [(one.before, one.after) for one in found] == [((b"1", long + b"a"), (b"1", long + b"b"))]


def test_an_added_column_is_told_once_and_no_row_differs_for_it(tmp_path: Path) -> None:
    before, after = text_of((1, "a"), (2, "b")), text_of((1, "a", "new"), (2, "c", "new"))
    wide = {T: columns("id", "body", "more")}
    was, now = captured(of(before, columns={T: columns("id", "body")}), of(after, columns=wide))
    with changes_of(was, now, tmp_path) as tables:
        changes = tables[T]
        assert [column.name for column in changes.only_after] == ["more"]
        assert [column.name for column in changes.columns] == ["id", "body"]
        assert list(changes) == [RowChange(before=(b"2", b"b"), after=(b"2", b"c"))]


def test_columns_that_swapped_their_names_are_told_by_number_in_the_same_table(tmp_path: Path) -> None:
    text = text_of((1, "a", "b"))
    was, now = captured(of(text, columns={T: columns("id", "x", "y")}), of(text, columns={T: columns("id", "y", "x")}))
    with changes_of(was, now, tmp_path) as tables:
        assert [column.name for column in tables[T].was] == ["id", "x", "y"]
        assert list(tables[T]) == []


def test_columns_that_swapped_their_names_differ_where_the_table_is_another_one(tmp_path: Path) -> None:
    text = text_of((1, "a", "b"))
    found = differ(
        of(text, columns={T: columns("id", "x", "y")}),
        of(text, columns={T: columns("id", "y", "x")}, system_id="2"),
        tmp_path,
    )
    assert found == {T: [RowChange(before=(b"1", b"b", b"a"), after=(b"1", b"a", b"b"))]}


def test_a_column_that_was_made_again_is_compared_by_its_name(tmp_path: Path) -> None:
    again = {T: (Column(name="id", type="bigint", attnum=1), Column(name="body", type="text", attnum=3))}
    found = differ(of(text_of((1, "a"))), of(text_of((1, "\\N")), columns=again), tmp_path)
    assert found == {T: [RowChange(before=(b"1", b"a"), after=(b"1", b"\\N"))]}


def test_types_that_print_alike_are_compared_and_others_are_told_as_not(tmp_path: Path) -> None:
    before = of(text_of((1, "1.0")), columns={T: columns("id", "n", types={"id": "integer", "n": "numeric"})})
    after = of(text_of((1, "1.00")), columns={T: columns("id", "n", types={"id": "bigint", "n": "numeric(5,2)"})})
    was, now = captured(before, after)
    with changes_of(was, now, tmp_path) as tables:
        assert [old.name for old, _ in tables[T].retyped] == ["id", "n"]
        assert [old.name for old, _ in tables[T].unlike] == ["n"]
        assert tables[T].key == ("id",)
        assert list(tables[T]) == []


def test_encodings_are_compared_as_unicode(tmp_path: Path) -> None:
    latin = "1\tä\n2\tö\n".encode("latin-1")
    found = differ(of(latin, encoding="LATIN1"), of("1\tä\n2\tü\n".encode()), tmp_path)
    assert found == {T: [RowChange(before=(b"2", "ö".encode()), after=(b"2", "ü".encode()))]}


def test_a_new_table_and_one_that_is_gone_have_all_their_rows(tmp_path: Path) -> None:
    before, after = of(text_of((1, "a")), table="public.old"), of(text_of((2, "b")), table="public.new")
    was, now = captured(before, after)
    with changes_of(was, now, tmp_path) as tables:
        assert (tables["public.new"].before, tables["public.old"].after) == (None, None)
        assert tables["public.old"].counts() == ChangeCounts(deleted=1)
        assert list(tables["public.new"]) == [RowChange(before=None, after=(b"2", b"b"))]


def test_a_renamed_table_is_one(tmp_path: Path) -> None:
    before = of(text_of((1, "a")), table="public.old", oids={"public.old": 7})
    after = of(text_of((1, "b")), table="public.new", oids={"public.new": 7})
    was, now = captured(before, after)
    with changes_of(was, now, tmp_path) as tables:
        changes = tables["public.new"]
        assert (str(changes.before), str(changes.after)) == ("public.old", "public.new")
        assert changes.counts() == ChangeCounts(updated=1)


def test_a_row_that_moved_between_partitions_is_an_update_that_names_both(tmp_path: Path) -> None:
    parts = {"public.p1": T, "public.p2": T}
    before = FakeDatabase(tables={"public.p1": [text_of((1, "a"))], "public.p2": [b""]}, partitions=parts)
    after = FakeDatabase(tables={"public.p1": [b""], "public.p2": [text_of((1, "a"))]}, partitions=parts)
    first, second = (TableName(schema="public", name=name) for name in ("p1", "p2"))
    row = (b"1", b"a")
    assert differ(before, after, tmp_path) == {
        T: [RowChange(before=row, after=row, leaf_before=first, leaf_after=second)]
    }


def test_partitions_whose_columns_lie_otherwise_are_compared_by_name(tmp_path: Path) -> None:
    parts = {"public.p1": T, "public.p2": T}
    other = {"public.p2": columns("body", "id")}
    before = FakeDatabase(
        tables={"public.p1": [text_of((1, "a"))], "public.p2": [text_of(("b", 2))]}, partitions=parts, columns=other
    )
    after = FakeDatabase(
        tables={"public.p1": [text_of((1, "a"), (2, "b"))], "public.p2": [b""]}, partitions=parts, columns=other
    )
    (change,) = differ(before, after, tmp_path)[T]
    assert (change.before, change.after) == ((b"2", b"b"), (b"2", b"b"))


def test_a_detached_partition_took_its_rows_with_it(tmp_path: Path) -> None:
    tables = {"public.p1": [text_of((1, "a"))], "public.p2": [text_of((2, "b"))]}
    before = FakeDatabase(tables=tables, partitions={"public.p1": T, "public.p2": T})
    found = differ(before, FakeDatabase(tables=tables, partitions={"public.p2": T}), tmp_path)
    assert {name: [(one.before, one.after) for one in changes] for name, changes in found.items()} == {
        T: [((b"1", b"a"), None)],
        "public.p1": [(None, (b"1", b"a"))],
    }


def test_rows_that_one_snapshot_did_not_capture_are_neither_equal_nor_gone(tmp_path: Path) -> None:
    was, now = captured(of(text_of((1, "a"))), FakeDatabase(uncaptured=(T,)))
    with changes_of(was, now, tmp_path) as tables:
        assert [str(name) for name in tables[T].uncaptured] == [T]
        assert tables[T].counts() == ChangeCounts()
        assert list(tables[T]) == []


def test_a_table_without_columns_counts_its_rows(tmp_path: Path) -> None:
    none = {T: ()}
    found = differ(of(b"\n\n", columns=none, keys=none), of(b"\n", columns=none, keys=none), tmp_path)
    assert found == {T: [RowChange(before=(), after=None)]}


def test_order_of_what_is_told_is_that_of_the_table_and_does_not_depend_on_the_key(tmp_path: Path) -> None:
    before, after = rows(1, 3_000), rows(2, 3_000)
    found = differ(of(before), of(after), tmp_path)[T]
    assert [one.before[0] for one in found if one.before] == [b"%d" % at for at in range(3_000)]


def test_many_rows_are_matched_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.ops.diff.scratch._HELD_RECORDS", 100)
    monkeypatch.setattr("vault.ops.diff.scratch._RUNS_MAX", 3)
    monkeypatch.setattr("vault.ops.diff.places._HELD_BYTES", 100)
    monkeypatch.setattr("vault.ops.diff.shared.EXTENTS_AT_ONCE", 1)
    before, after = [rows(at, 500) for at in range(4)], [rows(at, 500) for at in (0, 2, 3, 9)]
    keyless = {T: ()}
    found = differ(of(*before, keys=keyless), of(*after, keys=keyless), tmp_path)[T]
    assert {one.before for one in found if one.before} == {tuple(line.split(b"\t")) for line in before[1].splitlines()}
    assert {one.after for one in found if one.after} == {tuple(line.split(b"\t")) for line in after[3].splitlines()}
    assert list(tmp_path.iterdir()) == []
