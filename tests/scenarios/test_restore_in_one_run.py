"""What needs each other comes in one run: partitions below partitions, functions whose defaults call each other."""

from __future__ import annotations

import subprocess

import pytest

from tests.fix_postgres import Cluster
from tests.restore_support import differences, restored, snapshot_of
from tests.scenarios.capture_support import database
from vault.ops.project.components import SUPABASE
from vault.ops.view.scripts.complete import schema_sql
from vault.ops.view.scripts.policies import policies_sql
from vault.ops.view.scripts.routines import functions_sql

pytestmark = pytest.mark.postgres

PARTITIONS = """
create table sales (id int, day date, region text, primary key (id, day, region)) partition by range (day);
create index by_region on sales (region, id); create unique index by_all on sales (region, day, id);
create table other (sale int, day date, region text, foreign key (sale, day, region) references sales);
create table sales_2025 partition of sales for values from ('2025-01-01') to ('2026-01-01') partition by list (region);
create table sales_2025_eu partition of sales_2025 for values in ('eu') partition by hash (id);
create table sales_2025_eu_0 partition of sales_2025_eu for values with (modulus 2, remainder 0);
create table sales_2025_eu_1 partition of sales_2025_eu for values with (modulus 2, remainder 1);
create table sales_2025_us partition of sales_2025 for values in ('us');
create table sales_2024 partition of sales for values from ('2024-01-01') to ('2025-01-01');
insert into sales select n, date '2024-07-01' + n, case when n % 3 = 0 then 'eu' else 'us' end from generate_series(1, 300) n;
insert into other select id, day, region from sales limit 10;
"""


@pytest.mark.parametrize("dropped", ["sales_2025", "sales_2025_eu", "sales_2025_eu_1", "sales_2024"])
def test_a_dropped_partition_with_partitions_comes_back_attached(postgres: Cluster, dropped: str) -> None:
    name = postgres.createdb()
    with postgres.connect(name) as connection:
        connection.execute(PARTITIONS.encode())
    ours = postgres.createdb(options=f"TEMPLATE {name}")
    snapshot = snapshot_of(postgres.dsn(name))
    with postgres.connect(ours) as connection:
        connection.execute(
            f"alter table other drop constraint other_sale_day_region_fkey; drop table {dropped} cascade".encode()
        )
    names = [f"public.{dropped}", "public.other"]
    if dropped.startswith("sales_2025"):
        names += [f"public.{one}" for one in ("sales_2025_eu", "sales_2025_eu_0", "sales_2025_eu_1") if one != dropped]
    assert restored(snapshot, postgres.dsn(ours), *names).failed == {}
    assert differences(postgres.dsn(name), postgres.dsn(ours)) == []


THROUGH_ROOT = """
create type mood as enum ('x', 'y', 'z'); create table moods (m mood not null, v int, primary key (m, v)) partition by hash (m);
create index by_v on moods (v); create index by_m on moods (m, v);
create table moods_0 partition of moods for values with (modulus 2, remainder 0) partition by list (m);
create table moods_1 partition of moods for values with (modulus 2, remainder 1); create table moods_0_all partition of moods_0 default;
insert into moods select (array['x', 'y', 'z']::mood[])[1 + n % 3], n from generate_series(1, 60) n;
"""


def test_partitions_whose_rows_come_through_the_root_are_attached_with_all_above_them(postgres: Cluster) -> None:
    with database(postgres, THROUGH_ROOT) as name:
        snapshot = snapshot_of(postgres.dsn(name))
        with database(postgres, "drop table moods_0, moods_1", options=f"TEMPLATE {name}") as ours:
            names = [f"public.moods_{one}" for one in ("0", "0_all", "1")]
            assert restored(snapshot, postgres.dsn(ours), *names).failed == {}
            assert differences(postgres.dsn(name), postgres.dsn(ours)) == []


CIRCLE = """
create role "circle owner" login;
create function a(x int) returns int language sql as 'select x';
create function b(y int default a(1), z text default ', DEFAULT (') returns int language sql as 'select y';
create or replace function a(x int default b()) returns int language sql as 'select x';
create function c(x int) returns int language sql as 'select x + 1';
create function d(y int default c(1)) returns int language sql as 'select y + 1';
create function e(z int default d()) returns int language sql as 'select z + 1';
create or replace function c(x int default e(5)) returns int language sql as 'select x + 1';
create function f(x int) returns int language sql as 'select x'; create or replace function f(x int default f(1)) returns int language sql as 'select x';
alter function b owner to "circle owner"; revoke all on function b from public; comment on function b is 'in a circle'; comment on function a is E'it''s \\n IS \\\\';
create table t (n int default c(), m int default a()); create view v as select a(7) as seven, d(1) as two;
create policy p on t using (true); comment on policy p on t is 'IS '';';
"""


@pytest.mark.spec("RST-14")
def test_functions_whose_defaults_call_each_other_come_back(postgres: Cluster) -> None:
    name, ours = postgres.createdb(), postgres.createdb()
    try:
        with postgres.connect(name) as connection:
            connection.execute(CIRCLE.encode())
        snapshot = snapshot_of(postgres.dsn(name))
        assert restored(snapshot, postgres.dsn(ours)).failed == {}
        assert differences(postgres.dsn(name), postgres.dsn(ours)) == []
        with postgres.connect(ours) as connection:
            assert connection.execute("select c(), seven, two from v").fetchall() == [(7, 7, 2)]
        for member in "abcde":
            with database(postgres) as alone:
                assert restored(snapshot, postgres.dsn(alone), f"public.{member}").failed == {}, (
                    "the circle comes whole"
                )
        with database(postgres) as script, database(postgres) as some:
            psql = [str(postgres.bin / "psql"), "-X", "-q", "-f", "-", "-d"]
            subprocess.run([*psql, postgres.dsn(script)], input=b"".join(schema_sql(snapshot)), check=True)
            assert differences(postgres.dsn(name), postgres.dsn(script)) == []
            subprocess.run([*psql, postgres.dsn(some)], input=b"".join(functions_sql(snapshot, SUPABASE)), check=True)
            found = differences(postgres.dsn(name), postgres.dsn(some))
            assert not [one for one in found if "FUNCTION" in one.name or "function" in one.name]
        for file in (functions_sql, policies_sql):  # what is as recorded needs no right
            as_owner = [*psql, postgres.dsn(name).replace("user=postgres", "user='circle owner'")]
            subprocess.run(as_owner, input=b"".join(file(snapshot, SUPABASE)), check=True)
    finally:
        postgres.dropdb(name)
        postgres.dropdb(ours)
        with postgres.connect() as connection:
            connection.execute('drop role "circle owner"')


BODIES = """
create function f(x int) returns int language sql return x;
create function g(x int) returns int language sql begin atomic select f(x - 1); end;
create or replace function f(x int) returns int language sql begin atomic select case when x > 0 then g(x) else 7 end; end;
create procedure p(x int) language sql begin atomic select f(x); end;
create function h() returns bigint language sql return 1;
create view w as select h() as n;
create or replace function h() returns bigint language sql begin atomic select coalesce(max(n), 5) from w where false; end;
create view over_w as select n, g(2) as seven from w;
create function m() returns bigint language sql return 1;
create table numbered (n bigint default m(), check (m() > 0));
create or replace function m() returns bigint language sql begin atomic select coalesce(max(n), 0) + 1 from numbered; end;
create table keyed (id int primary key, x int);
create view grouped as select id, x, f(x) as seven from keyed group by id;
comment on function f is 'in a circle'; revoke all on function h from public;
"""


@pytest.mark.spec("RST-14")
def test_routines_whose_bodies_call_each_other_come_back(postgres: Cluster) -> None:
    """Also through a view, and a table's default and check, which pg_dump parts.

    A view that groups by a key waits for that key: pg_dump writes it without its query first.
    """
    name, ours = postgres.createdb(), postgres.createdb()
    try:
        with postgres.connect(name) as connection:
            connection.execute(BODIES.encode())
        assert restored(snapshot_of(postgres.dsn(name)), postgres.dsn(ours)).failed == {}
        assert differences(postgres.dsn(name), postgres.dsn(ours)) == []
        with postgres.connect(ours) as connection:
            assert connection.execute("select n, seven from over_w").fetchall() == [(5, 7)]
    finally:
        postgres.dropdb(name)
        postgres.dropdb(ours)
