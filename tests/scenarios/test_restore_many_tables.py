"""A restore never holds more locks than one entry needs: more tables than the target's lock table has room for come back."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.fix_postgres import Cluster, server
from tests.restore_support import restored, snapshot_of
from tests.scenarios.capture_support import database

pytestmark = pytest.mark.postgres

TABLES = 150
"""With its key, sequence and TOAST table each takes five locks when it is created."""
MANY = f"""DO $$ BEGIN FOR i IN 1..{TABLES} LOOP
    EXECUTE format('CREATE TABLE m%s (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text)', i);
    EXECUTE format('INSERT INTO m%s (note) VALUES (%s)', i, i);
    {{end}}
END LOOP; END $$"""


@pytest.fixture
def small() -> Iterator[Cluster]:
    try:
        with server(15, settings={"max_locks_per_transaction": "10", "max_connections": "20"}) as cluster:
            yield cluster
    except LookupError as missing:
        pytest.skip(str(missing))


def test_more_tables_than_the_lock_table_has_room_for_are_restored(small: Cluster) -> None:
    with database(small, MANY.format(end="COMMIT;")) as source, database(small) as target:
        with small.connect(target) as connection, pytest.raises(psycopg.errors.OutOfMemory):
            connection.execute(MANY.format(end=""))  # in one transaction it cannot be done
        done = restored(snapshot_of(small.dsn(source)), small.dsn(target))
        assert done.failed == {}
        assert (done.report.tables, done.report.rows) == (TABLES, TABLES)
        with small.connect(target) as connection:
            query = "SELECT relkind::text, count(*) FROM pg_class WHERE relname ~ '^m[0-9]' GROUP BY 1"
            assert dict(connection.execute(query).fetchall()) == {"r": TABLES, "i": TABLES, "S": TABLES}
