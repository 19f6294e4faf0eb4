"""Where a connection string, the PG* variables and a service lead, and how safe the way there is. Never connects.

Nothing of a string that libpq cannot parse is repeated: it may hold a password.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    parameters: dict[str, str] = {}
    for option in options:
        name = option.keyword.decode()
        value = decoded(option.val, name) if option.val is not None else None
        if value is None and option.envvar is not None and "service" not in parameters:
            given = environment.get(option.envvar.decode())
            value = _typed(given, name) if given is not None else None
        if value is not None:
            parameters[name] = value
    if "@" in parameters.get("host", ""):
        raise UsageError(
            "the connection string is not valid",
            why="its host name holds an @, most likely from a password",
            hint="percent-encode special characters of the password: @ is %40",
        )
    effective = _with_service(parameters) if parameters.get("service") else parameters
    local = effective is not None and _is_local(effective)
    if not local and not allow_cleartext:
        parameters["sslmode"] = _encrypted((effective or parameters).get("sslmode", "prefer"))
    password = parameters.get("password", "")
    fixed = {**KEEPALIVE, "application_name": APPLICATION_NAME, "client_encoding": "UTF8"}
    parameters.setdefault("connect_timeout", CONNECT_TIMEOUT_S)
    return Server(parameters={**parameters, **fixed}, local=local, password=password)


def settings(options: Iterable[pq.ConninfoOption]) -> dict[str, str]:
    """Name -> value of those that libpq has. Raises  UsageError: one is no text"""
    found = ((option.keyword.decode(), option.val) for option in options)
    return {name: decoded(value, name) for name, value in found if value is not None}


def _typed(value: str, name: str) -> str:
    """What stood on a command line or in a variable. Raises  UsageError"""
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


def _with_service(parameters: Mapping[str, str]) -> Mapping[str, str] | None:
    """`parameters` and what their service adds, as libpq reads it; None if it cannot. Nothing is sent or looked up.

    libpq reads the service's file only on its way to connect, so it gets one more parameter, which it then refuses.
    """
    asked = psycopg.conninfo.make_conninfo("", **{**parameters, _REFUSED: _REFUSED})
    attempt = pq.PGconn.connect_start(asked.encode())
    try:
        merged = settings(attempt.info)
    finally:
        attempt.finish()
    return merged if merged.get(_REFUSED) == _REFUSED else None


_REFUSED: Final = "channel_binding"
