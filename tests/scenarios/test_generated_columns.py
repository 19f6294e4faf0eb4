"""Stored generated columns: kept beside the rows for who looks, computed again by a restore, which says where they come out otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from tests.fix_postgres import Cluster
from tests.fix_views import ViewRepository
from tests.fix_zoo import Zoo, empty
from tests.restore_support import capture_of, restored, snapshot_of
from vault.ops.view.table import find_table, left_out, table_rows
from vault.ports import ExtentJob
from vault.repo.snapshot import Snapshot
from vault.source.postgres.rows import extent_sql as statements

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


GROSS = {"GENERATED COLUMN app.invoices.gross"}
NO_LONGER = "alter table app.invoices alter gross drop expression; update app.invoices set gross = 0"
AGAIN = "; with gone as (delete from app.moods returning m) insert into app.moods select m from gone"


@pytest.mark.spec("RST-24")
@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize(
    ("damage", "table", "wrong"),
    [
        (REPLACED + "update app.invoices set net = net", "app.invoices", GROSS),
        (NO_LONGER, "app.invoices", GROSS),
        (OTHER_LABEL + AGAIN, "app.moods", {"GENERATED COLUMN app.moods.twice"}),
        ("", "app.invoices", set()),
    ],
)
def test_values_of_rows_that_are_there_are_compared_though_none_came(
    cluster: Cluster, source: str, damage: str, table: str, wrong: set[str], replace: bool
) -> None:
    snapshot = snapshot_of(cluster.dsn(source))
    run(cluster, source, damage)
    done = restored(snapshot, cluster.dsn(source), table, replace=replace, into_source=True, definitions=False)
    assert set(done.failed) == wrong
    assert done.notes == ()


@pytest.mark.spec("RST-24")
def test_values_of_rows_that_were_changed_back_are_compared(cluster: Cluster, source: str) -> None:
    """Or, where rows with the same key stay as they are, it is told that nothing is known."""
    snapshot = snapshot_of(cluster.dsn(source))
    run(
        cluster,
        source,
        REPLACED + "update app.invoices set net = 0 where id < 9; delete from app.invoices where id = 9",
    )
    kept = restored(snapshot, cluster.dsn(source), "app.invoices", into_source=True, definitions=False)
    assert kept.failed == {}
    note = "generated columns of app.invoices are not compared: rows of the same key have other values there"
    assert kept.notes == (note,)
    done = restored(snapshot, cluster.dsn(source), "app.invoices", replace=True, into_source=True, definitions=False)
    assert set(done.failed) == GROSS


def test_values_below_a_root_are_not_compared_where_only_some_came(cluster: Cluster, source: str) -> None:
    run(
        cluster,
        source,
        """
        create type app.letter as enum ('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p');
        create table app.two (m app.letter, g text generated always as (app.label(1)) stored) partition by hash (m);
        create table app.two_0 partition of app.two for values with (modulus 2, remainder 0);
        create table app.two_1 partition of app.two for values with (modulus 2, remainder 1);
        insert into app.two select unnest(enum_range(null::app.letter));
        """,
    )
    snapshot = snapshot_of(cluster.dsn(source))
    run(cluster, source, "delete from app.two_0")
    done = restored(snapshot, cluster.dsn(source), "app.two_0", into_source=True, definitions=False)
    assert done.failed == {}
    told = "generated columns of app.two are not compared: other rows come through it too, which did not come now"
    assert done.notes == (told,)


def shown(snapshot: Snapshot, table: str, form: str = "csv") -> bytes:
    return b"".join(table_rows(snapshot, find_table(snapshot, table), form))


def printed(cluster: Cluster, db: str, table: str, columns: str = "*") -> bytes:
    with cluster.connect(db) as connection:
        query = f"COPY (SELECT {columns} FROM ONLY {table}) TO STDOUT (FORMAT csv, HEADER)"
        with connection.cursor().copy(query.encode()) as rows:
            return b"".join(bytes(row) for row in rows)


@pytest.mark.spec("TREE-15")
def test_what_they_were_is_shown_at_their_places(cluster: Cluster, source: str) -> None:
    """Of all kinds: in the middle, alone, NULL, empty, of a table without rows, below a root."""
    run(
        cluster,
        source,
        r"""
        create table app.between (a int generated always as (b * 2) stored, b int, c text generated always as
            (case b % 3 when 0 then null when 1 then '' else E'tab\t, "q"\n' || b end) stored, d text);
        insert into app.between (b, d) select n, repeat('x', n % 50) from generate_series(1, 2000) n;
        alter table app.between drop column d, add column e int generated always as (7) stored;
        """,
    )
    snapshot = snapshot_of(cluster.dsn(source))
    for item in snapshot.tables():
        name = f"app.{item.name.name}"
        assert shown(snapshot, name) == printed(cluster, source, name), name
        assert left_out(snapshot, item, "csv") == ""
    row = shown(snapshot, "app.between", "jsonl").splitlines()[0]
    assert row == b'{"a":2,"b":1,"c":"","e":7}'
    for form in ("copy", "sql"):
        assert "a, c, e" in left_out(snapshot, find_table(snapshot, "app.between"), form)
    assert shown(snapshot, "app.between", "copy").startswith(b"1\n2\n3\n")
    assert b'("b") OVERRIDING' in shown(snapshot, "app.between", "sql")


def test_what_they_were_outlives_the_function_that_computed_them(cluster: Cluster, source: str) -> None:
    before = printed(cluster, source, "app.invoices")
    repository = ViewRepository()
    repository.take(capture=capture_of(cluster.dsn(source)))
    run(cluster, source, REPLACED + "insert into app.parts values (5)")
    second = repository.take(capture=capture_of(cluster.dsn(source)))
    assert second.manifest.effort.extents_reused > 0
    assert shown(second, "app.invoices") == before
    with empty(cluster) as target:
        restored(second, cluster.dsn(target))
        assert printed(cluster, target, "app.invoices") != before


def test_unchanged_values_are_stored_once(cluster: Cluster, source: str) -> None:
    """Taken over, or read again because the rows beside them changed."""
    repository = ViewRepository()
    first = repository.take(capture=capture_of(cluster.dsn(source)))
    run(cluster, source, "update app.only_generated set a = default; insert into app.invoices values (3001, 1)")
    second = repository.take(capture=capture_of(cluster.dsn(source)))

    def lists(snapshot: Snapshot, table: str) -> list[object]:
        return [extent.values for extent in snapshot.extents(find_table(snapshot, table))]

    assert lists(first, "app.parts_1") == lists(second, "app.parts_1") != []
    assert lists(first, "app.only_generated") == lists(second, "app.only_generated")
    assert lists(first, "app.invoices") != lists(second, "app.invoices")
    assert shown(second, "app.invoices") == printed(cluster, source, "app.invoices")


@pytest.mark.spec("TREE-15")
def test_rows_and_values_come_in_one_order(cluster: Cluster, source: str) -> None:
    """Where an extent is the whole table, an index that holds the generated columns would answer alone, in another order."""
    run(
        cluster,
        source,
        """
        create table app.backwards (id int, payload text default repeat('x', 500), g int generated always as (-id) stored);
        insert into app.backwards select generate_series(1, 5000);
        create index on app.backwards (g);
        """,
    )
    with cluster.connect(source) as connection:
        connection.execute("vacuum analyze app.backwards")
        connection.execute("set enable_seqscan to off")
        plan = "\n".join(str(line) for line in connection.execute("explain select g from app.backwards").fetchall())
        assert "Index Only Scan" in plan
        with capture_of(cluster.dsn(source))() as capture:
            table = next(one for one in capture.tables if one.name.name == "backwards")
        job = ExtentJob(table=table, start=0, blocks=0)
        read = []
        for statement in (statements.copy(job, "UTF8"), statements.copy_generated(job, "UTF8")):
            with connection.cursor().copy(statement.encode()) as stream:
                read.append([int(bytes(row).split(b"\t")[0]) for row in stream])
    assert read == [list(range(1, 5001)), list(range(-1, -5001, -1))]
    snapshot = snapshot_of(cluster.dsn(source))
    assert shown(snapshot, "app.backwards") == printed(cluster, source, "app.backwards")


def test_values_of_another_encoding_are_shown_in_utf8(cluster: Cluster) -> None:
    name = cluster.createdb(options="TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        run(
            cluster,
            name,
            "create table t (a text, b text generated always as (a || U&'\\00fc') stored); insert into t values (U&'\\00e9')",
        )
        snapshot = snapshot_of(cluster.dsn(name))
        assert shown(snapshot, "t") == "a,b\né,éü\n".encode()
    finally:
        cluster.dropdb(name)


def test_virtual_columns_hold_nothing_that_could_be_shown(pg18: Cluster) -> None:
    with empty(pg18) as name:
        run(
            pg18,
            name,
            "create table t (a int, v int generated always as (a * 2), s int generated always as (a) stored)",
        )
        run(pg18, name, "insert into t values (1)")
        snapshot = snapshot_of(pg18.dsn(name))
        assert shown(snapshot, "t") == b"a,s\n1,1\n"
        with empty(pg18) as target:
            assert restored(snapshot, pg18.dsn(target)).failed == {}
            assert printed(pg18, target, "t") == b"a,v,s\n1,2,1\n"


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
        assert [(extent.digests, extent.values) for extent in snapshot.extents(item)] == [((), None)]
        assert shown(snapshot, "theirs.t").startswith(b"a\n1\n")
        assert "captured without their values" in left_out(snapshot, item, "csv")
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
