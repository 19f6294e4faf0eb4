"""`--exclude-table-data`: definitions without rows, said wherever a snapshot is shown; and no row of a target goes for it. [SEL-21]"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tests.fix_postgres import Cluster
from tests.fix_views import ViewRepository
from tests.restore_support import Restored, capture_of, restored
from tests.scenarios.capture_support import open_on
from vault.model import Missing, State
from vault.repo.snapshot import Snapshot

pytestmark = pytest.mark.postgres

SCHEMA = """
create table kept (id int primary key); insert into kept select generate_series(1, 3);
create table cache_a (id serial primary key, kept int references kept); insert into cache_a (kept) values (1), (2);
create index on cache_a (kept); comment on table cache_a is 'rows come and go';
create table cache_b (id int); insert into cache_b values (1);
create table of_cache (id int references cache_a); insert into of_cache values (1);
create table parted (id int, at date) partition by range (at);
create table parted_1 partition of parted for values from ('2026-01-01') to ('2027-01-01');
insert into parted values (1, '2026-02-01');
create type mood as enum ('sad', 'ok', 'happy');
create table by_mood (m mood) partition by hash (m);
create table by_mood_0 partition of by_mood for values with (modulus 2, remainder 0);
create table by_mood_1 partition of by_mood for values with (modulus 2, remainder 1);
insert into by_mood values ('sad'), ('ok'), ('happy');
"""


@pytest.fixture
def source(postgres: Cluster) -> Iterator[str]:
    name = postgres.createdb()
    with postgres.connect(name) as connection:
        connection.execute(SCHEMA.encode())
    yield name
    postgres.dropdb(name)


def without(cluster: Cluster, source: str, *patterns: str) -> Snapshot:
    return ViewRepository().take(capture=partial(open_on, cluster.dsn(source), exclude_table_data=patterns))


class Target:
    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name

    def ask(self, query: str) -> list[object]:
        with self.cluster.connect(self.name) as connection:
            return [value for (value,) in connection.execute(query.encode()).fetchall()]

    def run(self, statement: str) -> None:
        with self.cluster.connect(self.name) as connection:
            connection.execute(statement.encode())

    def restored(self, snapshot: Snapshot, *only: str, replace: bool = False, definitions: bool = True) -> Restored:
        return restored(
            snapshot, self.cluster.dsn(self.name), *only, replace=replace, definitions=definitions, into_source=True
        )


@pytest.fixture
def empty(postgres: Cluster) -> Iterator[Target]:
    made = Target(postgres, postgres.createdb())
    yield made
    postgres.dropdb(made.name)


@pytest.fixture
def same(postgres: Cluster, source: str) -> Iterator[Target]:
    """Has what the source has."""
    made = Target(postgres, postgres.createdb(options=f"TEMPLATE {source}"))
    yield made
    postgres.dropdb(made.name)


def test_definitions_are_captured_rows_are_not_and_the_ledger_says_by_which_pattern(
    postgres: Cluster, source: str
) -> None:
    snapshot = without(postgres, source, "cache_*", "public.parted_1")
    held = {table.name.name for table in snapshot.tables()}
    assert held == {"kept", "of_cache", "by_mood_0", "by_mood_1"}
    defined = {one.tag for one in snapshot.entries(snapshot.order()) if one.identity.desc == "TABLE"}
    assert {"cache_a", "cache_b", "parted_1"} < defined
    data = snapshot.ledger()["data"]
    assert (data.state, data.count) == (State.CAPTURED, 4)
    assert [one for one in data.missing if one.item == '"public"."cache_b"'] == [
        Missing(
            item='"public"."cache_b"',
            state=State.NOT_SELECTED,
            why="--exclude-table-data cache_*: its definition is captured, its rows are not",
            fix="back up without --exclude-table-data cache_*",
        )
    ]
    assert {one.item for one in data.missing} == {f'"public"."{name}"' for name in ("cache_a", "cache_b", "parted_1")}


@pytest.mark.spec("SEL-21")
def test_tables_are_created_empty_and_the_plan_says_so(postgres: Cluster, source: str, empty: Target) -> None:
    done = empty.restored(without(postgres, source, "cache_b"))
    assert done.failed == {}
    assert "created empty, because their rows are not in the snapshot" in done.shown
    assert done.shown.count("public.cache_b") == 1
    assert "parted:" not in done.shown, "a partitioned table has no rows to miss"
    assert empty.ask("select count(*) from cache_b") == [0]
    assert empty.ask("select count(*) from cache_a") == [2]


def test_a_foreign_key_to_a_table_without_rows_is_told_as_failed(postgres: Cluster, source: str, empty: Target) -> None:
    done = empty.restored(without(postgres, source, "cache_a"))
    assert set(done.failed) == {"FK CONSTRAINT of_cache of_cache_id_fkey"}
    assert empty.ask("select count(*) from of_cache") == [1]


@pytest.mark.spec("SEL-21")
@pytest.mark.parametrize("only", [(), ("public.cache_b",), ("data",)])
def test_rows_of_a_table_that_is_there_are_never_deleted(
    postgres: Cluster, source: str, same: Target, only: tuple[str, ...]
) -> None:
    snapshot = without(postgres, source, "cache_*")
    same.run("insert into cache_b values (2); insert into kept values (9); select setval('cache_a_id_seq', 50)")
    done = same.restored(snapshot, *only, replace=True)
    assert done.failed == {}
    assert "rows are not in the snapshot, and what is there stays" in done.shown
    assert same.ask("select id from cache_b order by 1") == [1, 2]
    assert same.ask("select last_value from cache_a_id_seq") == [50]
    assert same.ask("select count(*) from kept") == [4 if only == ("public.cache_b",) else 3]


@pytest.mark.spec("SEL-21")
def test_a_table_that_differs_is_not_exchanged(postgres: Cluster, source: str, same: Target) -> None:
    snapshot = without(postgres, source, "cache_b")
    same.run("alter table cache_b add other int")
    done = same.restored(snapshot, "public.cache_b", replace=True)
    assert done.failed == {
        "TABLE cache_b": "differs on the target; replacing it would lose rows of public.cache_b: they are not in the snapshot"
    }
    assert same.ask("select id from cache_b") == [1]


@pytest.mark.spec("SEL-21")
def test_partitions_that_come_through_their_root_are_not_replaced_without_one(
    postgres: Cluster, source: str, same: Target
) -> None:
    snapshot = without(postgres, source, "by_mood_1")
    before = same.ask("select m::text from by_mood order by m")
    done = same.restored(snapshot, "data", replace=True)
    assert set(done.failed) <= {"TABLE DATA public.by_mood_0"}
    assert same.ask("select m::text from by_mood order by m") == before


def test_rows_alone_of_such_a_table_are_missing(postgres: Cluster, source: str, same: Target) -> None:
    done = same.restored(without(postgres, source, "cache_b"), "public.cache_b", definitions=False)
    assert done.failed == {"TABLE DATA public.cache_b": "its rows are not in the snapshot"}
    assert same.ask("select id from cache_b") == [1]


def test_the_next_whole_snapshot_has_the_rows_again(postgres: Cluster, source: str) -> None:
    repository = ViewRepository()
    repository.take(capture=partial(open_on, postgres.dsn(source), exclude_table_data=("cache_*",)))
    snapshot = repository.take(capture=capture_of(postgres.dsn(source)))
    assert "cache_a" in {table.name.name for table in snapshot.tables()}
