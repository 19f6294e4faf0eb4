"""The command on a terminal of its own, with somebody who answers when a question stands there."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from collections.abc import Sequence

from tests.cli.command import HANG_S, Command


def answered(command: Command, *arguments: str, answers: Sequence[str] = (), **environment: str) -> tuple[int, str]:
    """Exit code and all that was shown. An answer is typed when the output ends with what asks for one: `] ` or `: `."""
    ours, theirs = pty.openpty()
    waiting, shown = list(answers), b""
    with subprocess.Popen(
        [sys.executable, "-m", "vault", *arguments],
        cwd=command.home, env=command.variables(environment), stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    ) as process:  # fmt: skip
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
                    process.kill()
                    raise AssertionError(f"a question without an answer: {shown.decode()}")
                os.write(ours, waiting.pop(0).encode() + b"\n")
                asked_at = len(shown)
        os.close(ours)
        code = process.wait(HANG_S)
    assert waiting == [], f"nobody asked for {waiting}: {shown.decode()}"
    return code, shown.decode().replace("\r\n", "\n")
