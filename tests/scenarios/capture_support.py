"""What the tests of capture share: opening one on a test server, planning its jobs, reading all rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from tests.fix_postgres import Cluster
from vault.model import TableName
from vault.ports import ExtentJob, RowReader, SourceTable
from vault.source.postgres.capture.database import PostgresCapture, open_capture
from vault.source.postgres.capture.reach import CaptureOptions
from vault.source.postgres.connection.programs import Programs
from vault.source.postgres.connection.throwaway_server import embedded_bin

PROGRAMS = Programs(search_path=os.environ["PATH"], embedded=embedded_bin())


def silent(_: str) -> None:
    """Hears of the steps and does nothing."""


def open_on(
    dsn: str, *, notify: Callable[[str], None] = silent, programs: Programs = PROGRAMS, **options: Any
) -> PostgresCapture:
    return open_capture(
        dsn, options=CaptureOptions(**options), programs=programs, environment={"PATH": os.defpath}, notify=notify
    )


def jobs(tables: Sequence[SourceTable], blocks: int = 1024) -> Iterator[ExtentJob]:
    for table in tables:
        if not table.ranges:
            yield ExtentJob(table=table, start=0, blocks=0)
            continue
        for start in range(0, max(table.blocks, 1), blocks):
            yield ExtentJob(table=table, start=start, blocks=blocks)


def read_all(reader: RowReader, planned: Iterator[ExtentJob]) -> dict[TableName, tuple[int, bytes]]:
    """Number of rows and COPY text of every table."""
    found: dict[TableName, tuple[int, bytes]] = {}
    for result in reader.read(planned):
        text = b"".join(result.blocks())
        rows, before = found.get(result.job.table.name, (0, b""))
        found[result.job.table.name] = (rows + result.rows, before + text)
    return found


def rows_of(capture: PostgresCapture, *names: str, schema: str = "public") -> dict[str, int]:
    """Rows read of the named tables."""
    reader = capture.reader()
    wanted = [table for table in capture.tables if table.name.schema == schema and table.name.name in names]
    found = read_all(reader, jobs(wanted))
    reader.close()
    return {name.name: rows for name, (rows, _) in found.items()}


def copy_text(connection: psycopg.Connection[Any], table: SourceTable) -> bytes:
    """What COPY gives of the table to an ordinary superuser with the same settings."""
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
    query = sql.SQL("COPY (SELECT {} FROM ONLY {}) TO STDOUT").format(
        columns, sql.Identifier(table.name.schema, table.name.name)
    )
    with connection.cursor().copy(query) as stream:
        return b"".join(bytes(part) for part in stream)


def ours(cluster: Cluster) -> list[Any]:
    """Server sessions of pgvault, once those that are on their way out have gone (at most 10 s)."""
    with cluster.connect() as connection:
        query = "SELECT pid, state, left(query, 60) FROM pg_stat_activity WHERE application_name = 'pgvault'"
        for _ in range(3_000):
            found = connection.execute(query).fetchall()
            if not found:
                break
            connection.execute("SELECT pg_sleep(0.1)")
        return found


@contextmanager
def database(cluster: Cluster, *statements: str, options: str = "TEMPLATE template0") -> Iterator[str]:
    """A new database with `statements` executed in it, dropped at the end."""
    name = cluster.createdb(options=options)
    try:
        with cluster.connect(name) as connection:
            for statement in statements:
                connection.execute(statement)
        yield name
    finally:
        cluster.dropdb(name)
