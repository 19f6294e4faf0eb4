"""A command of the user's, run in our place: its input, output, terminal, signals and exit code are as if we were not there.

Invariant: it gets the environment as we got it, every descriptor that we were given, and no handler of ours.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import FrameType
from typing import Final, NoReturn

from vault.errors import UsageError

_FORWARDED: Final = tuple(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGINT", "SIGQUIT")
    if hasattr(signal, name)
)
_OF_A_TERMINAL: Final = frozenset({signal.SIGINT, getattr(signal, "SIGQUIT", signal.SIGINT)})
_OURS_TOO: Final = frozenset({signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM), signal.SIGPIPE})
"""A shell that sees us end by such a signal ends its script, as it would for the command itself."""
_IGNORED_BY_PYTHON: Final = tuple(getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name))


def require(words: Sequence[str], environment: Mapping[str, str]) -> None:
    """Before anything is done for it. Raises  UsageError: there is no such command"""
    if shutil.which(words[0], path=environment.get("PATH")) is None:
        raise _no_command(words[0], "it is not on PATH, or cannot be executed")


def become(words: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Replace this process by the command. Raises  UsageError"""
    _flush()
    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(words[0], [*words], dict(environment))
    except OSError as error:
        raise _no_command(words[0], error.strerror or "") from error


def run(words: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the command to its end and return its exit code; 128 and the number of the signal that ended it. Raises  UsageError"""
    _flush()
    kept = {number: signal.getsignal(number) for number in _FORWARDED}
    waiting = _Forwarding()
    for number, handler in kept.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, waiting)
    try:
        with subprocess.Popen([*words], env=dict(environment), close_fds=False) as process:
            waiting.to(process)
            code = process.wait()
    except OSError as error:
        raise _no_command(words[0], error.strerror or "") from error
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def end_like(code: int) -> None:
    """Where a signal that ends scripts ended the command, end by it as well."""
    number = code - 128
    if number in _OURS_TOO:
        _flush()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


class _Forwarding:
    """A handler that passes signals on; those of a terminal reach the command by themselves. What comes early is kept."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def to(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        while self._early:
            process.send_signal(self._early.pop(0))

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if number in _OF_A_TERMINAL and _has_the_terminal():
            return
        if self._process is None:
            self._early.append(number)
        else:
            self._process.send_signal(number)


def _has_the_terminal() -> bool:
    """Whether a key that is pressed reaches this process group, and so the command."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()


def _no_command(word: str, why: str) -> UsageError:
    return UsageError(f"cannot run {word}", why=why, hint="pgvault run --after -- COMMAND ...")
