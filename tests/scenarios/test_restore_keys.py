"""Keys are what their indexes say: rows come where they lack one, whatever its text, and whenever it is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.fix_postgres import Cluster
from tests.restore_support import Restored, restored, snapshot_of
from vault.model import MergedRows, TableName

pytestmark = pytest.mark.postgres

Damage = Callable[..., "Told"]


class Told:
    """A source that was captured, damaged in place, and got `t` back."""

    def __init__(self, done: Restored, rows: list[tuple[object, ...]]) -> None:
        self.failed = done.failed
        self.merged = done.report.merged.get(TableName(schema="public", name="t"))
        self.rows = rows


@pytest.fixture
def after(postgres: Cluster) -> Iterator[Damage]:
    """Create, capture, damage, restore `public.t`, look."""
    made: list[str] = []

    def run(schema: str, damage: str, *, query: str = "select * from t order by 1", replace: bool = False) -> Told:
        made.append(postgres.createdb())
        dsn = postgres.dsn(made[-1])
        with postgres.connect(made[-1]) as connection:
            connection.execute(schema.encode())
        snapshot = snapshot_of(dsn)
        with postgres.connect(made[-1]) as connection:
            connection.execute(damage.encode())
        done = restored(snapshot, dsn, "public.t", replace=replace, into_source=True, definitions=False)
        with postgres.connect(made[-1]) as connection:
            return Told(done, connection.execute(query.encode()).fetchall())

    yield run
    for name in made:
        postgres.dropdb(name)


DEFERRABLE = """
create table t (id int primary key {first}, place int not null, note text, constraint once unique (place) {second});
insert into t values (1, 1, 'one'), (2, 2, 'two'), (3, 3, 'three'), (4, 4, 'four');
"""


@pytest.mark.parametrize(
    ("first", "second"), [("", "deferrable"), ("deferrable initially deferred", "deferrable initially deferred")]
)
def test_rows_come_where_a_key_is_deferrable(after: Damage, first: str, second: str) -> None:
    told = after(
        DEFERRABLE.format(first=first, second=second), "delete from t where id > 1; insert into t values (9, 3, 'new')"
    )
    assert told.rows == [(1, 1, "one"), (2, 2, "two"), (4, 4, "four"), (9, 3, "new")]
    assert told.merged == MergedRows(added=2, refused=1)
    assert list(told.failed) == ["TABLE DATA public.t"]


def test_an_emptied_table_with_a_deferrable_key_gets_its_rows(after: Damage) -> None:
    told = after(DEFERRABLE.format(first="", second="deferrable"), "delete from t")
    assert told.merged == MergedRows(added=4)
    assert told.failed == {}


def test_rows_are_replaced_under_a_deferrable_key(after: Damage) -> None:
    told = after(
        DEFERRABLE.format(first="deferrable", second="deferrable initially deferred"),
        "update t set place = 5 - place; delete from t where id = 2",
        replace=True,
    )
    assert told.rows == [(1, 1, "one"), (2, 2, "two"), (3, 3, "three"), (4, 4, "four")]
    assert told.failed == {}


def test_a_deferrable_key_over_a_computed_column_is_not_violated_unseen(after: Damage) -> None:
    told = after(
        "create table t (id int primary key, a int, b int generated always as (a / 10) stored,"
        " constraint once unique (b) deferrable); insert into t values (1, 10), (2, 20)",
        "delete from t where id = 2; insert into t values (3, 21)",
    )
    assert told.rows == [(1, 10, 1), (3, 21, 2)]
    assert "once, which is deferrable" in told.failed["TABLE DATA public.t"]


def test_a_deferrable_exclusion_is_asked_by_its_own_operator(after: Damage) -> None:
    told = after(
        "create table t (id int primary key, during int4range, exclude using gist (during with &&) where (id > 0) deferrable);"
        "insert into t values (1, '[1,3)'), (2, '[3,5)'), (-1, '[1,9)')",
        "delete from t; insert into t values (7, '[4,6)')",
        query="select id from t order by 1",
    )
    assert told.rows == [(-1,), (1,), (7,)]
    assert told.merged == MergedRows(added=2, refused=1)


SAME: list[tuple[str, str, str, str]] = [
    ("numeric", "1.0", "1.00", "2.5"),
    ("interval", "1 day", "24:00:00", "2 days"),
    ("citext", "Bob", "bob", "Eve"),
    ("double precision", "0", "-0", "1"),
    ("numeric[]", "{1.0}", "{1.00}", "{2}"),
    ("priced", "(1.0)", "(1.00)", "(2)"),
    ("amount", "1.0", "1.00", "2"),
    ("numrange", "[1.0,2)", "[1.00,2.0)", "[5,6)"),
    ("jsonb", '{"a": 1.0}', '{"a": 1.00}', '{"a": 2}'),
    ("text collate blind", "Bob", "bob", "Eve"),
]


@pytest.mark.spec("SEL-10")
@pytest.mark.parametrize(("kind", "kept", "now", "gone"), SAME, ids=[one[0] for one in SAME])
def test_keys_that_are_equal_for_the_server_are_one_key(
    postgres: Cluster, after: Damage, kind: str, kept: str, now: str, gone: str
) -> None:
    if "blind" in kind and postgres.major == 18:
        pytest.skip("the embedded server has no ICU")
    blind = "create collation blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
    told = after(
        "create extension citext; create type priced as (n numeric); create domain amount as numeric;"
        f"{blind if 'blind' in kind else ''} create table t (k {kind} primary key, note text);"
        f"insert into t values ('{kept}', 'kept'), ('{gone}', 'gone')",
        f"delete from t; insert into t values ('{now}', 'kept')",
        query="select note from t order by note",
    )
    assert told.failed == {}
    assert told.merged == MergedRows(added=1, differing=1)
    assert told.rows == [("gone",), ("kept",)]


def test_a_key_with_another_class_of_operators_is_asked_by_these(after: Damage) -> None:
    """By text_pattern_ops, and with a collation of the index's own; and several columns in another order."""
    told = after(
        "create table t (a text not null, b numeric not null, note text);"
        'create unique index by_pattern on t (b, a collate "C" text_pattern_ops) include (note);'
        "insert into t values ('x', 1.0, 'kept'), ('y', 1.0, 'gone')",
        "delete from t; insert into t values ('x', 1.00, 'kept')",
        query="select note from t order by note",
    )
    assert told.rows == [("gone",), ("kept",)]
    assert told.failed == {}


def test_rows_come_past_rules_and_unique_expressions(after: Damage) -> None:
    told = after(
        "create table t (id int primary key, email text); create unique index by_lower on t (lower(email)) where id > 0;"
        "create rule quiet as on update to t where new.id < 0 do instead nothing;"
        "insert into t values (1, 'a@x'), (2, 'b@x'), (3, 'c@x')",
        "delete from t; insert into t values (9, 'B@X')",
    )
    assert told.rows == [(1, "a@x"), (3, "c@x"), (9, "B@X")]
    assert told.merged == MergedRows(added=2, refused=1)


def test_partitions_with_a_deferrable_key_get_their_rows(after: Damage) -> None:
    told = after(
        "create table r (id int, note text, primary key (id) deferrable) partition by range (id);"
        "create table t partition of r for values from (0) to (10); insert into r values (1, 'one'), (2, 'two')",
        "delete from r where id = 2; update r set note = 'now' where id = 1",
    )
    assert told.rows == [(1, "now"), (2, "two")]
    assert told.merged == MergedRows(added=1, differing=1)


def test_nulls_that_a_key_calls_equal_are_equal(after: Damage) -> None:
    nulls = "unique nulls not distinct (place) deferrable"
    told = after(
        f"create table t (id int primary key, place int, {nulls}); insert into t values (1, null), (2, 2)",
        "delete from t where id = 1; insert into t values (5, null)",
    )
    assert told.rows == [(2, 2), (5, None)]
    assert told.merged == MergedRows(added=0, refused=1)


OURS = """
create table t ("pgvault row" int primary key, "pgvault place" int, "pgvault count" int, "pgvault row 1" int, t int, s int, n int, c int);
insert into t select i, i, i, i, i, i, i, i from generate_series(1, 3) i;
"""


@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize("replace", [True, False])
def test_columns_may_be_named_as_ours_are(after: Damage, replace: bool, keyed: bool) -> None:
    told = after(
        OURS if keyed else OURS.replace("primary key", ""),
        'delete from t where t = 1; update t set s = 7 where t = 2; insert into t ("pgvault row", t) values (9, 9)',
        query="select t, s from t order by 1, 2",
        replace=replace,
    )
    assert told.failed == {}
    whole = [(1, 1), (2, 2), (3, 3)]
    assert told.rows == (whole if replace else [(1, 1), *([] if keyed else [(2, 2)]), (2, 7), (3, 3), (9, None)])
