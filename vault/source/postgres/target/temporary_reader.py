"""A login that may read everything and write nothing, for as long as something is asked: no superuser, and it cannot become one.

Made on the target, dropped at the end; one that a killed process left may not log in after an hour, and the next one drops it. What it runs is one statement of the extended protocol in a READ ONLY transaction: a function
may still act outside of the database, with the rights of this login.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Final

import psycopg

from vault.errors import SourceError
from vault.model import Role
from vault.ports import Entropy
from vault.source.postgres.connection.connect import Session, connect, pinned, translated
from vault.source.postgres.connection.resolve import Server
from vault.sql.names import quote
from vault.sql.roles import create_role

PREFIX: Final = "pgvault_drill_reader_"
STATEMENT_TIMEOUT_S: Final = 600
VALID_MINUTES: Final = 60
"""It logs in at once; what is left of a killed process is of no use soon."""
_STALE: Final = """
SELECT rolname::text FROM pg_catalog.pg_roles r WHERE rolname ~ %s AND rolvaliduntil < pg_catalog.now()
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.usesysid = r.oid)
"""
_DOING: Final = "asking an assertion"
_READ_ALL_DATA: Final = 140_000
"""The first server that has the role pg_read_all_data."""
_SCHEMAS: Final = """
SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname <> 'information_schema' AND nspname !~ '^pg_'
"""
_NAME_BYTES: Final = 6
_ROWS_MAX: Final = 2
"""Enough to tell one from more."""


class TemporaryReaders:
    """Implements what `ops.drill.assertions` asks of. `server`: where a role is made that may read as it stands there."""

    def __init__(self, server: Server, entropy: Entropy) -> None:
        self._server = server
        self._entropy = entropy

    @contextmanager
    def open(self) -> Iterator[TemporaryReader]:
        """Raises  SourceError: no such role can be made; Unreachable: it may not log in"""
        admin = connect(self._server)
        name, password = f"{PREFIX}{self._entropy(_NAME_BYTES).hex()}", self._entropy(18).hex()
        try:
            admin.run("SET default_transaction_read_only = off", doing=_DOING)  # a database may have it on
            _drop_stale(admin)
            _make(admin, name, password)
            try:
                parameters = {**pinned(self._server, admin).parameters, "user": name, "password": password}
                session = connect(replace(self._server, parameters=parameters, password=password))
                try:
                    yield TemporaryReader(session)
                finally:
                    session.close()
            finally:
                _drop(admin, name)
        finally:
            admin.close()


class TemporaryReader:
    """`session`: its own, for who asks for more than an answer."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def answer(self, statement: str) -> Sequence[Sequence[object]]:
        """Its first rows, two at most. Raises  SourceError: it failed; Unreachable"""
        session = self.session
        limits = f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT_S}s'"
        session.run(f"BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; {limits}", doing=_DOING)
        try:
            with session.lock, translated(_DOING):
                rows: list[Sequence[object]] = []
                for row in psycopg.RawCursor(session.connection).stream(statement.encode(), []):
                    rows.append(row)
                    if len(rows) == _ROWS_MAX:
                        break
                return rows
        finally:
            if not session.connection.closed:
                session.run("ROLLBACK", doing=_DOING)


def _drop(admin: Session, name: str) -> None:
    admin.run(f"DROP OWNED BY {quote(name)}; DROP ROLE {quote(name)}", doing="dropping the reader")


def _drop_stale(admin: Session) -> None:
    """Those whose time is over and that nobody uses. One that cannot be dropped, as another database knows it, can do nothing either."""
    pattern = f"^{PREFIX}[0-9a-f]{{{2 * _NAME_BYTES}}}$"
    for (name,) in admin.rows(_STALE, [pattern], doing="looking for readers that were left"):
        with suppress(SourceError):
            _drop(admin, name)


def _make(admin: Session, name: str, password: str) -> None:
    doing = "making a reader"
    until = admin.row(
        f"SELECT (pg_catalog.now() + pg_catalog.make_interval(mins => {VALID_MINUTES}))::text", doing=doing
    )[0]
    role = Role(
        name=name,
        superuser=False,
        inherit=True,
        create_role=False,
        create_db=False,
        can_login=True,
        replication=False,
        bypass_rls=True,
        connection_limit=1,
        valid_until=until,
        verifier=password,
        comment=None,
    )
    superuser = admin.row("SELECT pg_catalog.current_setting('is_superuser') = 'on'", doing=doing)[0]
    statements = " ".join(create_role(role, unlogged=superuser))
    if admin.connection.info.server_version >= _READ_ALL_DATA:
        statements += f" GRANT pg_read_all_data TO {quote(name)};"
    else:
        for (schema,) in admin.rows(_SCHEMAS, doing=doing):
            statements += f" GRANT USAGE ON SCHEMA {quote(schema)} TO {quote(name)};"
            statements += f" GRANT SELECT ON ALL TABLES IN SCHEMA {quote(schema)} TO {quote(name)};"
    admin.run(f"BEGIN; {statements} COMMIT;", doing=doing)
