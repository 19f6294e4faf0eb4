"""States and options of objects come back: equal in pg_dump's text and in every row of the catalogs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fix_postgres import Cluster
from tests.scenarios.catalog_rows import catalog_rows
from tests.scenarios.test_restore_database import ask, database, differences, dumped, restored, snapshot_of, text

pytestmark = pytest.mark.postgres

DETAILS = Path(__file__).with_name("details.sql").read_text(encoding="utf-8").splitlines()
POPULATED = "SELECT string_agg(matviewname || ' ' || ispopulated, ' ' ORDER BY matviewname) FROM pg_matviews"


@pytest.fixture
def details(postgres: Cluster) -> Iterator[str]:
    with database(postgres) as name:
        with postgres.connect(name) as connection:
            for line in DETAILS:
                connection.execute(text(line))
        yield name
    with postgres.connect() as connection:
        connection.execute("DROP ROLE details_owner; DROP ROLE details_reader")


def test_every_row_of_the_catalogs_comes_back(postgres: Cluster, details: str) -> None:
    with database(postgres) as ours:
        assert restored(snapshot_of(postgres, details), postgres, ours).failed == ()
        assert differences((postgres, details), (postgres, ours)) == []
        assert dumped(postgres, ours) == dumped(postgres, details)
        with postgres.connect(details) as there, postgres.connect(ours) as here:
            expected, found = catalog_rows(there), catalog_rows(here)
        assert sorted((expected - found).elements()) == []
        assert sorted((found - expected).elements()) == []
        assert ask(postgres, ours, POPULATED) == ask(postgres, details, POPULATED)
        assert sum(expected.values()) > 3000


def test_privileges_of_built_in_languages_come_back(postgres: Cluster, details: str) -> None:
    query = "SELECT lanacl::text FROM pg_language WHERE lanname = 'sql'"
    with database(postgres) as ours:
        restored(snapshot_of(postgres, details), postgres, ours)
        assert ask(postgres, ours, query) == ask(postgres, details, query) == "{postgres=U/postgres}"


MOVED = """
    CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd', 'e'); CREATE TABLE hashed (m mood, n int) PARTITION BY HASH (m);
    CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 3, REMAINDER 0); CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 3, REMAINDER 1);
    CREATE TABLE hashed_2 PARTITION OF hashed FOR VALUES WITH (MODULUS 3, REMAINDER 2);
    INSERT INTO hashed SELECT (ARRAY['a', 'b', 'c', 'd', 'e']::mood[])[1 + i % 5], i FROM generate_series(1, 100) i;
    CREATE TABLE up (a int, b text); CREATE TABLE down (b text, z int, a int); INSERT INTO down VALUES ('x', 1, 2); ALTER TABLE down INHERIT up; INSERT INTO up VALUES (3, 'y');
    CREATE TABLE grown (p int) INHERITS (up); INSERT INTO grown VALUES (5, 'w', 6); ALTER TABLE up ADD COLUMN late int DEFAULT 4
"""


def test_rows_whose_leaf_or_column_order_changes_come_back(postgres: Cluster) -> None:
    sums = "SELECT (SELECT sum(n) || ' ' || count(*) FROM hashed) || (SELECT string_agg(concat_ws(',', a, b, late), ' ' ORDER BY a) FROM up)"
    with (
        database(postgres, MOVED) as source,
        database(postgres, "CREATE TYPE other AS ENUM ('x'); DROP TYPE other") as ours,
    ):
        assert restored(snapshot_of(postgres, source), postgres, ours).failed == ()
        assert ask(postgres, ours, sums) == ask(postgres, source, sums)
        moved = [(one.kind, one.name) for one in differences((postgres, source), (postgres, ours))]
        assert moved == [("entry", "TABLE public.down")]  # help limits: the order of its columns


def test_materialized_view_that_cannot_be_computed_is_named_and_empty(postgres: Cluster) -> None:
    script = """
        CREATE FUNCTION needs_setting() RETURNS int LANGUAGE sql STABLE AS 'SELECT current_setting(''my.number'')::int';
        SET my.number = '7'; CREATE MATERIALIZED VIEW m AS SELECT needs_setting() AS n; CREATE MATERIALIZED VIEW fine AS SELECT 1 AS n
    """
    with database(postgres, script) as source, database(postgres) as ours:
        failed = [one.entry for one in restored(snapshot_of(postgres, source), postgres, ours).failed]
        assert failed == ["MATERIALIZED VIEW DATA m"]
        assert ask(postgres, ours, POPULATED) == "fine true m false"
