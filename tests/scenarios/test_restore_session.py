"""One restoring connection against real servers: owner, exact privileges, row security, weaker constraints, no row data in errors."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from psycopg import sql

from tests.fix_postgres import Cluster
from tests.values import schema_entry, table_item
from vault.errors import Malformed, SourceError, Unreachable
from vault.model import (
    ChunkList,
    Identity,
    LargeObjectItem,
    SchemaEntry,
    SequenceItem,
    TableItem,
    TableName,
)
from vault.ports import TargetSession
from vault.source.postgres.target.database import PostgresTarget, connect_target

TABLE = TableName(schema="public", name='odd "t"')
QUOTED = 'public."odd ""t"""'


def entry(desc: str, definition: str, **fields: Any) -> SchemaEntry:
    names = fields.pop("names", ("public", TABLE.name))
    identity = Identity(desc=desc, kind=desc.lower(), names=names, args=fields.pop("args", ()))
    return schema_entry(identity, definition, **{"tag": TABLE.name, "namespace": "public", **fields})


def item(*columns: str, name: TableName = TABLE) -> TableItem:
    return table_item(name, *columns)


@pytest.fixture
def database(postgres: Cluster) -> Iterator[str]:
    name = postgres.createdb()
    yield name
    postgres.dropdb(name)


@pytest.fixture
def target(postgres: Cluster, database: str) -> Iterator[PostgresTarget]:
    found = connect_target(postgres.dsn(database), {})
    yield found
    found.close()


@pytest.fixture
def session(target: PostgresTarget) -> TargetSession:
    return target.session("UTF8")


@pytest.fixture
def roles(postgres: Cluster) -> None:
    with postgres.connect() as connection:
        for role in ("anon", "app_owner"):
            if not connection.execute("select from pg_roles where rolname = %s", (role,)).fetchall():
                connection.execute(text(f"create role {role}"))


def text(statement: str) -> sql.SQL:
    return sql.SQL(statement)


def ask(postgres: Cluster, database: str, query: str) -> Any:
    with postgres.connect(database) as connection:
        return connection.execute(text(query)).fetchall()[0][0]


def builtin(catalog: str, prefix: str, letter: str, name: str) -> str:
    """Query: has the object nothing but the built-in privileges?"""
    return (
        f"select acl is null or (acl @> base and base @> acl) from (select {prefix}acl acl,"
        f" acldefault('{letter}', {prefix}owner) base from {catalog} where {prefix}name = '{name}') x"
    )


def create_table(session: TargetSession, columns: str = "a text, b text", *, name: str = QUOTED) -> None:
    session.create(entry("TABLE", f"CREATE TABLE {name} ({columns});"))


def test_created_objects_have_builtin_privileges_whatever_the_targets_defaults_are(
    postgres: Cluster, database: str, roles: None
) -> None:
    with postgres.connect(database) as connection:
        for kind in ("tables", "functions", "sequences", "types", "schemas"):
            connection.execute(text(f"alter default privileges grant all on {kind} to anon with grant option"))
        connection.execute("alter default privileges revoke execute on functions from public")
        connection.execute("alter default privileges in schema public grant select on tables to public")
    target = connect_target(postgres.dsn(database), {})
    session = target.session("UTF8")
    owned = {"owner": "app_owner"}
    session.create(entry("TABLE", f"CREATE TABLE {QUOTED} (id int);", drop=f"DROP TABLE {QUOTED};\n", **owned))
    session.create(
        entry(
            "FUNCTION",
            "CREATE FUNCTION public.f(integer, b text[]) RETURNS int LANGUAGE sql AS 'select 1';",
            names=("public", "f"),
            args=("integer", "text[]"),
            drop="DROP FUNCTION public.f(integer, b text[]);\n",
            **owned,
        )
    )
    schema = {"tag": "s", "names": ("s",), "namespace": ""}
    session.create(entry("SCHEMA", "CREATE SCHEMA s;", drop="DROP SCHEMA s;\n", **schema, **owned))
    for desc, definition in (
        ("TYPE", "CREATE TYPE public.mood AS ENUM ('a');"),
        ("SEQUENCE", "CREATE SEQUENCE public.seq;"),
    ):
        name = "public.mood" if desc == "TYPE" else "seq"
        names = (name,) if desc == "TYPE" else ("public", name)
        tag = name.removeprefix("public.")
        session.create(entry(desc, definition, tag=tag, names=names, drop=f"DROP {desc} public.{tag};", **owned))
    target.close()
    assert ask(postgres, database, builtin("pg_class", "rel", "r", TABLE.name))
    assert ask(postgres, database, builtin("pg_class", "rel", "s", "seq"))
    assert ask(postgres, database, builtin("pg_proc", "pro", "f", "f"))
    assert ask(postgres, database, builtin("pg_type", "typ", "T", "mood"))
    assert ask(postgres, database, builtin("pg_namespace", "nsp", "n", "s"))
    assert (
        ask(
            postgres,
            database,
            "select count(*) from pg_class where relowner = 'app_owner'::regrole and relnamespace = 2200",
        )
        == 2
    )


def test_row_security_is_on_and_owner_is_set_when_the_table_appears(
    postgres: Cluster, database: str, session: TargetSession, roles: None
) -> None:
    enable = f"ALTER TABLE {QUOTED} ENABLE ROW LEVEL SECURITY;"
    created = entry("TABLE", f"CREATE TABLE {QUOTED} (id int);", owner="app_owner", drop=f"DROP TABLE {QUOTED};\n")
    with pytest.raises(SourceError):
        session.create(created, then=["ALTER TABLE nowhere ENABLE ROW LEVEL SECURITY;"])
    assert ask(postgres, database, "select count(*) from pg_class where relnamespace = 2200") == 0
    assert not session.create(created, then=[enable])
    assert ask(
        postgres,
        database,
        "select relrowsecurity and relowner = 'app_owner'::regrole from pg_class where relnamespace = 2200",
    )


def test_missing_owner_is_noted_and_the_object_is_there(
    postgres: Cluster, database: str, session: TargetSession
) -> None:
    notes = session.create(entry("TABLE", f"CREATE TABLE {QUOTED} ();", owner="nobody here", drop="DROP TABLE x;"))
    assert len(notes) == 1
    assert "nobody here" in notes[0]
    assert ask(postgres, database, "select count(*) from pg_class where relnamespace = 2200") == 1


@pytest.mark.spec("RST-4")
def test_missing_tablespace_is_noted_and_the_default_one_used(session: TargetSession) -> None:
    (note,) = session.create(entry("TABLE", f"CREATE TABLE {QUOTED} ();", tablespace="gone"))
    assert "tablespace gone" in note


def test_violated_checks_are_dropped_and_come_back_not_valid(
    postgres: Cluster, database: str, session: TargetSession
) -> None:
    session.run(["create domain public.d as text constraint short check (length(value) < 3);"])
    create_table(session, "a text constraint \"no x\" check (a <> 'x'), b public.d")
    rows = item("a", "b")
    added: list[str] = []
    for _ in range(2):
        with pytest.raises(SourceError) as caught:
            session.load(rows, iter([b"x\tab\ny", b"\tlong secret\n"]))
        assert "secret" not in f"{caught.value} {caught.value.why}"
        check = session.suspend_check(caught.value)
        assert check is not None
        assert len(check.validate[0]) == 1
        added += check.add
    assert session.load(rows, iter([b"x\tab\ny", b"\tlong secret\n"])) == 2
    session.run(added)
    names = "select array_agg(conname order by conname)::text from pg_constraint where not convalidated"
    assert ask(postgres, database, names) == '{"no x",short}'


def test_a_check_that_was_not_valid_is_not_validated(session: TargetSession) -> None:
    create_table(session, "a int")
    session.run([f"alter table {QUOTED} add constraint positive check (a > 0) not valid;"])
    with pytest.raises(SourceError) as caught:
        session.load(item("a"), iter([b"-1\n"]))
    check = session.suspend_check(caught.value)
    assert check is not None
    assert (len(check.add), check.validate) == (1, ())
    session.load(item("a"), iter([b"-1\n"]))
    session.run(check.add)


def test_violated_check_of_a_partition_is_suspended_at_its_root(
    postgres: Cluster, database: str, session: TargetSession
) -> None:
    session.run(
        [
            "create table public.root (a int, constraint positive check (a > 0)) partition by range (a);",
            "create table public.leaf partition of public.root for values from (-10) to (10);",
        ]
    )
    leaf = item("a", name=TableName(schema="public", name="leaf"))
    with pytest.raises(SourceError) as caught:
        session.load(leaf, iter([b"-1\n"]))
    check = session.suspend_check(caught.value)
    assert check is not None
    assert session.load(leaf, iter([b"-1\n"])) == 1
    session.run(check.add)
    assert (
        ask(postgres, database, "select count(*) from pg_constraint where conname = 'positive' and not convalidated")
        == 2
    )


def test_row_outside_of_its_partition_is_no_check_to_suspend(session: TargetSession) -> None:
    session.run(
        [
            "create table public.root (a int) partition by range (a);",
            "create table public.leaf partition of public.root for values from (0) to (10);",
        ]
    )
    with pytest.raises(SourceError) as caught:
        session.load(item("a", name=TableName(schema="public", name="leaf")), iter([b"-1\n"]))
    assert session.suspend_check(caught.value) is None


@pytest.mark.parametrize("rows", [b"1\tsecret\n1\tsecret\n", b"\\N\tsecret\n"])
def test_violated_key_becomes_a_plain_index_and_names_its_columns(
    postgres: Cluster, database: str, session: TargetSession, rows: bytes
) -> None:
    create_table(session)
    session.load(item("a", "b"), iter([rows]))
    definition = f'ALTER TABLE ONLY {QUOTED}\n    ADD CONSTRAINT "the, key" PRIMARY KEY (a, b);\n'
    key = entry("CONSTRAINT", definition)
    with pytest.raises(SourceError) as caught:
        session.create(key)
    done = session.create_weaker(key, caught.value)
    assert done is not None
    assert "columns a, b" in done
    assert "secret" not in done
    assert ask(
        postgres, database, "select not indisunique from pg_index where indexrelid = 'public.\"the, key\"'::regclass"
    )


def test_violated_unique_index_becomes_a_plain_one(postgres: Cluster, database: str, session: TargetSession) -> None:
    create_table(session)
    session.load(item("a", "b"), iter([b"1\t1\n1\t1\n"]))
    index = entry("INDEX", f"CREATE UNIQUE INDEX u ON {QUOTED} USING btree (lower(a)) WHERE (b IS NOT NULL);\n")
    with pytest.raises(SourceError) as caught:
        session.create(index)
    assert session.create_weaker(index, caught.value) is not None
    assert ask(postgres, database, "select not indisunique from pg_index where indexrelid = 'public.u'::regclass")


def test_violated_foreign_key_comes_not_valid(postgres: Cluster, database: str, session: TargetSession) -> None:
    create_table(session)
    session.run(["create table public.r (k text primary key);"])
    session.load(item("a", "b"), iter([b"1\t1\n"]))
    definition = f"ALTER TABLE ONLY {QUOTED}\n    ADD CONSTRAINT fk FOREIGN KEY (a) REFERENCES public.r(k) DEFERRABLE INITIALLY DEFERRED;\n"
    foreign = entry("FK CONSTRAINT", definition)
    with pytest.raises(SourceError) as caught:
        session.create(foreign)
    assert session.create_weaker(foreign, caught.value) is not None
    assert ask(postgres, database, "select condeferred and not convalidated from pg_constraint where conname = 'fk'")


def test_values_never_appear_in_errors(session: TargetSession) -> None:
    create_table(session, "a int, b text")
    with pytest.raises(SourceError) as caught:
        session.load(item("a", "b"), iter([b"hunter2\tx\n"]))
    assert "hunter2" not in f"{caught.value} {caught.value.why}"
    assert caught.value.sqlstate == "22P02"


def test_failed_source_of_rows_leaves_none_behind(session: TargetSession) -> None:
    create_table(session)

    def broken() -> Iterator[bytes]:
        yield b"1\t1\n"
        raise Malformed("chunk is damaged")

    with pytest.raises(Malformed):
        session.load(item("a", "b"), broken())
    assert session.is_empty(item("a", "b"))


def test_connection_lost_within_a_copy_is_told_once(
    postgres: Cluster, database: str, session: TargetSession, caplog: pytest.LogCaptureFixture
) -> None:
    create_table(session)

    def cut_off() -> Iterator[bytes]:
        ask(postgres, database, "select pg_terminate_backend(pid) from pg_stat_activity where application_name ~ 'pgv'")
        yield from [b"1\t1\n" * 100_000] * 100

    with pytest.raises(Unreachable):
        session.load(item("a", "b"), cut_off())
    assert caplog.records == []


def test_rows_in_the_encoding_of_the_source_are_converted(
    postgres: Cluster, database: str, target: PostgresTarget
) -> None:
    session = target.session("LATIN1")
    create_table(session)
    session.load(item("a", "b"), iter(["é\tü\n".encode("latin1")]))
    assert ask(postgres, database, f"select a || b from {QUOTED}") == "éü"


def test_large_object_comes_with_owner_grants_and_comment(
    postgres: Cluster, database: str, session: TargetSession, roles: None
) -> None:
    acl = ("app_owner=rw/app_owner", "anon=r*/app_owner", "=r/anon")
    large = LargeObjectItem(oid=4711, owner="app_owner", acl=acl, comment="it's", size=5, chunks=ChunkList())
    session.create_large_object(large, iter([b"ab\0", b"\\d"]))
    assert bytes(ask(postgres, database, "select lo_get(4711)")) == b"ab\0\\d"
    assert ask(postgres, database, "select obj_description(4711, 'pg_largeobject')") == "it's"
    found = ask(postgres, database, "select lomacl::text[] from pg_largeobject_metadata where oid = 4711")
    assert sorted(found) == sorted(acl)


def test_large_object_has_no_default_privileges(postgres: Cluster, database: str, roles: None) -> None:
    if postgres.major < 18:
        pytest.skip("default privileges of large objects exist since 18")
    with postgres.connect(database) as connection:
        connection.execute("alter default privileges grant all on large objects to anon")
    target = connect_target(postgres.dsn(database), {})
    large = LargeObjectItem(oid=4711, owner="app_owner", acl=None, comment=None, size=0, chunks=ChunkList())
    target.session("UTF8").create_large_object(large, iter([]))
    target.close()
    builtin_acl = "acldefault('L', lomowner)"
    assert ask(
        postgres, database, f"select lomacl @> {builtin_acl} and {builtin_acl} @> lomacl from pg_largeobject_metadata"
    )


def test_sequence_value_is_set(postgres: Cluster, database: str, session: TargetSession) -> None:
    session.run(['create sequence public."S";'])
    session.set_sequences([SequenceItem(name=TableName(schema="public", name="S"), last_value=41, is_called=True)])
    assert ask(postgres, database, "select nextval('public.\"S\"')") == 42


def test_target_lists_what_is_in_the_way(postgres: Cluster, database: str, target: PostgresTarget) -> None:
    assert target.facts.in_the_way == ()
    with postgres.connect(database) as connection:
        connection.execute(
            "create table t (); create function f() returns int language sql as 'select 1'; create schema s"
        )
        connection.execute("create type e as enum (); select lo_create(5); create publication p")
        connection.execute("alter default privileges in schema public grant select on tables to public")
    found = connect_target(postgres.dsn(database), {}).facts.in_the_way
    expected = {"table public.t", "function public.f()", "schema s", "type public.e", "large object 5", "publication p"}
    assert set(found) == expected


def test_restorer_that_is_no_superuser_is_told_what_it_may(postgres: Cluster, database: str) -> None:
    with postgres.connect() as connection:
        connection.execute("create role restoring_plain login")
        try:
            facts = connect_target(f"{postgres.dsn(database)} user=restoring_plain", {}).facts
        finally:
            connection.execute("drop role restoring_plain")
    assert facts.acts_as == ("restoring_plain",)
    assert {facts.superuser, facts.may_replicate, facts.may_create_roles, facts.may_create_schemas} == {False}


def test_cancel_ends_what_runs_and_close_leaves_no_session(postgres: Cluster, database: str) -> None:
    target = connect_target(postgres.dsn(database), {})
    session = target.session("UTF8")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(session.run, ["select pg_sleep(60);"])
        active = f"select count(*) from pg_stat_activity where datname = '{database}' and wait_event = 'PgSleep'"
        while not ask(postgres, "postgres", active):
            assert not running.done()
        target.cancel()
        with pytest.raises((SourceError, Unreachable)):
            running.result()
    target.close()
    present = f"select count(*) from pg_stat_activity where datname = '{database}'"
    while ask(postgres, "postgres", present):
        pass
