"""A database to restore into: what it is and holds before the restore, and connections to it.

Never writes anything itself: sessions do. Invariant: `close` leaves no server process of ours behind. Spec 75-restore.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, LiteralString

import psycopg

from vault.errors import PermissionMissing, SourceError, VaultError
from vault.model import Identity, Present, TableName, TargetFacts, TargetSchema
from vault.model.meaning import Meanings, meanings
from vault.ports import SchemaDump
from vault.source.postgres.capture import catalog_facts
from vault.source.postgres.capture.cluster import roles
from vault.source.postgres.capture.database import open_capture
from vault.source.postgres.capture.reach import CaptureOptions
from vault.source.postgres.connection import undecodable_names
from vault.source.postgres.connection.connect import Connection, Session, connect, pinned, refuse_pooler
from vault.source.postgres.connection.programs import Programs
from vault.source.postgres.connection.resolve import Server, resolve
from vault.source.postgres.connection.sql_text import text
from vault.source.postgres.target import index_memory, silent_triggers, waits
from vault.source.postgres.target.attempts import translate
from vault.source.postgres.target.put_back.session import PostgresPutBack
from vault.source.postgres.target.session import PostgresTargetSession, apply_settings
from vault.source.postgres.target.silent_triggers import REPLICA
from vault.sql.emptiness import IN_THE_WAY

_FACTS: Final[LiteralString] = """
select current_setting('server_version_num')::int, current_setting('server_version'), (select system_identifier::text from pg_catalog.pg_control_system()),
       datname, d.oid::int8, pg_catalog.pg_encoding_to_char(encoding), current_user::text, rolsuper, pg_catalog.pg_is_in_recovery()
  from pg_catalog.pg_database d, pg_catalog.pg_roles where datname = current_database() and rolname = current_user
"""

_ALLOWED: Final[LiteralString] = """
select array(select rolname::text from pg_catalog.pg_roles r where pg_catalog.pg_has_role(current_user, r.oid, 'MEMBER') order by 1),
       pg_catalog.has_database_privilege(current_database(), 'CREATE'), rolsuper or rolcreaterole
  from pg_catalog.pg_roles where rolname = current_user
"""
_SCHEMAS: Final[LiteralString] = """
select nspname::text, pg_catalog.pg_get_userbyid(nspowner)::text, pg_catalog.has_schema_privilege(oid, 'CREATE')
  from pg_catalog.pg_namespace where nspname <> 'information_schema' and nspname !~ '^pg_' order by 1
"""

_READ_ONLY: Final[LiteralString] = """
select n.nspname::text, c.relname::text from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = relnamespace
 where c.oid >= 16384 and c.relkind in ('r', 'p', 'S') and not (pg_catalog.has_schema_privilege(n.oid, 'USAGE')
   and case relkind when 'S' then pg_catalog.has_sequence_privilege(c.oid, 'UPDATE')
                             else pg_catalog.has_table_privilege(c.oid, 'INSERT') end)
"""
_UNREADABLE: Final[LiteralString] = """
select n.nspname::text, c.relname::text from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = relnamespace
 where c.oid >= 16384 and c.relkind in ('r', 'p') and nspname !~ '^pg_'
   and not (pg_catalog.has_schema_privilege(n.oid, 'USAGE') and pg_catalog.has_table_privilege(c.oid, 'SELECT'))
"""

_EXTENSION_VERSIONS: Final[LiteralString] = """
select name::text, version from pg_catalog.pg_available_extension_versions order by 1, 2
"""

_CANCEL_TIMEOUT_S: Final = 5


def connect_target(
    conninfo: str, environment: Mapping[str, str], *, programs: Programs | None = None, allow_cleartext: bool = False
) -> PostgresTarget:
    """Connect, and look at the target. `programs` are needed to read what one that is not empty has.

    Raises  Unreachable; UsageError, UnsafeError: as for reading; PermissionMissing: the target is a standby
    """
    server = resolve(conninfo, environment, allow_cleartext=allow_cleartext)
    session = connect(server)
    try:
        server = pinned(server, session)
        refuse_pooler(server, session).close()
        apply_settings(session.connection)
        reading = _Reading(
            conninfo=conninfo, environment=environment, programs=programs, allow_cleartext=allow_cleartext
        )
        return PostgresTarget(server, _probe(session), reading)
    except psycopg.Error as error:
        raise translate(error, "the target could not be examined") from error
    finally:
        session.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """How a target's own definitions are read: as those of a source."""

    conninfo: str
    environment: Mapping[str, str]
    programs: Programs | None
    allow_cleartext: bool


class PostgresTarget:
    """Implements ports.Target, and ports_of_put_back.PutBackTarget."""

    def __init__(self, server: Server, facts: TargetFacts, reading: _Reading) -> None:
        self._server = server
        self._facts = facts
        self._reading = reading
        self._lock = threading.Lock()
        self._sessions: list[Session] = []

    @property
    def facts(self) -> TargetFacts:
        return self._facts

    def present(self) -> Present:
        reading = self._reading
        if reading.programs is None:
            raise SourceError("the target's definitions cannot be read", why="no pg_dump is at hand")
        options = CaptureOptions(allow_gaps=True, allow_cleartext=reading.allow_cleartext, definitions_only=True)
        with open_capture(
            reading.conninfo,
            options=options,
            programs=reading.programs,
            environment=reading.environment,
            notify=lambda _: None,
        ) as capture:
            session = connect(self._server)
            try:
                apply_settings(session.connection)
                unreadable, read_only = (_tables(session.connection, query) for query in (_UNREADABLE, _READ_ONLY))
                triggers = _triggers(session.connection)
            finally:
                session.close()
            dump = capture.schema()
            catalog = capture.catalog()
            return Present(
                homes=dict(_homes(dump)),
                unreadable=unreadable,
                read_only=read_only,
                entries={entry.identity: entry for entry in dump.entries},
                columns={table.name: frozenset(column.name for column in table.columns) for table in capture.tables},
                acls=catalog.acls,
                triggers=triggers,
                meanings=meanings(catalog.edges, catalog.operators),
            )

    def session(
        self, encoding: str, *, search_paths: Mapping[str, str] | None = None, meanings: Meanings | None = None
    ) -> PostgresTargetSession:
        session = connect(self._server)
        with self._lock:
            self._sessions.append(session)
        try:
            apply_settings(session.connection)
            if self._server.local and (kib := index_memory.index_kib()) is not None:
                session.connection.execute(index_memory.RAISE, (kib, kib))
            return PostgresTargetSession(
                session.connection,
                rows_encoding=encoding,
                may_replicate=self._facts.may_replicate,
                search_paths=search_paths,
                meanings=meanings,
            )
        except psycopg.Error as error:
            raise translate(error, "the target refused a setting") from error

    def watch(self, tell: Callable[[str], None], *, ended: Callable[[float], bool]) -> None:
        try:
            observer = connect(self._server)
            try:
                waits.until(ended, observer, self._pids, tell=tell)
            finally:
                observer.close()
        except VaultError as error:  # the restore meets what is wrong itself
            if not ended(0):
                tell(f"what it waits for is not told from here on: {error.message}: {error.why}")

    def _pids(self) -> list[int]:
        with self._lock:
            return [session.pid for session in self._sessions if not session.connection.closed]

    def put_back(self) -> PostgresPutBack:
        """See ports_of_put_back.PutBackTarget."""
        session = connect(self._server)
        with self._lock:
            self._sessions.append(session)
        try:
            apply_settings(session.connection)
            return PostgresPutBack(session.connection)
        except psycopg.Error as error:
            raise translate(error, "the target refused a setting") from error

    def cancel(self) -> None:
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            with contextlib.suppress(psycopg.Error, OSError):
                if not session.connection.closed:
                    session.connection.cancel_safe(timeout=_CANCEL_TIMEOUT_S)

    def close(self) -> None:
        with self._lock:
            sessions, self._sessions = self._sessions, []
        for session in sessions:
            session.close()


def _probe(session: Session) -> TargetFacts:
    connection = session.connection
    (row,) = connection.execute(_FACTS).fetchall()
    version_num, version, system_id, database, database_oid, encoding, user, superuser, standby = row
    if standby:
        raise PermissionMissing("the target is a standby and takes no writes", hint="connect to the primary")
    undecodable_names.require(session, encoding)
    ((acts_as, may_create_schemas, may_create_roles),) = connection.execute(_ALLOWED).fetchall()
    known = roles(session, version=version_num)
    return TargetFacts(
        version_num=version_num,
        version=version,
        system_id=system_id,
        database=database,
        database_oid=database_oid,
        encoding=encoding,
        user=user,
        superuser=superuser,
        roles=replace(known, roles=tuple(replace(role, verifier=None) for role in known.roles)),
        verifiers=(
            {role.name: role.verifier for role in known.roles if role.verifier is not None}
            if known.verifiers_read
            else None
        ),
        in_the_way=_names(connection, IN_THE_WAY),
        extensions=_names(connection, "select name::text from pg_catalog.pg_available_extensions order by 1"),
        extensions_installed=_names(connection, "select extname::text from pg_catalog.pg_extension order by 1"),
        extension_versions=tuple(
            (str(name), str(number)) for name, number in connection.execute(_EXTENSION_VERSIONS).fetchall()
        ),
        properties=catalog_facts.database(session, all_collations=True),
        tablespaces=_names(connection, "select spcname::text from pg_catalog.pg_tablespace order by 1"),
        acts_as=() if superuser else tuple(acts_as),
        schemas=tuple(
            TargetSchema(name=name, owner=owner, may_create=may_create)
            for name, owner, may_create in connection.execute(_SCHEMAS).fetchall()
        ),
        may_create_schemas=may_create_schemas,
        may_create_roles=may_create_roles,
        may_replicate=_may_replicate(connection),
    )


def _may_replicate(connection: Connection) -> bool:
    """Asked by trying: a platform may allow it by other means than a privilege."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(REPLICA)
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


def _homes(dump: SchemaDump) -> Iterator[tuple[Identity, tuple[str, ...]]]:
    for entry, needs in zip(dump.entries, dump.needs, strict=True):
        if entry.identity.desc in ("INDEX", "STATISTICS"):
            relations = (dump.entries[need].identity for need in needs)
            home = next(
                (relation.names for relation in relations if relation.kind in ("table", "materialized view")), ()
            )
            yield entry.identity, home


def _triggers(connection: Connection) -> dict[TableName, tuple[tuple[str, bool], ...]]:
    triggers: dict[TableName, tuple[tuple[str, bool], ...]] = {}
    for schema, name, trigger, may_silence in connection.execute(silent_triggers.ALL).fetchall():
        table = TableName(schema=schema, name=name)
        triggers[table] = (*triggers.get(table, ()), (str(trigger), bool(may_silence)))
    return triggers


def _tables(connection: Connection, query: LiteralString) -> frozenset[TableName]:
    return frozenset(TableName(schema=schema, name=name) for schema, name in connection.execute(query).fetchall())


def _names(connection: Connection, query: str) -> tuple[str, ...]:
    return tuple(str(row[0]) for row in connection.execute(text(query)).fetchall())
