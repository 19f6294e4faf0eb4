"""SQL text for reading extents: one place says what a job's rows are, for COPY and for the count that checks it. Pure."""

from __future__ import annotations

from typing import Final

from vault.errors import Incoherent, SourceError
from vault.ports import ExtentJob, SourceTable
from vault.sql.names import literal, qualified, quote
from vault.sql.sqlstate import INTERNAL_ERROR, PROGRAM_LIMIT_EXCEEDED

TOO_LONG: Final = frozenset({PROGRAM_LIMIT_EXCEEDED, INTERNAL_ERROR})
"""Of a COPY whose row does not fit into 1 GB of text: the whole of it, and one value alone (any internal error has that)."""
TOO_LONG_SAYS: Final = "invalid memory alloc request size"
"""Of one value; in no language but English."""

_HEAP: Final = "heap"
"""Its rows come in the order of the file, unless an index that holds all wanted columns answers instead; none holds ctid."""


def source(job: ExtentJob) -> str:
    """`FROM ONLY ...` with the condition; the same text in COPY and in count(*), so that both COPYs of a job give rows in one order."""
    table = f"FROM ONLY {qualified(job.table.name)}"
    if job.blocks:
        return f"{table} WHERE ctid >= '({job.start},0)' AND ctid < '({job.start + job.blocks},0)'"
    if job.table.generated and job.table.access_method == _HEAP and not job.table.condition:
        return f"{table} WHERE ctid >= '(0,0)'"
    return f"{table} {job.table.condition}".rstrip()


def copy(job: ExtentJob, encoding: str) -> str:
    """The COPY statement; rows come in `encoding`, which is the server's, so nothing is converted."""
    columns = ", ".join(quote(column.name) for column in job.table.columns)
    if job.table.unplanned:
        listed = f" ({columns})" if columns else ""
        return f"COPY {qualified(job.table.name)}{listed} TO STDOUT (ENCODING {literal(encoding)})"
    return f"COPY (SELECT {columns} {source(job)}) TO STDOUT (ENCODING {literal(encoding)})"


def copy_generated(job: ExtentJob, encoding: str) -> str:
    """COPY of the generated columns, which no COPY without a query gives (13 to 18 refuse them in a list of columns)."""
    columns = ", ".join(quote(column.name) for column in job.table.generated)
    return f"COPY (SELECT {columns} {source(job)}) TO STDOUT (ENCODING {literal(encoding)})"


def lock(table: SourceTable) -> str:
    """Take our own ACCESS SHARE at once or fail, never queue [C2]."""
    return f"LOCK TABLE ONLY {qualified(table.name)} IN ACCESS SHARE MODE NOWAIT"


def proof(table: SourceTable) -> str:
    """SQL expression: name and file of the table are those of the snapshot, in the newest catalog too [A1, A2]."""
    return (
        f"coalesce((SELECT to_regclass({literal(qualified(table.name))})::oid = c.oid AND c.relfilenode = {table.filenode}"
        f" AND pg_relation_filenode(c.oid) = {table.filenode} FROM pg_class c WHERE c.oid = {table.oid}), false)"
    )


def count(job: ExtentJob) -> str:
    """SQL expression: the rows of the job, by the server."""
    return f"(SELECT count(*) {source(job)})"


def swapped(table: SourceTable) -> Incoherent:
    return Incoherent(
        f"table {qualified(table.name)} was replaced while it was read",
        why="its name, its file or its columns no longer are those that the snapshot sees",
        hint="run the backup again when the migration is done",
    )


def place(job: ExtentJob) -> str:
    """Where its rows are, for messages."""
    return f"{qualified(job.table.name)}, blocks from {job.start} on"


def too_long(job: ExtentJob, *, why: str, sqlstate: str) -> SourceError:
    """The server does not say which row, and psql not what was wrong."""
    return SourceError(
        f"the server could not print the rows of {place(job)}",
        why=why,
        hint="if a row has more than 1 GB as text, neither COPY nor pg_dump can read it: shorten it, or leave the table out with -T",
        sqlstate=sqlstate,
    )


def require_equal(job: ExtentJob, delivered: int, counted: int) -> None:
    """Raise SourceError if COPY delivered another number of rows than count(*), or its own tag, says."""
    if delivered != counted:
        raise SourceError(
            f"table {qualified(job.table.name)} gave {delivered} rows in blocks from {job.start} on, and has {counted}",
            why="the stream of rows was cut short or torn",
            hint="run the backup again; if this stays, check the table with pg_amcheck",
        )
