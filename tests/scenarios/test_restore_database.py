"""A whole database, backed up and restored: equal to its source, and no worse than stock pg_restore, whatever the target is like."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from psycopg import sql

from tests.fix_postgres import Cluster, server
from tests.fix_views import Listener, ViewRepository
from tests.fix_zoo import Zoos, capture_of, empty, fill, scripts
from vault.errors import UnsafeError
from vault.ops.compare.databases import compare
from vault.ops.compare.facts import Difference
from vault.ops.project.summary import count_target
from vault.ops.restore import run as restore
from vault.ops.restore.plan.plan import plan
from vault.ops.restore.plan.steps import RestoreOptions
from vault.ops.restore.run import RestoreReport
from vault.repo.snapshot import Snapshot
from vault.source.postgres.connection.connect import Session
from vault.source.postgres.target.database import connect_target

pytestmark = pytest.mark.postgres


def text(statement: str) -> sql.SQL:
    return sql.SQL(statement)


@contextmanager
def database(cluster: Cluster, script: str = "") -> Iterator[str]:
    """A new database, dropped at the end, in which `script` was run."""
    with empty(cluster) as name:
        if script:
            fill(cluster, name, [script])
        yield name


def snapshot_of(cluster: Cluster, db: str) -> Snapshot:
    return ViewRepository().take(capture=capture_of(cluster, db))


def restored(snapshot: Snapshot, cluster: Cluster, db: str, listener: Listener | None = None) -> RestoreReport:
    target = connect_target(cluster.dsn(db), {})
    try:
        made = plan(restore.gather(snapshot), target.facts)
        return restore.run(made, snapshot, target=target, progress=listener or Listener())
    finally:
        target.close()


def differences(first: tuple[Cluster, str], second: tuple[Cluster, str]) -> list[Difference]:
    with capture_of(*first)() as source, capture_of(*second)() as target:
        found = compare(source, target, key=os.urandom(32))
    for one in found:
        print(one)
    return found


def ask(cluster: Cluster, db: str, query: str) -> object:
    with cluster.connect(db) as connection:
        return connection.execute(text(query)).fetchall()[0][0]


def dumped(cluster: Cluster, db: str) -> list[str]:
    """pg_dump's text without order: rows come back in another one."""
    command = [str(cluster.bin / "pg_dump"), "--restrict-key=x", "-d", cluster.dsn(db)]
    return sorted(subprocess.run(command, check=True, capture_output=True).stdout.decode().splitlines())


@pytest.fixture
def zoo(postgres: Cluster, zoos: Zoos) -> str:
    return zoos[postgres.major].db


@pytest.mark.spec("RST-5")
def test_grants_come_back_exactly_where_the_target_has_default_privileges(postgres: Cluster, zoo: str) -> None:
    kinds = ("tables", "functions", "sequences", "types", "schemas")
    given = [f"alter default privileges grant all on {kind} to zoo_other" for kind in kinds]
    taken = [f"alter default privileges revoke all on {kind} from zoo_other" for kind in kinds]
    with database(postgres, ";".join(given)) as ours:
        assert restored(snapshot_of(postgres, zoo), postgres, ours).failed == ()
        with postgres.connect(ours) as connection:
            connection.execute(text(";".join(taken)))
        assert differences((postgres, zoo), (postgres, ours)) == []
        assert dumped(postgres, zoo) == dumped(postgres, ours)


def test_materialized_view_whose_owner_is_filtered_comes_back(postgres: Cluster, zoo: str) -> None:
    script = """
        create table t (a int); alter table t enable row level security; grant select on t to zoo_owner;
        create policy p on t to zoo_owner using (a > 1); insert into t values (1), (2);
        create materialized view m as select a from t; alter materialized view m owner to zoo_owner; refresh materialized view m;
    """
    with database(postgres, script) as source, database(postgres) as ours:
        assert restored(snapshot_of(postgres, source), postgres, ours).failed == ()
        assert ask(postgres, ours, "select array_agg(a)::text from m") == "{2}"


VIOLATED = """
    create function ok(int) returns bool language sql immutable as 'select true';
    create table checked (a int constraint fine check (ok(a)), b text);
    insert into checked values (1, 'secret');
    create or replace function ok(int) returns bool language sql immutable as 'select $1 > 1';
    create table twice (a int, b text);
    create unique index twice_u on twice (a);
    alter table twice add constraint twice_k unique (b);
    update pg_index set indisready = false where indrelid = 'twice'::regclass;
"""
READS_ANOTHER = """
    create table z (n int);
    create function known(int) returns bool language plpgsql as 'begin return exists (select from {}z where n = $1); end';
    create table a (n int, filler text, constraint known check (known(n)));
    insert into z select generate_series(1, 50000);
    insert into a values (50000, repeat('a', 1000000));
"""
VIOLATED_ROWS = """
    insert into twice values (1, 'secret'), (1, 'secret');
    update pg_index set indisready = true where indrelid = 'twice'::regclass;
    create table child (b text references twice (b));
    create table keyed (a int primary key);
    create table orphan (a int references keyed);
    alter table orphan disable trigger all;
    insert into orphan values (7);
    alter table orphan enable trigger all;
"""


@pytest.mark.spec("RST-8")
def test_no_table_is_lost_when_rows_violate_what_they_should_obey(postgres: Cluster) -> None:
    with database(postgres, VIOLATED) as source, database(postgres) as ours:
        with postgres.connect(source) as connection:
            connection.execute(text(VIOLATED_ROWS))
        listener = Listener()
        report = restored(snapshot_of(postgres, source), postgres, ours, listener)
        for table, rows in (("checked", 1), ("twice", 2), ("orphan", 1)):
            assert ask(postgres, ours, f"select count(*) from {table}") == rows
        why = {failure.entry: failure.why for failure in report.failed}
        assert len(why) == 5
        assert "NOT VALID" in why["CHECK fine of checked"]
        assert "plain index" in why["INDEX twice_u"]
        assert "columns b; 1 keys" in why["CONSTRAINT twice twice_k"]
        assert "needs CONSTRAINT twice twice_k" in why["FK CONSTRAINT child child_b_fkey"]
        assert "NOT VALID" in why["FK CONSTRAINT orphan orphan_a_fkey"]
        assert "secret" not in f"{report} {listener.events}"
        assert (
            ask(
                postgres,
                ours,
                "select count(*) from pg_constraint where not convalidated and conname in ('fine', 'orphan_a_fkey')",
            )
            == 2
        )


@pytest.mark.spec("RST-8")
@pytest.mark.parametrize("schema", ["public.", ""])
def test_a_check_that_reads_a_table_which_comes_later_holds_in_the_end(postgres: Cluster, schema: str) -> None:
    """`a` comes before `z`, which allows its rows: refused at first, and valid afterwards."""
    with database(postgres, READS_ANOTHER.format(schema)) as source, database(postgres) as ours:
        report = restored(snapshot_of(postgres, source), postgres, ours)
        assert report.failed == ()
        assert ask(postgres, ours, "select count(*) from a") == 1
        assert ask(postgres, ours, "select convalidated from pg_constraint where conname = 'known'") is True


def test_target_that_is_not_empty_or_the_source_is_refused(postgres: Cluster) -> None:
    with database(postgres, "create table t ()") as source, database(postgres, "create view v as select 1") as full:
        snapshot = snapshot_of(postgres, source)
        with pytest.raises(UnsafeError, match="not empty") as caught:
            restored(snapshot, postgres, full)
        assert "view public.v" in caught.value.why
        with pytest.raises(UnsafeError, match="taken from"):
            restored(snapshot, postgres, source)


def test_missing_roles_come_with_passwords_memberships_and_settings(pg15: Cluster, pg18: Cluster) -> None:
    script = """
        create role "new ""r" login password 'pw' connection limit 3 valid until '2031-01-01 00:00:00+00';
        create role new_group; comment on role new_group is 'group'; grant new_group to "new ""r" with admin option;
        alter role "new ""r" set search_path to "$user", 'a b', public; alter role new_group set work_mem to '3MB';
        create table t (); alter table t owner to new_group; grant select on t to "new ""r";
    """
    with database(pg15, script) as source, database(pg18) as ours:
        with pg15.connect(source) as connection:
            connection.execute(text(f"alter role new_group in database {source} set statement_timeout to '5s'"))
            connection.execute(text(f"alter database {source} set search_path to app, public"))
            verifier = connection.execute("select rolpassword from pg_authid where rolname like 'new \"r'").fetchone()
        report = restored(snapshot_of(pg15, source), pg18, ours)
        assert report.failed == ()
        assert [
            one for one in differences((pg15, source), (pg18, ours)) if one.kind in ("role", "membership", "setting")
        ] == []
        assert (
            ask(pg18, ours, "select rolpassword from pg_authid where rolname like 'new \"r'") == (verifier or [None])[0]
        )
        assert ask(pg18, ours, "select admin_option from pg_auth_members where roleid = 'new_group'::regrole")
        assert ask(pg18, ours, "show search_path") == "app, public"
    for cluster in (pg15, pg18):
        with cluster.connect() as connection:
            connection.execute('drop role "new ""r", new_group')


class Watching(Listener):
    """Looks into the target when rows begin to arrive, and again when they are all there."""

    def __init__(self, cluster: Cluster, db: str, query: str) -> None:
        super().__init__()
        self.seen: list[object] = []
        self._look = partial(ask, cluster, db, query)

    def stage(self, name: str, total_bytes: int | None = None) -> None:
        if name in ("rows", "indexes, constraints, policies"):
            self.seen.append(self._look())


@pytest.mark.spec("RST-6")
def test_rows_never_lie_open(postgres: Cluster, zoo: str) -> None:
    """Row security is on, the owner set, and nobody else may do anything, before the first row [B2]."""
    query = """
        select array_agg(relname::text order by relname) filter (where relrowsecurity)::text
               || ' ' || count(*) filter (where relowner = 'zoo_owner'::regrole)
               || ' ' || count(*) filter (where exists (select from aclexplode(relacl) where grantee <> relowner))
          from pg_class where relnamespace = (select oid from pg_namespace where nspname = 'app') and relkind = 'r'
    """
    with database(postgres, "alter default privileges grant all on tables to zoo_anon") as ours:
        watching = Watching(postgres, ours, query)
        restored(snapshot_of(postgres, zoo), postgres, ours, watching)
        assert watching.seen == ["{parent,users} 1 0", "{parent,users} 1 0"]


EXTENSION = """
    create table conf (k text primary key, v text);
    insert into conf values ('default', 'x');
    select pg_extension_config_dump('conf', 'where k <> ''default''');
    create table plain (a int);
    insert into plain values (1);
"""


def test_rows_in_tables_of_extensions_come_back() -> None:
    with tempfile.TemporaryDirectory() as place:
        files = Path(place) / "extension"
        files.mkdir()
        Path(place).chmod(0o755)
        (files / "keeper.control").write_text("default_version = '1'\n")
        (files / "keeper--1.sql").write_text(EXTENSION)
        with server(18, settings={"extension_control_path": f"{place}:$system"}) as own:
            source, ours, used = own.createdb(), own.createdb(), own.createdb()
            with own.connect(source) as connection:
                connection.execute("create extension keeper")
                connection.execute(
                    "insert into conf values ('mine', 'y'); update plain set a = 2; insert into plain values (3)"
                )
            snapshot = snapshot_of(own, source)
            assert restored(snapshot, own, ours).failed == ()
            assert differences((own, source), (own, ours)) == []
            assert ask(own, ours, "select count(*) from conf") == 2
            with own.connect(ours) as connection:
                here = count_target(Session(connection), files={})
            assert snapshot.manifest.counts == here
            assert here.records == 3
            with own.connect(used) as connection:
                connection.execute("create extension keeper")
            failed = restored(snapshot, own, used).failed
            assert [one.entry for one in failed] == ["TABLE DATA public.plain"]
            assert ask(own, used, "select array_agg(a)::text from plain") == "{1}"


def test_properties_of_the_source_database_are_reported_as_not_applied(postgres: Cluster) -> None:
    with database(postgres) as source, database(postgres) as ours:
        names = [sql.Identifier(source)] * 5
        script = sql.SQL(
            "CREATE ROLE holder; ALTER DATABASE {} OWNER TO holder; ALTER DATABASE {} CONNECTION LIMIT 50;"
            "COMMENT ON DATABASE {} IS 'the\nproject'; REVOKE ALL ON DATABASE {} FROM PUBLIC"
        ).format(*names[:4])
        with postgres.connect(source) as connection:
            plain = planned(snapshot_of(postgres, ours), postgres, ours)
            connection.execute(script)
        try:
            told = planned(snapshot_of(postgres, source), postgres, ours)
        finally:
            with postgres.connect(ours) as connection:
                connection.execute(
                    sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER; DROP ROLE holder").format(*names[:1])
                )
    assert not [line for line in plain if "not applied" in line]
    assert [line.partition("own: ")[2] for line in told if "not applied" in line] == [
        "owner holder",
        "privileges holder=CTc/holder",
        "connection limit 50",
        "comment the project",
    ]


def planned(snapshot: Snapshot, cluster: Cluster, db: str) -> list[str]:
    target = connect_target(cluster.dsn(db), {})
    try:
        return list(plan(restore.gather(snapshot), target.facts, RestoreOptions(into_source=True)).warnings)
    finally:
        target.close()


class Interrupting(Listener):
    """Stops at the first rows that arrive."""

    def advance(self, done_bytes: int, *, rows: int = 0, tables: int = 0) -> None:
        raise KeyboardInterrupt


class Counting(Listener):
    """What is told of the stage of rows."""

    def __init__(self) -> None:
        super().__init__()
        self.total: int | None = None
        self.told: list[int] = []

    def stage(self, name: str, total_bytes: int | None = None) -> None:
        self.total = total_bytes if name == "rows" else self.total

    def advance(self, done_bytes: int, *, rows: int = 0, tables: int = 0) -> None:
        self.told.append(done_bytes)


def test_rows_are_told_as_they_go_and_end_at_their_sum(postgres: Cluster) -> None:
    """One large table is more than half of most projects: told at its end it would be a jump."""
    script = "create table t as select i, repeat(md5(i::text), 30) from generate_series(1, 4000) i; create table u as select 1"
    progress = Counting()
    with database(postgres, script) as source, database(postgres) as ours:
        restored(snapshot_of(postgres, source), postgres, ours, progress)
    assert progress.total == sum(progress.told)
    assert max(progress.told) * 4 < sum(progress.told)


def test_interrupted_restore_leaves_no_session_and_no_running_statement(postgres: Cluster) -> None:
    script = "create table t as select i from generate_series(1, 1000) i; create table u as table t; create table v as table t"
    with database(postgres, script) as source, database(postgres) as ours:
        with pytest.raises(KeyboardInterrupt):
            restored(snapshot_of(postgres, source), postgres, ours, Interrupting())
        query = f"select count(*) from pg_stat_activity where datname = '{ours}'"
        while ask(postgres, "postgres", query):
            pass


def test_compare_sees_each_kind_of_difference(postgres: Cluster, zoo: str) -> None:
    changes = {
        "rows": 'update "we""ird sch"."tab le\nnewline ünï" set "select" = null where "ÄÖ" is null',
        "table": "create table app.more ()",
        "entry": "comment on table app.big is 'changed'",
        "privileges": "grant select on app.big to zoo_other",
        "sequence": "select nextval('app.loose')",
        "large object": "select lo_put(4242, 0, 'x')",
        "policy": "alter policy p1 on app.users to zoo_other",
        "extension": "drop extension pg_trgm",
    }
    with empty(postgres) as other:
        fill(postgres, other, [*scripts(postgres.major)])
        with postgres.connect(other) as connection:
            for change in changes.values():
                connection.execute(text(change))
        assert {one.kind for one in differences((postgres, zoo), (postgres, other))} >= changes.keys()
