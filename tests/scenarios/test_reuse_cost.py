"""What a day adds to a repository of a real database: nothing changed, one table changed, everything read again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from tests.fix_postgres import Cluster
from tests.reuse_support import Series, Taken, small_extents
from tests.scenarios.capture_support import database
from vault.format.index import ENTRY_BYTES, decode_entry, parse_fragment_name
from vault.model import ObjectRecord, ObjectType, TableItem
from vault.repo.fragments import read_fragment

pytestmark = pytest.mark.postgres

KIB = 1024
TABLES = 300
SMALL = f"DO $$BEGIN FOR i IN 1..{TABLES} LOOP EXECUTE format('CREATE TABLE t%s AS SELECT %s AS id, md5(%L) AS note', i, i, i); END LOOP; END$$"
LARGE = "CREATE TABLE large (id integer, note text); INSERT INTO large SELECT i, md5(i::text) FROM generate_series(1, 20000) AS i"


@pytest.fixture(autouse=True)
def _small_extents() -> Iterator[None]:
    with small_extents(8):
        yield


@pytest.fixture(scope="module")
def dsn(pg15: Cluster) -> Iterator[str]:
    with database(pg15, SMALL, LARGE) as name:
        yield pg15.dsn(name)


def added(series: Series, before: dict[str, bytes]) -> dict[str, int]:
    return {name: len(data) for name, data in series.files.items() if name not in before}


def items(series: Series, taken: Taken) -> list[TableItem]:
    return list(series.open.indexed(None).snapshot(taken.report.id).tables())


def test_an_unchanged_day_reuses_everything_and_adds_one_small_file(dsn: str) -> None:
    series = Series(dsn)
    series.take()
    before = dict(series.files)
    taken = series.take()
    assert taken.reused == taken.extents > TABLES
    sizes = added(series, before)
    assert [name.partition("/")[0] for name in sizes] == ["snapshots"]
    assert sum(sizes.values()) <= 4 * KIB


def test_one_changed_table_adds_its_path_and_little_else(dsn: str, pg15: Cluster) -> None:
    """Beside the manifest: the nodes on the way up, each with its entry in the trailer and in the fragment, whose number the
    keys of the lists decide; and at most 1.5 KiB for the delta, its files and the fragment."""
    series = Series(dsn)
    series.take()
    before = dict(series.files)
    with pg15.connect(dsn.rpartition("dbname=")[2].strip("'")) as connection:
        connection.execute("UPDATE large SET note = 'x' WHERE id = 7")
    taken = series.take()
    assert taken.extents - taken.reused <= 2, "where the row was, and where it is"
    sizes = added(series, before)
    assert sorted(name.partition("/")[0] for name in sizes) == ["index", "packs", "packs", "snapshots"]
    nodes = [record for record in records(series, sizes) if record.type is not ObjectType.ROW_CHUNK]
    path = sum(record.length + 2 * ENTRY_BYTES for record in nodes)
    manifest = sum(size for name, size in sizes.items() if name.startswith("snapshots/"))
    assert manifest <= 1 * KIB
    assert sum(sizes.values()) - manifest - path <= 1.5 * KIB


def records(series: Series, names: Iterable[str]) -> list[ObjectRecord]:
    """What the fragments among `names` tell of."""
    found = []
    for name in names:
        parsed = parse_fragment_name(name)
        if parsed is not None:
            entries = read_fragment(series.open.store, series.open.keys, name, parsed[1]).entries
            found += [decode_entry(entries[at : at + ENTRY_BYTES])[0] for at in range(0, len(entries), ENTRY_BYTES)]
    return found


def test_full_reads_everything_again_and_finds_the_same(dsn: str) -> None:
    series = Series(dsn)
    first = series.take()
    before = dict(series.files)
    full = series.take(full=True)
    assert full.reused == 0
    assert full.report.manifest.effort.read_bytes == first.report.manifest.effort.read_bytes
    assert items(series, full) == items(series, first)
    assert [name.partition("/")[0] for name in added(series, before)] == ["snapshots"]
    assert series.take().reused == full.extents
