"""A look at a server as a backup would meet it, step by step, where each step that fails leaves the others their turn.

Nothing is locked, exported or written, and no row is read but those that are counted. What a capture refuses is asked of the
very functions that refuse it there, so that the two cannot come to say different things.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Final

from vault.errors import SourceError, Unreachable, VaultError
from vault.model import Missing, TableName
from vault.model.examined import Examined, FoundProgram, LookedAt, Route
from vault.source.postgres.capture import (
    cluster,
    cluster_labels,
    gaps,
    large_objects,
    lock_then_export,
    omissions,
    sequences,
    tables,
    unmatched_patterns,
)
from vault.source.postgres.capture.reach import CaptureOptions
from vault.source.postgres.connection import server_facts, undecodable_names
from vault.source.postgres.connection.connect import Session, connect, pinned, refuse_pooler
from vault.source.postgres.connection.exported_snapshot import Relation
from vault.source.postgres.connection.programs import Program, Programs
from vault.source.postgres.connection.resolve import Server, resolve
from vault.source.postgres.definitions import beyond_pg_dump
from vault.source.postgres.rows.unplannable import unplanned
from vault.sql import pattern
from vault.sql.names import qualified
from vault.sql.settings import fixed

OLDEST_MAJOR: Final = 13
COUNTED_ROWS_MAX: Final = 100_000
_DOING: Final = "looking at the database"
_BACKEND: Final = "SELECT pg_catalog.pg_backend_pid()"
_SIZE: Final = "SELECT pg_database_size(current_database())::int8"
_CLOCK: Final = "SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::int8"
_COUNT: Final = "SELECT count(*) FROM (SELECT FROM ONLY {table} LIMIT {most}) AS t"
_IMPATIENT: Final = "SET LOCAL lock_timeout = '500ms';"


def examine(
    conninfo: str,
    *,
    options: CaptureOptions,
    programs: Programs,
    environment: Mapping[str, str],
    now_ms: Callable[[], int],
    counted: Sequence[TableName] = (),
) -> Examined:
    """Look at the server that `conninfo` names. `counted`: tables whose rows are counted. Raises nothing of VaultError"""
    look = _Look(options=options, programs=programs)
    with ExitStack() as ending:
        with look.step(LookedAt.CONNECTION):
            look.connect(conninfo, environment, ending)
        if look.leader is not None:
            look.at_server(look.leader, counted, now_ms)
        with look.step(LookedAt.PG_DUMP):
            look.find_pg_dump()
    order = list(LookedAt)
    return replace(look.found, refusals=tuple(sorted(look.found.refusals, key=lambda pair: order.index(pair[0]))))


class _Look:
    def __init__(self, *, options: CaptureOptions, programs: Programs) -> None:
        self.found = Examined()
        self.leader: Session | None = None
        self._options = options
        self._programs = programs
        self._server: Server | None = None
        self._known: server_facts.Basics | None = None

    @contextmanager
    def step(self, step: LookedAt) -> Iterator[None]:
        try:
            yield
        except VaultError as error:
            self.found = replace(self.found, refusals=(*self.found.refusals, (step, error)))

    def connect(self, conninfo: str, environment: Mapping[str, str], ending: ExitStack) -> None:
        self._server = resolve(conninfo, environment, allow_cleartext=self._options.allow_cleartext)
        self.leader = connect(self._server)
        ending.callback(self.leader.abort)
        info = self.leader.connection.info
        self._server = pinned(self._server, self.leader)
        self.found = replace(
            self.found, place=f"{info.host}:{info.port}", encrypted=bool(self.leader.connection.pgconn.ssl_in_use)
        )

    def at_server(self, leader: Session, counted: Sequence[TableName], now_ms: Callable[[], int]) -> None:
        with self.step(LookedAt.ROUTE):
            self._route(leader)
        with self.step(LookedAt.SERVER):
            self._describe(leader, now_ms)
        known = self._known
        if known is None:
            return
        if not self._options.definitions_only:
            with self.step(LookedAt.ALL_ROWS):
                server_facts.require_unfiltered(known)
        with self.step(LookedAt.TEXTS):
            undecodable_names.require(leader, known.encoding)
        with self.step(LookedAt.OBJECTS):
            self._objects(leader, known)
        # Where somebody holds a lock, how many there are is not known.
        with suppress(SourceError, Unreachable), _transaction(leader, known):
            self.found = replace(self.found, rows=self._counted(leader, known, counted))

    def find_pg_dump(self) -> None:
        """As a backup would; of a server that was not reached only whether there is one at all."""
        known, local = self._known, self._server is None or self._server.local
        if known is None:
            program = self._programs.find("pg_dump", major=OLDEST_MAJOR, local=local)
            self.found = replace(self.found, pg_dump=None if program is None else _described(program, outdated=False))
            if program is not None:
                return
        major = OLDEST_MAJOR if known is None else known.major
        program = self._programs.require("pg_dump", major=major, local=local)
        outdated = known is not None and program.misses_news_of(known.version)
        self.found = replace(self.found, pg_dump=_described(program, outdated=outdated))

    def _route(self, leader: Session) -> None:
        """A pooler's own number stands where a server says that of its process."""
        assert self._server is not None
        own: int = leader.row(_BACKEND, doing="looking for a pooler")[0]
        route = Route.DIRECT if own == leader.pid else Route.SESSION_POOLER
        self.found = replace(self.found, route=route)
        try:
            refuse_pooler(self._server, leader).abort()
        except SourceError as error:
            if not error.sqlstate:  # no refusal of the server's
                self.found = replace(self.found, route=Route.TRANSACTION_POOLER)
            raise

    def _describe(self, leader: Session, now_ms: Callable[[], int]) -> None:
        known = self._known = server_facts.basics(leader)
        self.found = replace(self.found, user=known.user, superuser=known.superuser)
        with _transaction(leader, known):
            asked_ms = now_ms()
            there_ms: int = leader.row(_CLOCK, doing=_DOING)[0]
            ahead_ms = _outside(there_ms, asked_ms, now_ms())
            server = server_facts.server_facts(leader, known, before=0)
            size: int = leader.row(_SIZE, doing=_DOING)[0]
        self.found = replace(self.found, server=server, clock_ahead_ms=ahead_ms, size_bytes=size)

    def _objects(self, leader: Session, known: server_facts.Basics) -> None:
        selection, path = self._options.selection(), known.search_path
        selected = pattern.condition(selection, path)
        with _transaction(leader, known):
            relations = tables.relations(leader, selected, without_rows=pattern.without_rows(selection, path))
            readable = gaps.readable(leader, relations, selected=selected, whole=selection.whole, user=known.user)
            self.found = replace(
                self.found,
                tables=sum(relation.holds_rows for relation in relations),
                denied=tuple(readable.denied),
                missing=tuple(self._missing(leader, relations, known, readable=readable)),
            )
            if not self._options.allow_gaps:
                readable.require()
            unmatched_patterns.refuse_empty(leader, relations, selection, path)
            if len(relations) > known.lock_slots // lock_then_export.SHARE_OF_LOCK_TABLE:
                lock_then_export.refuse_too_many(len(relations), known)

    def _missing(
        self, session: Session, relations: Sequence[Relation], known: server_facts.Basics, *, readable: gaps.Readable
    ) -> Iterator[Missing]:
        """As a capture's `missing`, but for what pg_dump warns of."""
        yield from gaps.of_relations(relations, known)
        if self._options.allow_gaps:
            yield from gaps.undefined(session, relations)
        yield from sequences.missing(readable.values, known.user)
        scope = beyond_pg_dump.Scope(
            tables=[relation.oid for relation in relations], everything=self._options.selection().whole
        )
        yield from cluster.missing(session)
        yield from beyond_pg_dump.missing(session, scope)
        if scope.everything:
            for look in (large_objects, omissions, cluster_labels):
                yield from look.missing(session)

    def _counted(
        self, session: Session, known: server_facts.Basics, names: Sequence[TableName]
    ) -> Mapping[TableName, int]:
        """Rows of those that may be read without running code of others, up to COUNTED_ROWS_MAX of each."""
        selection = self._options.selection()
        without = pattern.without_rows(selection, known.search_path)
        selected = pattern.condition(selection, known.search_path)
        listed = tables.relations(session, selected, without_rows=without) if names else []
        wanted = [
            one for one in listed if one.name in names and one.readable and one.holds_rows and not one.rows_excluded
        ]
        barred = unplanned(session, [relation.oid for relation in wanted])
        queries = {
            relation.name: _COUNT.format(table=qualified(relation.name), most=COUNTED_ROWS_MAX)
            for relation in wanted
            if relation.oid not in barred
        }
        return {name: session.row(query, doing="counting rows")[0] for name, query in queries.items()}


@contextmanager
def _transaction(session: Session, known: server_facts.Basics) -> Iterator[None]:
    """Of the settings of a capture, but one that waits for no lock; it ends without a trace."""
    session.run("BEGIN READ ONLY;" + fixed(known.known_settings) + _IMPATIENT, doing=_DOING)
    try:
        yield
    finally:
        if not session.connection.closed:
            session.run("ROLLBACK", doing=_DOING)


def _outside(there_ms: int, before_ms: int, after_ms: int) -> int:
    """How far `there_ms` lies after the latest, or before the earliest (less than 0), of the times between which it was read."""
    return max(there_ms - after_ms, 0) or min(there_ms - before_ms, 0)


def _described(program: Program, *, outdated: bool) -> FoundProgram:
    return FoundProgram(path=str(program.path), version=".".join(map(str, program.version)), outdated=outdated)
