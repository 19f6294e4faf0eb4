"""A restore goes on with -c where an interrupted one left off: between the first form of a view, without rows, and the key that its query needs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fix_postgres import Cluster
from tests.scenarios.test_restore_replaced import Damaged

pytestmark = pytest.mark.postgres
SCHEMA = """
create table projects (id int primary key, name text);
create table messages (id int primary key, project int references projects);
create view counted as select p.id, p.name, count(*) as n from projects p join messages m on m.project = p.id group by p.id;
create view over_counted as select * from counted where n > 1;
comment on view over_counted is 'over it';
grant select on over_counted to public;
insert into projects select n, 'project ' || n from generate_series(1, 5) n;
insert into messages select n, 1 + n % 5 from generate_series(1, 50) n;
"""
HALF_DONE = """
drop table messages, projects cascade;
create table projects (id int not null, name text);
create table messages (id int not null, project int);
create view counted as select null::int as id, null::text as name, null::bigint as n;
create view over_counted as select id, name, n from counted where n > 1;
"""


@pytest.fixture
def half_done(postgres: Cluster) -> Iterator[Damaged]:
    source = postgres.createdb()
    with postgres.connect(source) as connection:
        connection.execute(SCHEMA.encode())
    made = Damaged(postgres, source)
    made.run(HALF_DONE)
    yield made
    postgres.dropdb(made.name)
    postgres.dropdb(source)


def test_a_view_that_needs_a_key_is_replaced_when_the_key_is_there(half_done: Damaged) -> None:
    done = half_done.restored()
    assert done.report.failed == ()
    assert half_done.is_as_recorded()
    assert half_done.ask("select sum(n) from over_counted") == 50


def test_what_would_have_come_with_a_view_that_stays_is_told(half_done: Damaged) -> None:
    half_done.run("create view of_somebody as select * from counted")
    failed = {failure.entry: failure.because for failure in half_done.restored().report.failed}
    assert failed["VIEW counted"] == ""
    assert failed["ACL TABLE over_counted"] == failed["COMMENT VIEW over_counted"] == "VIEW counted"
