"""Capture of one database: opened, read by several connections in one snapshot, finished or aborted.

Protocol and reasons: `view` (lock, then export), `worker` (join and prove), `definitions` (nothing changed meanwhile).
Its invariant: after `finish` or `abort` no connection, no child and no file of the capture is left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from vault.errors import Incoherent, SourceError, Unreachable, UsageError, VaultError
from vault.model import CatalogFacts, Missing, Roles, SequenceItem, ServerFacts, State
from vault.ports import LargeObjectRows, RowReader, SchemaDump, SourceTable
from vault.source.postgres import (
    catalog,
    cluster,
    definitions,
    extras,
    facts,
    labels,
    largeobjects,
    objects,
    omissions,
    pattern,
    schema,
    sequences,
    view,
)
from vault.source.postgres.connect import (
    Session,
    Target,
    child_variables,
    connect,
    pinned,
    refuse_pooler,
    resolve,
    translated,
)
from vault.source.postgres.pattern import Selection
from vault.source.postgres.programs import Child, Children, Program, Programs
from vault.source.postgres.psql_rows import PsqlPump
from vault.source.postgres.reader import LARGE_TABLE_BYTES, SnapshotReader
from vault.source.postgres.rows import DirectReader, Leader
from vault.source.postgres.settings import fixed
from vault.source.postgres.worker import Import, open_worker

LOCK_TIMEOUT_S: Final = 10.0
DUMP_LOCK_TIMEOUT_S: Final = 2.0
"""pg_dump meets locks only where somebody queues behind ours: waiting would queue the application too [C2]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOptions:
    """What to read and how. Patterns as in pg_dump's -n -N -t -T."""

    jobs: int = 2
    schemas: Sequence[str] = ()
    exclude_schemas: Sequence[str] = ()
    tables: Sequence[str] = ()
    exclude_tables: Sequence[str] = ()
    allow_gaps: bool = False
    allow_cleartext: bool = False
    lock_timeout_s: float = LOCK_TIMEOUT_S
    large_table_bytes: int = LARGE_TABLE_BYTES
    """Tables from this size on are read through psql, if there is one."""

    def selection(self) -> Selection:
        return Selection(
            schemas=self.schemas,
            exclude_schemas=self.exclude_schemas,
            tables=self.tables,
            exclude_tables=self.exclude_tables,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What an opened capture consists of."""

    target: Target
    known: facts.Basics
    leader: Leader
    spare: Session
    view: view.View
    tables: Sequence[SourceTable]
    children: Children
    dump: Child
    programs: Programs
    selection: Selection
    large_table_bytes: int
    sessions: list[Session] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A server that was reached: all that a capture needs before it lists, locks and exports. `spare`: a second session."""

    target: Target
    leader: Session
    spare: Session
    known: facts.Basics
    dump: Program

    def close(self) -> None:
        self.spare.abort()
        self.leader.abort()


def reach(conninfo: str, *, options: CaptureOptions, programs: Programs, environment: Mapping[str, str]) -> Reached:
    """Connect and look at the server; begins no transaction that lasts, so it may come long before `open_capture`.

    Raises  UsageError, UnsafeError, Unreachable, PermissionMissing, SourceError
    """
    target = resolve(conninfo, environment, allow_cleartext=options.allow_cleartext)
    leader = connect(target)
    spare: Session | None = None
    try:
        target = pinned(target, leader)
        spare = refuse_pooler(target, leader)
        known = facts.basics(leader)
        facts.require_unfiltered(known)
        dump = programs.require("pg_dump", major=known.major, local=target.local)
    except BaseException:
        if spare is not None:
            spare.abort()
        leader.abort()
        raise
    return Reached(target=target, leader=leader, spare=spare, known=known, dump=dump)


def open_capture(
    conninfo: str,
    *,
    options: CaptureOptions,
    programs: Programs,
    environment: Mapping[str, str],
    notify: Callable[[str], None],
    reached: Reached | None = None,
) -> PostgresCapture:
    """Connect, unless `reached` already has, lock, export a snapshot, start pg_dump.

    notify   hears of each step before it is taken, from this thread
    reached  is used up
    Raises   as `reach`, and Incoherent
    """
    if reached is None:
        reached = reach(conninfo, options=options, programs=programs, environment=environment)
    target, leader, known = reached.target, reached.leader, reached.known
    children: Children | None = None
    try:
        selection = options.selection()
        selected = pattern.condition(selection, known.search_path)
        request = view.Request(
            selected=selected,
            whole=selection.whole,
            allow_gaps=options.allow_gaps,
            lock_timeout_s=options.lock_timeout_s,
            notify=notify,
        )
        taken = view.take(leader, target, known, request)
        _refuse_empty(taken, selection)
        children = Children(environment=environment, connection=child_variables(target), password=target.password)
        parts = _Parts(
            target=target,
            known=known,
            leader=Leader(leader),
            spare=reached.spare,
            view=taken,
            dump=schema.start(
                reached.dump,
                children,
                taken,
                selection,
                lock_timeout_s=DUMP_LOCK_TIMEOUT_S,
                unreadable_sequences=[name for name, state in taken.sequences if state is not State.CAPTURED],
            ),
            tables=catalog.tables(leader, taken.holding, version=known.version),
            children=children,
            programs=programs,
            selection=selection,
            large_table_bytes=options.large_table_bytes,
        )
        return PostgresCapture(parts)
    except BaseException:
        if children is not None:
            children.close()
        reached.close()
        raise


def _refuse_empty(taken: view.View, selection: Selection) -> None:
    if (selection.tables or selection.schemas) and not taken.relations:
        raise UsageError(
            "no table matches the selection",
            hint="patterns are psql's: names are folded to lower case unless in double quotes",
        )


class PostgresCapture:
    """Implements ports.Capture. `reader` may be called from any thread, the rest from one."""

    def __init__(self, parts: _Parts) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        self._closed = False
        self._clerk: Session | None = None
        self._server = parts.view.server
        self._start: definitions.Definitions | None = None
        self._schema: SchemaDump | None = None
        self._psql: Program | None = None
        self._psql_sought = False

    @property
    def server(self) -> ServerFacts:
        """As at the snapshot; `flush_lsn` is that of the flush once `finish` has returned."""
        return self._server

    @property
    def exported(self) -> str:
        """Name of the snapshot for SET TRANSACTION SNAPSHOT, until `finish`: to read it by other means and compare."""
        return self._parts.view.exported

    @property
    def tables(self) -> Sequence[SourceTable]:
        return self._parts.tables

    @property
    def missing(self) -> Sequence[Missing]:
        session = self._session()
        gone = [*self._parts.view.missing, *cluster.missing(session), *extras.missing(session, self._scope)]
        if self._parts.selection.whole:
            gone += [*largeobjects.missing(session), *omissions.missing(session), *labels.missing(session)]
        return gone

    @property
    def _scope(self) -> extras.Scope:
        return extras.Scope(
            tables=[relation.oid for relation in self._parts.view.relations], everything=self._parts.selection.whole
        )

    def schema(self) -> SchemaDump:
        """Reads the start of the definitions as well, while pg_dump works."""
        if self._schema is None:
            self._definitions_at_start()
            self._schema = schema.collect(
                self._parts.dump, self._session(), self.server.encoding, self._scope, version=self._parts.known.version
            )
        return self._schema

    def catalog(self) -> CatalogFacts:
        return objects.facts(self._session())

    def roles(self) -> Roles:
        return cluster.roles(self._session(), version=self._parts.known.version)

    def sequences(self) -> Iterator[SequenceItem]:
        return sequences.read(self._session(), self._parts.view.sequences)

    def large_objects(self) -> Iterator[LargeObjectRows]:
        return largeobjects.read(self._session()) if self._parts.selection.whole else iter(())

    def reader(self) -> RowReader:
        imported = self._import()
        session = self._kept(open_worker(imported))
        direct = DirectReader(session, self._parts.leader, imported.encoding)
        return SnapshotReader(direct, lambda: self._pump(imported), large_table_bytes=self._parts.large_table_bytes)

    def finish(self) -> Sequence[str]:
        parts = self._parts
        try:
            changed = self._changed()
            with parts.leader.turn, parts.leader.session.lock:
                try:
                    view.check(parts.leader.session, parts.view.relations)
                except view.Moved as moved:
                    raise Incoherent(f"table {moved} was replaced during the backup") from moved
                with translated("ending the snapshot"):
                    ended = parts.leader.session.connection.execute("COMMIT").statusmessage
            if ended != "COMMIT":
                raise Incoherent("the transaction that held the snapshot had failed")
        finally:
            self.abort()
        return changed

    def _definitions_at_start(self) -> definitions.Definitions:
        if self._start is None:
            self._start = definitions.read(self._session())
        return self._start

    def _changed(self) -> Sequence[str]:
        """Compare the definitions of the snapshot with those of now, in a fresh transaction of the clerk."""
        start, clerk = self._definitions_at_start(), self._session()
        clerk.run("COMMIT; BEGIN READ ONLY;" + fixed(self._parts.known.known_settings), doing="comparing definitions")
        changed = tuple(definitions.changed(clerk, start, definitions.read(clerk)))
        clerk.run("COMMIT", doing="comparing definitions")
        self._server = facts.flushed(clerk, self._server)
        return changed

    def abort(self) -> None:
        with self._lock:
            self._closed = True
            sessions = [*self._parts.sessions, self._parts.spare, self._parts.leader.session]
            self._parts.sessions.clear()
        for session in sessions:
            session.abort()
        try:
            self._parts.children.close()
        except (OSError, VaultError):
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def _import(self) -> Import:
        parts = self._parts
        return Import(
            target=parts.target,
            exported=parts.view.exported,
            snapshot=parts.view.server.snapshot,
            identity=parts.view.identity,
            encoding=parts.view.server.encoding,
            known_settings=parts.known.known_settings,
        )

    def _session(self) -> Session:
        """A session in the snapshot for everything but rows, so that the leader stays free: the clerk."""
        if self._clerk is None:
            self._clerk = self._join_spare()
        return self._clerk

    def _join_spare(self) -> Session:
        imported = self._import()
        try:
            return open_worker(imported, self._parts.spare)
        except Unreachable:  # it was idle until now, and servers may end idle sessions
            return self._kept(open_worker(imported))

    def _kept(self, session: Session) -> Session:
        """`session`, to be ended with the capture. Raises SourceError: it has ended"""
        with self._lock:
            if self._closed:
                session.abort()
                raise SourceError("the capture has ended")
            self._parts.sessions.append(session)
        return session

    def _pump(self, imported: Import) -> PsqlPump | None:
        with self._lock:
            if not self._psql_sought:
                parts = self._parts
                self._psql = parts.programs.find("psql", major=parts.known.major, local=parts.target.local)
                self._psql_sought = True
        return None if self._psql is None else PsqlPump(self._psql, self._parts.children, imported)
