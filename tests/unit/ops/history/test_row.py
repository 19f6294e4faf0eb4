"""The history of single rows: what is told, and how little is read for it."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from tests.fake_source import FakeDatabase
from tests.small_repository import rows as many_rows
from tests.unit.ops.history.history_support import Days, days, table
from vault.errors import Malformed, UsageError
from vault.model import TableName
from vault.ops.history import leaf_history, row
from vault.ops.history.events import Event
from vault.ops.history.leaf_history import ROWS_MAX, fitting
from vault.ops.history.row import rows_then
from vault.ops.history.row_events import row_events
from vault.repo import reader as repo_reader

ORDERS = TableName(schema="public", name="orders")


def log(taken: Days, **wanted: str | None) -> list[tuple[int, str, dict[str, tuple[str | None, str | None]]]]:
    """(number of the snapshot, what happened, column -> before and after), newest first."""
    numbers = {snapshot.id: number for number, snapshot in enumerate(taken.snapshots, 1)}

    def told(event: Event) -> tuple[int, str, dict[str, tuple[str | None, str | None]]]:
        values = {value.name: (value.before, value.after) for value in event.values}
        return numbers[event.snapshot.id], event.change, values

    return [told(event) for event in row_events(rows_then(taken.newest_first, ORDERS, wanted))]


def test_insert_update_and_delete_are_told_newest_first() -> None:
    taken = days(
        table(b"1\tone\n"),
        table(b"1\tone\n42\tnew\n"),
        table(b"1\tone\n42\tnew\n"),
        table(b"42\t\\N\n1\tone\n"),
        table(b"1\tone\n"),
    )
    assert log(taken, id="42") == [
        (5, "deleted", {"id": ("42", None), "body": (None, None)}),
        (4, "updated", {"body": ("new", None)}),
        (2, "inserted", {"id": (None, "42"), "body": (None, "new")}),
    ]
    assert log(taken, id="1") == [(1, "there", {"id": (None, "1"), "body": (None, "one")})]
    assert log(taken, id="4") == []


def test_a_row_that_moved_to_another_extent_is_the_same() -> None:
    taken = days(table(b"1\ta\n2\tb\n", b"3\tc\n"), table(b"2\tb\n", b"3\tc\n1\ta\n"), table(b"2\tb\n3\tc\n1\ta\n"))
    assert log(taken, id="1") == [(1, "there", {"id": (None, "1"), "body": (None, "a")})]


def test_values_are_compared_as_text_and_null_is_none_of_them() -> None:
    odd = b"7\ttab\\there\\\\and\\nthere\n8\t\\N\n9\t\\\\N\n"
    taken = days(table(b"1\tx\n"), table(b"1\tx\n" + odd))
    assert log(taken, body="tab\there\\and\nthere")[0][2]["id"] == (None, "7")
    assert log(taken, body=None)[0][2]["id"] == (None, "8")
    assert log(taken, body="\\N")[0][2]["id"] == (None, "9")
    assert log(taken, id="7", body="x") == []


def test_several_rows_that_fit_are_told_apart_by_the_key() -> None:
    taken = days(table(b"1\topen\n2\topen\n3\tdone\n"), table(b"1\topen\n2\tdone\n3\topen\n"))
    assert sorted((number, change) for number, change, _ in log(taken, body="open")) == [
        (1, "there"),
        (1, "there"),
        (2, "appeared"),
        (2, "went"),
    ]


def test_equal_rows_are_counted() -> None:
    taken = days(table(b"1\tx\n1\tx\n1\tx\n"), table(b"1\tx\n"), table(b"1\tx\n1\tx\n"))
    assert [(number, change) for number, change, _ in log(taken, id="1")] == [
        (3, "inserted"),
        (2, "deleted"),
        (2, "deleted"),
        (1, "there"),
        (1, "there"),
        (1, "there"),
    ]


def test_a_table_that_is_not_in_some_snapshots_begins_and_ends() -> None:
    other = FakeDatabase(tables={"public.notes": [b"1\tb\n"]})
    taken = days(other, table(b"1\ta\n"), other, table(b"1\ta\n"), other)
    assert [(number, change) for number, change, _ in log(taken, id="1")] == [
        (5, "deleted"),
        (4, "inserted"),
        (3, "deleted"),
        (2, "inserted"),
    ]


def test_a_row_that_spans_chunks_is_found_in_one_piece() -> None:
    long = [bytes(random.Random(seed).choices(b"abcdefgh", k=3_000_000)) for seed in (1, 2)]
    texts = [b"1\ta\n5\t" + one + b"\n6\tz\n" for one in long]
    taken = days(table(texts[0]), table(texts[0]), table(texts[1]))
    (changed, there) = log(taken, id="5")
    assert (changed[0], changed[1], changed[2]["body"]) == (3, "updated", (long[0].decode(), long[1].decode()))
    assert (there[0], there[1]) == (1, "there")
    assert log(taken, id="6")[0][:2] == (1, "there")


def test_the_newest_table_is_read_once_and_then_changed_chunks_alone() -> None:
    extents = [many_rows(seed, 40_000) for seed in range(4)]
    history = [table(*extents)]
    for day in range(1, 8):
        extents[day % 4] = extents[day % 4].replace(b"\n", b"\n%d%d\tadded\n" % (day, day), 1)
        history.append(table(*extents))
    taken = days(*history)
    size = sum(map(len, extents))
    assert log(taken, id="39999")[-1][1] == "there"
    assert size <= taken.read.bytes < 1.05 * size + 7 * 2 * 1_100_000


def test_of_what_changes_every_day_no_version_is_opened_for_each_that_stands_on_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each is a delta against its predecessor: day by day the whole chain would be opened, of a table that no cache holds."""
    monkeypatch.setattr(repo_reader, "_CACHE_BYTES_MAX", 0)
    monkeypatch.setattr(repo_reader, "_KEPT_BYTES_MAX", 5_000_000)
    many, extents = 12, [many_rows(seed, 16_000) for seed in range(8)]
    texts = [extents]
    for day in range(many):
        texts.append([extent.replace(b"\n", b"\n%d\tadded\n" % day, 1) for extent in texts[-1]])
    taken = days(*(table(*text) for text in texts))
    assert log(taken, id="15999")[-1][1] == "there"
    assert taken.read.bytes < 2 * sum(len(extent) for text in texts for extent in text)


@pytest.mark.parametrize("damaged", [0, 1])
def test_snapshots_that_hold_a_chunk_which_cannot_be_read_are_told_and_the_others_too(damaged: int) -> None:
    states = [b"1\ta\n", b"1\tb\n", b"1\tb\n2\tx\n", b"1\tc\n", b"1\tc\n2\tx\n"]
    taken = days(*(table(*(b"8\tx\n", state, b"9\tz\n")[1 - damaged :]) for state in states))
    third = taken.snapshots[2]
    (gone,) = third.chunk_refs([*third.extents(third.table(ORDERS))][damaged].chunks)
    for place in [*taken.reader.index.locations(gone.id)]:
        taken.reader.index.distrust(gone.id, place, Malformed("planted"))
    told = [(3, "unread"), (4, "updated"), (2, "updated"), (1, "there")]
    assert [(number, change) for number, change, _ in log(taken, id="1")] == told
    for key in ("8", "9")[1 - damaged :]:
        assert [(number, change) for number, change, _ in log(taken, id=key)] == [(3, "unread"), (1, "there")]


def test_what_was_found_before_a_chunk_that_cannot_be_read_is_told() -> None:
    """It is the first that is read of its extent: what is known of the one before must not go with it."""
    taken = days(*(table(b"8\tx\n", state) for state in (b"1\ta\n", b"1\tb\n")))
    first = taken.snapshots[0]
    (gone,) = first.chunk_refs([*first.extents(first.table(ORDERS))][1].chunks)
    for place in [*taken.reader.index.locations(gone.id)]:
        taken.reader.index.distrust(gone.id, place, Malformed("planted"))
    assert [(number, change) for number, change, _ in log(taken, id="8")] == [(1, "unread"), (2, "there")]


def test_too_many_rows_are_refused_before_they_fill_the_memory() -> None:
    taken = days(table(b"".join(b"%d\tx\n" % number for number in range(ROWS_MAX + 1))))
    with pytest.raises(UsageError) as caught:
        log(taken, body="x")
    assert "key" in caught.value.hint


def test_what_came_after_a_snapshot_with_too_many_rows_is_told_first() -> None:
    many = b"".join(b"%d\tx\n" % number for number in range(ROWS_MAX + 1))
    taken = days(table(many), table(b"1\tx\n"), table(b"1\tx\n2\tx\n"))
    told = row_events(rows_then(taken.newest_first, ORDERS, {"body": "x"}))
    assert next(told).change == "appeared"
    with pytest.raises(UsageError):
        next(told)


def test_of_a_table_that_does_not_change_no_more_is_held_in_a_second_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row, "SIDE_BY_SIDE", 3)
    texts = [b"%d\tx\n" % number for number in range(40)]
    taken = days(*(table(*texts, b"99\t%d\n" % day) for day in range(7)))
    most = 0
    close = leaf_history._Reading._close_groups

    def closing(reading: leaf_history._Reading) -> None:
        nonlocal most
        most = max(most, len(reading._awaited))
        close(reading)

    assert log(taken, id="7")[-1][:2] == (1, "there")
    first = taken.read.objects
    monkeypatch.setattr(leaf_history._Reading, "_close_groups", closing)
    assert log(taken, id="39")[-1][:2] == (1, "there")
    assert most < 25
    assert taken.read.objects - first < 80


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        (b"4\tx\n42\tx\n142\tx\n", (0, b"42"), [b"42\tx"]),
        (b"4\tx\n", (0, b"4"), [b"4\tx"]),
        (b"x\t4\nx\t42\n", (1, b"42"), [b"x\t42"]),
        (b"42\t1\n1\t42\n42\t42\n", (1, b"42"), [b"1\t42", b"42\t42"]),
        (b"\t\n\tx\n", (0, b""), [b"\t", b"\tx"]),
    ],
)
def test_only_whole_fields_at_their_place_fit(text: bytes, place: tuple[int, bytes], expected: list[bytes]) -> None:
    assert fitting(b"\n" + text, (place,), 2) == expected


def test_a_table_of_one_column_is_looked_through() -> None:
    assert fitting(b"\na\nb\na\na\n", ((0, b"a"),), 1) == [b"a", b"a", b"a"]


SETTINGS = {
    "all at once": {},
    "three at a time": {"SIDE_BY_SIDE": 3},
    "extents too large to hold": {"_CHUNKS_HELD_MAX": 1},
    "rows too large to hold": {"_ROWS_HELD_MAX": 4, "SIDE_BY_SIDE": 2},
}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=list(SETTINGS))
def test_every_row_of_a_random_history_has_the_history_that_its_snapshots_tell(
    settings: Mapping[str, int], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setattr(row if name == "SIDE_BY_SIDE" else leaf_history, name, value)
    dice = random.Random(seed)
    state: list[dict[int, bytes]] = [{}, {}, {}]
    history: list[dict[int, bytes]] = []
    databases = []
    for _ in range(8):
        for _ in range(dice.randrange(6)):
            extent, key = dice.choice(state), dice.randrange(12)
            for other in state:
                other.pop(key, None)
            if dice.random() < 0.7:
                extent[key] = b"v%d" % dice.randrange(3)
        used = state[: max(1, dice.randrange(4))]
        history.append({key: value for extent in used for key, value in extent.items()})
        lines = [b"".join(b"%d\t%s\n" % row for row in dice.sample(sorted(one.items()), len(one))) for one in used]
        databases.append(table(*lines))
    taken = days(*databases)
    for key in range(12):
        expected = []
        for number in range(len(history), 0, -1):
            now = history[number - 1].get(key)
            then = history[number - 2].get(key) if number > 1 else None
            if number == 1:
                expected += [(1, "there")] if now is not None else []
            elif now != then:
                expected.append((number, "inserted" if then is None else "deleted" if now is None else "updated"))
        assert [(number, change) for number, change, _ in log(taken, id=str(key))] == expected
