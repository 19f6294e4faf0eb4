"""Real HTTP servers of the standard library for signals: good, refusing, redirecting, slow and hanging ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    path: str
    headers: dict[str, str]
    body: str


@dataclass(slots=True)
class Hearing:
    """What a server heard, in order, and its URL."""

    url: str = ""
    got: list[Got] = field(default_factory=list)

    def paths(self) -> list[str]:
        return [one.path for one in self.got]


Behaviour = Callable[[BaseHTTPRequestHandler, threading.Event], None]


def answers(status: int, **headers: str) -> Behaviour:
    def answer(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"OK")

    return answer


def hangs(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    """Takes the request and says nothing."""
    over.wait()


def drips(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    """A byte now and then: no single read ever waits for long."""
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000:
        if over.wait(0.05):
            return
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()


def talks_nonsense(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    handler.wfile.write(b"220 this is no HTTP\r\n")
    handler.close_connection = True


@contextmanager
def serving(behaviour: Behaviour, *, tls: SSLContext | None = None) -> Iterator[Hearing]:
    heard, over = Hearing(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            heard.got.append(Got(path=self.path, headers=dict(self.headers), body=body))
            try:
                behaviour(self, over)
            except OSError:
                self.close_connection = True  # the client was gone first

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a client that breaks off is what these tests are about

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        heard.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield heard
        finally:
            over.set()
            server.shutdown()
            thread.join()


@contextmanager
def deaf() -> Iterator[str]:
    """URL of a port that takes connections into its queue and never reads."""
    import socket

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def measured_s() -> Iterator[list[float]]:
    taken: list[float] = []
    began = time.monotonic()
    yield taken
    taken.append(time.monotonic() - began)
