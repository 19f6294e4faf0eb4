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
