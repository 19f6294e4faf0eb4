"""Rows by psycopg's COPY: small tables in batches, and whatever no psql is there for.

One row is one message and one Python object, so large tables go through psql_rows. A batch takes its locks, counts
and checks in two round trips, then one COPY a job; what somebody else wants to lock exclusively is read by the leader, which
holds its lock already [C2], or, where the leader holds none, waited for with no other lock held.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

import psycopg
from psycopg.abc import Buffer

from vault.errors import Incoherent, SourceError
from vault.ports import ExtentJob, SourceTable
from vault.source.postgres.connection.connect import Session, translate, translated
from vault.source.postgres.rows import extent_sql
from vault.source.postgres.rows.same_tables import require_same
from vault.source.postgres.rows.unplannable import require_harmless
from vault.source.postgres.rows.without_table_locks import TABLES_HELD_MAX, Sparing

BLOCK_BYTES: Final = 256 * 1024
SAVEPOINT: Final = "SAVEPOINT pgvault;"


class Leader:
    """The session that holds every lock, lent to one reader at a time."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.turn = threading.Lock()


class DirectRows:
    """Rows of one job over psycopg; implements ports.ExtentRows."""

    def __init__(
        self,
        session: Session,
        job: ExtentJob,
        *,
        encoding: str,
        counted: int | None,
        turn: AbstractContextManager[object],
    ) -> None:
        """`counted`: the server's count(*); None: COPY's own tag has to do."""
        self.job = job
        self._session = session
        self._encoding = encoding
        self._counted = counted
        self._turn = turn
        self._rows = 0

    @property
    def rows(self) -> int:
        return self._rows

    def blocks(self) -> Iterator[bytes]:
        """COPY text in pieces of about BLOCK_BYTES."""
        with self._turn, self._naming(), translated(f"reading {self.job.table.name}"):
            cursor = self._session.connection.cursor()
            with cursor.copy(extent_sql.copy(self.job, self._encoding)) as stream:
                while rows := self._gather(stream):
                    for piece in _pieces(rows):
                        self._rows += piece.count(b"\n")
                        yield piece
        extent_sql.require_equal(self.job, self._rows, cursor.rowcount if self._counted is None else self._counted)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except SourceError as error:
            if error.sqlstate not in extent_sql.TOO_LONG or (
                isinstance(error, Incoherent) and extent_sql.TOO_LONG_SAYS not in error.why
            ):
                raise
            raise extent_sql.too_long(self.job, why=error.why, sqlstate=error.sqlstate) from error

    def _gather(self, stream: psycopg.Copy) -> list[Buffer]:
        """The next rows, of which only the last may be longer than BLOCK_BYTES; none at the end."""
        rows, size = [], 0
        with self._session.lock:
            while size < BLOCK_BYTES and (row := stream.read()):
                rows.append(row)
                size += len(row)
        return rows


def _pieces(rows: list[Buffer]) -> Iterator[bytes]:
    """Takes the rows out of the list: short ones are joined, a long one is cut, so that nobody holds or copies the whole of it again."""
    last = memoryview(rows.pop())
    if len(last) <= BLOCK_BYTES:
        yield b"".join((*rows, last))
        rows.clear()
        return
    yield b"".join(rows)
    rows.clear()
    for at in range(0, len(last), BLOCK_BYTES):
        yield bytes(last[at : at + BLOCK_BYTES])


def read_piece(session: Session, stream: psycopg.Copy) -> bytes:
    """About BLOCK_BYTES of COPY text; empty at its end."""
    parts, size = [], 0
    with session.lock:
        while size < BLOCK_BYTES and (part := bytes(stream.read())):
            parts.append(part)
            size += len(part)
    return b"".join(parts)


class DirectReader:
    """Reads batches of jobs on one session inside the snapshot."""

    def __init__(
        self, session: Session, leader: Leader, encoding: str, *, observer: Session, sparing: Sparing | None
    ) -> None:
        """`observer` sees the newest catalog. `sparing`: the leader holds no locks."""
        self.session = session
        self._leader = leader
        self._encoding = encoding
        self._observer = observer
        self._sparing = sparing
        self._locked: set[int] = set()
        self._refused: set[int] = set()

    @property
    def tables_max(self) -> int:
        """How many tables one batch may have."""
        return TABLES_HELD_MAX if self._sparing is None else self._sparing.tables_max

    def read(self, batch: Sequence[ExtentJob]) -> Iterator[DirectRows]:
        """One result a job, in order. Raises Incoherent if a table was swapped meanwhile"""
        self._lock(job.table for job in batch)
        if self._sparing is not None and not self._refused.isdisjoint(job.table.oid for job in batch):
            for job in batch:
                yield from self.read_refused(job)
            return
        ours = [job for job in batch if job.table.oid in self._locked]
        self.require_harmless(job.table for job in ours)
        counts = _counts(self.session, ours)
        for job in batch:
            if job.table.oid in self._locked:
                yield self._rows(job, counts.get(id(job)))
            else:
                yield from self.read_refused(job)
        require_same(self.session, (job.table for job in ours))
        self.require_unaltered(job.table for job in ours)

    def read_refused(self, job: ExtentJob) -> Iterator[DirectRows]:
        """Read `job`, whose table could not be locked at once: on the session that holds its lock, or when it is to be had."""
        if self._sparing is None:
            yield from self._by_leader(job)
            return
        self._wait_for(job.table)
        yield from self.read([job])

    def _wait_for(self, table: SourceTable) -> None:
        """Lock it, with no other lock held."""
        assert self._sparing is not None, "else the leader holds every lock"
        self._forget()
        self._sparing.wait_for(self.session, table)
        self._locked.add(table.oid)

    def require_harmless(self, tables: Iterable[SourceTable]) -> None:
        """Raises Incoherent if a query on one of `tables` may no longer be planned"""
        require_harmless(self._observer, tables)

    def require_unaltered(self, tables: Iterable[SourceTable]) -> None:
        """Raises Incoherent if columns changed between the snapshot and the lock, which a table held by the leader cannot do"""
        if self._sparing is not None:
            self._sparing.require_unaltered(tables)

    def _rows(self, job: ExtentJob, counted: int | None) -> DirectRows:
        return DirectRows(self.session, job, encoding=self._encoding, counted=counted, turn=nullcontext())

    def _by_leader(self, job: ExtentJob) -> Iterator[DirectRows]:
        leader = self._leader
        self.require_harmless([job.table])
        with leader.turn:
            counted = _counts(leader.session, [job]).get(id(job))
        yield DirectRows(leader.session, job, encoding=self._encoding, counted=counted, turn=leader.turn)
        with leader.turn:
            require_same(leader.session, [job.table])

    def generated(self, job: ExtentJob) -> Iterator[bytes] | None:
        """See ports.RowReader."""
        if job.table.unplanned:
            return None
        self.require_harmless([job.table])
        if job.table.oid in self.lock([job.table]):
            return self._generated(self.session, job, nullcontext())
        if self._sparing is None:
            return self._generated(self._leader.session, job, self._leader.turn)
        self._wait_for(job.table)
        return self._generated(self.session, job, nullcontext())

    def _generated(self, session: Session, job: ExtentJob, turn: AbstractContextManager[object]) -> Iterator[bytes]:
        with turn, translated(f"reading generated columns of {job.table.name}"):
            require_same(session, [job.table])
            with session.connection.cursor().copy(extent_sql.copy_generated(job, self._encoding)) as stream:
                while piece := read_piece(session, stream):
                    yield piece

    def lock(self, tables: Iterable[SourceTable]) -> AbstractSet[int]:
        """The oids of all tables whose lock this session holds now, the given ones among them if they could be had without waiting."""
        self._lock(tables)
        return self._locked

    def _forget(self) -> None:
        self._locked.clear()
        self._refused.clear()

    def _lock(self, wanted: Iterable[SourceTable]) -> None:
        tables = {table.oid: table for table in wanted}
        new = tables.keys() - self._locked - self._refused
        if not new:
            return
        if self._sparing is not None and len(self._locked) + len(new) > self._sparing.tables_max:
            self._sparing.give_back(self.session)
            self._forget()
        else:
            tables = {oid: tables[oid] for oid in tables if oid in new}
        if self._try_lock("; ".join(extent_sql.lock(table) for table in tables.values())):
            self._locked |= tables.keys()
            return
        for oid, table in tables.items():
            (self._locked if self._try_lock(extent_sql.lock(table)) else self._refused).add(oid)

    def _try_lock(self, statements: str) -> bool:
        with self.session.lock:
            connection = self.session.connection
            try:
                connection.execute(f"{SAVEPOINT}{statements}; RELEASE pgvault")
            except psycopg.errors.LockNotAvailable:
                with translated("giving up a lock"):
                    connection.execute("ROLLBACK TO pgvault; RELEASE pgvault")
                return False
            except psycopg.Error as error:
                raise translate(error, "locking tables") from error
        return True


def _counts(session: Session, batch: Sequence[ExtentJob]) -> dict[int, int]:
    """id of a job -> its rows by count(*), of jobs that may be planned; every table is checked to be the snapshot's. Raises Incoherent"""
    require_same(session, (job.table for job in batch))
    planned = [job for job in batch if not job.table.unplanned]
    query = " UNION ALL ".join(f"SELECT {place}, {extent_sql.count(job)}" for place, job in enumerate(planned))
    return (
        {id(planned[place]): number for place, number in session.rows(query, doing="counting rows")} if planned else {}
    )
