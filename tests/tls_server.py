"""A server that takes TLS connections only, by TCP, with a certificate of its own; and a way to it from other addresses."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.fix_postgres import Cluster, server

SERVER_PORT = 5432
"""EmbeddedServer's; each of these servers has a loopback address of its own."""
PASSWORD = "s3cret for tls"
ONLY_TLS = "local all all trust\nhostssl all all all scram-sha-256\n"


@dataclass(frozen=True, kw_only=True)
class TlsServer:
    cluster: Cluster
    address: str
    certificate: Path
    """Of the server, signed by itself, for `address` and `localhost`."""

    def dsn(self, **parameters: str) -> str:
        """As the superuser with a password; `host` and `port` lead to the server itself unless given."""
        known = {"host": self.address, "port": str(SERVER_PORT), "user": "tls_reader", "dbname": "postgres"}
        return " ".join(f"{name}='{value}'" for name, value in {**known, **parameters}.items())


@contextmanager
def tls_server(place: Path, *, enabled: bool = True) -> Iterator[TlsServer]:
    """`enabled` False: it listens as well, and has no TLS."""
    choose = random.SystemRandom()
    address = f"127.{choose.randint(2, 254)}.{choose.randint(0, 254)}.{choose.randint(1, 254)}"
    with server(15, settings={"listen_addresses": address}) as cluster, cluster.connect() as connection:
        connection.execute(f"CREATE ROLE tls_reader SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        found = connection.execute("SHOW data_directory").fetchone()
        assert found is not None
        data = Path(found[0])
        certificate = _certify(data, address)
        shutil.copy(certificate, place / "server.crt")
        hba = ONLY_TLS if enabled else ONLY_TLS.replace("hostssl", "host")
        (data / "pg_hba.conf").write_text(hba, encoding="utf-8")
        if enabled:
            connection.execute("ALTER SYSTEM SET ssl = on")
        connection.execute("SELECT pg_reload_conf()")
        yield TlsServer(cluster=cluster, address=address, certificate=place / "server.crt")


def _certify(data: Path, address: str) -> Path:
    key, certificate = data / "server.key", data / "server.crt"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", f"subjectAltName=IP:{address},DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    key.chmod(0o600)
    owner = data.stat()
    for file in (key, certificate):
        os.chown(file, owner.st_uid, owner.st_gid)
    return certificate


class Forwarder:
    """Passes what comes to `port` of the address that it listens on to another address, byte for byte, until closed.

    Each direction of a connection has a thread: one whose reader waits for what another connection brings holds up no other.
    """

    def __init__(self, listen: str, to: tuple[str, int]) -> None:
        family = socket.AF_INET6 if ":" in listen else socket.AF_INET
        self._listener = socket.create_server((listen, 0), family=family)
        self._listener.settimeout(0.05)
        self.port: int = self._listener.getsockname()[1]
        self._to = to
        self._open: list[socket.socket] = []
        self._halt = threading.Event()
        self._threads = [threading.Thread(target=self._run)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._halt.set()
        self._threads[0].join(10)
        for one in self._open:
            _end(one)
        for thread in self._threads[1:]:
            thread.join(10)
        for one in (*self._open, self._listener):
            one.close()

    def _run(self) -> None:
        while not self._halt.is_set():
            with suppress(TimeoutError):
                client, _ = self._listener.accept()
                client.settimeout(None)
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        self._open.append(client)
        try:
            upstream = socket.create_connection(self._to)
        except OSError:
            _end(client)
            return
        self._open.append(upstream)
        for source, sink in ((client, upstream), (upstream, client)):
            thread = threading.Thread(target=_pass_on, args=(source, sink))
            self._threads.append(thread)
            thread.start()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    """Until either ends, which then ends both."""
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    for one in (source, sink):
        _end(one)


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
