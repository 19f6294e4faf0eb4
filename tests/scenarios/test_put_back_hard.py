"""What stands against putting rows back: keys that change places, identities, partitions, locks, policies, interrupts. Real servers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.fix_postgres import Cluster
from tests.put_back_support import Fate, MakeProject, projects
from vault.errors import Incoherent, Locked, PermissionMissing, SourceError, UsageError
from vault.source.postgres.target.put_back import lock_wait
from vault.source.postgres.target.put_back import session as put_back_session

pytestmark = pytest.mark.postgres


@pytest.fixture
def project(postgres: Cluster, tmp_path: Path) -> Iterator[MakeProject]:
    with projects(postgres, tmp_path) as make:
        yield make


def test_unique_values_that_changed_places_change_back(project: MakeProject) -> None:
    shop = project(
        "create table seats (id int primary key, seat int unique, sold boolean, later text);"
        "create table tickets (id int primary key, seat int references seats (seat) on delete cascade);"
        "insert into seats select n, n, false from generate_series(1, 6) n; insert into tickets select n, n from generate_series(1, 6) n;"
    )
    good, fine = shop.take(), shop.rows()
    shop.run(
        "alter table tickets drop constraint tickets_seat_fkey; update seats set seat = 7 - seat + 1000; update seats set seat = seat - 1000"
    )
    shop.run(
        "alter table tickets add constraint tickets_seat_fkey foreign key (seat) references seats (seat) on delete cascade"
    )
    bad, damaged = shop.take(), shop.rows()
    done = shop.put_back(good, bad, "seats", rows="changed")
    assert done.fates("seats") == {Fate.UPDATED: 6}
    assert shop.rows() == fine
    assert shop.undo(done).returncode == 0
    assert shop.rows() == damaged


def test_deferrable_keys_are_verified(project: MakeProject) -> None:
    shop = project(
        "create table places (id int primary key, place int, unique (place) deferrable initially deferred);"
        "insert into places select n, n from generate_series(1, 6) n"
    )
    good, fine = shop.take(), shop.rows()
    shop.run("update places set place = 7 - place")
    bad = shop.take()
    assert shop.put_back(good, bad, "places", rows="changed").fates("places") == {Fate.UPDATED: 6}
    assert shop.rows() == fine
    shop.run("update places set place = 7 - place; update places set place = 60 where id = 1")
    shop.run("insert into places values (7, 6)")
    done = shop.put_back(good, bad, "places", rows="changed")
    assert done.fates("places") == {Fate.UPDATED: 4, Fate.CHANGED_SINCE: 1, Fate.KEY_TAKEN: 1}
    shop.run(
        "update places set place = 100 + id; update places set place = 7 - id where id in (1, 6); update places set place = 5 where id = 2"
    )
    shop.run(
        "update places set place = 2 where id = 5; update places set place = 4 where id = 3; update places set place = 3 where id = 4"
    )
    shop.run("insert into places values (8, 7)")
    assert shop.put_back(good, bad, "places", rows="changed").fates("places") == {Fate.UPDATED: 6}


def test_unique_value_that_somebody_else_has_by_now_is_a_conflict(project: MakeProject) -> None:
    shop = project(
        "create table people (id int primary key, email text unique); create table notes (id int primary key, person int references people"
        " on delete cascade); insert into people select n, n || '@x' from generate_series(1, 5) n; insert into notes select n, n from generate_series(1, 5) n"
    )
    good = shop.take()
    shop.run("delete from people where id in (1, 2)")
    bad = shop.take()
    shop.run("insert into people values (100, '1@x')")
    done = shop.put_back(good, bad, "people", rows="missing", with_references=True)
    assert done.fates("people") == {Fate.INSERTED: 1, Fate.KEY_TAKEN: 1}
    assert done.fates("notes") == {Fate.INSERTED: 1, Fate.PARTNERLESS: 1}
    assert done.done is not None
    assert not done.done.is_whole


@pytest.mark.spec("SEL-22")
def test_keys_that_the_server_calls_equal_are_one_row(project: MakeProject) -> None:
    shop = project(
        "create table prices (id numeric primary key, what text); create table below (id numeric references prices on delete cascade);"
        "insert into prices values (1.0, 'one'), (2, 'two'); insert into below values (1)"
    )
    good, fine = shop.take(), shop.rows()
    shop.run("update prices set id = 1.00, what = 'x' where id = 1")
    bad = shop.take()
    done = shop.put_back(good, bad, "prices")
    assert done.fates("prices") == {Fate.UPDATED: 1}
    assert shop.rows() == fine


def test_identities_generated_columns_and_odd_names(project: MakeProject) -> None:
    shop = project(
        'create table "Odd ""t""" (n int generated always as identity, "s1" int primary key, "a b" text, g text generated always as (upper("a b")) stored,'
        ' "pgvault number" jsonb, d date[]); insert into "Odd ""t""" (s1, "a b", "pgvault number", d) select n, E\'tab\\there\\\\ '
        "' || n,"
        " '{\"a\": null}', '{2026-01-01,NULL}' from generate_series(1, 5) n"
    )
    good, fine = shop.take(), shop.rows()
    shop.run(
        'delete from "Odd ""t""" where s1 = 1; update "Odd ""t""" set "a b" = null, d = null, n = default where s1 > 3'
    )
    bad, damaged = shop.take(), shop.rows()
    done = shop.put_back(good, bad, 'Odd "t"')
    assert done.fates('Odd "t"') == {Fate.INSERTED: 1, Fate.UPDATED: 2}
    assert shop.rows() == fine
    assert shop.undo(done).returncode == 0
    assert shop.rows() == damaged


def test_partitioned_table_gets_rows_back_wherever_they_lie(project: MakeProject) -> None:
    shop = project(
        "create table days (day int, id int, note text, primary key (day, id)) partition by range (day);"
        "create table days_1 partition of days for values from (0) to (10); create table days_2 partition of days for values from (10) to (20);"
        "insert into days select n % 20, n, 'n' from generate_series(1, 100) n"
    )
    good, fine = shop.take(), shop.rows()
    shop.run("delete from days where day = 3; update days set note = 'x' where day in (4, 14)")
    bad, damaged = shop.take(), shop.rows()
    done = shop.put_back(good, bad, "days")
    assert done.fates("days") == {Fate.INSERTED: 5, Fate.UPDATED: 10}
    assert shop.rows() == fine
    assert shop.undo(done).returncode == 0
    assert shop.rows() == damaged


@pytest.mark.spec("SEL-26")
def test_all_locks_together_are_waited_for_a_bounded_time(
    project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many rows others hold, each for less than a lock is waited for."""
    monkeypatch.setattr(put_back_session, "_SETTINGS", put_back_session._SETTINGS.replace("'10s'", "'0'"))
    monkeypatch.setattr(lock_wait, "LOCKS_WAIT_S", 1)
    shop = project("create table t (id int primary key, v text); insert into t values (1, 'v'), (2, 'v')")
    good = shop.take()
    shop.run("update t set v = 'x'")
    bad = shop.take()
    for held in ("select * from t where id = 2 for update", "lock table t in share mode"):
        with shop.connect() as holder, holder.transaction():
            holder.execute("set local application_name = 'the holder'")
            holder.execute(held.encode())
            with pytest.raises(Locked) as locked:
                shop.put_back(good, bad, "t", rows="changed")
        assert "the holder" in locked.value.why
    assert shop.ask("select distinct v from t") == [("x",)]


@pytest.mark.spec("SEL-25")
def test_table_without_a_key_is_refused_with_what_to_type(project: MakeProject) -> None:
    shop = project("create table log (line text); insert into log select 'l' from generate_series(1, 5)")
    good = shop.take()
    shop.run("delete from log")
    with pytest.raises(UsageError) as refused:
        shop.put_back(good, shop.take(), "log")
    assert "restore SNAP --only public.log" in refused.value.hint
    assert "diff LATER SNAP --table public.log --format sql" in refused.value.hint


@pytest.mark.spec("SEL-25")
def test_triggers_are_off_unless_they_are_asked_for(project: MakeProject) -> None:
    shop = project(
        "create table t (id int primary key, v text); create table audit (what text); insert into t values (1, 'a'), (2, 'b');"
        "create function note() returns trigger language plpgsql as $$begin insert into public.audit values (tg_op); return new; end$$;"
        "create trigger note after insert or update on t for each row execute function note();"
    )
    good = shop.take()
    shop.run("delete from t where id = 1; update t set v = 'x'; truncate audit")
    bad = shop.take()
    done = shop.put_back(good, bad, "t")
    assert shop.ask("select count(*) from audit") == [(0,)]
    assert shop.undo(done).returncode == 0
    shop.put_back(good, bad, "t", fire=True)
    assert shop.ask("select what from audit order by 1") == [("INSERT",), ("UPDATE",)]
    shop.run("alter table t enable always trigger note; delete from t where id = 1")
    assert "would fire in spite of" in shop.put_back(good, bad, "t").refused[0]


@pytest.mark.spec("SEL-26")
def test_rows_that_others_hold_are_waited_for_a_bounded_time(
    project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(put_back_session, "_SETTINGS", put_back_session._SETTINGS.replace("'10s'", "'300ms'"))
    shop = project(
        "create table t (id int primary key, v text); insert into t select n, 'v' from generate_series(1, 9) n"
    )
    good = shop.take()
    shop.run("update t set v = 'x'")
    bad, damaged = shop.take(), shop.rows()
    with shop.connect() as holder:
        holder.execute("set application_name = 'the holder'")
        with holder.transaction():
            holder.execute("select * from t where id = 5 for update")
            with pytest.raises(Locked) as locked:
                shop.put_back(good, bad, "t", rows="changed")
    assert "the holder" in locked.value.why
    assert shop.rows() == damaged
    assert shop.put_back(good, bad, "t", rows="changed").fates("t") == {Fate.UPDATED: 9}


@pytest.mark.spec("SEL-26")
def test_rows_that_change_while_they_are_waited_for_are_compared_as_they_are_then(project: MakeProject) -> None:
    shop = project(
        "create table t (id int primary key, v text, w int default 0); insert into t select n, 'v' from generate_series(1, 3) n"
    )
    good = shop.take()
    shop.run("update t set v = 'x'")
    bad = shop.take()
    with shop.connect() as writer:
        commit = threading.Timer(1.0, lambda: writer.execute("commit"))

        def hold() -> None:
            writer.execute("begin; update t set v = 'wanted' where id = 2; delete from t where id = 3")
            commit.start()

        done = shop.put_back(good, bad, "t", rows="changed", between=hold)
        commit.join()
    assert done.plan.own.fates == {Fate.UPDATED: 3}
    assert done.fates("t") == {Fate.UPDATED: 1, Fate.CHANGED_SINCE: 1, Fate.GONE_SINCE: 1}
    assert shop.ask("select id, v from t order by 1") == [(1, "v"), (2, "wanted")]


def test_nothing_is_written_if_the_table_was_altered_after_the_plan(project: MakeProject) -> None:
    shop = project(
        "create table t (id int primary key, v text); insert into t select n, 'v' from generate_series(1, 3) n"
    )
    good = shop.take()
    shop.run("update t set v = 'x'")
    bad = shop.take()
    with pytest.raises(Incoherent):
        shop.put_back(good, bad, "t", rows="changed", between=lambda: shop.run("alter table t add column more int"))
    assert shop.ask("select distinct v from t") == [("x",)]


def test_what_a_check_refuses_leaves_everything_as_it_was(project: MakeProject) -> None:
    shop = project("create table t (id int primary key, v int); insert into t values (1, 1), (2, 2)")
    good = shop.take()
    shop.run("update t set v = 10; alter table t add check (v > 1)")
    bad, damaged = shop.take(), shop.rows()
    with pytest.raises(SourceError) as refused:
        shop.put_back(good, bad, "t", rows="changed")
    assert "t_v_check" in refused.value.why
    assert shop.rows() == damaged


def test_a_row_with_third_values_alone_is_a_conflict_and_foreign_rows_stay(project: MakeProject) -> None:
    shop = project(
        "create table t (id int primary key, v text); insert into t select n, 'v' from generate_series(1, 4) n"
    )
    good = shop.take()
    shop.run("update t set v = 'x' where id <= 2; insert into t values (9, 'came')")
    bad = shop.take()
    shop.run("update t set v = 'wanted' where id = 1; update t set v = 'not damaged' where id = 4")
    done = shop.put_back(good, bad, "t")
    assert done.fates("t") == {Fate.UPDATED: 1, Fate.CHANGED_SINCE: 1}
    assert done.plan.came == 1
    assert shop.ask("select id, v from t order by 1") == [
        (1, "wanted"),
        (2, "v"),
        (3, "v"),
        (4, "not damaged"),
        (9, "came"),
    ]


def test_writers_are_told_with_the_rows_that_they_wrote(project: MakeProject) -> None:
    shop = project(
        "create table t (id int primary key, v text); insert into t select n, 'v' from generate_series(1, 9) n"
    )
    good = shop.take()
    shop.run("update t set v = 'x' where id <= 7")
    shop.run("update t set v = 'y' where id = 8")
    bad = shop.take()
    planned = shop.put_back(good, bad, "t", only_plan=True)
    assert [one.rows for one in planned.plan.writers] == [7, 1]
    xid = shop.ask("select xmin::text::int8 from t where id = 1")[0][0]
    assert planned.plan.writers[0].xid == xid


def test_nothing_goes_through_row_level_security(project: MakeProject, postgres: Cluster, tmp_path: Path) -> None:
    shop = project(
        "create table t (id int primary key, v text); insert into t select n, 'v' from generate_series(1, 4) n"
    )
    good = shop.take()
    shop.run("update t set v = 'x'")
    bad = shop.take()
    role = f"limited_{postgres.major}"
    shop.run(
        f"create role {role} login; grant all on t to {role}; alter table t enable row level security;"
        f"create policy few on t to {role} using (id < 3)"
    )
    try:
        shop.user_dsn = shop.dsn.replace("user=postgres", f"user={role}")
        with pytest.raises(PermissionMissing) as refused:
            shop.put_back(good, bad, "t", rows="changed", only_plan=True)
        assert "row-level security" in refused.value.why
    finally:
        shop.run(f"drop owned by {role}; drop role {role}")
    assert shop.ask("select distinct v from t") == [("x",)]


def test_psycopg_is_told_nothing_of_rows(project: MakeProject) -> None:
    """An error of a value names the kind of it alone."""
    shop = project("create table t (id int primary key, v text); insert into t values (1, 'secret words')")
    good = shop.take()
    shop.run("delete from t")
    bad = shop.take()
    shop.run("alter table t alter column v type int using 0")
    with pytest.raises(SourceError) as refused:
        shop.put_back(good, bad, "t")
    assert "secret" not in f"{refused.value.message} {refused.value.why} {refused.value.hint}"
    assert isinstance(refused.value.__cause__, psycopg.Error)


def test_a_check_of_today_that_refuses_rows_is_named_with_the_way_past_it(project: MakeProject) -> None:
    shop = project("create table staff (id int primary key); insert into staff select generate_series(1, 9)")
    good = shop.take()
    shop.run("delete from staff where id > 3; alter table staff add constraint few check (id < 6)")
    bad, damaged = shop.take(), shop.rows()
    with pytest.raises(SourceError, match="nothing was changed") as refused:
        shop.put_back(good, bad, "staff", rows="missing")
    assert "few" in refused.value.why
    assert "staff" in refused.value.why
    assert "--where" in refused.value.hint
    assert "NOT VALID" in refused.value.hint
    assert shop.rows() == damaged
