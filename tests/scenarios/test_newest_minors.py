"""The newest minor that can be had of each major: what only the server sets is no definition, whoever's pg_dump told of it.

The whole suite runs on the pinned minors; `python3 tests/check.py minors` runs the scenarios that looked at every catalog on these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.fix_postgres import SUPPORTED, Cluster, server, started
from tests.fix_views import ViewRepository
from tests.fix_zoo import capture_of, empty, fill
from tests.other_majors import newest_bin
from tests.restore_support import restored
from tests.scenarios.catalog_rows import catalog_rows
from vault.ops.view.scripts.complete import complete_sql
from vault.repo.workers import alongside
from vault.source.postgres.connection.programs import Programs, version_of
from vault.source.postgres.connection.throwaway_server import embedded_bin

pytestmark = pytest.mark.postgres

NAME: Final = "ALTER TABLE ONLY x ALTER COLUMN a SET (pg_attver=1);"
SCRIPT: Final = f"""
    CREATE TABLE "{NAME}" ("{NAME}" int, b text DEFAULT ';\n{NAME}\n', c text);
    ALTER TABLE "{NAME}" ALTER b SET (n_distinct = -0.5, n_distinct_inherited = 3), ALTER "{NAME}" SET (n_distinct = 7), ALTER c SET STORAGE EXTERNAL;
    CREATE TABLE parted (a int, b text) PARTITION BY LIST (a); CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1); ALTER TABLE parted_1 ALTER b SET (n_distinct = 2);
    CREATE TYPE pair AS (a int, b text); CREATE TABLE typed OF pair; CREATE VIEW seen AS SELECT * FROM parted;
    CREATE MATERIALIZED VIEW stored AS SELECT * FROM parted; ALTER MATERIALIZED VIEW stored ALTER a SET (n_distinct = 9);
    CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE far (a int) SERVER s;
"""
SET_BY_SERVER: Final = re.compile(r"SET \(.*pg_attver=\d{2,}")
"""The server's number is never the 1 of NAME."""
OPTIONS: Final = """
    SELECT attrelid::regclass || ' ' || attname, array_to_string(ARRAY(SELECT o FROM unnest(attoptions) AS o WHERE o LIKE 'n_distinct%'), ' ')
      FROM pg_attribute WHERE attrelid >= 16384 AND attnum > 0 AND attoptions::text ~ 'n_distinct' ORDER BY 1
"""


def newest() -> Iterator[object]:
    """Each supported major; those without a newer minor are skipped, and say so."""
    for major in SUPPORTED:
        why = f"no minor of PostgreSQL {major} newer than the one that is tested anyway"
        yield pytest.param(major, marks=[] if newest_bin(major) else [pytest.mark.skip(why)], id=str(major))


@pytest.fixture(scope="module", params=newest())
def minor(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    binaries = newest_bin(request.param)
    assert binaries is not None
    with started(binaries) as cluster:
        yield cluster


@pytest.fixture
def source(minor: Cluster) -> Iterator[str]:
    with empty(minor) as name:
        fill(minor, name, [SCRIPT])
        yield name


def pg_dumps(cluster: Cluster) -> dict[str, Programs]:
    """Every pg_dump of this machine that may describe `cluster`, by its version: its own, the usual one, the embedded one."""
    places = [place for place in (cluster.bin, *map(Path, ["/usr/lib/postgresql/15/bin"]), embedded_bin()) if place]
    found = {version_of(place / "pg_dump"): place for place in places if (place / "pg_dump").exists()}
    return {f"{v[0]}.{v[1]}": Programs(directory=place) for v, place in found.items() if v[0] >= cluster.major}


@pytest.mark.spec("SNAP-6")
def test_definitions_hold_what_users_set_whoever_described_them(minor: Cluster, source: str) -> None:
    with minor.connect(source) as connection:
        expected = len(connection.execute(OPTIONS.encode()).fetchall())
    assert expected == 4
    described = pg_dumps(minor)
    assert len(described) >= 2
    for programs in described.values():
        with capture_of(minor, source, programs)() as capture:
            text = "".join(entry.definition for entry in capture.schema().entries)
        assert SET_BY_SERVER.findall(text) == []
        assert text.count(NAME) > 5  # and DEFAULT
        assert text.count("n_distinct=") == expected


@pytest.fixture
def older(minor: Cluster) -> Iterator[Cluster]:
    """The pinned minor, with no role that another test made: existing roles are never altered."""
    with server(minor.major) as cluster:
        yield cluster


def test_older_minor_takes_the_snapshot_and_gets_every_option(minor: Cluster, source: str, older: Cluster) -> None:
    for programs in pg_dumps(minor).values():
        taken = ViewRepository().take(capture=capture_of(minor, source, programs))
        assert SET_BY_SERVER.findall(b"".join(complete_sql(taken)).decode()) == []
        with empty(older) as ours:
            assert restored(taken, older.dsn(ours)).failed == {}
            with minor.connect(source) as there, older.connect(ours) as here:
                assert here.execute(OPTIONS.encode()).fetchall() == there.execute(OPTIONS.encode()).fetchall()
                assert catalog_rows(here) == catalog_rows(there)


def test_backup_warns_of_a_pg_dump_older_than_the_server(minor: Cluster, source: str) -> None:
    described = pg_dumps(minor)
    own = ".".join(map(str, version_of(minor.bin / "postgres")))
    for said, programs in described.items():
        told: list[str] = []
        with capture_of(minor, source, programs)() as capture:
            with alongside(partial(capture.watch, told.append), cancel=capture.abort):
                capture.finish()
        older = said != own and said.startswith(f"{minor.major}.")
        assert [f"pg_dump {said} is older than the server" in text for text in told] == [True] * older
