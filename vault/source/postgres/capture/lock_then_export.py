"""The session protocol: lock, then export, so that the snapshot sees exactly the tables that are locked [A1].

List the tables in a transaction of its own; BEGIN; fixed settings and LOCK TABLE, which take no snapshot; export; list again
inside; lock what is new; compare file nodes and names with the newest catalog. The other order gives empty tables without
an error when somebody truncates in between. Its invariant: an `Exported` that is `held` holds ACCESS SHARE on every table
in it, and each of them is, file for file, the one that the snapshot sees. Where that would take more than half of the
server's lock table nothing is held, and whoever reads a table locks and proves it: `rows.without_table_locks` [C3].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import psycopg

from vault.errors import Incoherent, SourceError
from vault.model import State, TableName
from vault.model.words import counted
from vault.source.postgres.capture import gaps, sequences, tables
from vault.source.postgres.connection import server_facts
from vault.source.postgres.connection.connect import Session, connect, translate
from vault.source.postgres.connection.exported_snapshot import Exported, Relation
from vault.source.postgres.connection.resolve import Server
from vault.source.postgres.rows.same_tables import moved
from vault.sql.names import literal, qualified
from vault.sql.settings import BEGIN, fixed
from vault.sql.sqlstate import LOCK_NOT_AVAILABLE

ATTEMPTS: Final = 3
LOCK_BATCH: Final = 200
SHARE_OF_LOCK_TABLE: Final = 2
"""The leader locks all tables if that takes at most one half: pg_dump, readers and the application need the rest [C3]."""
DUMP_OF_LOCK_TABLE: Final = (4, 3)
LOCKS_OF_OTHERS: Final = 200
"""pg_dump locks every table that it describes. The shared table holds half as many locks again as it is made for, less about 200 that
others have taken room for, and then fails whoever asks next; with this bound about a fifth stays free. ADR 0003"""


_BLOCKERS: Final = """
SELECT DISTINCT l.pid, coalesce(a.usename::text, ''), coalesce(a.state, '')
  FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
 WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.relation = ANY(%s::oid[]) AND l.pid IS NOT NULL
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1
"""


class Moved(Exception):
    """Something changed between two steps of the protocol; the whole is repeated with a new snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`selected`, `without_rows`: SQL of `tables.relations`; `whole`: large objects as well. `notify` hears each step before it is taken."""

    selected: str
    without_rows: str
    whole: bool
    allow_gaps: bool
    lock_timeout_s: float
    notify: Callable[[str], None]


def take(leader: Session, server: Server, known: server_facts.Basics, request: Request) -> Exported:
    """Run the protocol on `leader`, at most ATTEMPTS times. Raises Incoherent, PermissionMissing, SourceError"""
    for _ in range(ATTEMPTS):
        try:
            return _attempt(leader, server, known, request)
        except Moved as moved:
            leader.run("ROLLBACK", doing="starting again")
            last = str(moved)
            request.notify(f"{last} changed while it was being locked; starting again")
    raise Incoherent(
        "the tables keep changing under the backup", why=f"last seen: {last}", hint="try again when migrations are done"
    )


def _attempt(leader: Session, server: Server, known: server_facts.Basics, request: Request) -> Exported:
    settings = fixed(known.known_settings)
    request.notify("listing tables")
    leader.run("BEGIN READ ONLY;" + settings, doing="listing tables")
    first = tables.relations(leader, request.selected)
    _refuse_unreadable(leader, first, known, request)
    leader.run("COMMIT", doing="listing tables")
    held = len(first) <= known.lock_slots // SHARE_OF_LOCK_TABLE
    before = server_facts.insert_lsn(leader, in_recovery=known.in_recovery)
    if held:
        request.notify(f"locking {counted(len(first), 'table')}, waiting {request.lock_timeout_s:g} s at most")
    leader.run(BEGIN + settings, doing="beginning the snapshot")
    if held:
        _lock(leader, server, first, request.lock_timeout_s)
    exported: str = leader.row("SELECT pg_export_snapshot()", doing="exporting the snapshot")[0]
    described = server_facts.server_facts(leader, known, before=before)
    request.notify(f"snapshot {exported} exported")
    second = tables.relations(leader, request.selected, without_rows=request.without_rows)
    values = _refuse_unreadable(leader, second, known, request)
    if held:
        locked = {relation.oid for relation in first if relation.lockable}
        _lock(leader, server, [new for new in second if new.oid not in locked], request.lock_timeout_s)
    check(leader, second)
    identity: str = leader.row(f"SELECT {server_facts.SERVER_IDENTITY}", doing="identifying the server")[0]
    return Exported(
        exported=exported,
        held=held,
        server=described,
        identity=identity,
        relations=second,
        missing=[
            *gaps.of_relations(second, known),
            *gaps.undefined(leader, second),
            *sequences.missing(values, known.user),
        ],
        unreadable=[relation for relation in second if relation.must_be_read and not relation.readable],
        sequences=values,
    )


def check(session: Session, relations: Sequence[Relation]) -> None:
    """Every table is, in the newest catalog, the one that the snapshot sees, under its name. Raises Moved"""
    ours = {relation.oid: relation for relation in relations if relation.lockable}
    wrong = moved(session, [(relation.name, oid, relation.filenode) for oid, relation in ours.items()])
    if wrong:
        raise Moved(qualified(ours[wrong[0]].name))


def _lock(leader: Session, server: Server, relations: Sequence[Relation], timeout_s: float) -> None:
    ours = [relation for relation in relations if relation.lockable]
    for start in range(0, len(ours), LOCK_BATCH):
        batch = ours[start : start + LOCK_BATCH]
        names = ", ".join(f"ONLY {qualified(relation.name)}" for relation in batch)
        statement = (
            f"SET LOCAL lock_timeout = {literal(f'{int(timeout_s * 1000)}ms')}; LOCK TABLE {names} IN ACCESS SHARE MODE"
        )
        try:
            with leader.lock:
                leader.connection.execute(statement)
        except (
            psycopg.errors.UndefinedTable,
            psycopg.errors.InvalidSchemaName,
            psycopg.errors.WrongObjectType,
        ) as gone:
            raise Moved("a table") from gone
        except psycopg.errors.LockNotAvailable as busy:
            raise _blocked(server, batch, timeout_s) from busy
        except psycopg.Error as error:
            raise translate(error, "locking tables") from error
    leader.run("SET LOCAL lock_timeout = 0", doing="locking tables")


def _blocked(server: Server, batch: Sequence[Relation], timeout_s: float) -> SourceError:
    observer = connect(server)
    try:
        doing = "looking for who blocks"
        with observer.apart(doing=doing):
            blockers = observer.rows(_BLOCKERS, [[relation.oid for relation in batch]], doing=doing)
    finally:
        observer.close()
    who = (
        ", ".join(f"pid {pid} of {user} ({state})" for pid, user, state in blockers) or "a session that has ended since"
    )
    return SourceError(
        f"tables could not be locked within {timeout_s:g} s",
        why=f"an exclusive lock is held or waited for by {who}",
        hint="wait for it or end it, then try again",
        sqlstate=LOCK_NOT_AVAILABLE,
    )


def _refuse_unreadable(
    leader: Session, relations: Sequence[Relation], known: server_facts.Basics, request: Request
) -> Sequence[tuple[TableName, State]]:
    """The sequences, each with what will become of its value. Raises PermissionMissing: something is not, without --allow-gaps"""
    found = gaps.readable(leader, relations, selected=request.selected, whole=request.whole, user=known.user)
    if not request.allow_gaps:
        found.require()
    return found.values


def refuse_too_many(number: int, known: server_facts.Basics) -> None:
    """Raise SourceError if `number` locks, which pg_dump holds together, leave nothing for anybody else."""
    times, of = DUMP_OF_LOCK_TABLE
    if number > known.lock_table * times // of - LOCKS_OF_OTHERS:
        raise SourceError(
            f"pg_dump would need {number} locks, which do not fit in the server's lock table",
            why=f"it is made for {known.lock_table} locks, and the application needs some of them",
            hint="raise max_locks_per_transaction, or back up part of the schemas with -n",
        )
