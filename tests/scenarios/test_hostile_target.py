"""Looking at a target, for a dry run or for what a restore did not write to: nothing of its tables' owners runs with our rights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest
from psycopg.conninfo import make_conninfo

from tests.fix_postgres import Cluster
from tests.restore_support import PROGRAMS, snapshot_of
from tests.scenarios.test_hostile_source import CASES, acted, hostile, mallory
from tests.values import table_item
from vault.errors import SourceError
from vault.model import Cut, MergedRows, TableItem, TableName
from vault.ports import TargetSession
from vault.source.postgres.target.database import connect_target

__all__ = ["mallory"]

RUN_BY_A_LOOK = {
    case: CASES[case]
    for case in (
        "index predicate",
        "statistics expression",
        "partition",
        "domain of a column",
        "domain over a composite",
    )
} | {
    "domain inside a column's array": "CREATE DOMAIN app.d AS int CHECK (VALUE > app.evil(1) - 1);"
    " CREATE TYPE app.pair AS (x app.d); ALTER TABLE app.t ADD c app.pair[] DEFAULT ARRAY[ROW(1)::app.pair]",
}
QUIET = {case: CASES[case] for case in ("check", "generated column", "policy")}
"""What neither planning a query on app.t nor reading its values from text evaluates."""


REFUSED = "it would run app."


def outcome(look: Callable[[], MergedRows | int]) -> MergedRows | int | str:
    try:
        return look()
    except SourceError as error:
        return REFUSED if "would run app." in error.why else error.why


@contextmanager
def looked_at(cluster: Cluster, name: str) -> Iterator[tuple[TargetSession, TableItem, list[bytes]]]:
    """A session of a restore into where the snapshot came from, and app.t with its rows as if `a` was its key."""
    snapshot = snapshot_of(cluster.dsn(name))
    (item,) = (item for item in snapshot.tables() if item.name == TableName(schema="app", name="t"))
    target = connect_target(cluster.dsn(name), {}, programs=PROGRAMS)
    acted(cluster)  # building an index of the reader's table runs what is in it
    try:
        yield target.session("UTF8"), replace(item, key_columns=("a",)), list(snapshot.rows(item))
    finally:
        target.close()


@pytest.mark.spec("CODE-7")
@pytest.mark.parametrize("case", [*RUN_BY_A_LOOK, *QUIET])
def test_a_dry_run_and_a_look_at_children_run_nothing_of_a_tables_owner(postgres: Cluster, case: str) -> None:
    with hostile(postgres, (RUN_BY_A_LOOK | QUIET)[case]) as name, looked_at(postgres, name) as (session, item, rows):
        found = [
            outcome(partial(session.foresee, item, iter(rows), rows=500, exact=False)),
            outcome(partial(session.foresee, item, iter(rows), rows=500, exact=True)),
            outcome(partial(session.cut_off, item, ["b"], iter(rows), cut=Cut.MOVED)),
        ]
        assert not acted(postgres)
        assert found == ([MergedRows(added=0), MergedRows(added=0), 0] if case in QUIET else [REFUSED] * 3)


@pytest.mark.spec("CODE-7")
def test_a_dry_run_evaluates_no_condition_that_only_the_snapshot_has(postgres: Cluster) -> None:
    with hostile(postgres) as name, looked_at(postgres, name) as (session, item, rows):
        conditional = replace(item, condition="WHERE a > app.evil(1)")
        with pytest.raises(SourceError, match=r"rows of app\.t") as refused:
            session.foresee(conditional, iter(rows), rows=500, exact=False)
        assert refused.value.why == "no extension here that is trusted has the condition on them"
        assert not acted(postgres)


@pytest.mark.spec("CODE-7")
def test_a_dry_run_compares_by_no_operator_of_somebody_else(postgres: Cluster) -> None:
    """A superuser made the class; what its operator does is still its function's owner's to say."""
    own = (
        "CREATE FUNCTION app.compare(int, int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 - $2; END'; RESET ROLE;"
        " CREATE OPERATOR CLASS public.own FOR TYPE int USING btree AS OPERATOR 3 app.===, FUNCTION 1 app.compare(int, int);"
        " ALTER FUNCTION app.evil_equal(int, int) OWNER TO mallory; CREATE UNIQUE INDEX ON app.t (a public.own)"
    )
    with hostile(postgres, own) as name, looked_at(postgres, name) as (session, item, rows):
        with pytest.raises(SourceError, match=r"rows of app\.t"):
            session.foresee(item, iter(rows), rows=500, exact=False)
        assert not acted(postgres)


EVENT = (
    "CREATE FUNCTION app.told() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM app.act(); END'; RESET ROLE;"
    " CREATE EVENT TRIGGER told ON ddl_command_end EXECUTE FUNCTION app.told()"
)
"""A superuser's, and what it calls is somebody else's."""
RANGE = (
    "CREATE FUNCTION app.compare(int, int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM app.act(); RETURN $1 - $2; END';"
    " RESET ROLE; CREATE OPERATOR CLASS app.own FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 3 =, FUNCTION 1 app.compare(int, int);"
    " SET ROLE mallory; CREATE TYPE app.r AS RANGE (subtype = int, subtype_opclass = app.own); ALTER TABLE app.t ADD c app.r DEFAULT '[1,5)'"
)


@pytest.mark.spec("CODE-7")
@pytest.mark.parametrize("arranged", [EVENT, RANGE], ids=["event trigger", "range"])
def test_a_dry_run_reads_no_value_and_makes_no_table_by_code_of_somebody_else(postgres: Cluster, arranged: str) -> None:
    with hostile(postgres, arranged) as name, looked_at(postgres, name) as (session, item, rows):
        with pytest.raises(SourceError, match=r"rows of app\.t") as refused:
            session.foresee(item, iter(rows), rows=500, exact=False)
        assert "would run app." in refused.value.why
        assert not acted(postgres)


@pytest.mark.spec("CODE-5")
def test_verifying_foreign_keys_plans_no_partition_of_somebody_else(postgres: Cluster) -> None:
    refer = "RESET ROLE; CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1); GRANT USAGE ON SCHEMA app TO PUBLIC"
    child = "CREATE TABLE child (id int REFERENCES public.parent) PARTITION BY LIST (id); CREATE TABLE app.leaf PARTITION OF child DEFAULT"
    index = (
        "ALTER TABLE app.leaf OWNER TO mallory; SET ROLE mallory; CREATE INDEX ON app.leaf (id) WHERE id > app.evil(1)"
    )
    with hostile(postgres, refer, child, index) as name:
        target = connect_target(postgres.dsn(name), {}, programs=PROGRAMS)
        session, parent = target.session("UTF8"), TableName(schema="public", name="parent")
        (found,) = session.broken_references([parent])
        assert (found.rows, found.unverified) == (0, "that would run app.evil(integer)")
        empty = table_item(parent, "id", key_columns=("id",))
        assert session.foresee(empty, iter(()), rows=0, exact=True) == MergedRows(added=0, removed=1, stranded=(found,))
        target.close()
        assert not acted(postgres)


def test_a_foreign_key_that_cannot_be_queried_hides_none_that_is_broken(postgres: Cluster) -> None:
    name = postgres.createdb()
    with postgres.connect(name) as connection:
        for statement in (
            b"CREATE TABLE parent (id int PRIMARY KEY)",
            b"CREATE TABLE a_child (id int REFERENCES parent)",
            b"CREATE TABLE b_child (id int REFERENCES parent)",
            b"SET session_replication_role = replica; INSERT INTO b_child VALUES (7); RESET session_replication_role",
            b"CREATE ROLE keyed LOGIN; GRANT SELECT ON parent, b_child TO keyed",
        ):
            connection.execute(statement)
    target = connect_target(make_conninfo(postgres.dsn(name), user="keyed"), {}, programs=PROGRAMS)
    try:
        found = target.session("UTF8").broken_references([TableName(schema="public", name="parent")])
    finally:
        target.close()
        with postgres.connect(name) as connection:
            connection.execute(b"DROP OWNED BY keyed; DROP ROLE keyed")
    assert [(str(one.table), one.rows) for one in found] == [("public.a_child", 0), ("public.b_child", 1)]
    assert "a_child" in found[0].unverified
