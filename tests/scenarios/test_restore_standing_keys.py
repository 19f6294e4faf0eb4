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
