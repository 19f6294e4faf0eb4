"""A target that is another one when the plan is carried out than when it was made: what was planned is not done to something else."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from tests.fix_postgres import Cluster
from tests.fix_views import Listener
from tests.hostile_code import acted, owner
from tests.restore_support import PROGRAMS, snapshot_of
from tests.scenarios.capture_support import database
from tests.values import table_item
from vault.model import TableName
from vault.ops.restore import run as restore
from vault.ops.restore.plan.only_words import read_words
from vault.ops.restore.plan.plan import is_read_first, plan
from vault.ops.restore.plan.steps import RestoreOptions
from vault.ops.restore.run import RestoreReport
from vault.repo.snapshot import Snapshot
from vault.source.postgres.target.database import connect_target

SCHEMA = """
CREATE SCHEMA app;
CREATE TABLE app.orders (id int PRIMARY KEY, customer int NOT NULL, note text);
INSERT INTO app.orders SELECT n, n % 7, 'note ' || n FROM generate_series(1, 100) n;
CREATE TABLE app.customers (id int PRIMARY KEY, name text);
INSERT INTO app.customers SELECT n, 'c' || n FROM generate_series(0, 9) n;
CREATE SEQUENCE app.numbers; SELECT setval('app.numbers', 500);
CREATE FUNCTION app.total() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM app.orders';
"""
DAMAGE = "DELETE FROM app.orders WHERE id <= 40; DELETE FROM app.customers WHERE id < 5"
CANARY = """
CREATE FUNCTION app.evil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN COPY (SELECT 'view') TO PROGRAM 'cat >> pgvault-canaries'; RETURN new; END $$;
"""
IN_ITS_PLACE = {
    "nothing": "DROP TABLE app.orders",
    "a view that calls a function": "ALTER TABLE app.orders RENAME TO aside; CREATE VIEW app.orders AS SELECT * FROM app.aside;"
    + CANARY
    + "CREATE TRIGGER t INSTEAD OF INSERT ON app.orders FOR EACH ROW EXECUTE FUNCTION app.evil()",
    "a view over it": "ALTER TABLE app.orders RENAME TO aside; CREATE VIEW app.orders AS SELECT * FROM app.aside",
    "a foreign table": "ALTER TABLE app.orders RENAME TO aside; CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
    " CREATE FOREIGN TABLE app.orders (id int, customer int, note text) SERVER s",
    "other columns": "ALTER TABLE app.orders RENAME TO aside; CREATE TABLE app.orders (id int PRIMARY KEY, name text)",
    "a sequence": "ALTER TABLE app.orders RENAME TO aside; CREATE SEQUENCE app.orders",
    "a schema that was renamed": "ALTER SCHEMA app RENAME TO aside",
}


@pytest.fixture
def damaged(postgres: Cluster) -> Iterator[tuple[str, Snapshot]]:
    with database(postgres, SCHEMA) as name:
        snapshot = snapshot_of(postgres.dsn(name))
        with postgres.connect(name) as connection:
            connection.execute(DAMAGE)
        yield name, snapshot


def carried_out(
    cluster: Cluster, db: str, snapshot: Snapshot, meanwhile: str, *only: str, replace: bool = False
) -> RestoreReport:
    """A restore between whose plan and execution somebody else is at work."""
    target = connect_target(cluster.dsn(db), {}, programs=PROGRAMS)
    try:
        contents = restore.gather(snapshot)
        options = RestoreOptions(wanted=read_words(only, contents), replace=replace, into_source=True)
        present = target.present() if is_read_first(target.facts, options.wanted) else None
        made = plan(contents, target.facts, options, present=present)
        with cluster.connect(db) as other:
            other.execute(meanwhile.encode())
        report = restore.run(made, snapshot, target=target, progress=Listener())
    finally:
        target.close()
    print(*report.failed, sep="\n")
    return report


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("what", IN_ITS_PLACE)
def test_rows_go_into_no_other_thing_of_the_tables_name(
    postgres: Cluster, damaged: tuple[str, Snapshot], what: str, replace: bool
) -> None:
    db, snapshot = damaged
    acted(postgres)
    report = carried_out(postgres, db, snapshot, IN_ITS_PLACE[what], "app.orders", "app.customers", replace=replace)
    assert acted(postgres) == set()
    assert [one.entry for one in report.failed if "app.orders" in one.entry], "it is told"
    with postgres.connect(db) as connection:
        if what.startswith("a view"):
            assert connection.execute("SELECT count(*) FROM app.aside").fetchall() == [(60,)]
        if what == "other columns":
            assert connection.execute("SELECT count(*) FROM app.orders").fetchall() == [(0,)]
        if "schema" not in what:
            assert connection.execute("SELECT count(*) FROM app.customers").fetchall() == [(10,)], "the others come"


STRANGERS = {
    "a table of the same columns": "CREATE SCHEMA app; CREATE TABLE app.orders (id int, customer int, note text);"
    " INSERT INTO app.orders VALUES (7, 7, 'a stranger')",
    "a view": "CREATE SCHEMA app; CREATE TABLE app.held (id int, customer int, note text); INSERT INTO app.held VALUES (7, 7, 'a stranger');"
    " CREATE VIEW app.orders AS SELECT * FROM app.held",
}


@pytest.mark.parametrize("what", STRANGERS)
def test_what_came_into_an_empty_target_meanwhile_gets_no_rows(
    postgres: Cluster, damaged: tuple[str, Snapshot], what: str
) -> None:
    _, snapshot = damaged
    with database(postgres) as target:
        report = carried_out(postgres, target, snapshot, STRANGERS[what])
        assert [one for one in report.failed if "orders" in one.entry]
        with postgres.connect(target) as connection:
            assert connection.execute("SELECT note FROM app.orders").fetchall() == [("a stranger",)]
            assert connection.execute("SELECT count(*) FROM app.customers").fetchall() == [(10,)]


def test_an_owner_who_went_away_meanwhile_is_told(postgres: Cluster) -> None:
    with owner(postgres):
        with database(postgres, SCHEMA, "ALTER TABLE app.orders OWNER TO mallory") as source:
            snapshot = snapshot_of(postgres.dsn(source))
        with database(postgres) as target:
            try:
                report = carried_out(postgres, target, snapshot, "ALTER ROLE mallory RENAME TO gone")
                assert [one for one in report.failed if "mallory" in one.why or "orders" in one.entry]
                with postgres.connect(target) as connection:
                    assert connection.execute("SELECT count(*) FROM app.orders").fetchall() == [(100,)]
            finally:
                with postgres.connect() as connection:
                    connection.execute("ALTER ROLE gone RENAME TO mallory")


def test_a_sequence_that_became_a_table_is_not_set(postgres: Cluster, damaged: tuple[str, Snapshot]) -> None:
    db, snapshot = damaged
    meanwhile = "DROP SEQUENCE app.numbers; CREATE TABLE app.numbers (last_value int8)"
    report = carried_out(postgres, db, snapshot, meanwhile, "sequences", replace=True)
    assert [one for one in report.failed if "numbers" in one.entry]


WAITS = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 't'::regclass"
HOLDS = (
    "SELECT mode FROM pg_locks WHERE granted AND relation = 't'::regclass AND pid = %s AND mode <> 'AccessShareLock'"
)
KEYS = {"replaces": "id int PRIMARY KEY", "merges by a deferrable key": "id int PRIMARY KEY DEFERRABLE"}


@pytest.mark.parametrize("what", KEYS)
def test_a_merge_holds_nothing_while_it_waits_for_the_table(postgres: Cluster, what: str) -> None:
    """Two that both hold a table a little and want it alone would wait for each other."""
    name = TableName(schema="public", name="t")
    with database(postgres, f"CREATE TABLE t ({KEYS[what]}, note text)") as db, postgres.connect(db) as other:
        other.execute("BEGIN; INSERT INTO t VALUES (1, 'theirs')")
        target = connect_target(postgres.dsn(db), {}, programs=PROGRAMS)
        try:
            session = target.session("UTF8")
            item = table_item(name, "id", "note", rows=1)
            merge = partial(session.merge, item, iter([b"2\tours\n"]), rows=1, exact=what == "replaces")
            with ThreadPoolExecutor(1) as one, postgres.connect(db) as watch:
                merging = one.submit(merge)
                while not (waits := watch.execute(WAITS).fetchall()):
                    assert not merging.done()
                held = watch.execute(HOLDS, waits[0]).fetchall()
                other.execute("COMMIT")
                merging.result(timeout=60)
        finally:
            target.close()
    assert held == []


def test_rows_come_from_a_role_that_may_only_look_and_add(postgres: Cluster) -> None:
    with owner(postgres), database(postgres, "CREATE TABLE t (id int PRIMARY KEY, note text)") as db:
        with postgres.connect(db) as connection:
            connection.execute("INSERT INTO t VALUES (1, 'there'); GRANT SELECT, INSERT ON t TO mallory")
        target = connect_target(f"{postgres.dsn(db)} user=mallory", {}, programs=PROGRAMS)
        try:
            item = table_item(TableName(schema="public", name="t"), "id", "note", rows=1)
            item = replace(item, key_columns=("id",))
            done = target.session("UTF8").merge(item, iter([b"1\tours\n2\tours\n"]), rows=2, exact=False)
        finally:
            target.close()
        assert (done.added, done.differing, done.refused) == (1, 1, 0)
