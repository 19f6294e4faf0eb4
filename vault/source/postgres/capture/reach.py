"""What to capture, and the server that it is on: reached and looked at before anything is listed, locked or exported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vault.source.postgres.capture.watch import OLD_TRANSACTION_S, STALL_S
from vault.source.postgres.connection import server_facts, undecodable_names
from vault.source.postgres.connection.connect import Session, connect, pinned, refuse_pooler
from vault.source.postgres.connection.programs import Program, Programs
from vault.source.postgres.connection.resolve import Server, resolve
from vault.source.postgres.rows.reader import LARGE_TABLE_BYTES
from vault.sql.pattern import Selection

LOCK_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOptions:
    """What to read and how. Patterns as in pg_dump's -n -N -t -T --exclude-table-data."""

    jobs: int = 2
    schemas: Sequence[str] = ()
    exclude_schemas: Sequence[str] = ()
    tables: Sequence[str] = ()
    exclude_tables: Sequence[str] = ()
    exclude_table_data: Sequence[str] = ()
    allow_gaps: bool = False
    allow_cleartext: bool = False
    definitions_only: bool = False
    """No rows will be read: a reader from whom row-level security hides some is good enough."""
    is_base: bool = True
    """A later capture may rely on this one: the server writes its log to the disk past it. False: nothing is written there."""
    lock_timeout_s: float = LOCK_TIMEOUT_S
    large_table_bytes: int = LARGE_TABLE_BYTES
    """Tables from this size on are read through psql, if there is one."""
    stall_s: float = STALL_S
    old_transaction_s: float = OLD_TRANSACTION_S

    def selection(self) -> Selection:
        return Selection(
            schemas=self.schemas,
            exclude_schemas=self.exclude_schemas,
            tables=self.tables,
            exclude_tables=self.exclude_tables,
            exclude_table_data=self.exclude_table_data,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A server that was reached: all that a capture needs before it lists, locks and exports. `spare`: a second session."""

    server: Server
    leader: Session
    spare: Session
    known: server_facts.Basics
    dump: Program

    def close(self) -> None:
        self.spare.abort()
        self.leader.abort()


def reach(conninfo: str, *, options: CaptureOptions, programs: Programs, environment: Mapping[str, str]) -> Reached:
    """Connect and look at the server; begins no transaction that lasts, so it may come long before `open_capture`.

    Raises  UsageError, UnsafeError, Unreachable, PermissionMissing, SourceError
    """
    server = resolve(conninfo, environment, allow_cleartext=options.allow_cleartext)
    leader = connect(server)
    spare: Session | None = None
    try:
        server = pinned(server, leader)
        spare = refuse_pooler(server, leader)
        known = server_facts.basics(leader)
        if not options.definitions_only:
            server_facts.require_unfiltered(known)
        undecodable_names.require(leader, known.encoding)
        dump = programs.require("pg_dump", major=known.major, local=server.local)
    except BaseException:
        if spare is not None:
            spare.abort()
        leader.abort()
        raise
    return Reached(server=server, leader=leader, spare=spare, known=known, dump=dump)
