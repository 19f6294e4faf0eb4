"""What `log` tells of a random history of a real server is what plain dumps of its days say, over more days than are begun together."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psycopg

from tests.fix_postgres import Cluster
from tests.reuse_fuzz import SETUP, Writer
from tests.reuse_support import Dump, Series, small_extents
from vault.model import TableName
from vault.ops.diff.scratch import Scratch
from vault.ops.history.events import FORESEEN, THERE, WENT, Event, history
from vault.ops.history.table_events import TableDiffer
from vault.ops.history.value_events import Needle, RowTexts
from vault.repo.snapshot import Snapshot

TEXT = "ab"
DAYS = FORESEEN + 3
STATEMENTS_A_DAY = 8
TABLE = "loose"
"""What is told of it is looked at day by day; it has no key."""
CHANGES = (
    ["VACUUM FULL plain", "CLUSTER plain USING plain_pkey", "ANALYZE"],
    ["ALTER TABLE loose ADD COLUMN word text DEFAULT 'cab'"],
    ["ALTER TABLE loose DROP COLUMN word"],
    ["ALTER TABLE loose ALTER n TYPE text"],
    ["ALTER TABLE wide RENAME TO broad", "UPDATE broad SET note = 'abc' WHERE id % 100 = 7"],
    ["DROP TABLE labels", "CREATE TABLE labels (id integer, n integer, note text)", "INSERT INTO labels VALUES (1, 1, 'tab')"],
    ["TRUNCATE plain", "INSERT INTO plain SELECT i, 0, md5(i::text) FROM generate_series(1, 300) AS i"],
    ["CREATE TABLE parts_2 PARTITION OF parts DEFAULT"],
    ["CREATE TABLE \"late one\" AS SELECT * FROM plain LIMIT 50"],
)  # fmt: skip
"""Statements of a day, beside those that the writer makes; what fails is passed over."""


def test_log_tells_each_day_what_dumps_say(pg18: Cluster, tmp_path: Path) -> None:
    database = pg18.createdb()
    snapshots, dumps = lived(pg18, database)
    numbers = {snapshot.id: number for number, snapshot in enumerate(snapshots)}
    scratch, key = Scratch(tmp_path), bytes(32)
    texts = list(history(snapshots[::-1], RowTexts(Needle(TEXT), None, scratch=scratch, key=key)))
    table = TableName(schema="public", name=TABLE)
    tables = list(history(snapshots[::-1], TableDiffer(table, scratch=scratch, key=key)))
    assert sum(one.counts[0] for one in texts if one.change == THERE and one.counts) == with_text(dumps[0])
    for number in range(1, DAYS):
        of_day = [one for one in texts if numbers[one.snapshot.id] == number]
        of_columns = [one for one in of_day if one.what == "rows"]
        if of_columns:
            assert [(one.name, *one.notes[0].split()[:1]) for one in of_columns] == [in_word(dumps, number)]
        else:
            assert net(of_day) == with_text(dumps[number]) - with_text(dumps[number - 1]), number
        gone, new = moved(dumps[number - 1], dumps[number])
        told = [one.counts for one in tables if numbers[one.snapshot.id] == number and one.counts]
        assert len(told) <= 1
        inserted, deleted, updated = told[0] if told else (0, 0, 0)
        assert updated == 0, "it has no key"
        assert inserted - deleted == new.total() - gone.total(), number
        if len(fields(dumps[number])) == len(fields(dumps[number - 1])):
            assert (inserted, deleted) == (new.total(), gone.total()), number
    assert {one.what for one in texts} == {"row", "rows"}
    pg18.dropdb(database)


def lived(cluster: Cluster, database: str) -> tuple[Sequence[Snapshot], Sequence[Dump]]:
    """Days, oldest first."""
    dsn, choose = cluster.dsn(database), random.Random(5)
    writer = Writer(lambda: dsn, 0, 5, threading.Semaphore(0), threading.Event())
    taken = []
    with small_extents(8), cluster.connect(database) as connection:
        connection.execute(SETUP.encode())
        series = Series(dsn)
        for day in range(DAYS):
            own = CHANGES[day // 2 % len(CHANGES)] if day % 2 else []
            made = [writer._change() for _ in range(choose.randint(0, STATEMENTS_A_DAY))]
            for statement in [*made, *own]:
                try:
                    connection.execute(statement.encode())
                except psycopg.Error:
                    connection.execute("ROLLBACK")
            taken.append(series.take())
    indexed = series.open.indexed(None)
    return [indexed.snapshot(one.report.id) for one in taken], [one.dump for one in taken]


def with_text(dump: Dump) -> int:
    return sum(TEXT.encode() in line for lines in dump.values() for line in lines)


def net(events: Sequence[Event]) -> int:
    return sum(-1 if one.change == WENT else 1 for one in events)


def in_word(dumps: Sequence[Dump], number: int) -> tuple[str, str]:
    """How many rows have the text in the column that came, or went, that day; a row may have it elsewhere too."""
    last = [[line.split(b"\t")[3:] for line in dumps[at][f"public.{TABLE}"]] for at in (number - 1, number)]
    return f"public.{TABLE}", str(sum(TEXT.encode() in words[0] for side in last for words in side if words))


def moved(before: Dump, after: Dump) -> tuple[Counter[bytes], Counter[bytes]]:
    """Rows of the table that are gone, and rows that are new."""
    was, now = (Counter(dump[f"public.{TABLE}"]) for dump in (before, after))
    return was - now, now - was


def fields(dump: Dump) -> Sequence[bytes]:
    return next(iter(dump[f"public.{TABLE}"]), b"").split(b"\t")
