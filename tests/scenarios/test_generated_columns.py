"""Stored generated columns are computed again by a restore: where their values come out otherwise, it says so."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from tests.fix_postgres import Cluster
from tests.fix_views import ViewRepository
from tests.fix_zoo import Zoo, empty
from tests.restore_support import capture_of, restored, snapshot_of
from vault.repo.snapshot import Snapshot

pytestmark = pytest.mark.postgres

TABLES = r"""
create schema app;
create function app.rate() returns numeric language sql immutable as 'select 1.19';
create function app.label(integer) returns text language sql immutable as $$select 'n' || $1$$;
create table app.invoices (id int primary key, net numeric, gross numeric generated always as (net * app.rate()) stored,
    "la""bel" text generated always as (app.label(id)) stored, plain int generated always as (id * 2) stored);
create table app.parts (id int, name text generated always as (app.label(id)) stored) partition by range (id);
create table app.parts_1 partition of app.parts for values from (0) to (100);
create table app.parts_2 partition of app.parts for values from (100) to (maxvalue);
create type app.mood as enum ('sad', 'glad');
create table app.moods (m app.mood, twice text generated always as (app.label(1)) stored) partition by hash (m);
create table app.moods_1 partition of app.moods for values with (modulus 2, remainder 0);
create table app.moods_2 partition of app.moods for values with (modulus 2, remainder 1);
create table app.only_generated (a int generated always as (7) stored);
create table app.none (id int, x int generated always as (id) stored);
insert into app.invoices (id, net) select n, case n % 10 when 0 then null else n end from generate_series(1, 3000) n;
insert into app.parts select n from generate_series(1, 300) n;
insert into app.moods select (array['sad', 'glad'])[1 + n % 2]::app.mood from generate_series(1, 50) n;
insert into app.only_generated default values;
"""
REPLACED = """
create or replace function app.rate() returns numeric language sql immutable as 'select 1.21';
"""
OTHER_LABEL = (
    "create or replace function app.label(integer) returns text language sql immutable as $$select 'm' || $1$$"
)


@pytest.fixture(params=[15, 18])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    found: Cluster = request.getfixturevalue(f"pg{request.param}")
    return found


@pytest.fixture
def source(cluster: Cluster) -> Iterator[str]:
    with empty(cluster) as name:
        run(cluster, name, TABLES)
        yield name


def run(cluster: Cluster, db: str, statements: str) -> None:
    with cluster.connect(db) as connection:
        connection.execute(statements.encode())


def restore(cluster: Cluster, snapshot: Snapshot, *only: str) -> set[str]:
    with empty(cluster) as target:
        done = restored(snapshot, cluster.dsn(target), *only)
        assert all("values are others than those saved" in why for why in done.failed.values())
        return set(done.failed)


@pytest.mark.spec("RST-24")
def test_values_that_are_computed_as_they_were_are_no_failure(cluster: Cluster, source: str) -> None:
    snapshot = snapshot_of(cluster.dsn(source))
    assert restore(cluster, snapshot) == set()
    tables = {item.name.name: item for item in snapshot.tables()}
    assert [column.name for column in tables["invoices"].generated] == ["gross", 'la"bel', "plain"]
    for item in tables.values():
        for extent in snapshot.extents(item):
            assert len(extent.digests) == len(item.generated)


@pytest.mark.spec("RST-24")
def test_a_column_whose_function_was_replaced_is_named(cluster: Cluster, source: str) -> None:
    run(cluster, source, REPLACED)
    assert restore(cluster, snapshot_of(cluster.dsn(source))) == {"GENERATED COLUMN app.invoices.gross"}


def test_partitions_and_what_comes_through_a_root_are_compared(cluster: Cluster, source: str) -> None:
    run(cluster, source, OTHER_LABEL)
    assert restore(cluster, snapshot_of(cluster.dsn(source))) == {
        'GENERATED COLUMN app.invoices.la"bel',
        "GENERATED COLUMN app.parts_1.name",
        "GENERATED COLUMN app.parts_2.name",
        "GENERATED COLUMN app.moods.twice",
    }


def test_extents_that_are_taken_over_keep_their_digests(cluster: Cluster, source: str) -> None:
    repository = ViewRepository()
    first = repository.take(capture=capture_of(cluster.dsn(source)))
    run(cluster, source, REPLACED)
    run(cluster, source, "insert into app.parts values (5)")
    second = repository.take(capture=capture_of(cluster.dsn(source)))
    assert second.manifest.effort.extents_reused > 0
    assert restore(cluster, first) == set()
    assert restore(cluster, second) == {"GENERATED COLUMN app.invoices.gross"}


def test_rows_that_come_into_a_table_are_compared_if_it_then_holds_those_alone(cluster: Cluster, source: str) -> None:
    snapshot = snapshot_of(cluster.dsn(source))
    with empty(cluster) as target:
        assert restored(snapshot, cluster.dsn(target)).failed == {}
        run(cluster, target, REPLACED + "delete from app.invoices where id > 100")
        done = restored(snapshot, cluster.dsn(target), "app.invoices", data=True, definitions=False)
        assert set(done.failed) == {"GENERATED COLUMN app.invoices.gross"}
        run(cluster, target, "delete from app.invoices where id > 100; insert into app.invoices values (9999, 1)")
        assert restored(snapshot, cluster.dsn(target), "app.invoices", definitions=False).failed == {}, (
            "unknown, not wrong"
        )


def test_a_table_on_which_nothing_may_be_planned_has_no_digest(cluster: Cluster, source: str) -> None:
    run(
        cluster,
        source,
        """
        create role somebody; create schema theirs authorization somebody; set role somebody;
        create function theirs.odd(int) returns bool language plpgsql immutable as 'begin return $1 % 2 = 1; end';
        create table theirs.t (a int, b int generated always as (a + 1) stored);
        create index on theirs.t (a) where theirs.odd(1);
        insert into theirs.t select generate_series(1, 10);
        """,
    )
    try:
        snapshot = snapshot_of(cluster.dsn(source))
        (item,) = (one for one in snapshot.tables() if one.name.name == "t")
        assert [column.name for column in item.generated] == ["b"]
        assert [extent.digests for extent in snapshot.extents(item)] == [()]
        assert restore(cluster, snapshot) == set()
    finally:
        run(cluster, source, "drop schema theirs cascade; drop role somebody")


def test_no_copy_without_a_query_gives_a_generated_column(any_zoo: Zoo) -> None:
    """So their digests take a query, and there are none where no query may be planned."""
    item = next(item for item in any_zoo.snapshot.tables() if item.generated)
    statement = sql.SQL("COPY {} ({}) TO STDOUT").format(
        sql.Identifier(item.name.schema, item.name.name), sql.Identifier(item.generated[0].name)
    )
    with any_zoo.cluster.connect(any_zoo.db) as connection, pytest.raises(psycopg.errors.InvalidColumnReference):
        with connection.cursor().copy(statement) as stream:
            stream.read()


def test_generated_columns_of_the_zoo_come_out_as_they_were(any_zoo: Zoo) -> None:
    with empty(any_zoo.cluster) as target:
        done = restored(any_zoo.snapshot, any_zoo.cluster.dsn(target))
    assert not [entry for entry in done.failed if entry.startswith("GENERATED COLUMN")]
    generated = [item for item in any_zoo.snapshot.tables() if item.generated]
    assert generated
    assert all(extent.digests for item in generated for extent in any_zoo.snapshot.extents(item) if extent.rows)
