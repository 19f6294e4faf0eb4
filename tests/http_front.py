"""Something on loopback that stands in front of an HTTP/1.1 server, reads each request and each answer whole, and may change them.

A `Front` gives every connection of a client a thread, and a connection to the server behind. What a handler does not touch goes on
byte for byte, the header `Host` above all, which Amazon's signatures cover. Bodies are in memory.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

HEAD_BYTES_MAX: Final = 1 << 20
BODILESS: Final = (204, 304)


class Cut(Exception):
    """The connection of the client ends here."""


@dataclass(slots=True, kw_only=True)
class Message:
    """A request or an answer: its first line, its headers in order, its body without any chunking."""

    start: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def method(self) -> str:
        return self.start.split(" ")[0]

    @property
    def target(self) -> str:
        return self.start.split(" ")[1]

    @property
    def status(self) -> int:
        return int(self.start.split(" ")[1])

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")

    def drop(self, *names: str) -> None:
        self.headers = [(key, value) for key, value in self.headers if key.lower() not in names]

    def head(self) -> bytes:
        return ("\r\n".join([self.start, *(f"{key}: {value}" for key, value in self.headers)]) + "\r\n\r\n").encode(
            "latin-1"
        )


def answer(status: int, body: bytes = b"", **headers: str) -> Message:
    given = [(key.replace("_", "-"), value) for key, value in headers.items()]
    return Message(start=f"HTTP/1.1 {status} Made-Up", headers=[*given, ("Content-Length", str(len(body)))], body=body)


Forward = Callable[[Message], Message]
Handler = Callable[[Message, Forward, "Connection"], None]
"""Called for every request with what asks the server behind, and with the client's connection, to which it sends the answer.
Raises  Cut"""


class Connection:
    """Reads and writes whole messages. Raises  Cut: the other side is gone"""

    def __init__(self, endpoint: socket.socket) -> None:
        endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = endpoint
        self.closed = False
        self._file = endpoint.makefile("rb")

    def close(self) -> None:
        self.break_off()
        with suppress(OSError):
            self._file.close()
        self.socket.close()
        self.closed = True

    def break_off(self) -> None:
        """From another thread: what waits for the connection hears its end."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def has_ended(self) -> bool:
        """Of one between two messages: whatever can be read from it now is its end."""
        looking = select.poll()
        looking.register(self.socket, select.POLLIN)
        return bool(looking.poll(0))

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Cut from error

    def read_head(self) -> Message | None:
        """None at the end of the connection."""
        try:
            start = self._file.readline(HEAD_BYTES_MAX).decode("latin-1").rstrip("\r\n")
            if not start:
                return None
            headers = []
            while line := self._file.readline(HEAD_BYTES_MAX).decode("latin-1").rstrip("\r\n"):
                key, _, value = line.partition(":")
                headers.append((key, value.strip()))
        except OSError as error:
            raise Cut from error
        return Message(start=start, headers=headers, body=b"")

    def read_body(self, message: Message, *, to_the_end: bool) -> None:
        """Chunked ones are put together; `to_the_end`: an answer without a length ends with its connection."""
        try:
            if "chunked" in message.header("transfer-encoding").lower():
                message.body = b"".join(self._chunks())
                message.drop("transfer-encoding")
                message.headers.append(("Content-Length", str(len(message.body))))
            elif length := message.header("content-length"):
                message.body = self._exactly(int(length))
            elif to_the_end:
                message.body = self._file.read()
                message.headers.append(("Content-Length", str(len(message.body))))
        except (OSError, ValueError) as error:
            raise Cut from error

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._file.readline().split(b";")[0], 16):
            yield self._exactly(size)
            self._file.readline()
        while self._file.readline().strip():
            pass

    def _exactly(self, length: int) -> bytes:
        data = self._file.read(length)
        if len(data) < length:
            raise Cut
        return data


class Front:
    """`handle` for every request that comes to `endpoint`. Ends all connections at its exit."""

    def __init__(self, behind: str, handle: Handler) -> None:
        address = urlsplit(behind)
        self._behind = (address.hostname or "", address.port or 80)
        self._handle = handle
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._open: set[Connection] = set()
        self._lock = threading.Lock()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._serving: list[threading.Thread] = []
        self.over = threading.Event()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._accepting.join()
        with self._lock:
            left = list(self._open)
        for connection in left:
            connection.break_off()
        for thread in self._serving:
            thread.join()

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                accepted, _ = self._listening.accept()
            except OSError:
                return
            self._serving = [thread for thread in self._serving if thread.is_alive()]
            thread = threading.Thread(target=self._serve, args=(Connection(accepted),), daemon=True)
            self._serving.append(thread)
            thread.start()

    def _serve(self, client: Connection) -> None:
        behind = Behind(self._behind, self._register)
        self._register(client)
        try:
            while not self.over.is_set() and (request := client.read_head()) is not None:
                if request.header("expect"):
                    client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                    request.drop("expect")
                client.read_body(request, to_the_end=False)
                self._handle(request, behind.ask, client)
        except Cut:
            pass  # which is what the end of the connection tells
        finally:
            behind.close()
            client.close()
            with self._lock:
                self._open = {connection for connection in self._open if not connection.closed}

    def _register(self, connection: Connection) -> None:
        with self._lock:
            self._open.add(connection)
        if self.over.is_set():
            connection.break_off()


class Behind:
    """A connection to the server, opened when it is needed. Never sends a request twice: the first may have had its effect."""

    def __init__(self, address: tuple[str, int], register: Callable[[Connection], None]) -> None:
        self._address = address
        self._register = register
        self._connection: Connection | None = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def ask(self, request: Message) -> Message:
        if self._connection is not None and self._connection.has_ended():
            self.close()
        if self._connection is None:
            try:
                endpoint = socket.create_connection(self._address)
            except OSError as error:
                raise Cut from error
            self._connection = Connection(endpoint)
            self._register(self._connection)
        return self._ask(self._connection, request)

    def _ask(self, connection: Connection, request: Message) -> Message:
        connection.send(request.head() + request.body)
        said = connection.read_head()
        while said is not None and said.status == 100:
            said = connection.read_head()
        if said is None:
            raise Cut
        if request.method != "HEAD" and said.status not in BODILESS:
            connection.read_body(said, to_the_end=True)
        if said.header("connection").lower() == "close" or said.start.startswith("HTTP/1.0"):
            self.close()
        said.drop("connection", "keep-alive")
        said.start = "HTTP/1.1 " + said.start.partition(" ")[2]
        return said
