"""What needs each other comes in one run: partitions below partitions, functions whose defaults call each other."""

from __future__ import annotations

import pytest

from tests.fix_postgres import Cluster
from tests.restore_support import differences, restored, snapshot_of

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


CIRCLE = """
create role "circle owner";
create function a(x int) returns int language sql as 'select x';
create function b(y int default a(1), z text default ', DEFAULT (') returns int language sql as 'select y';
create or replace function a(x int default b()) returns int language sql as 'select x';
create function c(x int) returns int language sql as 'select x + 1';
create function d(y int default c(1)) returns int language sql as 'select y + 1';
create function e(z int default d()) returns int language sql as 'select z + 1';
create or replace function c(x int default e(5)) returns int language sql as 'select x + 1';
alter function b owner to "circle owner"; revoke all on function b from public; comment on function b is 'in a circle';
create table t (n int default c(), m int default a()); create view v as select a(7) as seven, d(1) as two;
"""


@pytest.mark.spec("RST-14")
def test_functions_whose_defaults_call_each_other_come_back(postgres: Cluster) -> None:
    name, ours = postgres.createdb(), postgres.createdb()
    try:
        with postgres.connect(name) as connection:
            connection.execute(CIRCLE.encode())
        assert restored(snapshot_of(postgres.dsn(name)), postgres.dsn(ours)).failed == {}
        assert differences(postgres.dsn(name), postgres.dsn(ours)) == []
        with postgres.connect(ours) as connection:
            assert connection.execute("select c(), seven, two from v").fetchall() == [(7, 7, 2)]
    finally:
        postgres.dropdb(name)
        postgres.dropdb(ours)
        with postgres.connect() as connection:
            connection.execute('drop role "circle owner"')
