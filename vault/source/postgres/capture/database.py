"""Capture of one database: opened, read by several connections in one snapshot, finished or aborted.

Protocol and reasons: `lock_then_export`, `rows.snapshot_sessions` (join and prove), `definitions.definitions_fingerprint` (nothing changed meanwhile).
Its invariant: after `finish` or `abort` no connection, no child and no file of the capture is left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Final, Self

from vault.errors import Incoherent, SourceError, Unreachable, VaultError
from vault.model import CatalogFacts, Missing, Roles, SequenceItem, ServerFacts
from vault.ports import LargeObjectRows, RowReader, SchemaDump, SourceTable
from vault.source.postgres.capture import (
    catalog_facts,
    cluster,
    cluster_labels,
    large_objects,
    lock_then_export,
    named_columns,
    omissions,
    sequences,
    tables,
    unmatched_patterns,
    watch,
)
from vault.source.postgres.capture.reach import CaptureOptions, Reached, reach
from vault.source.postgres.connection import server_facts
from vault.source.postgres.connection.connect import Session, child_variables, connect, translated
from vault.source.postgres.connection.exported_snapshot import Exported
from vault.source.postgres.connection.programs import ChildProcess, Children, Program, Programs
from vault.source.postgres.connection.resolve import Server
from vault.source.postgres.definitions import beyond_pg_dump, pg_dump
from vault.source.postgres.definitions import definitions_fingerprint as definition_fingerprints
from vault.source.postgres.rows.psql_copy import PsqlPump
from vault.source.postgres.rows.psycopg_copy import DirectReader, Leader
from vault.source.postgres.rows.reader import SnapshotReader
from vault.source.postgres.rows.snapshot_sessions import Import, open_worker, rejoin
from vault.source.postgres.rows.without_table_locks import Sparing, tables_max
from vault.sql import pattern
from vault.sql.pattern import Selection
from vault.sql.settings import fixed

DUMP_LOCK_TIMEOUT_S: Final = 2.0
"""pg_dump meets locks only where somebody queues behind ours: waiting would queue the application too [C2]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What an opened capture consists of."""

    options: CaptureOptions
    server: Server
    known: server_facts.Basics
    leader: Leader
    spare: Session
    taken: Exported
    tables: Sequence[SourceTable]
    children: Children
    dump: ChildProcess
    pg_dump: Program
    programs: Programs
    selection: Selection
    unused: Sequence[str]
    sessions: list[Session] = field(default_factory=list)


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
    server, leader, known = reached.server, reached.leader, reached.known
    children: Children | None = None
    try:
        selection = options.selection()
        taken, unread = _view(reached, options, notify)
        variables = pg_dump.variables(child_variables(server), known.odd_words)
        children = Children(environment=environment, connection=variables, password=server.password)
        dumping = pg_dump.start(
            reached.dump, children, taken, selection, unread=unread, lock_timeout_s=DUMP_LOCK_TIMEOUT_S
        )
        notify("measuring tables")
        parts = _Parts(
            options=options,
            server=server,
            known=known,
            leader=Leader(leader),
            spare=reached.spare,
            taken=taken,
            dump=dumping,
            pg_dump=reached.dump,
            tables=tables.tables(leader, taken.holding, version=known.version),
            children=children,
            programs=programs,
            selection=selection,
            unused=unmatched_patterns.unused(leader, taken, selection, known.search_path),
        )
        if not taken.held:
            _require_same(parts)  # sizes were read without a lock: they are those of the snapshot's files
        return PostgresCapture(parts)
    except BaseException:
        if children is not None:
            children.close()
        reached.close()
        raise


def _view(reached: Reached, options: CaptureOptions, notify: Callable[[str], None]) -> tuple[Exported, str]:
    """The view, and what pg_dump need not read of it."""
    selection = options.selection()
    request = lock_then_export.Request(
        selected=pattern.condition(selection, reached.known.search_path),
        without_rows=pattern.without_rows(selection, reached.known.search_path),
        whole=selection.whole,
        allow_gaps=options.allow_gaps,
        lock_timeout_s=options.lock_timeout_s,
        notify=notify,
    )
    taken = lock_then_export.take(reached.leader, reached.server, reached.known, request)
    unmatched_patterns.refuse_empty(reached.leader, taken.relations, selection, reached.known.search_path)
    unread, sequences_read = pg_dump.unread_data(reached.leader)
    if not taken.held:
        lock_then_export.refuse_too_many(sequences_read + len(taken.relations), reached.known)
    return taken, unread


def _require_same(parts: _Parts) -> None:
    """Raises Incoherent if a table's name or file is no longer that of the snapshot"""
    try:
        lock_then_export.check(parts.leader.session, parts.taken.relations)
    except lock_then_export.Moved as moved:
        raise Incoherent(f"table {moved} was replaced during the backup") from moved


class PostgresCapture:
    """Implements ports.Capture. `reader` may be called from any thread, the rest from one."""

    def __init__(self, parts: _Parts) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._connecting = threading.Lock()
        self._observing: Session | None = None
        self._clerk: Session | None = None
        self._server = parts.taken.server
        self._start: definition_fingerprints.Versions | None = None
        self._columns: definition_fingerprints.Definitions | None = None
        self._schema: SchemaDump | None = None
        self._describing = threading.Lock()
        self._dumped: bytes | None = None
        self._psql: Program | None = None
        self._psql_sought = False

    @property
    def server(self) -> ServerFacts:
        """As at the snapshot; `flush_lsn` is that of the flush once `finish` has returned."""
        return self._server

    @property
    def exported(self) -> str:
        """Name of the snapshot for SET TRANSACTION SNAPSHOT, until `finish`: to read it by other means and compare."""
        return self._parts.taken.exported

    @property
    def tables(self) -> Sequence[SourceTable]:
        return self._parts.tables

    @property
    def missing(self) -> Sequence[Missing]:
        session = self._session()
        gone = [*self._parts.taken.missing, *cluster.missing(session), *beyond_pg_dump.missing(session, self._scope)]
        if self._parts.selection.whole:
            gone += [*large_objects.missing(session), *omissions.missing(session), *cluster_labels.missing(session)]
        self.schema()
        return [*gone, *omissions.warned(self._parts.dump.said())]

    @property
    def _scope(self) -> beyond_pg_dump.Scope:
        return beyond_pg_dump.Scope(
            tables=[relation.oid for relation in self._parts.taken.relations], everything=self._parts.selection.whole
        )

    def schema(self) -> SchemaDump:
        """Reads the start of the definitions as well, while pg_dump works."""
        if self._schema is None:
            self._schema = pg_dump.collect(
                self._archive(), self._session(), self.server.encoding, self._scope, version=self._parts.known.version
            )
        return self._schema

    def catalog(self) -> CatalogFacts:
        return catalog_facts.facts(self._session())

    def roles(self) -> Roles:
        return cluster.roles(self._session(), version=self._parts.known.version)

    def sequences(self) -> Iterator[SequenceItem]:
        clerk = self._session()
        return sequences.read(clerk, self._parts.taken.sequences, give_back=partial(rejoin, clerk, self._import()))

    def large_objects(self) -> Iterator[LargeObjectRows]:
        return large_objects.read(self._session()) if self._parts.selection.whole else iter(())

    def columns(self, table: SourceTable, names: Sequence[str]) -> Iterator[bytes] | None:
        return named_columns.read(self._session(), table, names) if self._parts.taken.held else None

    def watch(self, tell: Callable[[str], None]) -> None:
        options, known = self._parts.options, self._parts.known
        if self._parts.pg_dump.misses_news_of(known.version):
            minor = ".".join(map(str, self._parts.pg_dump.version))
            tell(
                f"pg_dump {minor} is older than the server ({known.version_text}): a minor may change what definitions hold;"
                f" bring postgresql-client-{known.major} up to date"
            )
        for text in self._parts.unused:
            tell(text)
        try:
            observer = self._observer()
            watch.tell_holder(observer, self._server, old_s=options.old_transaction_s, tell=tell)
            watch.until(self._ended, observer, stall_s=options.stall_s, tell=tell)
        except (SourceError, Unreachable):
            if not self._ended.is_set():  # else it is the end that broke off the last look
                raise

    def reader(self) -> RowReader:
        sparing = None if self._parts.taken.held else self._spare()
        imported = self._import()
        session = self._kept(open_worker(imported))
        direct = DirectReader(
            session, self._parts.leader, imported.encoding, observer=self._observer(), sparing=sparing
        )
        large = self._parts.options.large_table_bytes
        return SnapshotReader(direct, lambda: self._pump(imported, sparing), large_table_bytes=large)

    def finish(self) -> Sequence[str]:
        parts = self._parts
        try:
            changed = self._changed()
            with parts.leader.turn, parts.leader.session.lock:
                if parts.taken.held:
                    _require_same(parts)
                with translated("ending the snapshot"):
                    ended = parts.leader.session.connection.execute("COMMIT").statusmessage
            if ended != "COMMIT":
                raise Incoherent("the transaction that held the snapshot had failed")
        finally:
            self.abort()
        return changed

    def _definitions_at_start(self) -> definition_fingerprints.Versions:
        if self._start is None:
            self._start = definition_fingerprints.versions(self._session())
        return self._start

    def _changed(self) -> Sequence[str]:
        """Compare the definitions of the snapshot with those of now, in fresh transactions of the clerk."""
        start, clerk, doing = self._definitions_at_start(), self._session(), "comparing definitions"
        fresh = "COMMIT; BEGIN READ ONLY;" + fixed(self._parts.known.known_settings)
        clerk.run(fresh, doing=doing)
        changed: Sequence[str] = ()
        if definition_fingerprints.versions(clerk) != start:
            rejoin(clerk, self._import())
            before = definition_fingerprints.read(clerk)
            clerk.run(fresh, doing=doing)
            changed = tuple(definition_fingerprints.changed(clerk, before, definition_fingerprints.read(clerk)))
        clerk.run("COMMIT", doing=doing)
        if self._parts.options.is_base:
            self._server = server_facts.flushed(clerk, self._server)
        return changed

    def abort(self) -> None:
        with self._lock:
            self._ended.set()
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
            server=parts.server,
            exported=parts.taken.exported,
            snapshot=parts.taken.server.snapshot,
            identity=parts.taken.identity,
            encoding=parts.taken.server.encoding,
            known_settings=parts.known.known_settings,
        )

    def _spare(self) -> Sparing:
        """pg_dump locks every table, so it has ended before anybody reads."""
        self._archive()
        return Sparing(
            imported=self._import(),
            start=self._columns_at_start(),
            observer=self._observer(),
            tables_max=tables_max(self._parts.known.lock_slots),
            patience_s=self._parts.options.lock_timeout_s,
        )

    def _columns_at_start(self) -> definition_fingerprints.Definitions:
        with self._describing:
            if self._columns is None:
                oids = [table.oid for table in self.tables]
                self._columns = definition_fingerprints.columns(self._session(), oids)
            return self._columns

    def _archive(self) -> bytes:
        """What pg_dump wrote. While it works the start of the definitions is read as well."""
        with self._describing:
            if self._dumped is None:
                self._definitions_at_start()
                self._dumped = pg_dump.read(self._parts.dump)
            return self._dumped

    def _observer(self) -> Session:
        """A session that sees the newest catalog; several threads use it in turn."""
        with self._connecting:
            if self._observing is None:
                self._observing = self._kept(connect(self._parts.server))
            return self._observing

    def _kept(self, session: Session) -> Session:
        """`session`, ended with the capture. Raises SourceError if that is over"""
        with self._lock:
            if self._ended.is_set():
                session.abort()
                raise SourceError("the capture has ended")
            self._parts.sessions.append(session)
        return session

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

    def _pump(self, imported: Import, sparing: Sparing | None) -> PsqlPump | None:
        with self._lock:
            if not self._psql_sought:
                parts = self._parts
                self._psql = parts.programs.find("psql", major=parts.known.major, local=parts.server.local)
                self._psql_sought = True
        if self._psql is None:
            return None
        held = None if sparing is None else sparing.tables_max
        return PsqlPump(self._psql, self._parts.children, imported, tables_max=held)
