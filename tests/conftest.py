"""Hooks and shared fixtures of the tests; each family of fixtures lives in a file `fix_*.py` of its own.

No verdict may depend on the speed of the machine, on how the run was started, or on what runs beside it: everything that a
run makes outside of its process (directories, servers, sockets) has a name that no other run can have.
"""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = [f"tests.{path.stem}" for path in sorted(Path(__file__).parent.glob("fix_*.py"))]

SERVER_FIXTURES = {"majors", "platform15", "platform17", "platform18"}
"""Every fixture that runs on a server stands on one of these."""

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_configure(config: pytest.Config) -> None:
    """A job in the background of a shell inherits SIGINT ignored, one under nohup SIGHUP, and so would their children: tests that interrupt would hang.

    A hangup still does not end this process; what it starts has the system's answer to it.
    """
    for number, answer in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGTERM, signal.SIG_DFL),
        (signal.SIGHUP, _go_on),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, answer)


def _go_on(number: int, frame: FrameType | None) -> None:
    """An answer that no program has that is started from here."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts a server, so that `-m "not postgres"` leaves out all of it."""
    for item in items:
        if isinstance(item, pytest.Function) and SERVER_FIXTURES & set(item.fixturenames):
            item.add_marker("postgres")
