"""PostgreSQL's client programs: where they are, and with which environment they run.

A child never sees a password in its arguments or its environment (it gets a password file that has no name), nor any other
variable of ours that libpq has no use for: those may hold secrets of storage. Its invariant: every child that was started through `Children` is dead and reaped after `Children.close`.
"""

from __future__ import annotations

import errno
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from vault.errors import SourceError
from vault.model.words import MORE_THREADS, after, ended
from vault.source.postgres.connection.passfile import PasswordFile

SYSTEM_PLACES: Final = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
DEBIAN_WRAPPER: Final = "pg_wrapper"
"""Debian's script in PATH chooses a version by rules of its own; what it chooses from is among SYSTEM_PLACES."""
PG_DUMP_OF_OLD_SERVERS: Final = 15
"""Later ones write options of subscriptions that servers before 16 do not know; earlier ones do not say that PUBLIC may
create in schema public, which is no default from 15 on."""
CHILD_PATIENCE_S: Final = 2.0
"""A child that was asked to stop sends its cancel request first; then it is killed."""
STDERR_BYTES_MAX: Final = 4096
INHERITED: Final = (
    *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "LC_", "TZ", "LD_", "DYLD_", "RES_OPTIONS", "LOCALDOMAIN"),
    *("HOSTALIASES", "KRB5", "SSL_CERT_", "OPENSSL_", "SYSTEMROOT", "APPDATA"),
)
"""Beginnings of the names of variables that a client program may need: paths, locale, name service, Kerberos, certificates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    path: Path
    version: tuple[int, int]
    """Major and minor; a beta's minor is 0."""

    @property
    def major(self) -> int:
        return self.version[0]

    def misses_news_of(self, server: int) -> bool:
        """Whether it is of an older minor of the very major of `server` (server_version_num)."""
        return self.version[0] == server // 10000 and self.version[1] < server % 10000


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Where to look: `directory` alone if given; else the system's places, `search_path` (as PATH), the embedded wheel."""

    directory: Path | None = None
    search_path: str = ""
    embedded: Path | None = None
    system_places: Sequence[str] = field(default=SYSTEM_PLACES)

    def find(self, name: str, *, major: int, local: bool) -> Program | None:
        """The newest program `name` of at least `major`, for a server before 16 the newest of 15 if there is one.

        The embedded one (it has no TLS) only for a `local` server, and if there is no other.
        """
        fitting = [program for program in self._candidates(name) if program.major >= major]
        if fitting:
            old = major <= PG_DUMP_OF_OLD_SERVERS
            return max(fitting, key=lambda program: (old and program.major == PG_DUMP_OF_OLD_SERVERS, program.version))
        if local and self.directory is None and self.embedded is not None:
            program = self.embedded / name
            if program.exists() and (version := version_of(program)) >= (major, 0):
                return Program(path=program, version=version)
        return None

    def require(self, name: str, *, major: int, local: bool) -> Program:
        """`find`. Raises SourceError saying what there is instead"""
        program = self.find(name, major=major, local=local)
        if program is not None:
            return program
        others = sorted({str(old.major) for old in self._candidates(name)})
        raise SourceError(
            f"no {name} of version {major} or newer",
            why=f"found only version {', '.join(others)}" if others else f"{name} is not installed",
            hint=f"install postgresql-client-{major}" + (", or pip install 'pgvault[embedded]'" if local else ""),
        )

    def every(self, name: str) -> list[Program]:
        """All there are, the embedded one last."""
        found = self._candidates(name)
        if self.directory is None and self.embedded is not None and (program := self.embedded / name).is_file():
            found.append(Program(path=program, version=version_of(program)))
        return found

    def _candidates(self, name: str) -> list[Program]:
        if self.directory is not None:
            paths = [self.directory / name]
        else:
            paths = [
                directory / name
                for place in self.system_places
                for directory in sorted(Path("/").glob(place.lstrip("/")))
            ]
            first = shutil.which(name, path=self.search_path) if self.search_path else None
            if first is not None and Path(first).resolve().name != DEBIAN_WRAPPER:
                paths.append(Path(first))
        return [Program(path=path, version=version_of(path)) for path in paths if path.is_file()]


def version_of(program: Path) -> tuple[int, int]:
    """Major and minor version that `program --version` prints. Raises SourceError if it does not run"""
    try:
        said = subprocess.run([str(program), "--version"], capture_output=True, check=True, env={"LC_ALL": "C"}).stdout
    except OSError as error:
        raise _does_not_start(str(program), error) from error
    except subprocess.CalledProcessError as error:
        why, hint = ended(error.returncode), after(error.returncode)
        raise SourceError(f"{program} does not run", why=why, hint=hint) from error
    number = re.search(rb"(\d+)(?:\.(\d+)|devel|beta\d+|rc\d+)", said)
    if number is None:
        raise SourceError(f"{program} does not say its version")
    return int(number.group(1)), int(number.group(2) or 0)


def _does_not_start(program: str, error: OSError) -> SourceError:
    hint = MORE_THREADS if error.errno in (errno.ENOMEM, errno.EAGAIN) else ""
    return SourceError(f"{program} does not run", why=error.strerror or "", hint=hint)


class ChildProcess:
    """One running program. Its standard error goes to an unnamed file.

    Whoever reads or writes its pipes holds `lock`, so that `stop` in another thread cannot close them under it.
    """

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        self.process = process
        self.lock = threading.RLock()
        self._errors = errors

    def said(self) -> str:
        """The last of what it wrote to standard error, on one line; nothing after `stop`."""
        with self.lock:
            if self._errors.closed:
                return ""
            size = self._errors.seek(0, 2)
            self._errors.seek(max(0, size - STDERR_BYTES_MAX))
            return "; ".join(self._errors.read().decode(errors="replace").split("\n")).strip("; ")

    def stop(self) -> None:
        """Ask it to cancel, then kill it; reap it. Again is no error."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(CHILD_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        with self.lock:
            for stream in (self.process.stdin, self.process.stdout, self._errors):
                if stream is not None:
                    try:
                        stream.close()
                    except OSError:
                        pass


class Children:
    """Starts programs against one server, and ends them all. Thread-safe."""

    def __init__(self, *, environment: Mapping[str, str], connection: Mapping[str, str], password: str) -> None:
        """`environment`: only what INHERITED names is passed on; `connection` holds the PG* variables to set."""
        self._lock = threading.Lock()
        self._children: list[ChildProcess] = []
        self._passfile = PasswordFile(password)
        inherited = {name: value for name, value in environment.items() if name.startswith(INHERITED)}
        self._environment = {**inherited, **connection, "PGPASSFILE": self._passfile.path, "LC_ALL": "C"}

    def start(self, command: Sequence[str], *, feed: bool) -> ChildProcess:
        """Start `command` with a pipe from its output, and one to its input if `feed`. Raises SourceError if it does not run"""
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the child
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=self._environment,
                bufsize=0,
                start_new_session=True,
                pass_fds=self._passfile.descriptors,
            )
        except OSError as error:
            errors.close()
            raise _does_not_start(command[0], error) from error
        child = ChildProcess(process, errors)
        with self._lock:
            self._children.append(child)
        return child

    def close(self) -> None:
        """Stop every child, remove the password file. Again is no error."""
        with self._lock:
            children, self._children = self._children, []
        for child in children:
            child.stop()
        self._passfile.close()
