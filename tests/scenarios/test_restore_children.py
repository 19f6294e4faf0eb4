"""What refers to restored rows is looked at too: children lost by a cascade, children cut off by SET NULL or SET DEFAULT."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fix_postgres import Cluster
from tests.restore_support import Restored, restored, snapshot_of
from vault.repo.snapshot import Snapshot

pytestmark = pytest.mark.postgres

SCHEMA = """
create table people (id int primary key, name text);
create table orders (id int primary key, person int references people on delete cascade, note text);
create table items (id int, "order" int references orders on delete cascade, primary key (id, "order")) partition by range (id);
create table items_low partition of items for values from (0) to (100);
create table items_high partition of items for values from (100) to (1000);
create table notes (id numeric primary key, person int references people on delete set null, "a person" int default 1
    references people on delete set default, text text);
create table loose (person int references people on delete set null);
create table tree (id int primary key, above int references tree on delete set null);
create table unrelated (id int primary key);
insert into people values (1, 'one'), (2, 'two'), (3, 'three');
insert into orders select n, 1 + n % 3, 'note' from generate_series(1, 9) n;
insert into items select n * 20, n from generate_series(1, 9) n;
insert into notes select n + 0.10, 1 + n % 3, 1 + n % 3, 'text' from generate_series(1, 9) n;
insert into loose values (1), (2), (3); insert into unrelated values (1); insert into tree values (1, null), (2, 1), (3, 1), (4, 2);
"""


class Damaged:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.name = cluster.createdb()
        self.run(SCHEMA)
        self.snapshot: Snapshot = snapshot_of(cluster.dsn(self.name))

    def run(self, statements: str) -> None:
        with self.cluster.connect(self.name) as connection:
            connection.execute(statements.encode())

    def restored(self, *only: str, replace: bool = False) -> Restored:
        return restored(self.snapshot, self.cluster.dsn(self.name), *only, replace=replace, into_source=True)


@pytest.fixture
def damaged(postgres: Cluster) -> Iterator[Damaged]:
    made = Damaged(postgres)
    yield made
    postgres.dropdb(made.name)


def beside(done: Restored) -> dict[str, str]:
    return {f"{one.table.name}{' -c' if one.replace else ''}": one.why for one in done.report.beside}


@pytest.mark.spec("SEL-11")
def test_what_a_cascade_took_is_named_and_comes_when_asked(damaged: Damaged) -> None:
    damaged.run("delete from people where id = 2")
    done = damaged.restored("public.people")
    assert done.failed == {}
    assert beside(done) == {
        "orders": "refers to public.people, and has 6 rows, 9 in the snapshot",
        "items": "refers to public.orders, and has 6 rows, 9 in the snapshot",
        "notes -c": "3 rows no longer refer by a person to public.people as in the snapshot: ON DELETE SET DEFAULT",
        "loose -c": "3 rows without a key may have been cut off: person to public.people, ON DELETE SET NULL",
    } | {"notes -c": beside(done)["notes -c"]}
    assert sorted(one.why for one in done.report.beside if one.table.name == "notes") == [
        "3 rows no longer refer by a person to public.people as in the snapshot: ON DELETE SET DEFAULT",
        "3 rows no longer refer by person to public.people as in the snapshot: ON DELETE SET NULL",
    ]
    again = damaged.restored("public.orders", "public.items")
    assert (again.failed, beside(again)) == ({}, {})


def test_rows_that_were_asked_for_and_stay_cut_off_are_missing(damaged: Damaged) -> None:
    damaged.run(
        "delete from people where id = 2; insert into notes values (1.1, null, null, 'x') on conflict do nothing"
    )
    done = damaged.restored("public.people", "public.notes", "public.orders", "public.items")
    assert list(done.failed) == ["TABLE DATA public.notes"]
    assert done.failed["TABLE DATA public.notes"].endswith("; -c brings them")
    healed = damaged.restored("public.people", "public.notes", replace=True)
    assert healed.failed == {}
    assert list(beside(healed)) == ["loose -c"]


def test_a_table_that_refers_to_itself_is_looked_at(damaged: Damaged) -> None:
    damaged.run("delete from tree where id = 1")
    done = damaged.restored("public.tree")
    assert done.failed["TABLE DATA public.tree"].startswith("2 rows no longer refer by above to public.tree")


def test_nothing_is_told_where_nothing_was_lost(damaged: Damaged) -> None:
    damaged.run("update people set name = 'other' where id = 1; delete from unrelated")
    done = damaged.restored("public.people", "public.unrelated")
    assert done.failed == {}
    assert list(beside(done)) == ["loose -c"]


def test_a_partition_that_comes_is_referred_to_through_its_root(damaged: Damaged) -> None:
    damaged.run(
        'create table marks (id int primary key, item int, "order" int,'
        ' foreign key (item, "order") references items on delete cascade); insert into marks select id, id, "order" from items'
    )
    snapshot = snapshot_of(damaged.cluster.dsn(damaged.name))
    damaged.run("delete from items_low")
    done = restored(snapshot, damaged.cluster.dsn(damaged.name), "public.items_low", into_source=True)
    assert beside(done) == {"marks": "refers to public.items, and has 5 rows, 9 in the snapshot"}


MOVED = """
create table p (a int primary key); create table keyed (id int primary key, p int references p on update cascade on delete set null);
create table keys (p int primary key references p on update cascade); create table below (id int primary key, k int references keys on update cascade);
create table two (id int primary key, a int, b int, foreign key (a, b) references pair on update cascade);
create table loose (p int references p on update cascade); create table parts (id int, p int references p on update cascade) partition by range (id);
create table parts_1 partition of parts (primary key (id)) for values from (0) to (9);
insert into p select generate_series(1, 6); insert into pair values (1, 1), (2, 2); insert into two values (1, 1, 1), (2, 2, 2);
insert into keyed select n, n from generate_series(1, 6) n; insert into keys select generate_series(1, 6); insert into loose values (1), (2);
insert into below select n, n from generate_series(1, 6) n; insert into parts select n, n from generate_series(1, 6) n;
"""


@pytest.mark.spec("SEL-11")
def test_children_that_moved_along_with_an_updated_key_are_told(postgres: Cluster) -> None:
    """One that was given another partner since, while others still refer to the first, did not move."""
    db = postgres.createdb()
    dsn = postgres.dsn(db)
    try:
        with postgres.connect(db) as connection:
            connection.execute(f"create table pair (a int, b int, primary key (a, b)); {MOVED}".encode())
            connection.execute("insert into keyed values (7, 3)")
            snapshot = snapshot_of(dsn)
            connection.execute("update p set a = 20 where a = 2; update pair set b = 9 where a = 2")
            connection.execute("update keyed set p = 4 where id = 7; delete from p where a = 0")
        done = restored(snapshot, dsn, "public.p", "public.pair", into_source=True)
        assert done.failed == {}
        told = {one.table.name: (one.why, one.replace) for one in done.report.beside}
        moved = "1 rows no longer refer by {} to public.{} as in the snapshot: ON UPDATE CASCADE"
        assert told == {
            "keyed": (moved.format("p", "p"), True),
            "keys": ("refers to public.p, and lacks 1 of the 6 rows of the snapshot", False),
            "below": (moved.format("k", "keys"), True),
            "two": (moved.format("a, b", "pair"), True),
            "loose": ("2 rows without a key may have been cut off: p to public.p, ON UPDATE CASCADE", True),
            "parts": (moved.format("p", "p"), True),
        }
        names = [f"public.{name}" for name in ("p", "pair", *told)]
        healed = restored(snapshot, dsn, *names, replace=True, into_source=True)
        assert (healed.failed, healed.report.beside) == ({}, ())
        again = restored(snapshot, dsn, "public.p", "public.pair", into_source=True)
        assert again.report.beside == ()
    finally:
        postgres.dropdb(db)


def test_children_that_moved_with_a_row_that_is_changed_back_are_told(postgres: Cluster) -> None:
    db = postgres.createdb()
    try:
        with postgres.connect(db) as connection:
            connection.execute(
                "create table p (id int primary key, k text unique); insert into p values (1, 'a'), (2, 'b');"
                "create table c (id int primary key, k text references p (k) on update cascade); insert into c select * from p"
            )
            snapshot = snapshot_of(postgres.dsn(db))
            connection.execute("update p set k = 'z' where id = 2")
        done = restored(snapshot, postgres.dsn(db), "public.p", replace=True, into_source=True)
        assert list(done.failed) == ["FK CONSTRAINT c_k_fkey of public.c"]
        moved = "1 rows no longer refer by k to public.p as in the snapshot: ON UPDATE CASCADE"
        assert beside(done) == {"c -c": moved}
    finally:
        postgres.dropdb(db)


OTHERWISE = """
create table p (a int primary key, code text unique); create table pair (a int, b int, primary key (a, b));
create table heir () inherits (p); insert into heir values (9, 'nine');
create table in_key (a int default 0 references p on delete set default, n int, primary key (a, n));
create table no_key (p int references p on delete cascade);
create table computed (id int generated always as (n * 2) stored primary key, n int references p on delete cascade);
create table by_update (id int primary key, p int references p on update set null);
create table by_update_default (id int primary key, p int default 0 references p on update set default);
create table by_code (id int primary key, code text references p (code) on delete set null deferrable initially deferred);
create table others_since (id int primary key, p int references p on delete cascade);
create table below (id int primary key, above int references others_since on delete cascade);
create table furthest (id int primary key, below int references below on delete set null);
create table listed (id int primary key, a int, b int, foreign key (a, b) references pair on delete set null (b));
insert into p values (0, 'none'), (1, 'one'), (2, 'two'), (3, 'three'); insert into pair values (1, 1), (2, 2);
insert into in_key values (1, 1), (2, 2); insert into no_key values (1), (2); insert into computed (n) values (1), (2); insert into by_update values (1, 1), (2, 3); insert into by_update_default values (1, 1), (2, 3);
insert into by_code values (1, 'one'), (2, 'two'); insert into others_since values (1, 1), (2, 2); insert into below values (1, 1), (2, 2);
insert into furthest values (1, 1), (2, 2); insert into listed values (1, 1, 1), (2, 2, 2);
"""


@pytest.mark.spec("SEL-11")
def test_children_that_are_as_many_and_others_are_found_by_their_keys(postgres: Cluster) -> None:
    """Their keys changed, others came since, an update cut them off, or they hang on what was lost."""
    db = postgres.createdb()
    dsn = postgres.dsn(db)
    statements = OTHERWISE if postgres.major >= 15 else OTHERWISE.replace("set null (b)", "set null")
    try:
        with postgres.connect(db) as connection:
            connection.execute(statements.encode())
            snapshot = snapshot_of(dsn)
            connection.execute(
                "delete from p where a in (2, 9); delete from pair where a = 2; update p set a = 4 where a = 3"
            )
            connection.execute("insert into others_since select n, 1 from generate_series(5, 9) n")
            connection.execute("insert into no_key values (1); insert into computed (n) values (0)")
            connection.execute("insert into below select n, n from generate_series(5, 9) n")
        done = restored(snapshot, dsn, "public.p", "public.pair", into_source=True)
        assert list(done.failed) == ["TABLE DATA public.p"], "the unique code of 3 is 4's now"
        told = {one.table.name: one.why for one in done.report.beside}
        assert told == {
            "heir": "inherits from public.p, and has 0 rows, 1 in the snapshot",
            "in_key": "refers to public.p, and lacks 1 of the 2 rows of the snapshot",
            "others_since": "refers to public.p, and lacks 1 of the 2 rows of the snapshot",
            "no_key": (
                "refers to public.p, and has 2 rows without a key, of which nobody can tell whether they are those of the snapshot"
            ),
            "computed": (
                "refers to public.p, and has 2 rows without a key, of which nobody can tell whether they are those of the snapshot"
            ),
            "below": "refers to public.others_since, and lacks 1 of the 2 rows of the snapshot",
            "furthest": "1 rows no longer refer by below to public.below as in the snapshot: ON DELETE SET NULL",
            "by_update": "1 rows no longer refer by p to public.p as in the snapshot: ON UPDATE SET NULL",
            "by_update_default": "1 rows no longer refer by p to public.p as in the snapshot: ON UPDATE SET DEFAULT",
            "by_code": "1 rows no longer refer by code to public.p as in the snapshot: ON DELETE SET NULL",
            "listed": "1 rows no longer refer by a, b to public.pair as in the snapshot: ON DELETE SET NULL",
        }
        names = [f"public.{name}" for name in ("p", "pair", *told)]
        healed = restored(snapshot, dsn, *names, replace=True, into_source=True)
        assert (healed.failed, healed.report.beside) == ({}, ())
    finally:
        postgres.dropdb(db)
