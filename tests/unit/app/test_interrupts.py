"""Who is told of an interrupt: all that still live, before what was there is done."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from vault.app import interrupts


class Listening:
    def __init__(self) -> None:
        self.heard = 0

    def abandon(self) -> None:
        self.heard += 1


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_all_that_live_are_told_once_and_the_interrupt_goes_on() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    first, second = Listening(), Listening()
    interrupts.tell(first)
    handler = signal.getsignal(signal.SIGINT)
    interrupts.tell(second)
    interrupts.tell(second)
    assert signal.getsignal(signal.SIGINT) is handler, "handlers do not pile up"
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    assert (first.heard, second.heard) == (1, 1)
    del second
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    assert first.heard == 2


def test_what_is_ignored_or_ends_the_program_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    interrupts.tell(Listening())
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_another_thread_than_the_main_one_changes_nothing() -> None:
    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=interrupts.tell, args=(Listening(),))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is before
