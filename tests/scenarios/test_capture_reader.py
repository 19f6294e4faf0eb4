"""A reader with BYPASSRLS and pg_read_all_data, who is no superuser, on every major: what the catalogs show him differs."""

from __future__ import annotations

import pytest

from tests.fix_postgres import Majors
from tests.scenarios.capture_support import jobs, open_on, read_all
from vault.source.postgres.capture.database import PostgresCapture

pytestmark = pytest.mark.postgres

MADE = """
CREATE TABLE t (id serial PRIMARY KEY, note text);
INSERT INTO t (note) SELECT 'n' || i FROM generate_series(1, 100) AS i;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY nobody ON t USING (false);
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE FUNCTION f() RETURNS mood LANGUAGE sql AS 'SELECT ''sad''::mood';
CREATE PUBLICATION p FOR TABLE t;
SELECT lo_from_bytea(7001, 'large');
"""
SUBSCRIBED = "CREATE SUBSCRIPTION s CONNECTION 'host=far password=s3cret' PUBLICATION p WITH (connect = false)"


def whole(capture: PostgresCapture) -> tuple[object, ...]:
    entries = {entry.identity: entry for entry in capture.schema().entries if entry.identity.desc != "SUBSCRIPTION"}
    rows = read_all(capture.reader(), jobs(capture.tables))
    large = [(one.item, b"".join(one.blocks())) for one in capture.large_objects()]
    facts = capture.catalog()
    acls = [one for one in facts.acls if one[0].kind != "subscription"]
    return entries, rows, large, acls, facts.policies, facts.functions, capture.roles(), list(capture.sequences())


@pytest.mark.parametrize("major", [13, 14, 15, 16, 17, 18])
def test_a_reader_without_superuser_reads_all_but_subscriptions(majors: Majors, major: int) -> None:
    cluster = majors[major]
    name = cluster.createdb()
    predefined = major >= 14
    with cluster.connect(name) as connection:
        connection.execute(MADE.encode())
        connection.execute(SUBSCRIBED)
        connection.execute("CREATE ROLE plain_reader LOGIN BYPASSRLS")
        grant = "GRANT pg_read_all_data TO plain_reader" if predefined else GRANTS_13
        connection.execute(grant.encode())
    try:
        with (
            open_on(cluster.dsn(name).replace("user=postgres", "user=plain_reader")) as by_reader,
            open_on(cluster.dsn(name)) as by_superuser,
        ):
            assert [gap.item for gap in by_reader.missing] == ['subscription "s"']
            assert by_superuser.missing == []
            assert whole(by_reader) == whole(by_superuser)
            assert by_reader.finish() == by_superuser.finish() == ()
    finally:
        with cluster.connect(name) as connection:
            connection.execute("ALTER SUBSCRIPTION s SET (slot_name = NONE)")
            connection.execute("DROP SUBSCRIPTION s")
            connection.execute("DROP OWNED BY plain_reader")
        cluster.dropdb(name)
        with cluster.connect() as connection:
            connection.execute("DROP OWNED BY plain_reader; DROP ROLE plain_reader")


GRANTS_13 = """
GRANT SELECT ON t, t_id_seq TO plain_reader;
GRANT SELECT ON pg_catalog.pg_authid, pg_catalog.pg_largeobject TO plain_reader;
"""
"""pg_read_all_data is new in 14."""
