"""Security facts that pg_dump keeps inside another entry, or leaves out: selected, compared and healed by their component [SEL-12]."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fix_postgres import Cluster
from tests.restore_support import Restored, differences, restored, snapshot_of
from vault.ops.project.components import SUPABASE
from vault.ops.view.scripts.policies import policies_sql
from vault.repo.snapshot import Snapshot

pytestmark = pytest.mark.postgres

SCHEMA = """
create table t (a int primary key, o name); insert into t values (1, 'x');
alter table t enable row level security; alter table t force row level security;
create policy p on t to sec_reader using (o = current_user); comment on policy p on t is 'why';
create table waiting (a int); create policy q on waiting using (a > 1);
create table plain (a int); alter table plain enable row level security; create policy r on plain using (a > 1);
create function f(a int) returns int language sql security definer set search_path to 'public' as 'select a';
revoke execute on function f from public; grant execute on function f to sec_reader;
create view v with (security_invoker, security_barrier) as select * from t;
create function noted() returns trigger language plpgsql as 'begin return new; end';
create trigger notes before insert on t for each row execute function noted(); alter table t enable always trigger notes;
create rule quiet as on update to waiting do instead nothing; alter table waiting enable replica rule quiet;
create publication shown for table t (a) where (a > 5);
create extension postgres_fdw; create server far foreign data wrapper postgres_fdw options (host 'a');
create user mapping for sec_reader server far options (password 'x'); create foreign table far_away (a int) server far;
"""


class Project:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.source = cluster.createdb()
        with cluster.connect(self.source) as connection:
            connection.execute(SCHEMA.encode())
        self.snapshot: Snapshot = snapshot_of(cluster.dsn(self.source))

    def damaged(self, damage: str) -> str:
        name = self.cluster.createdb(options=f"TEMPLATE {self.source}")
        with self.cluster.connect(name) as connection:
            connection.execute(damage.encode())
        return name

    def healed(self, name: str, *only: str, replace: bool) -> Restored:
        return restored(self.snapshot, self.cluster.dsn(name), *only, replace=replace)

    def differs(self, name: str) -> set[tuple[str, str]]:
        return {(one.kind, one.name) for one in differences(self.cluster.dsn(self.source), self.cluster.dsn(name))}


@pytest.fixture(scope="module")
def project(postgres: Cluster) -> Iterator[Project]:
    with postgres.connect() as connection:
        connection.execute("create role sec_reader; create role sec_other")
    made = Project(postgres)
    yield made
    postgres.dropdb(made.source)
    with postgres.connect() as connection:
        connection.execute("drop role sec_reader; drop role sec_other")


HEALED = {
    "a policy that the target has alone": (
        "create policy extra on t using (true); create policy more on waiting to sec_other using (true)",
        "rls_policies",
        {"POLICY t extra", "POLICY waiting more"},
    ),
    "a policy of the target alone, by the table's name": (
        "create policy extra on t using (true); create policy more on waiting using (true); drop policy more on waiting",
        "public.t",
        {"POLICY t extra"},
    ),
    "force taken away": ("alter table t no force row level security", "rls_policies", {"ROW SECURITY t"}),
    "force of a table by name": ("alter table t no force row level security", "public.t", {"ROW SECURITY t"}),
    "forced, and switched on": (
        "alter table plain force row level security; alter table waiting enable row level security",
        "rls_policies",
        {"ROW SECURITY plain", "ROW SECURITY waiting"},
    ),
    "switched off, a policy and a comment gone": (
        "alter table t disable row level security; drop policy q on waiting; comment on policy p on t is null",
        "rls_policies",
        {"ROW SECURITY t"},
    ),
    "where a server leads to, and as whom": (
        "alter server far options (set host 'b'); alter user mapping for sec_reader server far options (set password 'y')",
        "schema",
        {"SERVER far", "USER MAPPING USER MAPPING sec_reader SERVER far"},
    ),
    "columns and row filter of a publication": (
        "alter publication shown set table t",
        "public.t",
        {"PUBLICATION TABLE shown t"},
    ),
    "another owner, whom no policy concerns": (
        "alter table plain owner to sec_other; alter table plain disable row level security",
        "rls_policies",
        {"TABLE plain", "ROW SECURITY plain"},
    ),
    "a function's rights, settings, owner and grants": (
        (
            "alter function f(int) security invoker leakproof; alter function f(int) reset all; alter function f(int) owner to sec_other;"
            " grant execute on function f(int) to public"
        ),
        "rpc_functions",
        {"FUNCTION f(integer)", "ACL FUNCTION f(a integer)"},
    ),
    "a view's options and owner, states of a trigger and a rule": (
        (
            "alter view v reset (security_invoker, security_barrier); alter view v owner to sec_other; alter table t disable trigger notes;"
            " alter table waiting disable rule quiet"
        ),
        "schema",
        {"VIEW v", "TRIGGER t notes", "RULE waiting quiet"},
    ),
}


@pytest.mark.parametrize("case", HEALED)
def test_a_security_fact_is_told_and_healed_by_its_component(project: Project, case: str) -> None:
    damage, only, named = HEALED[case]
    name = project.damaged(damage)
    try:
        with project.cluster.connect(name) as connection:
            before = connection.execute("select 't'::regclass::oid").fetchall()
        assert project.healed(name, only, replace=False).failed.keys() == named
        assert project.healed(name, only, replace=True).failed == {}
        assert project.differs(name) == set()
        with project.cluster.connect(name) as connection:
            assert connection.execute("select 't'::regclass::oid").fetchall() == before, "no table is dropped for it"
    finally:
        project.cluster.dropdb(name)


@pytest.mark.spec("SEL-12")
def test_row_security_comes_with_a_table_whose_owner_is_replaced(project: Project) -> None:
    name = project.damaged("alter table t owner to sec_other; alter table t disable row level security")
    try:
        assert project.healed(name, replace=True).failed == {}
        assert project.differs(name) == set()
    finally:
        project.cluster.dropdb(name)


def test_policies_alone_create_no_table_without_rows(project: Project) -> None:
    name = project.damaged("alter table t disable row level security; drop policy p on t")
    try:
        assert "created without their rows" not in project.healed(name, "rls_policies", replace=False).shown
    finally:
        project.cluster.dropdb(name)


def test_the_file_of_policies_holds_all_that_makes_them(project: Project) -> None:
    name = project.damaged(
        "drop policy p on t; drop policy q on waiting; drop policy r on plain;"
        " alter table t no force row level security, disable row level security; alter table plain disable row level security"
    )
    try:
        script = b"".join(policies_sql(project.snapshot, SUPABASE))
        with project.cluster.connect(name) as connection:
            connection.execute(b"\n".join(line for line in script.splitlines() if not line.startswith(b"\\")))
        assert project.differs(name) == set()
    finally:
        project.cluster.dropdb(name)


def test_a_table_of_another_that_the_owner_of_its_schema_replaces_is_guarded_as_recorded(postgres: Cluster) -> None:
    """Dropping it is the schema owner's right, though its parts could not be added to it as it was."""
    source, target = postgres.createdb(), postgres.createdb()
    with postgres.connect() as connection:
        connection.execute("create role sec_keeper login; create role sec_former")
    with postgres.connect(source) as connection:
        connection.execute(
            "create schema kept authorization sec_keeper; set role sec_keeper;"
            " create table kept.t (a int primary key, o name); insert into kept.t values (1, 'x');"
            " alter table kept.t enable row level security; create policy p on kept.t using (o = current_user)"
        )
    with postgres.connect(target) as connection:
        connection.execute(
            "create schema kept authorization sec_keeper; create table kept.t (a int, other name);"
            " alter table kept.t owner to sec_former; grant all on kept.t to sec_keeper"
        )
    dsn = postgres.dsn(target).replace("user=postgres", "user=sec_keeper")
    assert restored(snapshot_of(postgres.dsn(source)), dsn, "kept", replace=True).failed == {}
    assert differences(postgres.dsn(source), postgres.dsn(target)) == []
