"""Partitions and their indexes are named by the child and its parent, whichever of them was made first."""

from __future__ import annotations

import pytest

from tests.fix_postgres import Cluster
from tests.scenarios.capture_support import database, open_on
from vault.model import Identity

pytestmark = pytest.mark.postgres

PARENT_FIRST = """
CREATE SCHEMA a; CREATE SCHEMA "B";
CREATE TABLE a.events (at date, n int, PRIMARY KEY (at)) PARTITION BY RANGE (at);
CREATE INDEX on_n ON a.events (n);
CREATE TABLE "B".events PARTITION OF a.events DEFAULT;
CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;
CREATE TABLE a.far (n int) PARTITION BY LIST (n);
CREATE FOREIGN TABLE a.far_1 PARTITION OF a.far FOR VALUES IN (1) SERVER s;
"""
CHILD_FIRST = """
CREATE SCHEMA a; CREATE SCHEMA "B";
CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;
CREATE FOREIGN TABLE a.far_1 (n int) SERVER s;
CREATE TABLE a.far (n int) PARTITION BY LIST (n);
ALTER TABLE a.far ATTACH PARTITION a.far_1 FOR VALUES IN (1);
CREATE TABLE "B".events (at date, n int, PRIMARY KEY (at));
CREATE INDEX events_n_idx ON "B".events (n);
CREATE TABLE a.events (at date, n int) PARTITION BY RANGE (at);
ALTER TABLE a.events ATTACH PARTITION "B".events DEFAULT;
ALTER TABLE a.events ADD PRIMARY KEY (at);
CREATE INDEX on_n ON a.events (n);
"""
ATTACHMENTS = {
    Identity(desc="TABLE ATTACH", kind="table", names=("B", "events"), sub='"a"."events"'),
    Identity(desc="TABLE ATTACH", kind="foreign table", names=("a", "far_1"), sub='"a"."far"'),
    Identity(desc="INDEX ATTACH", kind="index", names=("B", "events_n_idx"), sub='"a"."on_n"'),
    Identity(desc="INDEX ATTACH", kind="index", names=("B", "events_pkey"), sub='"a"."events_pkey"'),
}


@pytest.mark.parametrize("script", [PARENT_FIRST, CHILD_FIRST], ids=["parent", "child"])
def test_attachments_have_identities_of_child_and_parent(postgres: Cluster, script: str) -> None:
    with database(postgres, script) as name, open_on(postgres.dsn(name)) as capture:
        found = {entry.identity for entry in capture.schema().entries if entry.identity.desc.endswith(" ATTACH")}
    assert found == ATTACHMENTS
