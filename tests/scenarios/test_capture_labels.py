"""Security labels that nothing carries are named as gaps."""

from __future__ import annotations

from tests.fix_postgres import Cluster
from tests.scenarios.capture_support import open_on
from vault.model import State

_LABEL = """
SET allow_system_table_mods = on;
INSERT INTO pg_seclabel VALUES (4711, 'pg_largeobject'::regclass, 0, 'test', 'secret');
INSERT INTO pg_shseclabel SELECT oid, 'pg_authid'::regclass, 'test', 'secret' FROM pg_roles WHERE rolname = 'labelled';
"""


def test_labels_of_large_objects_and_roles_are_named_as_gaps(postgres: Cluster) -> None:
    database = postgres.createdb()
    with postgres.connect(database) as connection:
        connection.execute("SELECT lo_create(4711); CREATE ROLE labelled")
        connection.execute(_LABEL)
    try:
        with open_on(postgres.dsn(database)) as capture:
            found = {gap.item: gap.state for gap in capture.missing}
            capture.finish()
    finally:
        with postgres.connect(database) as connection:
            connection.execute("SET allow_system_table_mods = on; DELETE FROM pg_shseclabel; DROP ROLE labelled")
    assert found == {
        "large object 4711: security label of test": State.NOT_EXPORTABLE,
        "role labelled: security label of test": State.NOT_EXPORTABLE,
    }
