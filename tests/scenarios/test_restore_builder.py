"""A restorer who only owns the target database, on every major: all rows come, and what is beyond the role is named."""

from __future__ import annotations

import pytest

from tests.fix_postgres import Majors
from tests.restore_support import restored, snapshot_of
from vault.errors import UnsafeError

pytestmark = pytest.mark.postgres

MADE = """
CREATE SCHEMA app;
CREATE TABLE app.t (id serial PRIMARY KEY, note text CHECK (note <> ''));
INSERT INTO app.t (note) SELECT 'n' || i FROM generate_series(1, 100) AS i;
CREATE TABLE app.u (id integer REFERENCES app.t);
INSERT INTO app.u SELECT i FROM generate_series(1, 100) AS i;
CREATE FUNCTION app.noticed() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER noticed ON sql_drop EXECUTE FUNCTION app.noticed();
"""


@pytest.mark.parametrize("major", [13, 14, 15, 16, 17, 18])
def test_the_owner_of_a_database_restores_into_it(majors: Majors, major: int) -> None:
    cluster = majors[major]
    name, target = cluster.createdb(), cluster.createdb()
    with cluster.connect(name) as connection:
        connection.execute(MADE.encode())
    with cluster.connect() as connection:
        connection.execute("CREATE ROLE builder LOGIN")
        connection.execute(f'ALTER DATABASE "{target}" OWNER TO builder'.encode())
    dsn = cluster.dsn(target).replace("user=postgres", "user=builder")
    try:
        snapshot = snapshot_of(cluster.dsn(name))
        done = restored(snapshot, dsn)
        beyond = {entry for entry, why in done.failed.items() if "not set" not in why}
        assert beyond <= {"EVENT TRIGGER noticed", "SCHEMA public"}
        assert "EVENT TRIGGER noticed" in beyond
        with cluster.connect(target) as connection:
            counted = connection.execute("SELECT (SELECT count(*) FROM app.t), (SELECT count(*) FROM app.u)").fetchone()
            keys = connection.execute("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated")
            assert (counted, keys.fetchone()) == ((100, 100), (1,))
            connection.execute("CREATE SUBSCRIPTION s CONNECTION 'host=far' PUBLICATION p WITH (connect = false)")
        with pytest.raises(UnsafeError, match="is not empty") as refused:
            restored(snapshot, dsn)
        assert "subscription s" in refused.value.why
    finally:
        with cluster.connect(target) as connection:
            connection.execute("ALTER SUBSCRIPTION s SET (slot_name = NONE)")
            connection.execute("DROP SUBSCRIPTION s")
        cluster.dropdb(name)
        cluster.dropdb(target)
        with cluster.connect() as connection:
            connection.execute("DROP ROLE builder")
