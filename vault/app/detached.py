"""A process of its own that outlives its caller: its session, its terminal, its shell, and whoever waits for its output.

Two forks and a session: it can get no terminal any more, and no signal of the caller's terminal or process group reaches it. It keeps
the caller's directory, environment and secrets in memory, so that nothing is passed on a command line. What a program that the caller
starts would inherit is closed: a pipe that stays open would let its reader wait for the job.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, NoReturn

from vault.app.yielding import give_way

_HEARD_WITHIN_S: Final = 0.25


def detach(body: Callable[[Callable[[], None]], int], *, log: int) -> bool | None:
    """Run `body` in a process of its own, whose output goes to the descriptor `log`; return at once.

    body    gets what it calls when its record is written; returns the exit code
    Returns whether that was heard: False if it ended before, None if a quarter of a second was not enough
    Raises  OSError: no process can be made
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    hear, say = os.pipe()
    try:
        child = os.fork()
        if child == 0:
            _run_apart(body, log, say)
    except OSError:
        os.close(hear)
        raise
    finally:
        os.close(say)
    with suppress(ChildProcessError):
        os.waitpid(child, 0)
    try:
        ready, _, _ = select.select([hear], [], [], _HEARD_WITHIN_S)
        return os.read(hear, 1) == b"." if ready else None
    finally:
        os.close(hear)


def _run_apart(body: Callable[[Callable[[], None]], int], log: int, say: int) -> NoReturn:
    """Never returns into the caller's code, whatever happens."""
    code = 1
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        give_way()
        _redirect(log)
        code = body(partial(_begun, say))
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
        os._exit(code)


def _begun(say: int) -> None:
    """Until here the caller waits for a moment; from here on nobody does."""
    _say(say)
    give_way(session=True)


def _say(descriptor: int) -> None:
    with suppress(OSError):
        os.write(descriptor, b".")
        os.close(descriptor)


def _redirect(log: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for name in os.listdir("/dev/fd"):
        descriptor = int(name)
        with suppress(OSError):
            # What Python opened itself is never inheritable, and still belongs to an object that closes it.
            if descriptor > 2 and os.get_inheritable(descriptor):
                os.close(descriptor)
