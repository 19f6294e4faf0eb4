"""Rows of large tables through psql, a byte pump: no Python object a row, blocks of up to 1 MiB.

psql runs as a coprocess inside the snapshot and is fed a few jobs ahead, so that neither side waits. After the rows of a job it
prints a mark: `\\.m`, the job's number, the server's count of the same rows and the proof that the table is still the
snapshot's; COPY text never has a line that starts with `\\.`. With ON_ERROR_STOP a job that broke is followed by the end of
the stream instead of a mark [C6]. Complete = every mark, counts equal, exit code 0. Its messages carry the SQLSTATE only,
since texts may hold rows.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import time
from collections.abc import Iterator
from typing import Final

import psycopg

from vault.errors import Incoherent, SourceError, Unreachable
from vault.model.words import after, ended
from vault.ports import ExtentJob
from vault.source.postgres.connection.programs import ChildProcess, Children, Program
from vault.source.postgres.rows import extent_sql
from vault.source.postgres.rows.snapshot_sessions import SNAPSHOT_GONE, Import
from vault.sql.names import qualified
from vault.sql.sqlstate import LOCK_NOT_AVAILABLE, OBJECT_NOT_IN_PREREQUISITE_STATE, UNDEFINED_TABLE, ends_connection

BLOCK_BYTES: Final = 1 << 20
SET_PIPE_SIZE: Final = 1031
"""F_SETPIPE_SZ of Linux; absent from the fcntl module of Python 3.9 and of other systems."""
MARK: Final = b"\\."
LINE_MARK: Final = b"\n" + MARK
_CHANGED: Final = SNAPSHOT_GONE | {UNDEFINED_TABLE, OBJECT_NOT_IN_PREREQUISITE_STATE}
"""Not more of them as for a session: here nothing tells whether a function of the database looked for a name."""
LOST_CONNECTION_EXIT: Final = 2
SMALL_READ_BYTES: Final = 256 << 10
GATHER_S: Final = 0.002
"""psql writes 8 KiB at a time. Waiting a moment after a small read lets the pipe, which holds 1 MiB, fill: 0.4 s less CPU for 440 MB."""

_PROLOGUE: Final = "\\set ON_ERROR_STOP 1\n\\set VERBOSITY sqlstate\n\\set QUIET 1\n\\pset pager off\n"
_LOCK: Final = """\\set ON_ERROR_STOP 0
SAVEPOINT pgvault;
{lock};
\\set refused :ERROR
\\if :refused
\\set state :SQLSTATE
ROLLBACK TO pgvault;
\\endif
\\set ON_ERROR_STOP 1
RELEASE pgvault;
"""
_JOB: Final = """\\if :refused
\\echo '\\\\.n{number}' :state
\\else
{copy};
SELECT '\\.m{number} ' || count(*) || ' ' || {proof} {source};
\\endif
"""


def _mark_at(data: bytes) -> int:
    """Where a mark starts after a row end, or 0. Most rows hold no backslash, and one byte is found many times faster than three."""
    backslash = data.find(MARK[:1])
    return 0 if backslash < 0 else data.find(LINE_MARK, max(0, backslash - 1)) + 1


class PsqlPump:
    """One psql inside the snapshot. `feed` jobs, then take the results in the same order."""

    def __init__(self, program: Program, children: Children, imported: Import, *, tables_max: int | None) -> None:
        """`tables_max`: how many tables to hold locked at a time; None: all that are fed."""
        command = [str(program.path), "-X", "-q", "-A", "-t", "-w", "-f", "-"]
        self._encoding = imported.encoding
        self._child: ChildProcess = children.start(command, feed=True)
        process = self._child.process
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout
        os.set_blocking(self._in.fileno(), False)
        try:
            fcntl.fcntl(self._out, SET_PIPE_SIZE, BLOCK_BYTES)
        except OSError:
            pass  # a smaller pipe only costs time
        self._unsent = b""
        self._rest = b""
        self._number = 0
        self._table = 0
        self._taking: ExtentJob | None = None
        self._held = 0
        self._tables_max = tables_max
        self._begin = imported.statements().replace(";", ";\n")
        self._send(_PROLOGUE + self._begin + f"SELECT '\\.p' || {imported.proof()};\n")
        self._joined = False

    def feed(self, job: ExtentJob) -> int:
        """Queue the commands of `job`; returns its number."""
        self._number += 1
        if job.table.oid != self._table:
            self._table = job.table.oid
            self._held += 1
            if self._tables_max is not None and self._held > self._tables_max:
                self._held = 1
                self._send(f"COMMIT;\n{self._begin}")
            self._send(_LOCK.format(lock=extent_sql.lock(job.table)))
        self._send(
            _JOB.format(
                number=self._number,
                copy=extent_sql.copy(job, self._encoding),
                proof=extent_sql.proof(job.table),
                source=extent_sql.source(job),
            )
        )
        return self._number

    def join(self) -> None:
        """Wait until psql is inside the snapshot. Raises Incoherent, Unreachable"""
        if not self._joined:
            *before, (_, mark) = self._until_mark()
            if before:
                raise SourceError("psql wrote something before the first row")
            if mark != b"\\.ptrue":
                raise Incoherent("psql does not see the snapshot", why="it reached another server or another state")
            self._joined = True

    def take(self, job: ExtentJob) -> Iterator[tuple[bytes, bytes]]:
        """Pieces of the next job's rows as (piece, b""), then (b"", mark). Raises SourceError"""
        self._taking = job
        yield from self._until_mark()
        self._taking = None

    def close(self) -> None:
        """End the session properly. Raises SourceError if psql does not exit with 0"""
        with self._child.lock:
            self._send("COMMIT;\n\\q\n")
            while self._unsent:
                select.select([], [self._in], [])
                self._send("")
            self._in.close()
            rest = self._rest + self._out.read()
        if self._child.process.wait() != 0 or rest:
            raise self._broken()
        self._child.stop()

    def stop(self) -> None:
        self._child.stop()

    def _until_mark(self) -> Iterator[tuple[bytes, bytes]]:
        data, self._rest = self._rest, b""
        line_start = True
        while True:
            if not data or (line_start and data == MARK[:1]):
                data += self._read()
            at = 0 if line_start and data.startswith(MARK) else _mark_at(data)
            if at or (line_start and data.startswith(MARK)):
                break
            keep = 1 if data.endswith(b"\n\\") else 0
            piece = data[: len(data) - keep] if keep else data
            line_start = piece.endswith(b"\n")
            data = data[len(piece) :]
            yield piece, b""
        if at:
            yield data[:at], b""
        tail = data[at:]
        while b"\n" not in tail:
            tail += self._read()
        mark, _, self._rest = tail.partition(b"\n")
        yield b"", mark

    def _read(self) -> bytes:
        with self._child.lock:
            data = b"" if self._out.closed else self._receive()
        if not data:
            raise self._broken()
        return data

    def _receive(self) -> bytes:
        while self._unsent:
            readable, writable, _ = select.select([self._out], [self._in], [])
            if writable:
                self._send("")
            if readable:
                break
        data = os.read(self._out.fileno(), BLOCK_BYTES)
        if 0 < len(data) < SMALL_READ_BYTES:
            time.sleep(GATHER_S)
        return data

    def _send(self, text: str) -> None:
        with self._child.lock:
            self._unsent += text.encode()
            while self._unsent and not self._in.closed:
                try:
                    sent = os.write(self._in.fileno(), self._unsent)
                except BlockingIOError:
                    return
                except BrokenPipeError:
                    break
                self._unsent = self._unsent[sent:]
            self._unsent = b""

    def _broken(self) -> SourceError | Unreachable:
        code = self._child.process.wait()
        said = self._child.said()
        told = re.search(r"(?:ERROR|FATAL):\s+([0-9A-Z]{5})", said)
        state = "" if told is None else told.group(1)
        why = f"{_kind(state)} ({state})" if state else ""
        if state and not ends_connection(state):
            if self._taking is not None and state in extent_sql.TOO_LONG:
                return extent_sql.too_long(self._taking, why=why, sqlstate=state)
            kind = Incoherent if state in _CHANGED else SourceError
            about = f" of {extent_sql.place(self._taking)}" if self._taking is not None else ""
            return kind(f"the server broke off a COPY{about}", why=why, sqlstate=state)
        if state or code == LOST_CONNECTION_EXIT:
            return Unreachable(
                "psql lost its connection to the server while rows were read",
                why=why,
                hint="look whether the server is up, then run the backup again",
            )
        return SourceError("psql ended before all rows were read", why=ended(code), hint=after(code))


def _kind(state: str) -> str:
    """Code of the database may raise a state of its own making."""
    try:
        return psycopg.errors.lookup(state).__name__
    except KeyError:
        return psycopg.DatabaseError.__name__


class PsqlRows:
    """Rows of one job through psql; implements ports.ExtentRows. `refused`: its table could not be locked at once."""

    def __init__(self, pump: PsqlPump, job: ExtentJob, number: int) -> None:
        self.job = job
        self._pump = pump
        self._number = number
        self._rows = 0
        self._pieces = pump.take(job)
        self._first: tuple[bytes, bytes] | None = next(self._pieces)

    @property
    def rows(self) -> int:
        return self._rows

    @property
    def refused(self) -> bool:
        """The first thing that came is the mark of a lock that was not to be had."""
        mark = self._first[1] if self._first else b""
        refusal = re.fullmatch(rb"\\\.n(\d+) ([0-9A-Z]{5})", mark)
        if refusal is None:
            return False
        if refusal.group(2) != LOCK_NOT_AVAILABLE.encode():
            raise extent_sql.swapped(self.job.table)
        return True

    def blocks(self) -> Iterator[bytes]:
        """COPY text in pieces of up to BLOCK_BYTES, as they come from the pipe."""
        first, self._first = self._first, None
        for piece, mark in _chain(first, self._pieces):
            if mark:
                self._finish(mark)
                return
            self._rows += piece.count(b"\n")
            yield piece

    def _finish(self, mark: bytes) -> None:
        end = re.fullmatch(rb"\\\.m(\d+) (\d+) (true|false)", mark)
        if end is None or int(end.group(1)) != self._number:
            raise SourceError(f"psql lost its place after {qualified(self.job.table.name)}")
        if end.group(3) != b"true":
            raise extent_sql.swapped(self.job.table)
        extent_sql.require_equal(self.job, self._rows, int(end.group(2)))


def _chain(first: tuple[bytes, bytes] | None, rest: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    if first is not None:
        yield first
    yield from rest
