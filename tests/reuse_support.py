"""What the tests of reuse share: backups of a real server into memory, each with an independent dump of the very same moment."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql

from tests.fix_postgres import Cluster
from tests.scenarios.capture_support import open_on, silent
from tests.small_repository import CLOCK, Quiet, new_repository
from vault.ops.backup import reuse as backup_reuse
from vault.ops.backup import rows as backup_rows
from vault.ops.backup import run as backup
from vault.ops.backup.run import BackupReport
from vault.source.postgres.capture.database import PostgresCapture
from vault.source.postgres.rows import extent_states
from vault.store.memory import MemoryStore

READY_S = 300

Dump = dict[str, list[bytes]]
"""Table -> its rows as COPY text, sorted."""

SAME_TEXT = (
    "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 3; "
    "SET bytea_output = 'hex'; SET search_path = ''; SET lc_monetary = 'C'"
)


@contextmanager
def small_extents(blocks: int) -> Iterator[None]:
    """Extents of `blocks` heap blocks, so that small tables have many."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (backup_reuse, backup_rows, extent_states):
            patch.setattr(module, "EXTENT_BLOCKS", blocks)
        yield


def dump(dsn: str, capture: PostgresCapture) -> Dump:
    """Every table of the capture's snapshot, read by one plain connection in one COPY a table."""
    found = {}
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(SAME_TEXT)
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(capture.exported))
        for table in capture.tables:
            columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
            listed = sql.SQL("({})").format(columns) if table.columns else sql.SQL("")
            query = sql.SQL("COPY {} {} TO STDOUT").format(sql.Identifier(table.name.schema, table.name.name), listed)
            with connection.cursor().copy(query) as stream:
                text = b"".join(bytes(part) for part in stream)
            found[str(table.name)] = sorted(text.splitlines())
    return found


@dataclass(frozen=True, kw_only=True)
class Taken:
    report: BackupReport
    dump: Dump
    """What another session saw in the same snapshot."""
    rows: Dump
    """What the repository gives back."""

    @property
    def reused(self) -> int:
        return self.report.manifest.effort.extents_reused

    @property
    def extents(self) -> int:
        return self.report.manifest.effort.extents


class Series:
    """Backups of one source, one after the other, into a repository in memory.

    `dsn` may change between them, as a name in a connection string does. Every backup is compared with its dump.
    """

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.files: dict[str, bytes] = {}
        self.open = new_repository(MemoryStore(self.files))

    def take(
        self,
        *,
        full: bool = False,
        notify: Callable[[str], None] = silent,
        opened: Callable[[PostgresCapture], None] = lambda capture: None,
        jobs: int = 2,
        suspect: bool = False,
    ) -> Taken:
        """One backup, already compared. `notify` hears of the steps of opening, `opened` is called with every open capture.

        suspect  it is expected to doubt what it found
        """
        dumps: list[Dump] = []

        def open_capture() -> PostgresCapture:
            capture = open_on(self.dsn, notify=notify)
            try:
                dumps.append(dump(self.dsn, capture))
                opened(capture)
            except BaseException:
                capture.abort()
                raise
            return capture

        report = backup.run(
            self.open,
            request=backup.BackupRequest(source="s", selection="", program="test", full=full, jobs=jobs, moved=True),
            open_capture=open_capture,
            directories={},
            clock=CLOCK,
            entropy=os.urandom,
            progress=Quiet(),
        )
        taken = Taken(report=report, dump=dumps[-1], rows=self.rows(report))
        assert_equal(taken)
        assert bool(report.manifest.suspect) is suspect, report.manifest.suspect
        return taken

    def rows(self, report: BackupReport) -> Dump:
        """The rows of a snapshot as a new reader of the repository finds them."""
        snapshot = self.open.indexed(None).snapshot(report.id)
        return {str(item.name): sorted(b"".join(snapshot.rows(item)).splitlines()) for item in snapshot.tables()}


def assert_equal(taken: Taken) -> None:
    """The snapshot is the dump, row for row."""
    assert taken.rows.keys() == taken.dump.keys()
    for name, expected in taken.dump.items():
        if taken.rows[name] != expected:
            lost = sorted(set(expected) - set(taken.rows[name]))[:3]
            invented = sorted(set(taken.rows[name]) - set(expected))[:3]
            raise AssertionError(f"{name}: lost {lost}, invented {invented}")


def kill_backend(cluster: Cluster) -> None:
    """What a crash of one process does: all others end, the WAL buffers are gone, and the postmaster recovers without a restart."""
    with cluster.connect() as victim, cluster.connect() as witness:
        os.kill(victim.info.backend_pid, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            witness.execute("SELECT pg_sleep(60)")
    until = time.monotonic() + READY_S
    while True:
        try:
            cluster.connect().close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise
