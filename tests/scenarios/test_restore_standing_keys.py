"""Rows whose foreign keys stand before they come: in tables of extensions, and below a partitioned table that is there [RST-15]."""

from __future__ import annotations

import pytest

from tests.fix_postgres import Cluster
from tests.restore_support import differences, restored, snapshot_of
from tests.scenarios.capture_support import database
from tests.scenarios.extension_support import extension

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


PARTITIONS = """
create type kind as enum ('x', 'y'); create table parent (id int primary key);
create table root (k kind not null, id int, parent int references parent) partition by hash (k);
create table root_0 partition of root for values with (modulus 2, remainder 0);
create table root_1 partition of root for values with (modulus 2, remainder 1);
"""
PARTITION_ROWS = """
insert into parent select generate_series(1, 5); insert into root select (array['x', 'y']::kind[])[1 + n % 2], n, 1 + n % 5 from generate_series(1, 200) n
"""


def test_rows_of_a_partition_whose_root_has_the_key_wait_for_their_partners(postgres: Cluster) -> None:
    damage = "drop table root_0, root_1; truncate parent cascade"
    with database(postgres, PARTITIONS, PARTITION_ROWS) as source:
        snapshot = snapshot_of(postgres.dsn(source))
        with database(postgres, damage, options=f"TEMPLATE {source}") as target:
            assert restored(snapshot, postgres.dsn(target), "public.root", "public.parent").failed == {}
            assert differences(postgres.dsn(source), postgres.dsn(target)) == []
