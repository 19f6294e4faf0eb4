"""Requests to one endpoint over connections that are kept: signed, asked again where that is right, answers never decoded.

The client library changes keys it does not like (`/a` is read as `a`, `a//b` ends a listing), so that what is in a bucket of
somebody else's is asked for from here. May be used from several threads; `cancel` ends what runs in all of them.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Final
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]
from weakref import finalize

from vault.bucket.credentials import Access
from vault.bucket.errors import tell_origin, translate
from vault.bucket.signature import quoted_path, quoted_query, sign
from vault.errors import AlreadyExists, StoreError, Unavailable, UsageError, VaultError

CONNECT_S: Final = 10
IDLE_S: Final = 60
"""Without a byte of an answer."""
AT_END_S: Final = 3
"""The same two once the command ends: nobody waits longer for what is cleared away."""
ATTEMPTS: Final = 7
PAUSE_S: Final = 0.1
"""Before the second attempt; each pause is twice the one before: some six seconds in all."""
ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
"""A page of 1,000 keys of 1,024 bytes, each byte of them written in three, is below four."""
AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})
_EMPTY: Final = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class RestRequest:
    """`path`: after the endpoint's own, unquoted. `headers`: names in lower case."""

    method: str
    path: bytes
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`headers`: names in lower case. `repeated`: an earlier attempt found no answer, and may have had its effect."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    repeated: bool = False


class Connections:
    """`environment`: for proxies; `now_ms`: the clock that signs."""

    def __init__(self, access: Access, environment: Mapping[str, str], now_ms: Callable[[], int]) -> None:
        self._access = access
        self._now_ms = now_ms
        endpoint = urlsplit(str(access.options["endpoint"]))
        self._secure = endpoint.scheme == "https"
        self._host, self._port = endpoint.hostname or "", endpoint.port
        self._authority = endpoint.netloc
        self._base = endpoint.path.rstrip("/")
        self._proxy = _proxy(environment, self._authority) if self._secure else None
        self._tls = _tls(access.certificates) if self._secure else None
        self._idle: list[HTTPConnection] = []
        self._used: set[HTTPConnection] = set()
        self._cancelled = False
        finalize(self, _close, self._idle)

    def ask(self, request: RestRequest) -> Answer:
        """The whole answer, of whatever status. Raises  Unavailable: none came, or only that the storage is overloaded"""
        repeated = False
        for attempt in range(ATTEMPTS):
            try:
                with self.opened(request) as (answer, response):
                    body = _whole(response, request.method)
            except (OSError, HTTPException) as error:
                self._wait(attempt, error)
                repeated = True
                continue
            if answer.status in AGAIN and attempt + 1 < ATTEMPTS:
                self._wait(attempt, None)
                repeated = True
                continue
            return Answer(status=answer.status, headers=answer.headers, body=body, repeated=repeated)
        raise AssertionError("the last attempt returns or raises")

    def ask_at_end(self, request: RestRequest) -> Answer:
        """As `ask`, for what clears away: after `cancel` once more, briefly, over a connection that nothing has ended. Raises  Unavailable"""
        try:
            return self.ask(request)
        except Unavailable:
            if not self._cancelled:
                raise
        connection = self._new_connection(AT_END_S)
        try:
            response = self._sent(connection, request, idle_s=AT_END_S)
            return Answer(status=response.status, headers={}, body=_whole(response, request.method), repeated=True)
        except (OSError, HTTPException) as error:
            raise self.unavailable(error) from error
        finally:
            connection.close()

    @contextmanager
    def opened(self, request: RestRequest) -> Iterator[tuple[Answer, HTTPResponse]]:
        """One attempt: status and headers, and the body to read. Raises  OSError, HTTPException"""
        connection = self._connection()
        self._used.add(connection)
        try:
            response = self._sent(connection, request)
            headers = {name.lower(): value for name, value in response.getheaders()}
            yield Answer(status=response.status, headers=headers), response
            if response.isclosed() and not response.will_close and not self._cancelled:
                self._idle.append(connection)
                return
            connection.close()
        except BaseException:
            connection.close()
            raise
        finally:
            self._used.discard(connection)

    def cancel(self) -> None:
        """Make running requests fail now, and every later one. Never raises."""
        self._cancelled = True
        for connection in (*self._used, *self._idle):
            with suppress(OSError, AttributeError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def pause(self, attempt: int) -> None:
        """Before attempt `attempt` + 2. Raises  Unavailable: `cancel` was called"""
        if self._cancelled:
            raise Unavailable(f"stopped asking {self._authority}", why="the command ends")
        time.sleep(PAUSE_S * 2**attempt)

    def unavailable(self, error: BaseException) -> Unavailable:
        failed = Unavailable(
            f"no answer of {self._authority}",
            why=_why(error),
            hint="check the endpoint and the network, then run the command again",
        )
        tell_origin(failed, place=self._access.place, who=self._access.who)
        return failed

    def refused(self, answer: Answer, message: str) -> VaultError:
        """By the one table of what storage means."""
        text = f"status code: {answer.status} {answer.body[:4096].decode('utf-8', 'replace')}"
        error = translate(text, message)
        if isinstance(error, AlreadyExists):
            error = StoreError(message, why=error.why, hint=error.hint)
        return tell_origin(error, place=self._access.place, who=self._access.who)

    def _wait(self, attempt: int, error: BaseException | None) -> None:
        certificate = isinstance(error, ssl.SSLCertVerificationError)
        if error is not None and (certificate or self._cancelled or attempt + 1 == ATTEMPTS):
            raise self.unavailable(error) from error
        self.pause(attempt)

    def _connection(self) -> HTTPConnection:
        if self._cancelled:
            raise ConnectionAbortedError("the command ends")
        try:
            return self._idle.pop()  # one step, so that two threads never get the same
        except IndexError:
            return self._new_connection(CONNECT_S)

    def _new_connection(self, timeout_s: float) -> HTTPConnection:
        host, port = self._proxy or (self._host, self._port)
        if self._tls is None:
            return HTTPConnection(host, port, timeout=timeout_s)
        connection = HTTPSConnection(host, port, timeout=timeout_s, context=self._tls)
        if self._proxy is not None:
            connection.set_tunnel(self._host, self._port or 443)
        return connection

    def _sent(self, connection: HTTPConnection, request: RestRequest, *, idle_s: float = IDLE_S) -> HTTPResponse:
        path, query = quoted_path(self._base.encode() + request.path), quoted_query(request.query)
        headers = {"host": self._authority, "user-agent": "pgvault", "accept-encoding": "identity", **request.headers}
        if self._access.keys is not None:
            headers = sign(
                request.method,
                path,
                query,
                headers=headers,
                body_sha256=hashlib.sha256(request.body).hexdigest() if request.body else _EMPTY,
                keys=self._access.keys,
                region=str(self._access.options["region"]),
                now_ms=self._now_ms(),
            )
        if connection.sock is None:
            connection.connect()
            sock: socket.socket | None = connection.sock
            if sock is None:
                raise ConnectionAbortedError("the command ends")
            sock.settimeout(idle_s)
        connection.putrequest(
            request.method, f"{path}?{query}" if query else path, skip_host=True, skip_accept_encoding=True
        )
        for name, value in headers.items():
            connection.putheader(name, value)
        if request.body or request.method in ("PUT", "POST"):
            connection.putheader("content-length", str(len(request.body)))
        connection.endheaders(request.body or None)
        return connection.getresponse()


def _close(connections: list[HTTPConnection]) -> None:
    while connections:
        connections.pop().close()


def _whole(response: HTTPResponse, method: str) -> bytes:
    body = response.read(ANSWER_BYTES_MAX + 1)
    if len(body) > ANSWER_BYTES_MAX:
        raise HTTPException("an answer without end")
    if method != "HEAD" and response.length:
        raise ConnectionResetError("the answer ended early")
    return body


def _tls(certificates: bytes) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if certificates:
        context.load_verify_locations(cadata=certificates.decode("ascii", "ignore"))
    return context


def _proxy(environment: Mapping[str, str], authority: str) -> tuple[str, int] | None:
    named = environment.get("https_proxy") or environment.get("HTTPS_PROXY")
    without = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if not named or proxy_bypass_environment(authority, {"no": without}):
        return None
    try:
        parts = urlsplit(named if "://" in named else f"http://{named}")
        return parts.hostname or "", parts.port or 8080
    except ValueError as error:
        raise UsageError(
            "https_proxy is no URL", why="it is set in the environment", hint="http://HOST:PORT"
        ) from error


def _why(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or "the connection was lost"
