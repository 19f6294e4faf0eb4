"""A database to restore into: what it is and holds before the restore, and connections to it.

Never writes anything itself: sessions do. Invariant: `close` leaves no server process of ours behind. Spec 75-restore.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, LiteralString

import psycopg

from vault.errors import PermissionMissing
from vault.ports import TargetFacts
from vault.source.postgres.cluster import roles
from vault.source.postgres.connect import Session, Target, connect, pinned, refuse_pooler, resolve
from vault.source.postgres.execute import Connection, PostgresTargetSession, apply_settings, text, translate

_FACTS: Final[LiteralString] = """
select current_setting('server_version_num')::int, current_setting('server_version'), (select system_identifier::text from pg_catalog.pg_control_system()),
       datname, d.oid::int8, pg_catalog.pg_encoding_to_char(encoding), current_user::text, rolsuper, pg_catalog.pg_is_in_recovery()
  from pg_catalog.pg_database d, pg_catalog.pg_roles where datname = current_database() and rolname = current_user
"""

_IN_THE_WAY: Final[LiteralString] = """
with member as (
    select classid, objid from pg_catalog.pg_depend where deptype = 'e'
), found (classid, objid) as (
    select 'pg_catalog.pg_namespace'::pg_catalog.regclass::oid, oid from pg_catalog.pg_namespace
     where nspname <> 'public' and nspname <> 'information_schema' and nspname !~ '^pg_'
    union all
    select classid, objid from pg_catalog.pg_depend
     where refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass and deptype = 'n'
       and refobjid = (select oid from pg_catalog.pg_namespace where nspname = 'public')
       and classid <> 'pg_catalog.pg_extension'::pg_catalog.regclass
       and classid <> 'pg_catalog.pg_default_acl'::pg_catalog.regclass
    union all select 'pg_catalog.pg_event_trigger'::pg_catalog.regclass, oid from pg_catalog.pg_event_trigger
    union all select 'pg_catalog.pg_publication'::pg_catalog.regclass, oid from pg_catalog.pg_publication
    union all select 'pg_catalog.pg_subscription'::pg_catalog.regclass, oid from pg_catalog.pg_subscription
               where subdbid = (select oid from pg_catalog.pg_database where datname = current_database())
    union all select 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass, oid from pg_catalog.pg_foreign_data_wrapper
    union all select 'pg_catalog.pg_foreign_server'::pg_catalog.regclass, oid from pg_catalog.pg_foreign_server
    union all select 'pg_catalog.pg_language'::pg_catalog.regclass, oid from pg_catalog.pg_language where oid >= 16384
    union all select 'pg_catalog.pg_cast'::pg_catalog.regclass, oid from pg_catalog.pg_cast where oid >= 16384
    union all select 'pg_catalog.pg_am'::pg_catalog.regclass, oid from pg_catalog.pg_am where oid >= 16384
    union all select 'pg_catalog.pg_transform'::pg_catalog.regclass, oid from pg_catalog.pg_transform where oid >= 16384
    union all select 'pg_catalog.pg_largeobject'::pg_catalog.regclass, oid from pg_catalog.pg_largeobject_metadata
)
select (pg_catalog.pg_identify_object(classid, objid, 0)).type || ' ' || (pg_catalog.pg_identify_object(classid, objid, 0)).identity
  from found where (classid, objid) not in (select classid, objid from member) order by 1
"""
"""Anything of a user: schemas, what depends on schema public, and what has no schema. Oids below 16384 come from initdb."""

_CANCEL_TIMEOUT_S: Final = 5


def connect_target(conninfo: str, environment: Mapping[str, str], *, allow_cleartext: bool = False) -> PostgresTarget:
    """Connect, and look at the target.

    Raises  Unreachable; UsageError, UnsafeError: as for reading; PermissionMissing: no superuser, or the target is a standby
    """
    place = resolve(conninfo, environment, allow_cleartext=allow_cleartext)
    session = connect(place)
    try:
        place = pinned(place, session)
        refuse_pooler(place, session).close()
        apply_settings(session.connection)
        return PostgresTarget(place, _probe(session))
    except psycopg.Error as error:
        raise translate(error, "the target could not be examined") from error
    finally:
        session.close()


class PostgresTarget:
    """Implements ports.Target."""

    def __init__(self, place: Target, facts: TargetFacts) -> None:
        self._place = place
        self._facts = facts
        self._lock = threading.Lock()
        self._sessions: list[Session] = []

    @property
    def facts(self) -> TargetFacts:
        return self._facts

    def session(self, encoding: str) -> PostgresTargetSession:
        session = connect(self._place)
        with self._lock:
            self._sessions.append(session)
        try:
            apply_settings(session.connection)
            return PostgresTargetSession(session.connection, rows_encoding=encoding)
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
    if not superuser:
        raise PermissionMissing(f"{user} is no superuser on the target", hint="connect as a superuser")
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
        in_the_way=_names(connection, _IN_THE_WAY),
        extensions=_names(connection, "select name::text from pg_catalog.pg_available_extensions order by 1"),
        extensions_installed=_names(connection, "select extname::text from pg_catalog.pg_extension order by 1"),
        tablespaces=_names(connection, "select spcname::text from pg_catalog.pg_tablespace order by 1"),
    )


def _names(connection: Connection, query: str) -> tuple[str, ...]:
    return tuple(str(row[0]) for row in connection.execute(text(query)).fetchall())
