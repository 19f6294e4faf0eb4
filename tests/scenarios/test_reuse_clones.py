"""A clone with the oid of the database that is backed up: identity by a number that somebody can assign (spec 85-reuse, condition 9)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.fix_postgres import Cluster
from tests.reuse_support import Series, small_extents
from tests.scenarios.capture_support import database

pytestmark = pytest.mark.postgres

TABLE = (
    "CREATE TABLE t (id integer, note text); INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 2000) AS i"
)


@pytest.fixture(autouse=True)
def _small_extents() -> Iterator[None]:
    with small_extents(8):
        yield


def oid_of(cluster: Cluster, name: str) -> int:
    with cluster.connect() as connection:
        row = connection.execute("SELECT oid::int8 FROM pg_database WHERE datname = %s", [name]).fetchone()
    assert row is not None
    return int(row[0])


CLONED: dict[str, tuple[str, ...]] = {
    "dropped, made from the clone under its oid": ("DROP DATABASE {app}", "CREATE DATABASE {app} TEMPLATE {clone} STRATEGY FILE_COPY OID {oid}"),
    "and frozen": (
        "DROP DATABASE {app}", "CREATE DATABASE {app} TEMPLATE {clone} STRATEGY FILE_COPY OID {oid}", "VACUUM FREEZE pg_database", "VACUUM FULL pg_database", "CHECKPOINT",
    ),
    "renamed away and dropped later": (
        "ALTER DATABASE {app} RENAME TO {app}_old", "DROP DATABASE {app}_old", "CREATE DATABASE {app} TEMPLATE {clone} STRATEGY WAL_LOG OID {oid}",
    ),
    "made under another name and renamed": (
        "DROP DATABASE {app}", "CREATE DATABASE {app}_new TEMPLATE {clone} STRATEGY FILE_COPY OID {oid}", "ALTER DATABASE {app}_new RENAME TO {app}",
    ),
    "by way of a third database": (
        "DROP DATABASE {app}", "CREATE DATABASE {app}_new TEMPLATE {clone} STRATEGY FILE_COPY OID {oid}", "DROP DATABASE {clone}", "CREATE DATABASE {clone} TEMPLATE {app}_new",
        "DROP DATABASE {app}_new", "CREATE DATABASE {app} TEMPLATE {clone} STRATEGY WAL_LOG OID {oid}",
    ),
    "the number set by hand": ("DROP DATABASE {app}", "CREATE DATABASE {app} TEMPLATE {clone} STRATEGY FILE_COPY OID {oid}", "UPDATE pg_database SET oid = oid WHERE datname = '{app}'"),
}  # fmt: skip
"""What makes a clone the database that is backed up, with its name and its oid."""


@pytest.mark.parametrize("steps", CLONED.values(), ids=list(CLONED))
def test_a_clone_that_was_given_the_databases_oid_is_another_database(
    postgres: Cluster, steps: tuple[str, ...]
) -> None:
    """Table oid, file node, counts and transaction ids are those of the base, and every changed row is older than it."""
    app, clone = (postgres.createdb() for _ in range(2))
    try:
        postgres.dropdb(clone)
        with postgres.connect(app) as connection:
            for statement in TABLE.split("; "):
                connection.execute(statement.encode())
        with postgres.connect() as connection:
            connection.execute(f"CREATE DATABASE {clone} TEMPLATE {app} STRATEGY FILE_COPY".encode())
        with postgres.connect(clone) as connection:
            connection.execute("UPDATE t SET note = 'there' WHERE id % 7 = 0")
        with postgres.connect(app) as connection:
            connection.execute("UPDATE t SET note = 'here' WHERE id % 7 = 0")
        oid = oid_of(postgres, app)
        series = Series(postgres.dsn(app))
        series.take()
        assert series.take().reused > 0
        with postgres.connect() as connection:
            for step in steps:
                connection.execute(step.format(app=app, clone=clone, oid=oid).encode())
        assert oid_of(postgres, app) == oid
        after = series.take()
        assert (after.reused, any(b"there" in row for row in after.rows["public.t"])) == (0, True)
        assert series.take().reused > 0
    finally:
        for name in (app, clone, f"{app}_old", f"{app}_new"):
            postgres.dropdb(name)


WITHOUT_A_READ: Final = {
    "vacuum": "VACUUM pg_database",
    "vacuum freeze": "VACUUM FREEZE",
    "vacuum full": "VACUUM FULL pg_database",
    "reindex": "REINDEX TABLE pg_database",
    "setting": "ALTER DATABASE {app} SET work_mem = '5MB'",
    "owner": "ALTER DATABASE {app} OWNER TO postgres",
    "comment": "COMMENT ON DATABASE {app} IS 'x'",
}


@pytest.mark.parametrize("statement", WITHOUT_A_READ.values(), ids=list(WITHOUT_A_READ))
def test_what_happens_to_a_database_every_day_costs_no_full_read(postgres: Cluster, statement: str) -> None:
    with database(postgres, TABLE) as name:
        series = Series(postgres.dsn(name))
        before = series.take()
        with postgres.connect(name) as connection:
            connection.execute(statement.format(app=name).encode())
        assert series.take().reused == before.extents
