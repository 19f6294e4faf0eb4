"""Connections to the source: which server, how safe, and one `Session` a connection.

Never holds a password in a message: libpq's texts name host, port and user only, and what it says about a connection string
that it cannot parse is not passed on. Its invariant: every session of a capture, and every child, talks to the one
server process group that the first connection reached (hosts are pinned [A10]).
"""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import psycopg
from psycopg import pq

from vault.errors import Incoherent, PermissionMissing, SourceError, Unreachable, UnsafeError, UsageError
from vault.source.postgres.connection.psycopg_errors import is_lost, words
from vault.source.postgres.connection.resolve import ENCRYPTED_MODES, Server, decoded, settings
from vault.source.postgres.connection.sql_text import text
from vault.sql import sqlstate

ABORT_PATIENCE_S: Final = 5.0
NOT_FOR_CHILDREN: Final = frozenset(
    {"PGPASSWORD", "PGPASSFILE", "PGSERVICE", "PGTARGETSESSIONATTRS", "PGLOADBALANCEHOSTS"}
)
_CHANGED: Final = sqlstate.NOT_FOUND | {sqlstate.OBJECT_NOT_IN_PREREQUISITE_STATE, sqlstate.INTERNAL_ERROR}
"""What a statement meets whose objects were replaced after it was planned."""
_QUALIFY: Final = (
    "an index, statistics or a type calls it; write SCHEMA.NAME in its body, since backups have an empty search path"
)

_APART: Final = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL search_path = ''"

Row = tuple[Any, ...]
Connection = psycopg.Connection[Row]


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn psycopg's exceptions into ours."""
    try:
        yield
    except psycopg.Error as error:
        raise translate(error, doing) from error
    except UnicodeDecodeError as error:
        raise SourceError(
            f"the server sent what is no text while {doing}",
            why="a name was written in another encoding than this database's",
        ) from error


def translate(error: psycopg.Error, doing: str) -> SourceError | Unreachable:
    """Our error for psycopg's, without any value of a row."""
    state, why = error.sqlstate or "", words(error)
    if is_lost(error):
        return Unreachable(f"the connection to the server was lost while {doing}", why=why)
    if state == sqlstate.INSUFFICIENT_PRIVILEGE:
        return PermissionMissing(f"no permission while {doing}", why=why, sqlstate=state)
    if state in sqlstate.NOT_FOUND and error.diag.context:
        return SourceError(f"a function of the database failed while {doing}", why=why, hint=_QUALIFY, sqlstate=state)
    if state in _CHANGED:
        return Incoherent(f"the database changed while {doing}", why=why, sqlstate=state)
    return SourceError(f"the server refused while {doing}", why=why, sqlstate=state)


class Session:
    """One connection, used by one thread at a time: every call holds `lock`, so `abort` may come from another thread."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self.connection = connection
        self.lock = threading.RLock()

    @property
    def pid(self) -> int:
        return self.connection.info.backend_pid

    def run(self, statements: str, *, doing: str) -> None:
        with self.lock, translated(doing):
            self.connection.execute(statements)

    def rows(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None, *, doing: str) -> list[Row]:
        with self.lock, translated(doing):
            return self.connection.execute(query, parameters).fetchall()

    def row(self, query: str, parameters: Sequence[Any] | None = None, *, doing: str) -> Row:
        """The one row. Raises SourceError if there is none"""
        rows = self.rows(query, parameters, doing=doing)
        if len(rows) != 1:
            raise SourceError(f"the server gave {len(rows)} rows instead of one while {doing}")
        return rows[0]

    def copied(self, statement: str, *, doing: str) -> int:
        """Rows of a COPY ... TO STDOUT by its tag; what comes is thrown away."""
        with self.lock, translated(doing):
            cursor = self.connection.cursor()
            with cursor.copy(text(statement)) as stream:
                while stream.read():
                    pass
            return cursor.rowcount

    @contextmanager
    def apart(self, *, doing: str) -> Iterator[None]:
        """A short transaction that sees what is newest, and in which names and operators are PostgreSQL's own.

        Whoever owns a database, or may create in a schema of its search path, decides what they mean outside of one [CVE-2018-1058].
        """
        with self.lock:
            self.run(_APART, doing=doing)
            try:
                yield
            except BaseException:
                if not self.connection.closed:
                    self.run("ROLLBACK", doing=doing)
                raise
            self.run("COMMIT", doing=doing)

    def close(self) -> None:
        with self.lock:
            self.connection.close()

    def abort(self) -> None:
        """Cancel what runs, then close, also while another thread is in a call. Never raises."""
        if self.connection.closed:
            return
        try:
            if self.connection.info.transaction_status == pq.TransactionStatus.ACTIVE:
                self.connection.cancel_safe(timeout=ABORT_PATIENCE_S)
        except (psycopg.Error, OSError):
            pass
        if not self.lock.acquire(timeout=ABORT_PATIENCE_S):
            self._break_off()
            if not self.lock.acquire(timeout=ABORT_PATIENCE_S):
                return
        try:
            self.connection.close()
        except (psycopg.Error, OSError):
            pass
        finally:
            self.lock.release()

    def _break_off(self) -> None:
        """Make the thread that waits for the server see the end of the connection."""
        try:
            with socket.socket(fileno=os.dup(self.connection.fileno())) as broken:
                broken.shutdown(socket.SHUT_RDWR)
        except (psycopg.Error, OSError):
            pass


def libpq_version() -> str:
    """Of the client library that is in use."""
    return f"{pq.version() // 10000}.{pq.version() % 10000}"


def connect(server: Server) -> Session:
    """Open one session in autocommit mode. Raises  Unreachable, UnsafeError; UsageError: a host's name is none"""
    parameters = {**_not_from_here(server.parameters), **server.parameters}
    try:
        connection = psycopg.connect(autocommit=True, prepare_threshold=None, **parameters)  # type: ignore[arg-type]
    except psycopg.Error as error:
        raise _no_connection(error, server) from None
    except UnicodeError:  # Python's own, before anybody is asked for an address
        raise UsageError(
            f"{server.parameters.get('host')} is no name of a host",
            why="what stands between two dots is empty, or longer than 63 characters",
            hint="look at the host in the connection string, or in PGHOST",
        ) from None
    info = connection.info
    demanded = not server.local and server.parameters.get("sslmode") in ENCRYPTED_MODES
    if demanded and not connection.pgconn.ssl_in_use:
        connection.close()
        raise UnsafeError(f"the connection to {info.host} is in clear text", hint="enable TLS on the server")
    return Session(connection)


def _not_from_here(parameters: Mapping[str, str]) -> dict[str, str]:
    """What this process's own variables would add, each as if it were not set: `resolve` was given those that count.

    libpq takes whatever it is not given from the process: PGHOSTADDR alone leads a socket's session to another server. What a service
    leaves open comes from there, though.
    """
    if parameters.get("service"):
        return {}
    return {
        name: (option.compiled or b"").decode()
        for option in pq.Conninfo.get_defaults()
        if option.val not in (None, option.compiled)
        and option.envvar is not None
        and (name := option.keyword.decode()) not in _OF_A_SERVICE
    }


_OF_A_SERVICE: Final = frozenset({"service", "servicefile"})
"""An empty one is a service without a name, which is not defined."""


def _no_connection(error: psycopg.Error, server: Server) -> Unreachable:
    said = _without_password(str(error), server)
    harmless = (
        "connection to server",
        "service",
        "failed to resolve host",
        "could not translate host name",
        "timeout",
        "FATAL",
    )
    said, raised, _ = said.partition("\nCONTEXT:")  # libpq's own word, which is not translated
    if raised:
        said = f"{said.partition(' failed: ')[0]} failed: FATAL: what runs there at login raised an error, which is not shown"
    lines = said.partition("\nMultiple connection attempts")[0].splitlines()
    said = "; ".join(" ".join(line.split()) for line in lines if line.strip())
    why = _BOTH_SAY.sub("", said) if any(word in said for word in harmless) else type(error).__name__
    host = server.parameters.get("host") or server.parameters.get("hostaddr") or "the local socket"
    hint = next((hint for words, hint in _ADVICE if words.search(why)), "check host, port and user; is it running?")
    unreachable = Unreachable(f"cannot connect to the database at {host}", why=why, hint=hint)
    unreachable.wants_password = hint == _PASSWORD
    return unreachable


_NO_SECRET: Final = "postgres"
"""Every local stack of Supabase has this password; hidden, it would be shown by what is left of paths and names."""


def _without_password(said: str, server: Server) -> str:
    """Of libpq's text; the user and the database that were named stay readable, also where the password is the same word."""
    if server.password in (None, "", _NO_SECRET):
        return said
    named = (
        (word, server.parameters.get(key)) for word, key in (("user", "user"), ("role", "user"), ("database", "dbname"))
    )
    kept = {f'{word} "{name}"' for word, name in named if name}
    pattern = "|".join(map(re.escape, (*sorted(kept, key=len, reverse=True), server.password)))
    return re.sub(pattern, lambda match: match[0] if match[0] in kept else "***", said)


_BOTH_SAY: Final = re.compile(r"^connection (?:failed|is bad): ")
_PASSWORD: Final = "the password comes from PGPASSWORD, else a 0600 file: the one that PGPASSFILE names, or ~/.pgpass"
_ADVICE: Final = (
    (re.compile(r"what runs there at login"), "read the server's log; ALTER EVENT TRIGGER ... DISABLE ends it"),
    (
        re.compile(r"definition of service|service file"),
        "define it in ~/.pg_service.conf or in the file that PGSERVICEFILE names",
    ),
    (re.compile(r"does not support SSL"), "enable TLS there; or use --allow-cleartext on a network that you trust"),
    (re.compile(r'database ".*" does not exist'), "name another database with -d, or create it: createdb NAME"),
    (re.compile(r"password"), _PASSWORD),
    (re.compile(r'role ".*" does not exist'), "name another user: postgresql://USER@HOST/DATABASE"),
)
"""What libpq says in English -> what to do next."""


def pinned(server: Server, session: Session) -> Server:
    """`server` narrowed to the very server that `session` reached. Raises  UsageError: what libpq found for it is no text"""
    info = session.connection.info
    effective = settings(session.connection.pgconn.info)
    for gone in ("service", "target_session_attrs", "load_balance_hosts", "replication", "hostaddr", "passfile"):
        effective.pop(gone, None)
    kept = {name: value for name, value in effective.items() if value != "" or name in server.parameters}
    kept.update(host=info.host, port=str(info.port))
    if info.hostaddr and not info.host.startswith("/"):
        kept["hostaddr"] = info.hostaddr
    password = decoded(session.connection.pgconn.password or b"", "password")
    if password:
        kept["password"] = password
    return replace(server, parameters=kept, password=password)


def child_variables(server: Server) -> dict[str, str]:
    """The PG* variables that lead a child to a pinned server; never the password."""
    variables = {}
    for option in pq.Conninfo.get_defaults():
        value = server.parameters.get(option.keyword.decode())
        if option.envvar is not None and value is not None and option.envvar.decode() not in NOT_FOR_CHILDREN:
            variables[option.envvar.decode()] = value
    return variables


def refuse_pooler(server: Server, first: Session) -> Session:
    """A second session of the same server. Raises SourceError: statements of one client can meet different server sessions [C4]"""
    second = connect(server)
    try:
        query = "SELECT pg_catalog.pg_backend_pid()"
        before = first.row(query, doing="looking for a pooler")[0]
        second.run("BEGIN", doing="looking for a pooler")
        other = second.row(query, doing="looking for a pooler")[0]
        after = first.row(query, doing="looking for a pooler")[0]
        second.run("ROLLBACK", doing="looking for a pooler")
    except BaseException:
        second.abort()
        raise
    if before != after or other == before:
        second.abort()
        raise SourceError(
            "the connection goes through a pooler in transaction mode",
            why="one snapshot cannot be held across its connections (Supabase: port 6543)",
            hint="use the direct connection, or the session pooler (Supabase: port 5432)",
        )
    return second
