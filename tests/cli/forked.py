"""A process that has the command's modules already, and forks for every command of the tests: most of a short command is imports and a key.

A command has its own arguments, environment, working directory, standard streams and exit code, as in a process that was started anew.
Two things differ: modules were imported before its environment was set, and slots that it makes are derived at the floor of the
allowed cost. What is about either is to be run by `Command.start` or with an environment that `fits` refuses.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Lock, Thread
from typing import Final, NoReturn

from tests.architecture.sources import ROOT
from tests.small_repository import quick_keys
from vault.cli.main import main as command

BASE: Final = {"PYTHONWARNINGS": "error", "LANG": "C.UTF-8"}
"""What the interpreter reads once, at its start."""
_READ_ONCE: Final = ("PYTHON", "LC_", "LANG", "TZ", "LD_", "OPENSSL", "MALLOC", "GLIBC")
_LOADED: Final = ("backup", "check", "init", "restore", "snapshots", "status")
_LIBRARIES: Final = (
    "psycopg",
    "cryptography.hazmat.primitives.ciphers.aead",
    "msgpack",
    "rich.console",
    "rich.progress",
)
_sending: Final = Lock()


def fits(environment: Mapping[str, str]) -> bool:
    """Whether a fork has nothing of this environment that an interpreter must read at its start."""
    special = {name: value for name, value in environment.items() if name.startswith(_READ_ONCE)}
    return sys.platform == "linux" and special == BASE


def run(
    arguments: Sequence[str], *, cwd: Path, environment: Mapping[str, str], stdin: str, patience_s: float
) -> tuple[int, str, str]:
    """Exit code, stdout, stderr. Raises  subprocess.TimeoutExpired"""
    asked = {"arguments": [*arguments], "cwd": str(cwd), "environment": {**environment}}
    ours, theirs = zip(*(os.pipe() for _ in range(2)), strict=True)
    status, its_status = os.pipe()
    its_input, our_input = os.pipe()
    with tempfile.TemporaryFile() as request:
        request.write(json.dumps(asked).encode("utf-8", "surrogateescape"))
        request.flush()
        with _sending:
            socket.send_fds(_server(), [b"1"], [request.fileno(), its_input, *theirs, its_status])
    for descriptor in (its_input, *theirs, its_status):
        os.close(descriptor)
    said: list[bytes] = [b"", b""]
    readers = [Thread(target=_read, args=(ours[at], said, at), daemon=True) for at in range(2)]
    for reader in readers:
        reader.start()
    with suppress(BrokenPipeError), open(our_input, "wb") as pipe:
        pipe.write(stdin.encode("utf-8", "surrogateescape"))
    for reader in readers:
        reader.join(patience_s)
    with open(status, encoding="ascii") as lines:
        pid = int(lines.readline())
        if any(reader.is_alive() for reader in readers):
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired([*arguments], patience_s)
        code = int(lines.readline())
    out, err = (text.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n") for text in said)
    return code, out, err


def _read(descriptor: int, said: list[bytes], at: int) -> None:
    with open(descriptor, "rb") as pipe:
        said[at] = pipe.read()


@cache
def _server() -> socket.socket:
    """A channel to the process that forks; it ends when the channel is closed."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.forked", str(theirs.fileno())],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **BASE},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )

    def close() -> None:
        ours.close()
        process.wait()

    atexit.register(close)
    return ours


# --- the process that forks ----------------------------------------------------------------------


def main() -> NoReturn:
    for name in _LOADED:
        import_module(f"vault.cli.commands.{name}")
    for name in _LIBRARIES:
        import_module(name)
    gc.collect()
    gc.freeze()
    with quick_keys(), socket.socket(fileno=int(sys.argv[1])) as channel:
        _become(*_asked(channel))
        command()


def _asked(channel: socket.socket) -> list[int]:
    """Returns in a fork for each command, with the descriptors that came with it."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait
    while True:
        told, descriptors, _, _ = socket.recv_fds(channel, 1, 5)
        if not told:
            sys.exit()
        if os.fork() == 0:
            channel.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return descriptors
        for descriptor in descriptors:
            os.close(descriptor)


def _become(request: int, stdin: int, stdout: int, stderr: int, status: int) -> None:
    """Returns in the process that is to be the command; this one waits for it, tells how it ended, and ends."""
    with open(request, "rb") as text:
        text.seek(0)
        asked = json.load(text)
    if (pid := os.fork()) != 0:
        for descriptor in (0, 1, 2, stdin, stdout, stderr):
            os.close(descriptor)
        os.write(status, b"%d\n" % pid)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.write(status, b"%d\n" % code)
        os._exit(0)
    for number, descriptor in enumerate((stdin, stdout, stderr)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.close(status)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["cwd"])
    sys.argv = [str(ROOT / "vault" / "__main__.py"), *asked["arguments"]]


if __name__ == "__main__":
    main()
