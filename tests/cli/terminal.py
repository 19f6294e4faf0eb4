"""The command on a terminal of its own, with somebody who answers when a question stands there."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from tests.cli.command import HANG_S, Command

CTRL_C: Final = "\x03"
"""As an answer: what the key sends."""


def answered(
    command: Command,
    *arguments: str,
    answers: Sequence[str] = (),
    columns: int = 0,
    **environment: str,
) -> tuple[int, str]:
    """Exit code and all that was shown. An answer is typed when the output ends with what asks for one: `] ` or `: `.

    columns  of the terminal; 0: it does not say how many
    """
    ours, theirs = pty.openpty()
    if columns:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    waiting, shown = list(answers), b""
    words = [sys.executable, "-m", "vault", *arguments]
    with subprocess.Popen(
        ["setsid", "--ctty", "--wait", *words],
        cwd=command.home, env=command.variables(environment), stdin=theirs, stdout=theirs, stderr=theirs,
    ) as process, _left_by_none(process):  # fmt: skip
        os.close(theirs)
        asked_at = -1
        while True:
            ready, _, _ = select.select([ours], [], [], HANG_S)
            assert ready, f"it hangs after: {shown.decode()}"
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:
                piece = b""
            if not piece:
                break
            shown += piece
            if shown.endswith((b"] ", b": ")) and len(shown) != asked_at:
                if not waiting:
                    raise AssertionError(f"a question without an answer: {shown.decode()}")
                answer = waiting.pop(0)
                os.write(ours, answer.encode() + (b"" if answer == CTRL_C else b"\n"))
                asked_at = len(shown)
        os.close(ours)
        code = process.wait(HANG_S)
    assert waiting == [], f"nobody asked for {waiting}: {shown.decode()}"
    return code, shown.decode().replace("\r\n", "\n")


@contextmanager
def _left_by_none(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Whatever goes wrong: a process that waits for an answer would wait for ever, and whoever waits for its end too."""
    try:
        yield
    except BaseException:
        process.kill()
        raise


def before_the_question(command: Command, *arguments: str) -> bytes:
    """What a pipe holds, into which stdout goes, when the question stands on the terminal; the answer is no."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "vault", *arguments],
        cwd=command.home, env=command.variables({}), stdin=theirs, stdout=subprocess.PIPE, stderr=theirs,
    ) as process, _left_by_none(process):  # fmt: skip
        os.close(theirs)
        asked = b""
        while not asked.endswith(b"] "):
            asked += os.read(ours, 1 << 16)
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], 0)
        piped = os.read(process.stdout.fileno(), 1 << 16) if ready else b""
        os.write(ours, b"n\n")
        process.wait(HANG_S)
        os.close(ours)
    return piped
