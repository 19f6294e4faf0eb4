"""Rows whose foreign keys stand before they come: in tables of extensions, and below a partitioned table that is there [RST-15]."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.fix_postgres import Cluster
from tests.restore_support import differences, restored, snapshot_of
from tests.scenarios.capture_support import database
from tests.scenarios.extension_support import extension
from vault.ops.view.tree import DUMP, SQL, View
from vault.repo.snapshot import Snapshot

pytestmark = pytest.mark.postgres

# layer refers to topology as in postgis_topology; a and b refer to each other; `zone` keeps its default rows with the children
SCRIPT = """
CREATE TABLE @extschema@.layer (id int PRIMARY KEY, topology int NOT NULL);
CREATE TABLE @extschema@.topology (id int PRIMARY KEY, name text, zone int);
CREATE TABLE @extschema@.zone (id int PRIMARY KEY, note text);
INSERT INTO @extschema@.zone VALUES (1, 'default'); INSERT INTO @extschema@.topology VALUES (1, 'default', 1);
ALTER TABLE @extschema@.layer ADD FOREIGN KEY (topology) REFERENCES @extschema@.topology ON DELETE CASCADE;
ALTER TABLE @extschema@.topology ADD FOREIGN KEY (zone) REFERENCES @extschema@.zone;
CREATE TABLE @extschema@.a (id int PRIMARY KEY, b int); CREATE TABLE @extschema@.b (id int PRIMARY KEY, a int REFERENCES @extschema@.a);
ALTER TABLE @extschema@.a ADD FOREIGN KEY (b) REFERENCES @extschema@.b;
SELECT pg_catalog.pg_extension_config_dump('@extschema@.layer', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.topology', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.zone', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.a', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.b', '');
"""
ROWS = """
insert into zone values (2, 'mine'); insert into topology select n, 'topology ' || n, 2 from generate_series(2, 5) n;
insert into layer select n, 2 + n % 4 from generate_series(1, 2000) n; update zone set note = 'changed' where id = 1;
insert into a select n, null from generate_series(1, 9) n; insert into b select n, n from generate_series(1, 9) n; update a set b = id
"""


@pytest.mark.spec("RST-15")
def test_rows_of_extensions_that_refer_to_each_other_come(postgres: Cluster) -> None:
    with (
        extension(postgres, script=SCRIPT, kind="topo") as name,
        database(postgres, f"create extension {name}", ROWS) as source,
        database(postgres) as target,
    ):
        assert restored(snapshot_of(postgres.dsn(source)), postgres.dsn(target)).failed == {}
        assert differences(postgres.dsn(source), postgres.dsn(target)) == []


def test_rows_of_extensions_whose_partner_is_missing_are_told(postgres: Cluster) -> None:
    broken = "set session_replication_role = replica; delete from a where id = 3"
    with (
        extension(postgres, script=SCRIPT, kind="topo") as name,
        database(postgres, f"create extension {name}", ROWS, broken) as source,
        database(postgres) as target,
    ):
        done = restored(snapshot_of(postgres.dsn(source)), postgres.dsn(target))
        assert list(done.failed.values()) == ["1 rows refer to rows that are not there"]


PAST_TRIGGERS = """
CREATE TABLE @extschema@.rewritten (k text PRIMARY KEY, v text); CREATE TABLE @extschema@.dropped (k text PRIMARY KEY, v text);
CREATE TABLE @extschema@.kept (k text PRIMARY KEY, v text); INSERT INTO @extschema@.kept VALUES ('default', 'x');
CREATE TABLE @extschema@.logged (k text PRIMARY KEY); CREATE TABLE @extschema@.log (n serial PRIMARY KEY, k text);
CREATE FUNCTION @extschema@.rewrite() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.v := ''made up''; RETURN new; END';
CREATE FUNCTION @extschema@.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION @extschema@.never() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''never''; END';
CREATE FUNCTION @extschema@.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO @extschema@.log (k) VALUES (new.k); RETURN new; END';
CREATE TRIGGER t BEFORE INSERT ON @extschema@.rewritten FOR EACH ROW EXECUTE FUNCTION @extschema@.rewrite();
CREATE TRIGGER t BEFORE INSERT ON @extschema@.dropped FOR EACH ROW EXECUTE FUNCTION @extschema@.nothing();
CREATE TRIGGER t BEFORE DELETE ON @extschema@.kept FOR EACH ROW EXECUTE FUNCTION @extschema@.never();
CREATE TRIGGER t AFTER INSERT ON @extschema@.logged FOR EACH ROW EXECUTE FUNCTION @extschema@.note();
CREATE TABLE @extschema@."z on y" (id int PRIMARY KEY, u text UNIQUE); INSERT INTO @extschema@."z on y" VALUES (1, 'one'), (2, 'two');
CREATE TABLE @extschema@."a on b" (id int PRIMARY KEY, z int NOT NULL REFERENCES @extschema@."z on y" ON DELETE CASCADE, up int REFERENCES @extschema@."a on b");
INSERT INTO @extschema@."a on b" VALUES (1, 1, NULL), (2, 2, NULL);
DO $$ DECLARE name text; BEGIN FOREACH name IN ARRAY '{rewritten,dropped,kept,logged,log,log_n_seq,z on y,a on b}'::text[] LOOP
  PERFORM pg_catalog.pg_extension_config_dump('@extschema@.' || pg_catalog.quote_ident(name), ''); END LOOP; END $$;
"""
PAST_TRIGGERS_ROWS = """
set session_replication_role = replica; insert into rewritten values ('a', 'as it was'); insert into dropped values ('a', '1');
reset session_replication_role; insert into logged values ('a'), ('b'); delete from log where k = 'a'; insert into kept values ('a', '1');
update "z on y" set u = 'other' where id = 1; update "z on y" set u = 'one' where id = 2; update "z on y" set u = 'two' where id = 1;
insert into "z on y" values (3, 'three'); delete from "a on b" where id = 2; insert into "a on b" select n, 3, null from generate_series(3, 50) n;
update "a on b" set up = 53 - id where id > 2
"""


@pytest.mark.spec("RST-15")
def test_rows_of_extensions_come_past_their_triggers_and_beside_another_extension(
    postgres: Cluster, tmp_path: Path
) -> None:
    """By a restore, by the script and by the archive. The default rows of a new extension are its own, whatever else was there."""
    with (
        extension(postgres, script=PAST_TRIGGERS, kind="past") as name,
        database(postgres, "create extension citext", f"create extension {name}", PAST_TRIGGERS_ROWS) as source,
        database(postgres, "create extension citext") as target,
    ):
        default_version(postgres, name, "2")
        snapshot = snapshot_of(postgres.dsn(source))
        assert restored(snapshot, postgres.dsn(target)).failed == {}
        assert differences(postgres.dsn(source), postgres.dsn(target)) == []
        for form in (SQL, DUMP):
            with database(postgres) as other:
                exported(snapshot, postgres, other, tmp_path / form)
                assert differences(postgres.dsn(source), postgres.dsn(other)) == []
        with database(postgres) as other, database(postgres) as without_rows:
            assert restored(snapshot, postgres.dsn(without_rows), data=False).failed == {}
            exported(snapshot, postgres, other, tmp_path / "schema.sql")
            assert differences(postgres.dsn(without_rows), postgres.dsn(other)) == []


def default_version(cluster: Cluster, name: str, version: str) -> None:
    """What CREATE EXTENSION installs from now on."""
    with cluster.connect() as connection:
        (place,) = connection.execute("SELECT setting FROM pg_config WHERE name = 'SHAREDIR'").fetchone() or ("",)
    (Path(place) / "extension" / f"{name}.control").write_text(f"default_version = '{version}'\nrelocatable = false\n")


def exported(snapshot: Snapshot, cluster: Cluster, db: str, file: Path) -> None:
    """Restore a rendered file with PostgreSQL's own programs."""
    file.write_bytes(b"".join(View(snapshot).open(file.name)))
    words = ["psql", "-X", "-q", "-f"] if file.suffix == ".sql" else ["pg_restore", "-j", "2"]
    command = [str(cluster.bin / words[0]), *words[1:], str(file), "-d", cluster.dsn(db)]
    done = subprocess.run(command, capture_output=True, env={"PATH": os.defpath})
    assert done.returncode == 0, done.stderr.decode()


PARTITIONS = """
create type kind as enum ('x', 'y'); create table parent (id int primary key);
create table root (k kind not null, id int, parent int references parent, note text) partition by hash (k);
create function stamp() returns trigger language plpgsql as 'begin new.note := ''made up''; return new; end';
create trigger t before insert on root for each row execute function stamp();
create table root_0 partition of root for values with (modulus 2, remainder 0);
create table root_1 partition of root for values with (modulus 2, remainder 1);
"""
PARTITION_ROWS = """
insert into parent select generate_series(1, 5); insert into root (k, id, parent) select (array['x', 'y']::kind[])[1 + n % 2], n, 1 + n % 5 from generate_series(1, 200) n;
update root set note = 'as it was'
"""


def test_rows_of_a_partition_whose_root_has_the_key_wait_for_their_partners(postgres: Cluster) -> None:
    damage = "drop table root_0, root_1; truncate parent cascade"
    with database(postgres, PARTITIONS, PARTITION_ROWS) as source:
        snapshot = snapshot_of(postgres.dsn(source))
        with database(postgres, damage, options=f"TEMPLATE {source}") as target:
            assert restored(snapshot, postgres.dsn(target), "public.root", "public.parent").failed == {}
            assert differences(postgres.dsn(source), postgres.dsn(target)) == []


SALES = """
create table sales (id int, day date, primary key (id, day)) partition by range (day);
create table p1 partition of sales for values from ('2025-01-01') to ('2026-01-01');
create table p2 partition of sales for values from ('2026-01-01') to ('2027-01-01');
create table plain (id int constraint "once.only" primary key, x int); create index plain_x on plain (x);
create table refers (id int references plain);
insert into sales select n, date '2025-01-01' + n from generate_series(1, 600) n; insert into plain select generate_series(1, 9);
"""
RENAMED = """
alter table sales detach partition p1; alter table p1 rename to p1_old;
alter table refers drop constraint refers_id_fkey; alter table plain rename to plain_old;
"""


@pytest.mark.spec("RST-27")
def test_keys_come_though_a_renamed_table_has_their_names(postgres: Cluster) -> None:
    name = postgres.createdb()
    try:
        with postgres.connect(name) as connection:
            connection.execute(SALES.encode())
            before = connection.execute("select count(*) from pg_index where indisvalid").fetchall()
        snapshot = snapshot_of(postgres.dsn(name))
        with postgres.connect(name) as connection:
            connection.execute(RENAMED.encode())
        done = restored(snapshot, postgres.dsn(name), "public.p1", "public.plain", "public.refers", into_source=True)
        failed = {one.entry: (one.why, one.because) for one in done.report.failed}
        assert failed.pop("INDEX ATTACH p1_pkey")[1] == "CONSTRAINT p1 p1_pkey"
        assert failed == {
            "CONSTRAINT p1 p1_pkey": ("made as p1_pkey1: its name belongs to an index of public.p1_old", ""),
            "CONSTRAINT plain once.only": ("made as once.only1: its name belongs to an index of public.plain_old", ""),
            "INDEX plain_x": ("differs on the target; -c replaces it", ""),
        }
        with postgres.connect(name) as connection:
            after = connection.execute("select count(*) from pg_index where indisvalid").fetchall()
            assert after[0][0] == before[0][0] + 2
            attached = connection.execute(
                "select inhparent::regclass::text from pg_inherits where inhrelid = 'p1_pkey1'::regclass"
            )
            assert attached.fetchall() == [("sales_pkey",)]
            assert connection.execute(
                "select conname from pg_constraint where contype <> 'n' and conrelid = 'plain_old'::regclass"
            ).fetchall() == [("once.only",)]
            assert connection.execute(
                "select count(*) from pg_constraint where contype <> 'n' and conrelid = 'refers'::regclass"
            ).fetchall() == [(1,)]
    finally:
        postgres.dropdb(name)
