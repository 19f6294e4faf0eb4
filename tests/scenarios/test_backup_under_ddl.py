"""Whole backups while others define, wait and hold: a torn schema is never saved unnamed, nobody waits for ever [A9, C2, D4].

Each is run with the leader's locks and, on a server with a small lock table, without them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.fix_postgres import Cluster, server
from tests.reuse_support import Series
from tests.scenarios.capture_support import database, open_on, ours
from tests.small_repository import CLOCK, new_repository
from vault.errors import Incoherent, PermissionMissing
from vault.model import State
from vault.ops.backup import run as backup
from vault.source.postgres.capture.database import PostgresCapture
from vault.store.memory import MemoryStore

pytestmark = pytest.mark.postgres

MODES = {
    "held": {"max_prepared_transactions": "2"},
    "sparing": {"max_prepared_transactions": "2", "max_locks_per_transaction": "10", "max_connections": "12"},
}
TABLES = 80
SCHEMA = (
    "CREATE TABLE t (a integer PRIMARY KEY, b integer)",
    "INSERT INTO t SELECT i, -i FROM generate_series(1, 1000) AS i",
    f"""DO $$ BEGIN FOR i IN 1..{TABLES} LOOP
        EXECUTE format('CREATE TABLE m%s AS SELECT %s AS a', i, i);
    COMMIT; END LOOP; END $$""",
)


class Heard:
    """Progress that keeps what it was told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def stage(self, name: str, total_bytes: int | None = None) -> None: ...
    def advance(self, done_bytes: int, *, rows: int = 0, tables: int = 0) -> None: ...
    def event(self, kind: str, text: str) -> None:
        self.events.append((kind, text))


@pytest.fixture(scope="module", params=list(MODES))
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    try:
        with server(15, settings=MODES[request.param]) as running:
            yield running
    except LookupError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def name(cluster: Cluster) -> Iterator[str]:
    with database(cluster, *SCHEMA) as made:
        yield made


def take(
    dsn: str, opened: Callable[[PostgresCapture], None], **options: Any
) -> tuple[backup.BackupReport, dict[str, int], Heard]:
    """One backup, and the rows of each of its tables; `opened` is called with each capture before anything is read."""
    heard = Heard()
    repository = new_repository(MemoryStore({}))

    def open_capture() -> PostgresCapture:
        capture = open_on(dsn, **options)
        try:
            opened(capture)
        except BaseException:
            capture.abort()
            raise
        return capture

    report = backup.run(
        repository,
        request=backup.BackupRequest(source="s", selection="", program="test", jobs=2),
        open_capture=open_capture,
        directories={},
        clock=CLOCK,
        entropy=os.urandom,
        progress=heard,
    )
    snapshot = repository.indexed(None).snapshot(report.id)
    rows = {table.name.name: b"".join(snapshot.rows(table)).count(b"\n") for table in snapshot.tables()}
    return report, rows, heard


@contextmanager
def storm(cluster: Cluster, name: str, *statements: str) -> Iterator[None]:
    """Execute the statements over and over; `{n}` is another number each time."""
    end = threading.Event()

    def blow() -> None:
        with cluster.connect(name) as connection:
            number = 0
            while not end.is_set():
                number += 1
                for statement in statements:
                    connection.execute(statement.format(n=number))

    thread = threading.Thread(target=blow)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def test_definitions_that_change_once_are_read_again(cluster: Cluster, name: str) -> None:
    attempts: list[PostgresCapture] = []

    def opened(capture: PostgresCapture) -> None:
        attempts.append(capture)
        if len(attempts) == 1:
            with cluster.connect(name) as other:
                other.execute("CREATE FUNCTION late() RETURNS integer LANGUAGE sql AS 'SELECT 1'")

    report, _, heard = take(cluster.dsn(name), opened)
    assert len(attempts) == 2
    assert any("public.late()" in text for _, text in heard.events)
    assert report.ledger["schema"].state is State.CAPTURED
    assert ours(cluster) == []


def test_a_storm_of_definitions_is_named_in_the_ledger(cluster: Cluster, name: str) -> None:
    """Three attempts, then a snapshot whose ledger names the function; its rows are right all the same."""
    series = Series(cluster.dsn(name))
    with cluster.connect(name) as other:
        numbers = iter(range(100))

        def opened(capture: PostgresCapture) -> None:
            other.execute(f"CREATE OR REPLACE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT {next(numbers)}'")

        with storm(cluster, name, "UPDATE t SET b = {n} WHERE a % 10 = 0", "INSERT INTO m1 VALUES ({n})"):
            taken = series.take(opened=opened)
    assert next(numbers) == 3
    coverage = taken.report.ledger["schema"]
    assert coverage.state is State.FAILED
    assert [missing.item for missing in coverage.missing] == ["function public.f()"]
    assert len(taken.rows["public.t"]) == 1000


def test_under_a_real_storm_a_backup_is_coherent_or_says_so(cluster: Cluster, name: str) -> None:
    """Whatever moment it hits: every table has the rows of one moment, changed objects are named, or it fails."""
    statements = (
        "CREATE TABLE s{n} (a integer); INSERT INTO s{n} VALUES ({n})",
        "ALTER TABLE m2 ADD COLUMN c{n} integer DEFAULT {n}",
        "TRUNCATE m3; INSERT INTO m3 VALUES ({n})",
        "ALTER TABLE m2 DROP COLUMN c{n}",
        "DROP TABLE s{n}",
    )
    outcomes: list[str] = []
    with storm(cluster, name, *statements):
        for _ in range(3):
            try:
                report, rows, _ = take(cluster.dsn(name), lambda capture: None)
            except (Incoherent, PermissionMissing) as refused:
                outcomes.append(refused.message)
                continue
            outcomes.append(report.ledger["schema"].state.name)
            assert rows.pop("t") == 1000
            assert set(rows.values()) == {1}
            missing = [item.item for item in report.ledger["schema"].missing]
            assert missing, "definitions change all the time, unless they wait for the backup"
    assert len(outcomes) == 3
    report, rows, _ = take(cluster.dsn(name), lambda capture: None)
    assert report.ledger["schema"].state is State.CAPTURED
    assert ours(cluster) == []


@pytest.mark.spec("REUSE-5")
def test_a_table_replaced_under_the_reading_is_read_anew(cluster: Cluster, name: str) -> None:
    """Without the leader's locks somebody can; the first attempt is given up, the second has the new rows."""
    attempts: list[bool] = []

    def opened(capture: PostgresCapture) -> None:
        attempts.append(capture._parts.taken.held)
        capture.schema()  # pg_dump's own lock ends with it
        if len(attempts) == 1:
            with cluster.connect(name) as other:
                other.execute("SET lock_timeout = '100ms'")
                try:
                    other.execute("TRUNCATE t; INSERT INTO t VALUES (7, 7)")
                except psycopg.errors.LockNotAvailable:
                    assert capture._parts.taken.held

    report, _, _ = take(cluster.dsn(name), opened)
    assert (len(attempts), report.manifest.counts.records) == ((1, 1000 + TABLES) if attempts[0] else (2, 1 + TABLES))


def test_who_waits_for_the_backup_is_told_and_then_given_way_to(cluster: Cluster, name: str) -> None:
    attempts: list[PostgresCapture] = []
    waiting: list[threading.Thread] = []
    done = threading.Event()

    def alter() -> None:
        with cluster.connect(name) as other:
            other.execute("ALTER TABLE t ADD COLUMN c integer")
        done.set()

    def opened(capture: PostgresCapture) -> None:
        attempts.append(capture)
        if len(attempts) > 1:
            return
        capture._archive()  # pg_dump's own locks are given back
        if not capture._parts.taken.held:
            hold(capture)
        waiting.append(threading.Thread(target=alter))
        waiting[0].start()
        until_waiting(cluster, name)
        real = capture.catalog

        def slow() -> Any:
            assert done.wait(300), "the backup did not give way"
            return real()

        capture.catalog = slow  # type: ignore[method-assign]

    report, _, heard = take(cluster.dsn(name), opened, stall_s=1.0)
    waiting[0].join(300)
    texts = [text for _, text in heard.events]
    assert any("waits for the backup's lock on" in text for text in texts), texts
    assert any("the backup ended itself: pid" in text for text in texts), texts
    assert report.ledger["schema"].state is State.CAPTURED
    assert len(attempts) == 2


def hold(capture: PostgresCapture) -> None:
    """Let a reader of the capture hold the table, as it does while a large one is read."""
    reader = capture.reader()
    wanted = next(table for table in capture.tables if table.name.name == "t")
    reader._direct.lock([wanted])  # type: ignore[attr-defined]


def until_waiting(cluster: Cluster, name: str) -> None:
    with cluster.connect(name) as connection:
        for _ in range(30_000):
            query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass"
            found = connection.execute(query).fetchone()
            if found and found[0]:
                return
            connection.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("nobody waits")


def test_what_holds_the_horizon_back_is_told(cluster: Cluster, name: str) -> None:
    with cluster.connect(name) as first, cluster.connect(name) as second:
        second.execute("BEGIN; INSERT INTO m1 VALUES (0)")
        pid = second.info.backend_pid
        _, _, heard = take(cluster.dsn(name), lambda capture: None, old_transaction_s=0.0)
        assert [
            text for _, text in heard.events if f"pid {pid} of postgres (idle in transaction) has been open" in text
        ]
        second.execute("PREPARE TRANSACTION 'forgotten'")
        time.sleep(0.1)  # it must have an age
        _, _, heard = take(cluster.dsn(name), lambda capture: None, old_transaction_s=0.05)
        assert [text for _, text in heard.events if "the prepared transaction 'forgotten' has been open" in text]
        _, _, heard = take(cluster.dsn(name), lambda capture: None, old_transaction_s=3600.0)
        assert heard.events == []
        first.execute("ROLLBACK PREPARED 'forgotten'")
        _, _, heard = take(cluster.dsn(name), lambda capture: None, old_transaction_s=0.0)
        assert heard.events == []
