"""What a put back reaches beyond one table: single partitions, foreign keys that nobody verifies, text that is any bytes. Real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fix_postgres import Cluster
from tests.put_back_support import Fate, MakeProject, Project, projects
from tests.scenarios.capture_support import database
from tests.scenarios.test_capture_encodings import ASCII, run

pytestmark = pytest.mark.postgres


@pytest.fixture
def project(postgres: Cluster, tmp_path: Path) -> Iterator[MakeProject]:
    with projects(postgres, tmp_path) as make:
        yield make


def test_rows_of_a_single_partition_come_back_and_no_others(project: MakeProject) -> None:
    shop = project(
        "create table days (day int, id int primary key, note text, gone text) partition by range (id);"
        "create table days_1 partition of days for values from (0) to (50) partition by range (id);"
        "create table days_1a partition of days_1 for values from (0) to (20); create table days_1b partition of days_1 default;"
        "create table days_2 partition of days for values from (50) to (200);"
        "insert into days select n % 20, n, 'n', 'g' || n from generate_series(1, 100) n"
    )
    good = shop.take()
    shop.run(
        "delete from days where day = 3; update days set note = 'x' where day = 4; insert into days values (1, 0), (1, 101)"
    )
    bad, damaged = shop.take(), shop.rows()
    done = shop.put_back(good, bad, "days_1b")
    assert done.fates("days") == {Fate.INSERTED: 2, Fate.UPDATED: 2}
    assert shop.ask("select id from days where day = 3 or (day = 4 and note = 'n') order by 1") == [
        (23,),
        (24,),
        (43,),
        (44,),
    ]
    assert "public.days: rows of public.days_1b alone" in done.shown
    assert shop.undo(done).returncode == 0
    assert shop.rows() == damaged
    shop.run("alter table days drop column gone")
    without = shop.take()
    shop.run("alter table days add column gone text")
    both = shop.put_back(good, without, "days_1")
    assert both.fates("days") == {Fate.INSERTED: 3, Fate.UPDATED: 46}
    assert both.plan.came == 1
    assert shop.ask("select count(gone), max(id) filter (where gone is not null) from days") == [(49, 49)]


@pytest.mark.spec("SEL-25")
def test_foreign_keys_that_are_not_verified_are_told_and_keep_nothing_from_coming(project: MakeProject) -> None:
    shop = project(
        "create table parents (id int primary key); create table children (id int primary key, parent int);"
        "insert into children values (1, 7), (2, null);"
        "alter table children add constraint loose foreign key (parent) references parents not valid"
    )
    good, fine = shop.take(), shop.rows()
    shop.run("delete from children")
    done = shop.put_back(good, shop.take(), "children")
    assert "foreign key loose is NOT VALID and is not verified" in done.shown
    assert shop.rows() == fine


@pytest.mark.spec("SEL-25")
def test_foreign_keys_over_periods_are_told(project: MakeProject, postgres: Cluster) -> None:
    if postgres.major < 18:
        pytest.skip("there are none before 18")
    shop = project(
        "create table rooms (id int4range, during daterange, primary key (id, during without overlaps));"
        "create table stays (n int primary key, room int4range, during daterange,"
        " constraint in_time foreign key (room, period during) references rooms (id, period during));"
        "insert into rooms values ('[1,1]', '[2026-01-01,2026-06-01)'), ('[1,1]', '[2026-06-01,2027-01-01)');"
        "insert into stays values (1, '[1,1]', '[2026-05-01,2026-07-01)'), (2, null, null)"
    )
    good, fine = shop.take(), shop.rows()
    shop.run("delete from stays")
    done = shop.put_back(good, shop.take(), "stays", with_references=True)
    assert "foreign key in_time is PERIOD and is not verified" in done.shown
    assert shop.rows() == fine
    shop.run("delete from stays; delete from rooms where during @> date '2026-02-01'")
    both = shop.put_back(good, shop.take(), "rooms")
    assert both.fates("rooms") == {Fate.INSERTED: 1}


@pytest.mark.spec("SEL-27")
def test_text_that_is_any_bytes_comes_back_and_is_undone(postgres: Cluster, tmp_path: Path) -> None:
    with database(postgres, options=ASCII) as name:
        shop = Project(postgres.dsn(name), tmp_path)
        run(
            postgres,
            name,
            b"create table t (id int primary key, v text); insert into t values (1, 'caf\xe9'), (2, 'ok')",
        )
        good = shop.take()
        run(postgres, name, b"delete from t where id = 1; update t set v = '\xff' where id = 2")
        bad = shop.take()
        bytes_there = "select string_agg(id || encode(convert_to(v, 'SQL_ASCII'), 'hex'), ' ' order by id) from t"
        done = shop.put_back(good, bad, "t")
        assert done.plan.sampled[0].values == (("v", None, "caf\\351"),)
        assert shop.ask(bytes_there) == [(b"1636166e9 26f6b",)]
        assert shop.undo(done).returncode == 0
        assert shop.ask(bytes_there) == [(b"2ff",)]
