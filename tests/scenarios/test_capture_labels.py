"""Security labels of large objects are entries; those of roles and of the database are named as gaps."""

from __future__ import annotations

import pytest

from tests.fix_postgres import Cluster
from tests.scenarios.capture_support import open_on
from tests.scenarios.test_restore_database import ask, restored, snapshot_of
from vault.model import Identity, State

pytestmark = pytest.mark.postgres

_LABEL = """
SET allow_system_table_mods = on;
INSERT INTO pg_seclabel VALUES (4711, 'pg_largeobject'::regclass, 0, 'test', 'secret');
INSERT INTO pg_shseclabel SELECT oid, 'pg_authid'::regclass, 'test', 'secret' FROM pg_roles WHERE rolname = 'labelled';
INSERT INTO pg_shseclabel SELECT oid, 'pg_database'::regclass, 'test', 'secret' FROM pg_database
 WHERE datname IN (current_database(), 'template1');
"""


def test_labels_are_stored_or_named_as_gaps_and_none_is_dropped_silently(postgres: Cluster) -> None:
    database, ours = postgres.createdb(), postgres.createdb()
    with postgres.connect(database) as connection:
        connection.execute("SELECT lo_create(4711); CREATE ROLE labelled")
        connection.execute(_LABEL)
    try:
        with open_on(postgres.dsn(database)) as capture:
            found = {gap.item: gap.state for gap in capture.missing}
            entries = {entry.identity: entry.definition for entry in capture.schema().entries}
            capture.finish()
        failed = {one.entry: one.why for one in restored(snapshot_of(postgres, database), postgres, ours).failed}
    finally:
        with postgres.connect(database) as connection:
            connection.execute("SET allow_system_table_mods = on; DELETE FROM pg_shseclabel; DROP ROLE labelled")
    assert found == {
        "role labelled: security label of test": State.NOT_EXPORTABLE,
        f"database {database}: security label of test": State.NOT_EXPORTABLE,
    }
    label = Identity(desc="SECURITY LABEL", kind="", names=(), sub="LARGE OBJECT 4711")
    assert entries[label] == "SECURITY LABEL FOR test ON LARGE OBJECT 4711 IS 'secret';\n"
    assert failed == {"SECURITY LABEL LARGE OBJECT 4711": "InvalidParameterValue (22023)"}
    assert ask(postgres, ours, "SELECT count(*) FROM pg_largeobject_metadata") == 1
