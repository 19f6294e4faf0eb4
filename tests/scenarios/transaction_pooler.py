"""A pooler in transaction mode, as small as one can be: clients share one server session and hold it for a transaction.

Speaks the wire protocol only as far as it must: it answers the start-up itself, forwards messages, and gives the session
back when ReadyForQuery says that no transaction is open. A second session is opened when the first is busy.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from types import TracebackType
from typing import Self

import psycopg


class TransactionPooler:
    """Listens on `port` until closed."""

    def __init__(self, dsn: str, *, keeps: bool = False) -> None:
        """`keeps`: each client has a session of its own, as of a pooler in session mode."""
        self._dsn = dsn
        self._keeps = keeps
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._free: list[socket.socket] = []
        self._backends: list[socket.socket] = []
        self._connections: list[psycopg.Connection[tuple[object, ...]]] = []
        self._clients: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._clients:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # its thread has closed it
        for thread in self._threads:
            thread.join(10)
        for backend in self._backends:
            backend.close()
        for connection in self._connections:
            connection.close()

    def _start(self, run: object, *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._clients.append(client)
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        try:
            _exactly(client, struct.unpack("!I", _exactly(client, 4))[0] - 4)
            parameters = {"server_version": "15.0", "client_encoding": "UTF8", "server_encoding": "UTF8"}
            hello = b"".join(
                _message(b"S", name.encode() + b"\0" + value.encode() + b"\0") for name, value in parameters.items()
            )
            client.sendall(
                _message(b"R", struct.pack("!I", 0))
                + hello
                + _message(b"K", struct.pack("!II", 1, 1))
                + _message(b"Z", b"I")
            )
            backend: socket.socket | None = None
            while True:
                kind, body = _receive(client)
                if kind == b"X":
                    return
                backend = backend or self._borrow()
                backend.sendall(_message(kind, body))
                if kind in {b"Q", b"S"} and self._answer(backend, client) == b"I" and not self._keeps:
                    with self._lock:
                        self._free.append(backend)
                    backend = None
        except (OSError, EOFError):
            return
        finally:
            client.close()

    def _answer(self, backend: socket.socket, client: socket.socket) -> bytes:
        while True:
            kind, body = _receive(backend)
            client.sendall(_message(kind, body))
            if kind == b"Z":
                return body

    def _borrow(self) -> socket.socket:
        with self._lock:
            if self._free:
                return self._free.pop(0)
            connection = psycopg.connect(self._dsn, autocommit=True)
            self._connections.append(connection)
            backend = socket.socket(fileno=os.dup(connection.fileno()))
            backend.setblocking(True)
            self._backends.append(backend)
            return backend


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def _receive(stream: socket.socket) -> tuple[bytes, bytes]:
    head = _exactly(stream, 5)
    return head[:1], _exactly(stream, struct.unpack("!I", head[1:])[0] - 4)


def _exactly(stream: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        part = stream.recv(length - len(found))
        if not part:
            raise EOFError
        found += part
    return found
