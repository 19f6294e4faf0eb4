"""Equal text is not equal meaning: what expressions call comes back too, and where it cannot, nothing is opened by it."""

from __future__ import annotations

import subprocess

import pytest

from tests.fix_postgres import Cluster, Majors
from tests.restore_support import differences, restored, snapshot_of
from vault.ops.view.tree import View

pytestmark = pytest.mark.postgres

SCHEMA = """
create schema ext; create extension citext schema ext; set search_path = public, ext;
create table member (email citext, other citext, same boolean generated always as (email is not distinct from other) stored,
    constraint told check (nullif(email, 'nobody') is not null), constraint plain check (email <> 'x'));
create table other (email citext, note text);
create domain address as citext constraint somebody check (value is distinct from 'nobody');
create view by_case as select case email when 'BOB' then 'bob' else 'else' end as who from member;
create view by_nullif as select nullif(email, 'BOB') as who from member;
create view by_distinct as select email is distinct from 'BOB' as who from member;
create view by_using as select note from member join other using (email);
create view named_and_implied as select email = 'BOB' as named, case email when 'BOB' then true else false end as implied from member;
create view over_view as select * from named_and_implied;
create materialized view kept as select nullif(email, 'BOB') as who from member;
create index by_expression on member ((nullif(email, 'BOB'))) where email is distinct from 'ALICE';
alter table other add constraint once exclude using btree (note with =) where (email is not distinct from 'LOCK');
create statistics pair on (nullif(email, 'BOB')), (nullif(other, 'BOB')) from member;
create policy permits on member using (case email when 'BOB' then true else false end);
create policy limits on member as restrictive for select using (email is not distinct from 'BOB');
alter table member enable row level security;
create function admitted(who citext default nullif('a'::citext, 'A')) returns boolean
    begin atomic select case who when 'BOB' then true else false end; end;
create function stamp() returns trigger language plpgsql as 'begin new.other = new.email; return new; end';
create trigger stamps before insert on other for each row when (new.email is distinct from 'BOB') execute function stamp();
create rule renamed as on update to other where nullif(new.email, 'BOB') is null do instead nothing;
insert into member (email, other) values ('bob', 'BOB'), ('alice', 'bob');
insert into other values ('BOB', 'a note');
"""


@pytest.fixture
def source(postgres: Cluster) -> str:
    name = postgres.createdb()
    with postgres.connect(name) as connection:
        connection.execute(SCHEMA.encode())
    return name


def ask(cluster: Cluster, name: str, query: str) -> list[object]:
    with cluster.connect(name) as connection:
        return [row[0] for row in connection.execute(query.encode()).fetchall()]


@pytest.mark.spec("RST-13")
def test_what_has_no_form_that_names_its_operator_keeps_it(postgres: Cluster, source: str) -> None:
    ours = postgres.createdb()
    assert restored(snapshot_of(postgres.dsn(source)), postgres.dsn(ours)).failed == {}
    assert ask(postgres, ours, "select who from by_case order by 1") == ["bob", "else"]
    assert ask(postgres, ours, "select count(*) from by_using") == [1]
    assert ask(postgres, ours, "select implied from named_and_implied order by 1") == [False, True]
    assert ask(postgres, ours, "select same from member order by email") == [False, True]
    assert ask(postgres, ours, "select public.admitted('bob'::ext.citext)") == [True]
    assert differences(postgres.dsn(source), postgres.dsn(ours)) == []


def test_a_selected_policy_and_a_replaced_view_keep_their_meaning(postgres: Cluster, source: str) -> None:
    snapshot = snapshot_of(postgres.dsn(source))
    with postgres.connect(source) as connection:
        connection.execute(
            "drop policy permits on member; create or replace view by_case as select 'other'::text as who"
        )
    done = restored(snapshot, postgres.dsn(source), "rls_policies", "public.by_case", replace=True, into_source=True)
    assert done.failed == {}
    assert ask(postgres, source, "select who from by_case order by 1") == ["bob", "else"]
    calls = "select refobjid::regoperator::text from pg_depend where refclassid = 'pg_operator'::regclass and objid = "
    permits = "(select oid from pg_policy where polname = 'permits') and classid = 'pg_policy'::regclass"
    assert ask(postgres, source, calls + permits) == ["ext.=(ext.citext,ext.citext)"]


IS_BOB = "case {} when 'BOB'::ext.citext then true else false end"
CASED = f"""
create domain public.address as ext.citext constraint bob check ({IS_BOB.format("value")} is not null);
create table public.m (email ext.citext, checked ext.citext constraint bob check ({IS_BOB.format("checked")} is not null),
    same boolean generated always as ({IS_BOB.format("email")}) stored);
create table public.d (id int, same boolean default {IS_BOB.format("'bob'::ext.citext")}, email ext.citext);
create view public.by_case as select {IS_BOB.format("email")} as bob from public.d;
create view public.over as select bob from public.by_case;
create view public.joined as select id from public.d join (select 'BOB'::ext.citext as email) b using (email);
create materialized view public.kept as select {IS_BOB.format("email")} as bob from public.d;
create index by_case_i on public.d (({IS_BOB.format("email")}));
create statistics public.by_case_s on ({IS_BOB.format("email")}), id from public.d;
alter table public.d add constraint once exclude using btree (id with =) where ({IS_BOB.format("email")});
create policy bob on public.d using ({IS_BOB.format("email")});
create function public.bob(who ext.citext) returns boolean language sql begin atomic select {IS_BOB.format("who")}; end;
create function public.stamp() returns trigger language plpgsql as 'begin return new; end';
create trigger bob before insert on public.d for each row when ({IS_BOB.format("new.email")}) execute function public.stamp();
create rule bob as on update to public.d where {IS_BOB.format("new.email")} do instead nothing;
grant select on public.d, public.by_case, public.kept to public; comment on policy bob on public.d is 'bob';
comment on view public.by_case is 'by case'; insert into public.m values ('bob', 'alice'); insert into public.d (id, email) values (1, 'bob');
"""
OTHERWISE = {
    *(
        "DOMAIN address",
        "TABLE m",
        "TABLE d",
        "VIEW by_case",
        "VIEW joined",
        "MATERIALIZED VIEW kept",
        "INDEX by_case_i",
    ),
    *("STATISTICS by_case_s", "CONSTRAINT d once", "POLICY d bob", "FUNCTION bob(ext.citext)", "TRIGGER d bob"),
    *("RULE d bob", "GENERATED COLUMN public.m.same"),
}


def test_what_is_there_with_equal_text_and_another_meaning_is_told_and_replaced(postgres: Cluster) -> None:
    """As after a restore by pg_restore, which makes everything under an empty path."""
    source, there = (postgres.createdb() for _ in range(2))
    for name, path in ((source, "public, ext"), (there, "''")):
        with postgres.connect(name) as connection:
            connection.execute(
                f"create schema ext; create extension citext schema ext; set search_path = {path}".encode()
            )
            connection.execute(CASED.encode())
    snapshot = snapshot_of(postgres.dsn(source))
    told = restored(snapshot, postgres.dsn(there), "public").failed
    assert told.keys() == OTHERWISE
    assert restored(snapshot, postgres.dsn(there), "public", replace=True).failed == {}
    assert differences(postgres.dsn(source), postgres.dsn(there)) == []
    again = restored(snapshot, postgres.dsn(there), "public", replace=True)
    assert (again.report.entries, again.failed) == (0, {})


def test_compare_sees_another_operator_behind_equal_text(postgres: Cluster, source: str) -> None:
    ours = postgres.createdb(options=f"TEMPLATE {source}")
    with postgres.connect(ours) as connection:
        connection.execute("drop policy permits on member; set search_path = ''")
        connection.execute(
            "create policy permits on public.member using (case email when 'BOB'::ext.citext then true else false end)"
        )
    assert [(one.kind, one.name) for one in differences(postgres.dsn(source), postgres.dsn(ours))] == [
        ("meaning", "policy permits on public.member")
    ]


ENCRYPTED = """
set search_path = public, ext;
create function encrypt_value(who citext default nullif('a'::citext, 'A')) returns citext language sql begin atomic select who; end;
create view unsure as select email = 'BOB' as named, nullif(note, 'a note') as text_of_its_own from other;
create view sealed as select encrypt_value(email) as email, nullif(email, 'BOB') as who from member;
"""
GONE = """
set search_path = public, ext;
drop policy permits on member; drop policy limits on member;
drop view sealed; drop function encrypt_value; drop function admitted;
"""
STOCK = """
set search_path = '';
create or replace view public.by_case as select case email when 'BOB'::ext.citext then 'bob' else 'else' end as who from public.member;
drop policy permits on public.member;
create policy permits on public.member using (case email when 'BOB'::ext.citext then true else false end);
drop index public.by_expression;
create index by_expression on public.member ((nullif(email, 'BOB'::ext.citext))) where email is distinct from 'ALICE'::ext.citext;
"""
"""What pg_restore runs, with the empty path that it sets: the same text, and text's own operators."""


@pytest.mark.spec("RST-13")
def test_what_a_stock_restore_left_with_another_meaning_is_told_and_replaced(postgres: Cluster, source: str) -> None:
    snapshot = snapshot_of(postgres.dsn(source))
    with postgres.connect(source) as connection:
        connection.execute(STOCK.encode())
    assert ask(postgres, source, "select who from by_case order by 1") == ["else", "else"]
    left = restored(snapshot, postgres.dsn(source), "public.by_case", "public.member", "rls_policies", into_source=True)
    called = "operator ext.=(ext.citext,ext.citext)"
    told = f"equal in text, but differs on the target in what it calls: {called}; -c replaces it"
    assert {left.failed["VIEW by_case"], left.failed["POLICY member permits"]} == {told}
    done = restored(
        snapshot,
        postgres.dsn(source),
        "public.by_case",
        "public.by_expression",
        "rls_policies",
        replace=True,
        into_source=True,
    )
    assert done.failed == {}
    assert ask(postgres, source, "select who from by_case order by 1") == ["bob", "else"]
    again = restored(
        snapshot, postgres.dsn(source), "public.by_case", "public.by_expression", "rls_policies", into_source=True
    )
    assert again.failed == {}


SHADOWED = """
create schema far; create type far.word as (text text); create schema near;
create function far.same(far.word, far.word) returns boolean language sql immutable as 'select true';
create function near.same(far.word, far.word) returns boolean language sql immutable as 'select false';
create operator near.= (leftarg = far.word, rightarg = far.word, function = near.same);
create operator far.= (leftarg = far.word, rightarg = far.word, function = far.same);
create table words (word far.word); insert into words values (row('a')), (row('b'));
set search_path = public, {path};
create view is_a as select case word when row('a')::far.word then true else false end as found from words;
create table twice (one far.word, two far.word, same boolean generated always as (nullif(one, two) is null) stored);
insert into twice values (row('a'), row('b'));
"""


@pytest.mark.parametrize(
    ("path", "found"), [("near, far", False), ("far, near", True), ("far, near, pg_catalog", True)]
)
def test_the_operator_that_was_found_is_found_whatever_else_has_its_name(
    postgres: Cluster, path: str, found: bool
) -> None:
    name, ours = postgres.createdb(), postgres.createdb()
    with postgres.connect(name) as connection:
        connection.execute(SHADOWED.format(path=path).encode())
    assert restored(snapshot_of(postgres.dsn(name)), postgres.dsn(ours)).failed == {}
    assert ask(postgres, ours, "select distinct found from is_a") == [found]
    assert differences(postgres.dsn(name), postgres.dsn(ours)) == []


LOST = """
create schema a; create schema b; create type a.word as (text text); create type b.word as (text text);
create function a.same(a.word, a.word) returns boolean language sql immutable as 'select true';
create function b.same(a.word, a.word) returns boolean language sql immutable as 'select false';
create function b.same(b.word, b.word) returns boolean language sql immutable as 'select false';
create function a.same(b.word, b.word) returns boolean language sql immutable as 'select true';
create operator a.= (leftarg = a.word, rightarg = a.word, function = a.same);
create operator b.= (leftarg = b.word, rightarg = b.word, function = b.same);
create table words (one a.word, two b.word);
set search_path = public, a, b;
create policy permits on words using (nullif(one, one) is null and nullif(two, two) is null);
create policy limits on words as restrictive for select to {role} using (nullif(one, one) is null and nullif(two, two) is null);
create view of_both as select nullif(one, one) is null and nullif(two, two) is null as same from words;
create table sums (one a.word, two b.word, constraint both_same check (nullif(one, one) is null and nullif(two, two) is null));
create operator b.= (leftarg = a.word, rightarg = a.word, function = b.same);
create operator a.= (leftarg = b.word, rightarg = b.word, function = a.same);
"""


def test_what_no_path_brings_back_opens_nothing(postgres: Cluster) -> None:
    """Each schema has got an operator since that hides the other's."""
    name, ours = postgres.createdb(), postgres.createdb()
    with postgres.connect(name) as connection:
        connection.execute('do $$ begin create role "word reader"; exception when duplicate_object then end $$')
        connection.execute(LOST.format(role='"word reader"').encode())
        connection.execute("alter table words enable row level security")
    failed = restored(snapshot_of(postgres.dsn(name)), postgres.dsn(ours)).failed
    assert failed.keys() == {"POLICY words permits", "POLICY words limits", "VIEW of_both", "TABLE sums"}
    assert failed["POLICY words limits"].startswith("restrictive, so made `false`")
    assert "policy permits on public.words would no longer call" in failed["POLICY words permits"]
    assert failed["TABLE sums"].startswith("made, but table constraint both_same on public.sums")
    shape = "select concat_ws(' ', polname, polcmd, polpermissive, polroles::regrole[], pg_get_expr(polqual, polrelid)) from pg_policy"
    assert ask(postgres, ours, shape) == ['limits r f {"\\"word reader\\""} false']
    kinds = sorted((one.kind, one.name) for one in differences(postgres.dsn(name), postgres.dsn(ours)))
    assert ("meaning", "table constraint both_same on public.sums") in kinds


def test_a_restrictive_policy_that_cannot_be_made_is_closed(postgres: Cluster) -> None:
    name, ours = postgres.createdb(), postgres.createdb()
    with postgres.connect(name) as connection:
        connection.execute(
            "create function mine() returns boolean language sql as 'select true'; create table t (a int);"
            "create policy all_of_it on t using (true); create policy only_mine on t as restrictive using (mine())"
        )
    snapshot = snapshot_of(postgres.dsn(name))
    with postgres.connect(ours) as connection:
        connection.execute("create table t (a int); create function mine() returns int language sql as 'select 1'")
    failed = restored(snapshot, postgres.dsn(ours), "public.t").failed
    assert failed["POLICY t only_mine"].startswith("restrictive, so made `false`")
    made = "select concat_ws(' ', polpermissive, polcmd, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) from pg_policy"
    assert ask(postgres, ours, f"{made} where polname = 'only_mine'") == ["f * false false"]


@pytest.mark.parametrize(("first", "second"), [(13, 15), (15, 18), (14, 18)])
def test_meaning_is_kept_between_majors(majors: Majors, first: int, second: int) -> None:
    name, ours = majors[first].createdb(), majors[second].createdb()
    with majors[first].connect(name) as connection:
        connection.execute(
            "create extension citext; create table t (a citext, g boolean generated always as (nullif(a, 'X') is null) stored);"
            "create view v as select case a when 'X' then 1 end as x, count(*) from t group by case a when 'X' then 1 end"
            " having case a when 'X' then 1 end = 1; insert into t values ('x')"
        )
    assert restored(snapshot_of(majors[first].dsn(name)), majors[second].dsn(ours)).failed == {}
    assert ask(majors[second], ours, "select x from v") == [1]
    assert ask(majors[second], ours, "select g from t") == [True]
    kinds = {one.kind for one in differences(majors[first].dsn(name), majors[second].dsn(ours))}
    assert "meaning" not in kinds


def psql(cluster: Cluster, name: str, script: bytes) -> None:
    command = [str(cluster.bin / "psql"), "-X", "-q", "-d", cluster.dsn(name)]
    done = subprocess.run(command, input=script, capture_output=True, env={"PATH": "/usr/bin"})
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.spec("RST-13")
def test_an_exported_script_keeps_what_no_text_can_name(postgres: Cluster, source: str) -> None:
    view = View(snapshot_of(postgres.dsn(source)))
    ours = postgres.createdb()
    script = b"".join(view.open("complete_database_with_data.sql"))
    psql(postgres, ours, script)
    assert ask(postgres, ours, "select who from by_case order by 1") == ["bob", "else"]
    assert differences(postgres.dsn(source), postgres.dsn(ours)) == []
    head = script.partition(b"-- pgvault snapshot")[0].decode()
    for label in ("VIEW by_case in public", "POLICY member permits in public", "TABLE member in public"):
        assert f"--   {label}\n" in head
    assert "over_view" not in head
    manifest = b"".join(view.open("BACKUP_MANIFEST.md")).decode()
    assert "- VIEW by_case in public\n" in manifest.partition("pg_restore may make with another meaning")[2]


@pytest.mark.spec("RST-13")
def test_scripts_of_a_part_keep_it_too(postgres: Cluster, source: str) -> None:
    with postgres.connect(source) as connection:
        connection.execute(ENCRYPTED)
    view = View(snapshot_of(postgres.dsn(source)))
    ours = postgres.createdb()
    schema = b"".join(view.open("schema.sql"))
    psql(postgres, ours, schema)
    assert b"--   VIEW unsure in public\n" in schema.partition(b"-- These may compare otherwise")[2], "as many as names"
    assert definitions(postgres, source, ours) == []
    with postgres.connect(ours) as connection:
        connection.execute(GONE)
    for path in ("rls_policies_complete.sql", "rpc_functions_complete.sql", "encryption_system.sql"):
        script = b"".join(view.open(path))
        assert b"has no name in SQL" in script.partition(b"-- pgvault snapshot")[0], path
        for _ in range(2):
            psql(postgres, ours, script)
    assert definitions(postgres, source, ours) == []


APART = """
create schema ext; create extension citext schema ext; set search_path = public, ext;
create table t (a citext); create view v as select a from t;
alter view v alter column a set default nullif('a'::citext, 'A');
alter table t add constraint later check (nullif(a, 'X') is not null) not valid;
create domain d as citext; alter domain d add constraint "Later on" check (value is distinct from 'X') not valid;
create domain "D d" as citext; alter domain "D d" add constraint other check (value is distinct from 'X') not valid;
create table parts (a citext) partition by list ((nullif(a, 'X')));
"""
"""Expressions in entries of their own, apart from the object that they are about."""


@pytest.mark.spec("RST-13")
def test_an_exported_script_keeps_it_in_entries_apart(postgres: Cluster) -> None:
    source, ours = postgres.createdb(), postgres.createdb()
    with postgres.connect(source) as connection:
        connection.execute(APART)
    psql(postgres, ours, b"".join(View(snapshot_of(postgres.dsn(source))).open("schema.sql")))
    assert definitions(postgres, source, ours) == []


def definitions(cluster: Cluster, source: str, ours: str) -> list[str]:
    """What differs but for rows, and what is computed from them."""
    found = differences(cluster.dsn(source), cluster.dsn(ours))
    return [one.name for one in found if one.kind != "rows" and not one.name.startswith("MATERIALIZED VIEW DATA ")]
