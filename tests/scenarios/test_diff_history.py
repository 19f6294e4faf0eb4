"""What differs between any two days of a random history is what two plain dumps of these days say."""

from __future__ import annotations

import random
import threading
from collections import Counter
from itertools import combinations
from pathlib import Path

import psycopg
import pytest

from tests.fix_postgres import Cluster
from tests.reuse_fuzz import SETUP, Writer
from tests.reuse_support import Dump, Series, small_extents
from tests.unit.ops.diff.compared import changes_of, counted
from vault.model import TableItem
from vault.repo.snapshot import Snapshot

DAYS = 5
STATEMENTS_A_DAY = 30
Row = tuple[bytes, ...]


class Day:
    """A snapshot, and a plain dump of the same moment."""

    def __init__(self, snapshot: Snapshot, dump: Dump) -> None:
        self.dump = dump
        self.snapshot = snapshot
        self.items = {str(item.name): item for item in snapshot.tables()}
        catalog = snapshot.catalog()
        self.parents = {
            str(child.relation): str(parent.relation)
            for child, parent, letter in catalog.edges
            if letter == "a" and child.kind == parent.kind == "table"
        }

    def tables(self) -> dict[str, list[TableItem]]:
        found: dict[str, list[TableItem]] = {}
        for name, item in self.items.items():
            found.setdefault(self.parents.get(name, name), []).append(item)
        return found

    def rows(self, items: list[TableItem], names: list[str]) -> Counter[tuple[str, Row]]:
        """Rows with the leaf that holds them."""
        found: Counter[tuple[str, Row]] = Counter()
        for item in items:
            places = [[column.name for column in item.columns].index(name) for name in names]
            for line in self.dump[str(item.name)]:
                fields = line.split(b"\t")
                found[str(item.name), tuple(fields[at] for at in places)] += 1
        return found


def expected(before: Day, after: Day) -> dict[str, tuple[Counter[Row], Counter[Row]]]:
    """Rows that are gone, and rows that are new, an update being both; of tables that both days have in the columns of both."""
    found = {}
    tables = [before.tables(), after.tables()]
    for name in tables[0].keys() | tables[1].keys():
        sides = [side.get(name, []) for side in tables]
        columns = [[column.name for column in side[0].columns] for side in sides if side]
        common = [column for column in columns[-1] if column in columns[0]]
        was, now = (day.rows(items, common) for day, items in zip((before, after), sides, strict=True))
        gone, new = was - now, now - was
        if gone or new:
            found[name] = (without_leaf(gone), without_leaf(new))
    return found


def without_leaf(rows: Counter[tuple[str, Row]]) -> Counter[Row]:
    found: Counter[Row] = Counter()
    for (_, row), count in rows.items():
        found[row] += count
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_any_two_days_of_a_random_history(pg18: Cluster, seed: int, tmp_path: Path) -> None:
    database = pg18.createdb()
    dsn = pg18.dsn(database)
    choose = random.Random(seed)
    writer = Writer(lambda: dsn, 0, seed, threading.Semaphore(0), threading.Event())
    taken = []
    with small_extents(8), pg18.connect(database) as connection:
        connection.execute(SETUP.encode())
        series = Series(dsn)
        for _ in range(DAYS):
            for _ in range(choose.randint(0, STATEMENTS_A_DAY)):
                try:
                    connection.execute((writer._alone() if choose.random() < 0.2 else writer._change()).encode())
                except psycopg.Error:
                    connection.execute("ROLLBACK")
            day = series.take()
            taken.append((day.report.id, day.dump))
    indexed = series.open.indexed(None)
    days = [Day(indexed.snapshot(one), dump) for one, dump in taken]
    for before, after in combinations(days, 2):
        compare(before, after, tmp_path)
        compare(after, before, tmp_path)
    pg18.dropdb(database)


def compare(before: Day, after: Day, scratch: Path) -> None:
    wanted = expected(before, after)
    with changes_of(before.snapshot, after.snapshot, scratch) as tables:
        for name, changes in tables.items():
            counts, rows = changes.counts(), list(changes)
            assert counts == counted(rows)
            gone = Counter(one.before for one in rows if one.before is not None)
            new = Counter(one.after for one in rows if one.after is not None)
            assert (gone, new) == wanted.pop(name, (Counter(), Counter())), name
            for one in rows:
                if one.before is not None and one.after is not None:
                    at = [column.name for column in changes.columns].index("id")
                    assert one.before[at] == one.after[at]
    assert not wanted
