"""What is counted in a target after a restore is what a backup of it would count."""

from __future__ import annotations

import pytest

from tests.fix_postgres import Cluster
from tests.restore_support import restored, snapshot_of
from tests.reuse_support import Series
from tests.scenarios.capture_support import database
from tests.scenarios.extension_support import extension
from vault.ops.project.summary import count_target
from vault.source.postgres.connection.connect import Session

pytestmark = pytest.mark.postgres

PARTITIONS = """
CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE TABLE t (i integer) PARTITION BY RANGE (i);
CREATE TABLE here PARTITION OF t FOR VALUES FROM (0) TO (10);
CREATE TABLE below PARTITION OF t FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (i);
CREATE TABLE below_here PARTITION OF below FOR VALUES FROM (10) TO (15);
CREATE FOREIGN TABLE elsewhere PARTITION OF t FOR VALUES FROM (20) TO (30) SERVER files OPTIONS (program 'seq 20 24');
INSERT INTO t SELECT generate_series(0, 4); INSERT INTO t SELECT generate_series(10, 12);
CREATE TABLE parent (a integer); CREATE TABLE child () INHERITS (parent); INSERT INTO child VALUES (1);
"""
GONE = "ALTER FOREIGN TABLE elsewhere OPTIONS (SET program 'false')"
ROLES = "CREATE TABLE user_roles (user_id integer, role text) PARTITION BY LIST (role); CREATE TABLE a PARTITION OF user_roles DEFAULT; INSERT INTO user_roles VALUES (1, 'x'), (2, 'y')"


@pytest.mark.parametrize("more", ["SELECT", GONE, ROLES], ids=["foreign rows", "foreign rows out of reach", "roles"])
def test_target_is_counted_as_a_backup_counts(pg15: Cluster, more: str) -> None:
    """Rows of foreign partitions are in no backup: counting them would call a whole restore incomplete, or fail."""
    with database(pg15, PARTITIONS, more) as name:
        counts = Series(pg15.dsn(name)).take().report.manifest.counts
        with pg15.connect(name) as connection:
            here = count_target(Session(connection), files={})
    assert here == counts
    assert (here.tables, here.records) == (3 + (more == ROLES), 9 + 2 * (more == ROLES))


OWN_POLICY = """
CREATE TABLE @extschema@.jobs (id integer PRIMARY KEY, owner name DEFAULT current_user); ALTER TABLE @extschema@.jobs ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON @extschema@.jobs USING (owner = current_user); INSERT INTO @extschema@.jobs VALUES (1);
CREATE FUNCTION @extschema@.encrypt_jobs() RETURNS integer LANGUAGE sql AS 'SELECT 1';
"""
PROJECT = "CREATE TABLE t (a integer); INSERT INTO t VALUES (1); CREATE POLICY p ON t USING (a > 0); CREATE POLICY q ON t USING (a > 1)"
ON_MEMBER = "CREATE POLICY mine ON jobs USING (true); INSERT INTO jobs VALUES (2)"


@pytest.mark.parametrize("more", ["SELECT", ON_MEMBER], ids=["its own", "and the project's"])
def test_an_extension_with_policies_of_its_own_counts_alike_on_both_sides(postgres: Cluster, more: str) -> None:
    with (
        extension(postgres, script=OWN_POLICY, kind="jobs") as name,
        database(postgres, f"CREATE EXTENSION {name}", PROJECT, more) as source,
        database(postgres) as target,
    ):
        counts = Series(postgres.dsn(source)).take().report.manifest.counts
        assert restored(snapshot_of(postgres.dsn(source)), postgres.dsn(target)).failed == {}
        for one in (source, target):
            with postgres.connect(one) as connection:
                assert count_target(Session(connection), files={}) == counts
    assert (counts.rls_policies, counts.tables, counts.rpc_functions, counts.encryption_functions) == (2, 1, 0, 0)
