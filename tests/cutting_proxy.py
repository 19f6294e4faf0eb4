"""A TCP proxy before a server's Unix socket that cuts every connection, hard, once so many bytes have gone through it."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

_HARD: Final = struct.pack("ii", 1, 0)
"""SO_LINGER that makes a close a reset."""
_PIECE_BYTES: Final = 1 << 16


class CuttingProxy:
    """Use as a context. `passed`: bytes so far, both ways, of all connections; `cut_at`: None for never. After a cut nobody is let in."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.port: int = self._listener.getsockname()[1]
        self.passed = 0
        self.cut_at: int | None = None
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    @property
    def is_cut(self) -> bool:
        return self.cut_at is not None and self.passed >= self.cut_at

    def mend(self, *, cut_at: int | None = None) -> None:
        """Count from nothing again."""
        with self._lock:
            self.passed, self.cut_at = 0, cut_at

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # to close it alone wakes nobody who waits in it
        self._listener.close()
        self._accepting.join()
        self._cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.is_cut:
                _reset(client)
                continue
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._path)
            except OSError:
                server.close()
                _reset(client)
                continue
            with self._lock:
                self._open.update((client, server))
            for here, there in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(here, there), daemon=True).start()

    def _pass(self, here: socket.socket, there: socket.socket) -> None:
        with suppress(OSError):  # the other thread, or a cut, has closed one of them
            while piece := here.recv(_PIECE_BYTES):
                with self._lock:
                    left = len(piece) if self.cut_at is None else max(0, self.cut_at - self.passed)
                    self.passed += len(piece)
                there.sendall(piece[:left])
                if left < len(piece) or self.is_cut:
                    self._cut()
                    return
        for end in (here, there):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _cut(self) -> None:
        with self._lock:
            ending, self._open = self._open, set()
        for end in ending:
            _reset(end)


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        if end.family == socket.AF_INET:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HARD)
        end.shutdown(socket.SHUT_RDWR)
    end.close()
