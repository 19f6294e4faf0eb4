"""What systemd hears of a process that it started: ready, at work on this, alive, stopping. Silent where nobody listens.

Its protocol is a datagram to the socket that NOTIFY_SOCKET names (sd_notify(3)).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Final

_TEXT_MAX: Final = 500


class ServiceManager:
    """Never raises, never waits."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        name = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{name[1:]}" if name.startswith("@") else name
        self._watched_us = _watched_us(environment)

    @property
    def heartbeat_s(self) -> float | None:
        """How often to call `alive`: half of the time after which it is taken for dead; None if nobody watches."""
        return self._watched_us / 2_000_000 if self._watched_us and self._address else None

    def ready(self) -> None:
        self._send("READY=1")

    def at_work(self, on: str) -> None:
        """What `systemctl status` shows."""
        self._send("STATUS=" + " ".join(on.split())[:_TEXT_MAX])

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | getattr(socket, "SOCK_CLOEXEC", 0)) as channel:
                channel.setblocking(False)
                channel.sendto(text.encode("utf-8", "replace"), self._address)
        except BlockingIOError:
            pass  # it does not keep up; what comes next says it anew
        except (OSError, ValueError):
            self._address = ""  # it went away, or never was one: nobody listens


def _watched_us(environment: Mapping[str, str]) -> int:
    """Microseconds; 0 if another process is meant (WATCHDOG_PID)."""
    told, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not told.isascii() or not told.isdigit() or (process and process != str(os.getpid())):
        return 0
    return int(told)
