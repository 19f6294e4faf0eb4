"""Where a connection string, the PG* variables and a service lead, and how safe the way there is. Never connects.

Nothing of a string that libpq cannot parse is repeated: it may hold a password.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import psycopg
from psycopg import pq

from vault.errors import UnsafeError, UsageError

APPLICATION_NAME: Final = "pgvault"
CONNECT_TIMEOUT_S: Final = "15"
ENCRYPTED_MODES: Final = frozenset({"require", "verify-ca", "verify-full"})
KEEPALIVE: Final = {"keepalives": "1", "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "6"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Parameters of libpq that reach the server. `local`: over a Unix socket or the loopback interface."""

    parameters: Mapping[str, str]
    local: bool
    password: str = ""

    def __repr__(self) -> str:
        return f"Server(host={self.parameters.get('host')!r}, dbname={self.parameters.get('dbname')!r})"


def resolve(conninfo: str, environment: Mapping[str, str], *, allow_cleartext: bool) -> Server:
    """Where `conninfo` and the PG* variables of `environment` lead. Raises UsageError, UnsafeError"""
    try:
        options = pq.Conninfo.parse(_typed(conninfo, "string").encode())
    except psycopg.Error:
        raise UsageError(
            "the connection string is not valid",
            why="libpq cannot parse it (its text may hold a password and is not shown)",
            hint="write postgresql://USER@HOST:PORT/DATABASE and percent-encode special characters",
        ) from None
    given = settings(options)
    parameters = _variables(options, environment, but=given) | given
    if "@" in parameters.get("host", ""):
        raise UsageError(
            "the connection string is not valid",
            why="its host name holds an @, most likely from a password",
            hint="percent-encode special characters of the password: @ is %40",
        )
    is_defined = True
    if "service" in parameters:
        merged = _with_service(given | {"service": parameters["service"]})
        is_defined, parameters = merged is not None, parameters | (merged or {})
        if _REFUSED not in given:
            parameters.pop(_REFUSED, None)  # a variable's, which may not stand before the service's
    local = is_defined and _is_local(parameters)
    if not local and not allow_cleartext:
        parameters["sslmode"] = _encrypted(parameters.get("sslmode", "prefer"))
    password = parameters.get("password", "")
    fixed = {**KEEPALIVE, "application_name": APPLICATION_NAME, "client_encoding": "UTF8"}
    parameters.setdefault("connect_timeout", CONNECT_TIMEOUT_S)
    return Server(parameters={**parameters, **fixed}, local=local, password=password)


def _variables(
    options: Iterable[pq.ConninfoOption], environment: Mapping[str, str], *, but: Container[str]
) -> dict[str, str]:
    """Name -> value of those that `environment` has, `but` those that were given otherwise. Raises  UsageError: one is no text"""
    named = ((option.keyword.decode(), option.envvar.decode()) for option in options if option.envvar is not None)
    return {
        name: _typed(environment[variable], name)
        for name, variable in named
        if variable in environment and name not in but
    }


def settings(options: Iterable[pq.ConninfoOption]) -> dict[str, str]:
    """Name -> value of those that libpq has. Raises  UsageError: one is no text"""
    found = ((option.keyword.decode(), option.val) for option in options)
    return {name: decoded(value, name) for name, value in found if value is not None}


def _typed(value: str, name: str) -> str:
    """What stood on a command line, in a file or in a variable. Raises  UsageError"""
    if "\0" in value:
        raise UsageError(
            f"the connection's {name} holds a zero byte",
            why="libpq would take it for the end, and drop what follows",
            hint="leave it out, in a configuration it is \\u0000",
        )
    return decoded(value.encode(errors="surrogateescape"), name)


def decoded(value: bytes, name: str) -> str:
    """A setting of libpq's. Raises  UsageError: it is in another encoding"""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise UsageError(
            f"the connection's {name} is not UTF-8",
            why="its bytes, perhaps percent-encoded, are those of another encoding (they are not shown)",
            hint="write it in UTF-8; where the server has it in another encoding, connect as a user, and to a name, that is ASCII",
        ) from None


def _encrypted(mode: str) -> str:
    if mode == "disable":
        raise UnsafeError(
            "the connection to a remote server would be in clear text",
            why="sslmode is disable",
            hint="use sslmode=require, or --allow-cleartext on a network that you trust",
        )
    return mode if mode in ENCRYPTED_MODES else "require"


def _is_local(parameters: Mapping[str, str]) -> bool:
    """Whether every host that libpq may try is a Unix socket, `localhost` or a loopback address; it looks up no name."""
    hosts, addresses = (parameters.get(name, "").split(",") for name in ("host", "hostaddr"))
    if addresses == [""]:
        return all(_is_here(host) for host in hosts)
    if hosts == [""]:
        hosts = [""] * len(addresses)
    return len(hosts) == len(addresses) and all(
        _is_here(address or host) for host, address in zip(hosts, addresses, strict=True)
    )


def _is_here(host: str) -> bool:
    if host in {"", "localhost"} or host.startswith(("/", "@")):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _with_service(given: Mapping[str, str]) -> dict[str, str] | None:
    """`given` and what its service, and then this process's variables, add, as libpq reads it; None if it cannot. Nothing is sent or looked up.

    libpq reads the service's file only on its way to connect, so it gets one more parameter, which it then refuses: what the service says
    of that one is not among the result. All else has to be named: psycopg looks for a host in PGHOST before libpq asks the service.
    """
    asked = psycopg.conninfo.make_conninfo("", **{**given, _REFUSED: _REFUSED})
    attempt = pq.PGconn.connect_start(asked.encode())
    try:
        merged = settings(attempt.info)
    finally:
        attempt.finish()
    return merged if merged.pop(_REFUSED, None) == _REFUSED else None


_REFUSED: Final = "channel_binding"
