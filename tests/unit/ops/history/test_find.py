"""Where something is, and since when, over days of a database and a directory."""

from __future__ import annotations

from dataclasses import replace

from tests.fake_source import FakeDatabase, FakeDirectory
from tests.small_repository import rows
from tests.unit.ops.history.history_support import Days, days, table
from vault.ops.history.find import FoundThings, find
from vault.ops.history.names import Pattern
from vault.ops.project import backup_selection

WHOLE = backup_selection.encode(True, [], {})
PART = backup_selection.encode(True, [], {"include_tables": ["orders"]})


def told(taken: Days, findings: FoundThings) -> list[tuple[str, int, int, int, bool]]:
    """Name, number of the first and last snapshot, how many, whether it is still there."""
    numbers = {snapshot.id: number for number, snapshot in enumerate(taken.snapshots, 1)}
    return [
        (str(one.thing), numbers[one.first.id], numbers[one.last.id], one.count, one.there) for one in findings.found
    ]


def test_a_table_that_came_went_and_came_back_is_told_with_its_first_and_last_snapshot() -> None:
    both = FakeDatabase(tables={"public.orders": [b"1\ta\n"], "public.notes": [b"1\tb\n"]})
    notes = FakeDatabase(tables={"public.notes": [b"1\tb\n"]})
    taken = days(notes, both, notes, both, notes)
    assert told(taken, find(taken.snapshots, Pattern("orders"))) == [("public.orders", 2, 4, 2, False)]
    assert told(taken, find(taken.snapshots, Pattern("public.*"))) == [
        ("public.notes", 1, 5, 5, True),
        ("public.orders", 2, 4, 2, False),
    ]
    assert told(taken, find(taken.snapshots, Pattern("nothing"))) == []


def test_files_are_found_by_their_last_name_or_their_whole_path() -> None:
    first = FakeDirectory({b"hello/index.ts": b"1", b"hello/\xff.ts": b"2"})
    second = FakeDirectory({b"hello/index.ts": b"1", b"bye/index.ts": b"3"})
    database = table(b"1\ta\n")
    taken = days(database, database, directories=[{"edge": first}, {"edge": second}])
    assert told(taken, find(taken.snapshots, Pattern("*.ts"))) == [
        ("edge/bye/index.ts", 2, 2, 1, True),
        ("edge/hello/%FF.ts", 1, 1, 1, False),
        ("edge/hello/index.ts", 1, 2, 2, True),
    ]
    assert [str(one.thing) for one in find(taken.snapshots, Pattern("edge/h*x.ts")).found] == ["edge/hello/index.ts"]
    assert find(taken.snapshots, Pattern("index")).found == []


def test_definitions_are_found_by_the_path_of_their_file() -> None:
    taken = days(table(b"1\ta\n"), table(b"1\ta\n", name="public.notes"))
    assert told(taken, find(taken.snapshots, Pattern("schema/public/tables/*"))) == [
        ("public.notes", 2, 2, 1, True),
        ("public.orders", 1, 1, 1, False),
    ]


def test_roles_are_found() -> None:
    taken = days(table(b"1\ta\n"), table(b"2\ta\n"))
    assert told(taken, find(taken.snapshots, Pattern("postgres"))) == [("postgres", 1, 2, 2, True)]


def test_what_a_snapshot_of_a_part_lacks_is_not_gone() -> None:
    whole = FakeDatabase(tables={"public.orders": [b"1\ta\n"], "public.notes": [b"1\tb\n"]})
    part = FakeDatabase(tables={"public.orders": [b"1\ta\n"]})
    taken = days(whole, part, whole, part, selections=[WHOLE, PART, WHOLE, PART])
    assert told(taken, find(taken.snapshots, Pattern("public.*"))) == [
        ("public.notes", 1, 3, 2, True),
        ("public.orders", 1, 4, 4, True),
    ]


def test_a_table_that_a_part_alone_still_has_is_gone_from_the_whole() -> None:
    whole, gone = table(b"1\ta\n"), FakeDatabase(tables={"public.notes": [b"1\tb\n"]})
    taken = days(whole, whole, gone, selections=[WHOLE, PART, WHOLE])
    assert told(taken, find(taken.snapshots, Pattern("orders"))) == [("public.orders", 1, 2, 2, False)]


def test_shared_nodes_are_read_once() -> None:
    many = FakeDatabase(tables={f"public.t{number:04}": [b"1\ta\n"] for number in range(400)})
    one_more = replace(many, tables={**many.tables, "public.t9999": [b"1\ta\n"]})
    first = days(many)
    find(first.snapshots, Pattern("t0001"))
    taken = days(many, one_more, one_more, one_more, one_more, one_more)
    findings = find(taken.snapshots, Pattern("t9999"))
    assert told(taken, findings) == [("public.t9999", 2, 6, 5, True)]
    assert taken.read.bytes < 2 * first.read.bytes


def test_rows_are_never_read() -> None:
    taken = days(table(rows(1, 50_000)), table(rows(2, 50_000)))
    find(taken.snapshots, Pattern("*"))
    assert taken.read.bytes < 100_000
