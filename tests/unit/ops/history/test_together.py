"""Histories of tables and texts, whose days are compared together: the same is told as day by day, and each chunk is opened once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_source import FakeDatabase
from tests.small_repository import rows as many_rows
from tests.unit.ops.history.history_support import Days, days, table
from vault.errors import Malformed
from vault.ids import ObjectId
from vault.model import Location, ObjectType, TableName
from vault.ops.diff.scratch import Scratch
from vault.ops.history import comparisons, events
from vault.ops.history.events import UNREAD, Event, history
from vault.ops.history.table_events import TableDiffer
from vault.ops.history.value_events import Needle, RowTexts
from vault.repo import reader as repo_reader
from vault.repo.reader import Reader

ORDERS = TableName(schema="public", name="orders")
KEY = bytes(range(32))
NAMES = ("public.orders", "public.items")


def of_table(taken: Days, scratch: Path) -> list[Event]:
    return list(history(taken.newest_first, TableDiffer(ORDERS, scratch=Scratch(scratch), key=KEY)))


def of_text(taken: Days, scratch: Path, text: str, name: TableName | None = None) -> list[Event]:
    return list(history(taken.newest_first, RowTexts(Needle(text), name, scratch=Scratch(scratch), key=KEY)))


def random_days(seed: int) -> list[FakeDatabase]:
    """Two tables that live: rows come, go, change and move between extents; one is gone for some days."""
    chance = random.Random(seed)
    rows = {name: {at: b"v%d" % chance.randrange(4) for at in range(30)} for name in NAMES}
    taken: list[FakeDatabase] = []
    for _ in range(chance.randrange(2, 9)):
        for those in rows.values():
            for at in chance.sample(range(40), chance.randrange(6)):
                if chance.random() < 0.4:
                    those.pop(at, None)
                else:
                    those[at] = b"v%d" % chance.randrange(4)
        there = [name for name in NAMES if name == NAMES[0] or chance.random() < 0.8]
        taken.append(FakeDatabase(tables={name: tuple(extents(rows[name], chance)) for name in there}))
    return taken


def extents(rows: dict[int, bytes], chance: random.Random) -> Iterator[bytes]:
    lines = [b"%d\t%s\n" % row for row in rows.items()]
    if chance.random() < 0.3:
        chance.shuffle(lines)
    while lines:
        size = chance.randrange(1, 15)
        yield b"".join(lines[:size])
        del lines[:size]


@pytest.mark.parametrize("seed", range(25))
def test_days_compared_together_tell_what_they_tell_one_by_one(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.ops.diff.scratch._HELD_RECORDS", 64)
    monkeypatch.setattr("vault.ops.diff.scratch._RUNS_MAX", 3)
    taken = days(*random_days(seed))
    together = [of_table(taken, tmp_path), of_text(taken, tmp_path, "v1"), of_text(taken, tmp_path, "v2", ORDERS)]
    monkeypatch.setattr(events, "FORESEEN", 3)
    few = [of_table(taken, tmp_path), of_text(taken, tmp_path, "v1"), of_text(taken, tmp_path, "v2", ORDERS)]
    monkeypatch.setattr(comparisons, "_TOGETHER_MAX", 0)
    apart = [of_table(taken, tmp_path), of_text(taken, tmp_path, "v1"), of_text(taken, tmp_path, "v2", ORDERS)]
    assert together == few == apart
    assert any(apart)
    assert list(tmp_path.iterdir()) == []


def test_each_version_is_opened_once_though_all_change_every_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a delta against its predecessor: day by day the whole chain would be opened, of a table that no cache holds."""
    monkeypatch.setattr(repo_reader, "_CACHE_BYTES_MAX", 0)
    monkeypatch.setattr(repo_reader, "_KEPT_BYTES_MAX", 1_000_000)
    many, extents = 8, [many_rows(seed, 1_700) for seed in range(8)]  # each below the least that is cut
    texts = [extents]
    for day in range(many):
        texts.append([extent.replace(b"\n", b"\n%d\tadded\n" % day, 1) for extent in texts[-1]])
    taken = days(*(table(*text) for text in texts))
    opened: Counter[ObjectId] = Counter()
    whole = Reader._open

    def open_one(reader: Reader, place: Location) -> bytes:
        if place.record.type is ObjectType.ROW_CHUNK:
            opened[place.record.id] += 1
        return whole(reader, place)

    monkeypatch.setattr(Reader, "_open", open_one)
    assert [one.counts for one in of_table(taken, tmp_path)[:-1]] == [(8, 0, 0)] * many
    versions = 8 * (many + 1)
    assert len(opened) == versions
    assert set(opened.values()) == {1}
    opened.clear()
    assert of_text(taken, tmp_path, "no row has it") == []
    assert opened.total() <= versions + 8 * many  # the oldest snapshot, read for what it has already, is newly read
    opened.clear()
    monkeypatch.setattr(comparisons, "_TOGETHER_MAX", 0)
    of_table(taken, tmp_path)
    assert opened.total() > 3 * versions


def test_a_chunk_that_cannot_be_read_is_told_of_those_that_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = days(*(table(b"%d\ta\n%d\tb\n" % (day, day + 1)) for day in range(6)))
    (lost,) = {
        ref.id
        for item in taken.snapshots[2].tables()
        for one in taken.snapshots[2].extents(item)
        for ref in one.chunks.inline
    }
    whole = taken.reader.get

    def get(object_id: object, *rest: object, **more: object) -> bytes:
        if object_id == lost:
            raise Malformed("damaged")
        return whole(object_id, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(taken.reader, "get", get)
    told = of_table(taken, tmp_path)
    numbers = {snapshot.id: number for number, snapshot in enumerate(taken.snapshots)}
    assert [(numbers[one.snapshot.id], one.change == UNREAD) for one in told] == [
        (5, False), (4, False), (2, True), (3, False), (1, False), (0, False),
    ]  # fmt: skip


def test_who_stops_asking_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.ops.diff.scratch._HELD_RECORDS", 2)
    taken = days(*(table(many_rows(day, 50)) for day in range(6)))
    told = history(taken.newest_first, TableDiffer(ORDERS, scratch=Scratch(tmp_path), key=KEY))
    assert next(told).counts == (0, 0, 50)
    told.close()  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []
