"""Single rows put back, from damage to equal: deleted ones, overwritten ones, and what an undo does. Real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fix_postgres import Cluster
from tests.put_back_support import Fate, MakeProject, projects
from vault.model.put_back import Evidence

pytestmark = pytest.mark.postgres

SHOP = """
create table customers (id int primary key, name text not null, email text unique, seen timestamptz);
create table orders (id bigint generated always as identity primary key, customer int not null references customers on delete cascade,
    note text, total numeric(10,2), big numeric generated always as (total * 2) stored);
create table items (orders bigint references orders on delete cascade, line int, what text, primary key (orders, line));
create table reviews (id int primary key, customer int references customers on delete set null, text text);
insert into customers select n, 'customer ' || n, n || '@example.org', '2026-01-01' from generate_series(1, 50) n;
insert into orders (customer, note, total) select 1 + n % 50, 'note ' || n, n from generate_series(1, 200) n;
insert into items select o.id, l, 'thing ' || l from orders o, generate_series(1, 2) l;
insert into reviews select n, 1 + n % 50, 'fine' from generate_series(1, 100) n;
"""


@pytest.fixture
def project(postgres: Cluster, tmp_path: Path) -> Iterator[MakeProject]:
    with projects(postgres, tmp_path) as make:
        yield make


def test_rows_of_a_bad_delete_come_back_and_later_work_stays(project: MakeProject) -> None:
    shop = project(SHOP)
    good = shop.take()
    shop.run("delete from items where orders <= 20")
    bad = shop.take()
    shop.run(
        "update items set what = 'newer' where orders = 30; insert into items values (31, 9, 'new'), (5, 1, 'other by now')"
    )
    before = shop.rows()
    done = shop.put_back(good, bad, "items", rows="missing")
    assert done.fates("items") == {Fate.INSERTED: 39, Fate.THERE_OTHERWISE: 1}
    assert shop.ask("select count(*) from items where orders <= 20") == [(40,)]
    assert shop.ask("select what from items where (orders, line) in ((5, 1), (30, 1), (31, 9)) order by orders") == [
        ("other by now",),
        ("newer",),
        ("new",),
    ]
    again = shop.put_back(good, bad, "items", rows="missing")
    assert again.done is not None
    assert (again.done.written, again.done.undo) == (0, None)
    assert shop.undo(done).returncode == 0
    assert shop.rows() == before
    twice = shop.undo(done)
    assert (twice.returncode, "nothing was done" in twice.stdout) == (0, True)


@pytest.mark.spec("SEL-23")
def test_update_without_where_is_put_back_column_by_column(project: MakeProject) -> None:
    shop = project(SHOP)
    good, fine = shop.take(), shop.rows()
    shop.run("update customers set name = 'x', email = null")
    bad = shop.take()
    shop.run("update customers set seen = '2027-01-01' where id = 3; update customers set name = 'wanted' where id = 4")
    shop.run(
        "update customers set name = 'customer 5', email = '5@example.org' where id = 5; delete from customers where id = 6"
    )
    damaged = shop.rows()
    done = shop.put_back(good, bad, "customers", rows="changed")
    assert done.fates("customers") == {Fate.UPDATED: 48, Fate.DONE: 1, Fate.GONE_SINCE: 1}
    assert done.decided["customers"].columns == {"name": 47, "email": 48}
    assert done.decided["customers"].conflicts == {"name": 1}
    now = shop.ask("select id, name, email, seen::date::text from customers where id between 2 and 7 order by id")
    assert now == [
        (2, "customer 2", "2@example.org", "2026-01-01"),
        (3, "customer 3", "3@example.org", "2027-01-01"),
        (4, "wanted", "4@example.org", "2026-01-01"),
        (5, "customer 5", "5@example.org", "2026-01-01"),
        (7, "customer 7", "7@example.org", "2026-01-01"),
    ]
    assert len(fine["public.customers"]) == 50
    shop.run("update customers set seen = '2028-01-01' where id = 9")
    assert shop.undo(done).returncode == 0
    shop.run("update customers set seen = '2026-01-01' where id = 9")
    assert shop.rows() == damaged


@pytest.mark.spec("SEL-27")
def test_undo_refuses_what_was_changed_since(project: MakeProject) -> None:
    shop = project(SHOP)
    good = shop.take()
    shop.run("delete from customers where id = 1; update reviews set text = 'x'")
    bad = shop.take()
    done = shop.put_back(good, bad, "reviews", rows="changed")
    shop.run("update reviews set text = 'even newer' where id = 7")
    after = shop.rows()
    undone = shop.undo(done)
    assert undone.returncode != 0
    assert "changed since" in undone.stderr
    parent = shop.put_back(good, bad, "customers", rows="missing")
    shop.run("insert into reviews values (1000, 1, 'refers to what came back')")
    refused = shop.undo(parent)
    assert (refused.returncode != 0, "refer by reviews_customer_fkey" in refused.stderr) == (True, True)
    assert len(shop.rows()["public.reviews"]) == len(after["public.reviews"]) + 1


@pytest.mark.spec("SEL-24")
def test_cascaded_delete_comes_back_with_all_that_referred(project: MakeProject) -> None:
    shop = project(SHOP)
    good, fine = shop.take(), shop.rows()
    shop.run("delete from customers where id in (7, 8)")
    bad, damaged = shop.take(), shop.rows()
    named = shop.put_back(good, bad, "customers", rows="missing")
    assert named.fates("customers") == {Fate.INSERTED: 2}
    assert (
        "public.orders: gone too (ON DELETE CASCADE): 8 rows that referred to them by orders_customer_fkey"
        in named.shown
    )
    assert (
        "public.reviews: cut off (ON DELETE SET NULL): 4 rows that referred to them by reviews_customer_fkey"
        in named.shown
    )
    assert named.done is not None
    assert not named.done.is_whole
    assert shop.undo(named).returncode == 0
    done = shop.put_back(good, bad, "customers", rows="missing", with_references=True)
    assert {name: one.written for name, one in done.decided.items()} == {
        "customers": 2,
        "orders": 8,
        "items": 16,
        "reviews": 4,
    }
    assert shop.rows() == fine
    assert shop.undo(done).returncode == 0
    assert shop.rows() == damaged


@pytest.mark.spec("SEL-24")
def test_parents_that_rows_need_are_named_and_come_when_asked(project: MakeProject) -> None:
    shop = project(SHOP)
    good, fine = shop.take(), shop.rows()
    shop.run("delete from orders where id <= 3")
    bad = shop.take()
    refused = shop.put_back(good, bad, "items", rows="missing")
    assert refused.refused == ["rows refer to rows that are gone too, of public.orders: --with-references brings them"]
    assert shop.put_back(good, bad, "items", rows="missing", with_references=True).done is not None
    assert shop.rows() == fine


def test_dropped_column_comes_back_into_one_that_was_made_again(project: MakeProject) -> None:
    shop = project(
        SHOP
        + "alter table customers add column plan text not null default 'free'; update customers set plan = 'p' || id;"
    )
    good, fine = shop.take(), shop.ask("select id, plan, name from customers order by id")
    shop.run(
        "alter table customers drop column plan; delete from customers where id = 50; update customers set name = 'x' where id = 2"
    )
    bad = shop.take()
    shop.run(
        "alter table customers add column plan text not null default 'free'; update customers set plan = 'chosen since' where id = 3"
    )
    done = shop.put_back(good, bad, "customers")
    assert done.fates("customers") == {Fate.INSERTED: 1, Fate.UPDATED: 48, Fate.CHANGED_SINCE: 1}
    now = shop.ask("select id, plan, name from customers order by id")
    assert [(one, two) for one, two in zip(fine, now, strict=True) if one != two] == [
        ((3, "p3", "customer 3"), (3, "chosen since", "customer 3"))
    ]


def test_what_one_transaction_overwrote_is_put_back_and_no_more(project: MakeProject) -> None:
    shop = project(SHOP)
    good = shop.take()
    shop.run("update reviews set text = 'wanted' where id > 90")
    shop.run("update reviews set text = 'x' where id <= 50")
    xid = shop.ask("select xmin::text::int8 from reviews where id = 1")[0][0]
    shop.run("update reviews set text = 'newer' where id = 5")
    live = shop.take()
    done = shop.put_back(good, live, "reviews", rows="changed", kind=Evidence.TRANSACTION, xid=xid)
    assert done.fates("reviews") == {Fate.UPDATED: 49, Fate.OF_OTHERS: 11}
    assert done.done is not None
    assert done.done.is_whole
    assert shop.ask("select text, count(*) from reviews group by 1 order by 1") == [
        ("fine", 89),
        ("newer", 1),
        ("wanted", 10),
    ]
    everything = shop.put_back(good, live, "reviews", kind=Evidence.NONE)
    assert everything.fates("reviews") == {Fate.DONE: 49, Fate.UPDATED: 11}
    assert "nobody can tell it from later work" in everything.shown
