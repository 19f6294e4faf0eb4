"""What systemd hears, at a real datagram socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from vault.app.signals.service_manager import ServiceManager


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(path)
        channel.setblocking(False)
        yield path, channel


def heard(channel: socket.socket) -> list[str]:
    messages = []
    while True:
        try:
            messages.append(channel.recv(4096).decode())
        except BlockingIOError:
            return messages


def test_it_hears_what_happens(listening: tuple[str, socket.socket]) -> None:
    path, channel = listening
    manager = ServiceManager({"NOTIFY_SOCKET": path})
    manager.ready()
    manager.at_work("reading rows\nREADY=0 of public.t")
    manager.alive()
    manager.stopping()
    assert heard(channel) == ["READY=1", "STATUS=reading rows READY=0 of public.t", "WATCHDOG=1", "STOPPING=1"]


def test_an_abstract_socket_is_one_too() -> None:
    name = f"pgvault-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"\0{name}")
        channel.setblocking(False)
        ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert heard(channel) == ["READY=1"]


@pytest.mark.parametrize("address", ["", "/no/such/socket", "@nobody-listens-here", "/" + "x" * 300, "/nul\0"])
def test_without_a_listener_it_is_silent(address: str) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": address} if address else {})
    for _ in range(2):
        manager.ready()
        manager.at_work("x" * 100_000)


def test_a_listener_that_does_not_keep_up_holds_nothing_up(listening: tuple[str, socket.socket]) -> None:
    path, channel = listening
    manager = ServiceManager({"NOTIFY_SOCKET": path})
    for number in range(5000):
        manager.at_work(f"step {number}")
    assert "STATUS=step 0" in heard(channel)
    manager.at_work("later")
    assert heard(channel) == ["STATUS=later"]


@pytest.mark.parametrize(
    ("environment", "heartbeat_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({}, None),
    ],
)
def test_the_heartbeat_is_half_of_the_time_that_is_watched(
    environment: dict[str, str], heartbeat_s: float | None
) -> None:
    assert ServiceManager({"NOTIFY_SOCKET": "/x", **environment}).heartbeat_s == heartbeat_s
    assert ServiceManager(environment).heartbeat_s is None
