"""An extension that cannot come is one line with the server's own reason, however much needs it."""

from __future__ import annotations

import pytest

from tests.fix_postgres import Cluster
from tests.restore_support import restored, snapshot_of
from tests.scenarios.capture_support import database
from tests.scenarios.extension_support import extension
from vault.ops.restore.failures import folded

pytestmark = pytest.mark.postgres

TYPE = "CREATE TYPE @extschema@.shape AS (x integer, y integer); CREATE FUNCTION @extschema@.area(shape) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1';"
NEEDY = """
create table {t} (id serial primary key, s shape, name text not null check (name <> '')); create index on {t} (area(s));
create view {t}_seen as select id, s from {t}; create policy p on {t} using (id > 0); alter table {t} enable row level security;
comment on table {t} is 'x'; comment on column {t}.s is 'y'; grant select on {t} to pg_monitor;
create function {t}_area(shape) returns integer language sql as 'select 1'; insert into {t} (s, name) values ((1, 2), 'n')
"""
REFUSING = "DO $$ BEGIN IF current_database() <> 'nowhere' THEN RAISE EXCEPTION 'can only be created in database nowhere' USING DETAIL = 'see its manual'; END IF; END $$;"


def test_a_missing_extension_is_one_line(postgres: Cluster) -> None:
    tables = [NEEDY.format(t=f"t{at}") for at in range(3)]
    with (
        extension(postgres, script=TYPE, kind="shape") as name,
        database(postgres, f"create extension {name}", *tables) as source,
    ):
        snapshot = snapshot_of(postgres.dsn(source))
    with database(postgres) as target:
        done = restored(snapshot, postgres.dsn(target))
        lines = list(folded(done.report.failed))
        assert len(lines) == 1, lines
        assert lines[0].startswith(f"EXTENSION {name}: ")
        assert "control file" in lines[0] or "is not available" in lines[0]
        assert len(done.report.failed) > 30, "every one of them is kept"
        assert {f"TABLE t{at}" for at in range(3)} <= done.failed.keys()


def test_the_reason_that_an_extensions_script_gives_is_shown(postgres: Cluster) -> None:
    with database(
        postgres, NEEDY.replace("shape", "integer").replace("(1, 2)", "1").replace("area(s)", "s").format(t="t")
    ) as plain:
        with extension(postgres, script=TYPE, kind="refuse") as name:
            with postgres.connect(plain) as connection:
                connection.execute(f"create extension {name}".encode())
            snapshot = snapshot_of(postgres.dsn(plain))
    with extension(postgres, script=REFUSING, kind="refuse") as name, database(postgres) as target:
        done = restored(snapshot, postgres.dsn(target))
        assert done.failed == {f"EXTENSION {name}": "can only be created in database nowhere: see its manual"}


HIDDEN = """
create schema hidden; create table hidden.t (id serial primary key, v text); insert into hidden.t (v) values ('x'); create index on hidden.t (v);
create view hidden.v as select * from hidden.t; create function hidden.f() returns int language sql as 'select 1'; grant select on hidden.t to pg_monitor
"""


def test_what_a_role_may_not_create_is_one_line_with_all_that_lies_in_it(postgres: Cluster) -> None:
    with postgres.connect() as connection:
        connection.execute("create role plain_maker login")
    try:
        with database(postgres, HIDDEN) as source, database(postgres) as target:
            done = restored(
                snapshot_of(postgres.dsn(source)), postgres.dsn(target).replace("user=postgres", "user=plain_maker")
            )
            lines = [line for line in folded(done.report.failed) if not line.startswith("SCHEMA public: ")]
            assert len(lines) == 1, lines
            assert lines[0].startswith("SCHEMA hidden: role plain_maker may not create schemas")
            assert {"TABLE t", "FUNCTION f()", "TABLE DATA hidden.t", "VIEW v"} <= done.failed.keys()
    finally:
        with postgres.connect() as connection:
            connection.execute("drop role plain_maker")


OTHERWISE = """
create table base (id int primary key, n int); create view v1 as select n from base; create view v2 as select id from base; comment on view v1 is 'x';
create function one() returns int language plpgsql as 'begin return 1; end'; create materialized view m as select one() as x;
create materialized view m2 as select x from m; create table child (id int references base)
"""
RAISES = "create or replace function one() returns int language plpgsql as 'begin raise exception ''hidden''; end'"


def test_what_needs_something_that_differs_is_told_with_that(postgres: Cluster) -> None:
    with database(postgres, OTHERWISE) as source:
        snapshot = snapshot_of(postgres.dsn(source))
        with database(postgres, "create table base (id int primary key)") as target:
            done = restored(snapshot, postgres.dsn(target), "schema")
            because = {one.entry: one.because for one in done.report.failed}
            assert because["TABLE base"] == ""
            assert because["VIEW v1"] == because["COMMENT VIEW v1"] == "TABLE base"
            assert "VIEW v2" not in because


def test_what_needs_rows_that_did_not_come_is_told_with_these(postgres: Cluster) -> None:
    generated = "create table sums (id int primary key, s int generated always as (plus(id)) stored); insert into sums values (1)"
    plus = "create {} function plus(int) returns int language plpgsql immutable as 'begin {}; end'"
    with database(
        postgres,
        OTHERWISE,
        plus.format("", "return $1"),
        generated,
        "create table of_sums (id int references sums); insert into of_sums values (1)",
        plus.format("or replace", "raise exception ''hidden''"),
        RAISES,
    ) as source:
        snapshot = snapshot_of(postgres.dsn(source))
        with database(postgres) as target:
            done = restored(snapshot, postgres.dsn(target))
            assert {one.entry: one.because for one in done.report.failed} == {
                "TABLE DATA public.sums": "",
                "FK CONSTRAINT of_sums of_sums_id_fkey": "TABLE DATA public.sums",
                "MATERIALIZED VIEW DATA m": "",
                "MATERIALIZED VIEW DATA m2": "MATERIALIZED VIEW DATA m",
            }


UNFIT = """
create function told() returns trigger language plpgsql as 'begin return new; end'; create table plain (id int, s text); create trigger of_told before insert on plain for each row execute function told();
create type mood as enum ('sad', 'fine'); create table felt (m mood default 'sad'); create view of_mood as select 'sad'::mood as m from plain; create policy if_mood on plain using ('sad'::mood is not null);
create table moods (m mood) partition by list (m); create table moods_sad partition of moods for values in ('sad');
create domain word as text; create function says(w word default 'x') returns int language sql as 'select 1';
create type a as (x int); create type b as (y int); create function a_to_b(a) returns b language sql immutable as 'select row(($1).x)::b'; create cast (a as b) with function a_to_b(a) as implicit; create table casting (c b default row(1)::a);
create type e as (x int); create type f as (y int); create function e_to_f(e) returns f language sql immutable as 'select row(($1).x)::f'; create cast (e as f) with function e_to_f(e); create view of_cast as select row(1)::e::f as z;
create function alike(a, int) returns boolean language sql immutable as 'select true'; create operator === (leftarg = a, rightarg = int, function = alike); create view of_operator as select 1 as one where row(1)::a === 1;
create table base (s text); create view of_type as select coalesce(s, 'x') as s from base; create view seen as select s as t from base; create view of_seen as select upper(t) as u from seen;
create table parts (s text) partition by list (s); create table parts_a partition of parts for values in ('a');
create table counted (id serial)
"""
UNFIT_THERE = """
create function told() returns int language sql as 'select 1'; create type mood as enum ('fine'); create domain word as int;
create type a as (x int); create type b as (y int); create function a_to_b(a) returns b language sql immutable as 'select row(($1).x)::b'; create cast (a as b) with function a_to_b(a);
create type e as (x int); create type f as (y int); create function e_to_f(e) returns int language sql immutable as 'select 1';
create function alike(a, int) returns int language sql immutable as 'select 1'; create operator === (leftarg = a, rightarg = int, function = alike);
create table base (s int); create table parts_a (s int); create table counted (id int generated always as identity)
"""


def test_what_does_not_fit_something_that_differs_is_told_with_that(postgres: Cluster) -> None:
    """By what it needs, and what that needs: a trigger's function, a constant's type, a cast, an operator's function, a column's type."""
    with database(postgres, UNFIT) as source, database(postgres, UNFIT_THERE) as target:
        done = restored(snapshot_of(postgres.dsn(source)), postgres.dsn(target), "schema")
    because = {one.entry: one.because for one in done.report.failed}
    alone = {entry for entry, cause in because.items() if not cause}
    assert {entry: cause for entry, cause in because.items() if cause} == {
        "TRIGGER plain of_told": "FUNCTION told()",
        "TABLE felt": "TYPE mood",
        "VIEW of_mood": "TYPE mood",
        "POLICY plain if_mood": "TYPE mood",
        "TABLE ATTACH moods_sad": "TYPE mood",
        "FUNCTION says(public.word)": "DOMAIN word",
        "TABLE casting": "CAST CAST (public.a AS public.b)",
        "CAST CAST (public.e AS public.f)": "FUNCTION e_to_f(public.e)",
        "VIEW of_cast": "FUNCTION e_to_f(public.e)",
        "VIEW of_operator": "FUNCTION alike(public.a, integer)",
        "VIEW of_type": "TABLE base",
        "VIEW of_seen": "TABLE base",
        "TABLE ATTACH parts_a": "TABLE parts_a",
        "SEQUENCE OWNED BY counted_id_seq": "SEQUENCE counted_id_seq",
        "DEFAULT counted id": "SEQUENCE counted_id_seq",
    }
    assert {cause for cause in because.values() if cause} <= alone


OWN = """
create extension citext; create table base (id int, c citext, s text); insert into base (id) values (1); create index taken on base (id); create view of_extension as select c = c as x from base;
alter table base add constraint base_key primary key (id); create table gone (id int);
create function counting(int) returns int language plpgsql immutable as 'begin perform count(*) from public.gone; return 1; end';
create index of_body on base (counting(id)); drop table gone
"""
OWN_THERE = "create extension citext; create table base (id int, s int, other int primary key, c int); insert into base (id, other) values (1, 1); create table taken (n int)"


def test_what_fails_for_its_own_reason_is_told_beside_what_differs(postgres: Cluster) -> None:
    """A taken name, a second primary key, a body that fails when it runs, an extension that may be of another version."""
    with database(postgres, OWN) as source, database(postgres, OWN_THERE) as target:
        done = restored(snapshot_of(postgres.dsn(source)), postgres.dsn(target), "schema")
    assert {one.entry: one.because for one in done.report.failed} == {
        "TABLE base": "",
        "INDEX taken": "",
        "CONSTRAINT base base_key": "",
        "INDEX of_body": "",
        "VIEW of_extension": "",
    }


def test_a_policy_for_a_role_that_is_not_there_is_told_beside_a_table_that_differs(postgres: Cluster) -> None:
    with postgres.connect() as connection:
        connection.execute("create role plain login; create role absent")
    try:
        with database(postgres, "create table t (id int); create policy p on t to absent using (id > 0)") as source:
            snapshot = snapshot_of(postgres.dsn(source))
        with database(postgres, "create table t (id int, n int); alter table t owner to plain") as target:
            with postgres.connect() as connection:
                connection.execute("drop role absent")
            done = restored(snapshot, postgres.dsn(target).replace("user=postgres", "user=plain"), "schema")
            because = {one.entry: one.because for one in done.report.failed}
            assert (because["TABLE t"], because["POLICY t p"]) == ("", "")
    finally:
        with postgres.connect() as connection:
            connection.execute("drop role if exists plain; drop role if exists absent")
