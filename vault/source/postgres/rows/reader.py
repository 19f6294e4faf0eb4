"""A reader inside the snapshot: large tables through psql, small ones in batches through psycopg.

On 2 busy cores 173 MB take 0.4 s of our CPU through psql and 0.9 s through psycopg. Its invariant: results come in the
order of the jobs, and nothing is read without a lock and a check, whichever way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Final

from vault.ports import ExtentJob, ExtentRows, ExtentState, SourceTable
from vault.source.postgres.rows.extent_states import states
from vault.source.postgres.rows.psql_copy import PsqlPump, PsqlRows
from vault.source.postgres.rows.psycopg_copy import DirectReader

LARGE_TABLE_BYTES: Final = 16 << 20
"""Below this, starting psql costs more than it saves: for a small table, and for a few extents of a large one."""
UNPACKED_MAX: Final = 256
"""How many times its stored size a value's text may have: lz4 reaches 1:255, pglz 1:90."""
LARGE_AHEAD: Final = 3
SMALL_AHEAD: Final = 100
BATCH_BYTES: Final = 4 << 20


class SnapshotReader:
    """One connection, or two when there are large tables; implements ports.RowReader."""

    def __init__(self, direct: DirectReader, pump: Callable[[], PsqlPump | None], *, large_table_bytes: int) -> None:
        self._large_table_bytes = large_table_bytes
        self._direct = direct
        self._open_pump = pump
        self._pump: PsqlPump | None = None
        self._no_pump = False
        self._few = False
        self._without_pump = 0
        self._idle = True

    def read(self, jobs: Iterator[ExtentJob]) -> Iterator[ExtentRows]:
        """See ports.RowReader. Raises SourceError, Incoherent, Unreachable"""
        self._idle = False
        waiting: deque[tuple[ExtentJob, int]] = deque()
        head = list(islice(jobs, LARGE_AHEAD))
        self._few = self._pump is None and sum(map(estimate, head)) < self._large_table_bytes
        source = chain(head, jobs)
        while True:
            self._fill(waiting, source)
            if not waiting:
                break
            job, number = waiting[0]
            if number:
                waiting.popleft()
                yield from self._large(job, number)
            else:
                yield from self._direct.read(_batch(waiting, self._direct.tables_max))
        self._idle = True

    def states(self, ranges: Sequence[ExtentJob], horizon: int) -> Sequence[Sequence[ExtentState]]:
        """See ports.RowReader. Raises  SourceError, Incoherent, Unreachable"""
        step = self._direct.tables_max
        parts = (self._states(ranges[start : start + step], horizon) for start in range(0, len(ranges), step))
        return [states for part in parts for states in part]

    def generated(self, job: ExtentJob) -> Iterator[bytes] | None:
        """See ports.RowReader. Raises SourceError, Incoherent, Unreachable"""
        return self._direct.generated(job)

    def close(self) -> None:
        """Leave the snapshot and close the connections. Raises SourceError if psql did not end well after its last row"""
        pump, self._pump = self._pump, None
        try:
            if pump is not None and self._idle and not self._direct.session.connection.closed:
                pump.close()
        finally:
            if pump is not None:
                pump.stop()
            self._direct.session.abort()

    def _states(self, ranges: Sequence[ExtentJob], horizon: int) -> Iterator[Sequence[ExtentState]]:
        locked = self._direct.lock(job.table for job in ranges)
        self._direct.require_harmless(job.table for job in ranges)
        known = iter(states(self._direct.session, [job for job in ranges if job.table.oid in locked], horizon))
        return (next(known) if job.table.oid in locked else () for job in ranges)

    def _fill(self, waiting: deque[tuple[ExtentJob, int]], source: Iterator[ExtentJob]) -> None:
        while len(waiting) < SMALL_AHEAD and sum(1 for _, number in waiting if number) < LARGE_AHEAD:
            job = next(source, None)
            if job is None:
                return
            pump = self._pump_for(job)
            if pump is not None:
                self._direct.require_harmless([job.table])
            waiting.append((job, pump.feed(job) if pump is not None else 0))
            if pump is None and job.table.bytes_estimate >= BATCH_BYTES:
                return

    def _pump_for(self, job: ExtentJob) -> PsqlPump | None:
        if self._no_pump or job.table.unplanned or _text_max(job.table) < self._large_table_bytes:
            return None
        if self._pump is None:
            few = self._few and _unpacked(job.table) < self._large_table_bytes
            self._without_pump += estimate(job) if few else self._large_table_bytes
            if self._without_pump < self._large_table_bytes:
                return None
            self._pump = self._open_pump()
            self._no_pump = self._pump is None
        return self._pump

    def _large(self, job: ExtentJob, number: int) -> Iterator[ExtentRows]:
        assert self._pump is not None
        self._pump.join()
        rows = PsqlRows(self._pump, job, number)
        if rows.refused:
            yield from self._direct.read_refused(job)
        else:
            yield rows
            self._direct.require_unaltered([job.table])


def _unpacked(table: SourceTable) -> int:
    """What a row of `table` may take as text: psycopg holds it whole and more than once, psql's process passes it on in pieces."""
    return UNPACKED_MAX * table.toast_bytes


def _text_max(table: SourceTable) -> int:
    return table.bytes_estimate + _unpacked(table)


def estimate(job: ExtentJob) -> int:
    """Bytes of text that a job is taken for; of a range, only what lies in the table: a last extent, or the only one, is short."""
    table = job.table
    if not job.blocks:
        return table.bytes_estimate
    blocks = min(job.blocks, table.blocks - job.start)
    return table.bytes_estimate * blocks // table.blocks if blocks > 0 else 0


def _batch(waiting: deque[tuple[ExtentJob, int]], jobs_max: int) -> list[ExtentJob]:
    """Take the small jobs at the head that fit together."""
    batch: list[ExtentJob] = []
    size = 0
    while waiting and not waiting[0][1] and len(batch) < jobs_max:
        if batch and size + estimate(waiting[0][0]) > BATCH_BYTES:
            break
        job, _ = waiting.popleft()
        batch.append(job)
        size += estimate(job)
    return batch
