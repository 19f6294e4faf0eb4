"""Replacement with -c: exact where it happens, nothing lost where it cannot. Each test is a way in which it once did otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fix_postgres import Cluster
from tests.restore_support import Restored, differences, restored, snapshot_of

pytestmark = pytest.mark.postgres

SCHEMA = """
create type state as enum ('open', 'closed');
create table projects (id serial primary key, name text not null, state state not null default 'open');
create table messages (id bigserial primary key, project int not null references projects, body text);
create view overview as select p.name, m.body from projects p join messages m on m.project = p.id;
create function visible(id int) returns boolean language sql stable as 'select true';
create policy only_visible on projects using (visible(id));
alter table projects enable row level security;
create table events (at date not null, what text) partition by range (at);
create table events_2025 partition of events for values from ('2025-01-01') to ('2026-01-01');
create table parent (id int primary key, note text);
create table child () inherits (parent);
create table refers (id int primary key, parent int references parent);
create view chosen as select id from projects;
create view over_chosen as select id from chosen;
comment on view over_chosen is 'over it';
create view editable as select id, name from projects;
create function edit() returns trigger language plpgsql as 'begin return null; end';
create trigger edits instead of update on editable for each row execute function edit();
insert into projects (name) select 'project ' || n from generate_series(1, 10) n;
insert into messages (project, body) select 1 + n % 10, 'body ' || n from generate_series(1, 50) n;
insert into events select date '2025-01-01' + n, 'event' from generate_series(0, 300) n;
insert into parent values (1, 'one'), (2, 'two');
insert into refers values (1, 1), (2, 2);
grant select on projects to reader;
grant update (name) on projects to reader;
grant select on over_chosen to reader;
grant execute on function visible to reader;
revoke execute on function visible from public;
select lo_from_bytea(5000, 'recorded');
"""


class Damaged:
    """A clone of the source, for a test to change and to restore."""

    def __init__(self, cluster: Cluster, source: str) -> None:
        self.cluster = cluster
        self.source = source
        self.snapshot = snapshot_of(cluster.dsn(source))
        self.name = cluster.createdb(options=f"TEMPLATE {source}")

    def run(self, statements: str) -> None:
        with self.cluster.connect(self.name) as connection:
            connection.execute(statements.encode())

    def ask(self, query: str) -> object:
        with self.cluster.connect(self.name) as connection:
            return connection.execute(query.encode()).fetchall()[0][0]

    def restored(self, *only: str, replace: bool = True, definitions: bool = True, data: bool = True) -> Restored:
        return restored(
            self.snapshot, self.cluster.dsn(self.name), *only, replace=replace, definitions=definitions, data=data
        )

    def is_as_recorded(self) -> bool:
        return differences(self.cluster.dsn(self.source), self.cluster.dsn(self.name)) == []


@pytest.fixture(scope="module")
def source(postgres: Cluster) -> Iterator[str]:
    with postgres.connect() as connection:
        for role in ("reader", "stranger"):
            connection.execute(f"drop role if exists {role}; create role {role}".encode())
    name = postgres.createdb()
    with postgres.connect(name) as connection:
        connection.execute(SCHEMA.encode())
    yield name
    postgres.dropdb(name)
    with postgres.connect() as connection:
        connection.execute("drop role reader; drop role stranger")


@pytest.fixture
def damaged(postgres: Cluster, source: str) -> Iterator[Damaged]:
    made = Damaged(postgres, source)
    yield made
    postgres.dropdb(made.name)


@pytest.mark.spec("SEL-3")
def test_two_tables_with_a_common_dependent_are_exchanged_together(damaged: Damaged) -> None:
    damaged.run("alter table projects add extra int; alter table messages add extra int")
    assert damaged.restored().failed == {}
    assert damaged.is_as_recorded()


@pytest.mark.spec("SEL-3")
def test_an_exchange_that_fails_leaves_all_as_it_was(damaged: Damaged) -> None:
    damaged.run("alter table projects add extra int; create view beside as select extra from projects")
    failed = damaged.restored().failed
    assert "all is as it was" in failed["TABLE projects"]
    assert damaged.ask("select count(extra) + count(*) from beside") == 10
    assert damaged.ask("select count(*) from overview") == 50


def test_a_partition_that_the_snapshot_does_not_know_is_not_dropped(damaged: Damaged) -> None:
    damaged.run(
        "alter table events add extra int; create table events_2026 partition of events"
        " for values from ('2026-01-01') to ('2027-01-01'); insert into events values ('2026-06-06', 'new')"
    )
    done = damaged.restored("public.events")
    assert "would drop its partition public.events_2026" in done.failed["TABLE events"]
    assert damaged.ask("select count(*) from events_2026") == 1


def test_tables_behind_a_replaced_type_come_back_whole(damaged: Damaged) -> None:
    damaged.run("alter type state add value 'new'")
    done = damaged.restored("data", "public.state")
    assert done.failed == {}
    assert "DROP AND CREATE ANEW: TYPE state" in done.shown
    assert damaged.is_as_recorded()


def test_a_replaced_type_takes_no_rows_that_do_not_come_back(damaged: Damaged) -> None:
    damaged.run("alter type state add value 'new'; insert into projects (name) values ('since')")
    done = damaged.restored("public.state", data=False)
    assert "would lose rows of public.projects" in done.failed["TYPE state"]
    assert damaged.ask("select count(*) from projects") == 11


def test_what_only_the_target_has_is_named_before_it_goes(damaged: Damaged) -> None:
    damaged.run(
        "alter table messages add extra int; create index beside on messages (extra);"
        " create policy also on messages using (true)"
    )
    done = damaged.restored("public.messages")
    assert done.failed == {}
    assert "LOST, because the snapshot does not have it: INDEX beside" in done.shown
    assert "LOST, because the snapshot does not have it: POLICY messages also" in done.shown


def test_a_sequence_is_not_replaced_without_its_value(damaged: Damaged) -> None:
    damaged.run("alter sequence messages_id_seq cache 10")
    done = damaged.restored("sequences", data=False)
    assert "would lose the value" in done.failed["SEQUENCE messages_id_seq"]
    assert damaged.restored().failed == {}
    assert damaged.ask("select nextval('messages_id_seq')") == 51


def test_privileges_end_as_recorded(damaged: Damaged) -> None:
    damaged.run("""
        grant execute on function visible to stranger; grant update (body), select on messages to stranger;
        revoke update (name) on projects from reader; grant delete on projects to stranger;
        create or replace function visible(id int) returns boolean language sql stable as 'select false'
    """)
    left = damaged.restored("schema", replace=False)
    assert {"FUNCTION visible(integer)", "ACL table public.messages"} <= left.failed.keys()
    assert damaged.restored("schema").failed == {}
    assert damaged.is_as_recorded()


def test_a_view_that_is_replaced_keeps_its_triggers(damaged: Damaged) -> None:
    damaged.run("create or replace view editable as select id, name, state from projects")
    assert damaged.restored("schema").failed == {}
    assert damaged.is_as_recorded()


def test_a_large_object_is_replaced_at_once(damaged: Damaged) -> None:
    damaged.run("select lo_put(5000, 0, 'changed!'); select lo_put(5000, 8, '..')")
    left = damaged.restored("large_objects", replace=False)
    assert left.failed == {"LARGE OBJECT 5000": "differs on the target in its contents; -c replaces it"}
    assert damaged.ask("select convert_from(lo_get(5000), 'UTF8')") == "changed!.."
    assert damaged.restored("large_objects").failed == {}
    assert damaged.ask("select convert_from(lo_get(5000), 'UTF8')") == "recorded"


@pytest.mark.spec("SEL-9")
def test_who_may_do_what_with_a_large_object_is_compared(damaged: Damaged) -> None:
    """An ACL that says what is built in is none, and who granted does not count."""
    damaged.run("grant select on large object 5000 to postgres; comment on large object 5000 is ''")
    assert damaged.restored("large_objects", replace=False).failed == {}
    damaged.run(
        "grant update on large object 5000 to public; comment on large object 5000 is 'now'; alter large object 5000 owner to reader"
    )
    left = damaged.restored("large_objects", replace=False)
    why = "differs on the target in its owner, privileges, comment; -c replaces it"
    assert left.failed == {"LARGE OBJECT 5000": why}
    assert damaged.restored("large_objects").failed == {}
    assert damaged.is_as_recorded()


def test_triggers_that_cannot_be_switched_off_stop_a_replacement_of_rows(damaged: Damaged) -> None:
    damaged.run("""
        create table log (what text);
        create function note() returns trigger language plpgsql as 'begin insert into public.log values (tg_op); return coalesce(new, old); end';
        create trigger notes before delete or insert on messages for each row execute function note();
        alter table messages enable always trigger notes; insert into messages (project) values (1)
    """)
    damaged.run("delete from log")
    done = damaged.restored("public.messages", data=True)
    assert "ENABLE ALWAYS" in done.failed["TABLE DATA public.messages"]
    assert damaged.ask("select count(*) from log") == 0
    assert damaged.ask("select count(*) from messages") == 51


@pytest.mark.spec("RST-7")
def test_rows_that_a_trigger_keeps_out_are_counted(damaged: Damaged) -> None:
    damaged.run("""
        delete from messages;
        create function swallow() returns trigger language plpgsql as 'begin return null; end';
        create trigger swallows before insert on messages for each row when (new.id > 40) execute function swallow();
        alter table messages enable always trigger swallows
    """)
    done = damaged.restored("public.messages", replace=False)
    assert "10 rows did not arrive" in done.failed["TABLE DATA public.messages"]


def test_a_table_whose_type_went_with_a_column_comes_back(damaged: Damaged) -> None:
    damaged.run("drop type state cascade")
    assert damaged.restored("public.projects").failed == {}
    assert damaged.ask("select count(*) from projects where state = 'open'") == 10


def test_an_owner_is_replaced_in_place(damaged: Damaged) -> None:
    damaged.run("alter table messages owner to stranger")
    before = damaged.ask("select oid from pg_class where relname = 'messages'")
    assert damaged.restored("public").failed == {}
    assert damaged.ask("select oid from pg_class where relname = 'messages'") == before
    assert damaged.ask("select tableowner from pg_tables where tablename = 'messages'") == "postgres"
    assert damaged.is_as_recorded()


def test_references_are_verified_against_the_table_alone(damaged: Damaged) -> None:
    damaged.run(
        "set session_replication_role = replica; delete from parent where id = 2; insert into child values (2, 'x')"
    )
    done = damaged.restored("public.refers", replace=False)
    assert done.failed == {
        "FK CONSTRAINT refers_parent_fkey of public.refers": "1 rows refer to rows that are not there"
    }


def test_rows_that_depend_on_each_other_come_without_switching_keys_off(damaged: Damaged, postgres: Cluster) -> None:
    damaged.run(
        "delete from messages; delete from projects; grant all on all tables in schema public to stranger;"
        " grant all on all sequences in schema public to stranger; grant usage on schema public to stranger"
    )
    with postgres.connect() as connection:
        connection.execute("alter role stranger login bypassrls")
    dsn = postgres.dsn(damaged.name).replace("user=postgres", "user=stranger")
    done = restored(damaged.snapshot, dsn, "public.messages", "public.projects", definitions=False)
    assert done.failed == {}
    assert damaged.ask("select count(*) from overview") == 50


def test_a_view_with_a_column_more_is_exchanged_with_the_views_over_it(damaged: Damaged) -> None:
    """Replacing it would drop a column, which the server refuses, and dropping it the view over it."""
    damaged.run("create or replace view chosen as select id, name from projects")
    done = damaged.restored("public.chosen")
    assert done.failed == {}
    assert "DROP AND CREATE ANEW: VIEW chosen" in done.shown
    assert damaged.is_as_recorded()


def test_a_check_of_today_that_refuses_rows_is_named_with_the_way_past_it(damaged: Damaged) -> None:
    damaged.run("delete from messages where id = 2; alter table messages add constraint few check (id <> 2) not valid")
    why = damaged.restored("public.messages", replace=False).failed["TABLE DATA public.messages"]
    assert "few" in why
    assert "add it again afterwards, as NOT VALID" in why
