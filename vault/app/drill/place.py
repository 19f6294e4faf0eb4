"""Where a drill restores to: a throwaway server of this machine, or a database that the user names; directories beside both.

What a throwaway server runs is the snapshot's code, with a superuser's rights in it: so it runs as a user that owns nothing else, where
that can be had. Invariant: without `keep` nothing of it is left at the end; what a killed process left is swept by the next one.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from vault.app import wiring
from vault.errors import SourceError, UnsafeError
from vault.model.words import size

if TYPE_CHECKING:
    from vault.app.settings import Settings
    from vault.model import CatalogFacts, Roles, ServerFacts
    from vault.repo.snapshot import Snapshot
    from vault.source.postgres.connection.throwaway_server import EmbeddedServer

SUPERUSER: Final = "pgvault_drill"
_OF_POSTGRES: Final = frozenset({"postgres", "template0", "template1"})
_SETTINGS: Final = {"max_wal_size": "256MB", "min_wal_size": "32MB", "max_locks_per_transaction": "1024"}
"""Reading locks every table at once, and pg_dump again: the default is enough for 10,000, this for 100,000 in 50 MB of memory."""
_FILE_NAME: Final = re.compile(r"\w[\w.-]*", re.ASCII)
_DOING: Final = "preparing the throwaway database"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptServer:
    """How to reach what was left running, and the line that ends it and removes its files."""

    url: str
    place: str
    stop: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillPlace:
    """`conninfo` is None for a snapshot of files alone. `settings`: those with which it is reached.

    throwaway  whether the server is our own
    stubs      extensions of which it has no more than the names
    keep       leave the server running, and its files; once
    """

    settings: Settings
    conninfo: str | None
    directories: Mapping[str, str]
    throwaway: bool
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    advice: str = ""
    stubs: frozenset[str] = frozenset()
    keep: Callable[[], KeptServer] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedDatabase:
    """The database of -d: where, with what for libpq's environment, and what to type if it cannot be reached."""

    conninfo: str
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    advice: str = ""


@contextmanager
def drill_place(
    settings: Settings, snapshot: Snapshot, *, named: NamedDatabase | None, notify: Callable[[str], None]
) -> Iterator[DrillPlace]:
    """`named` None: a server of our own, if the snapshot holds a database. `notify` hears of each step before it is taken.

    Raises  SourceError: no server is new enough, or there is no room; UnsafeError: it would run as the wrong user
    """
    from vault.source.postgres.connection.throwaway_directories import throwaway_directory

    own = named is None and snapshot.manifest.database is not None
    if own:
        refuse_account()
    with throwaway_directory() as place, ExitStack() as stack:
        refuse_full(place, snapshot, server=own)
        directories = _directories(place, snapshot)
        if named is not None:
            yield DrillPlace(
                settings=settings.with_variables(named.variables),
                conninfo=named.conninfo,
                directories=directories,
                throwaway=False,
                variables=named.variables,
                advice=named.advice,
            )
            return
        apart = without_libpq(settings)
        if not own:
            yield DrillPlace(settings=apart, conninfo=None, directories=directories, throwaway=True)
            return
        try:
            server, database, stubs = _start(apart, place, snapshot, stack=stack, notify=notify)
        except OSError as error:
            raise SourceError(
                "the throwaway server could not be set up",
                why=str(error),
                hint="set TMPDIR to a directory with more room",
            ) from error

        def keep() -> KeptServer:
            return _keep(server, place, database)

        yield DrillPlace(
            settings=apart,
            conninfo=server.dsn(database),
            directories=directories,
            throwaway=True,
            stubs=stubs,
            keep=keep,
        )


def why_not_here(settings: Settings, snapshot: Snapshot) -> str:
    """What keeps this machine from a drill of its own, before anything is started; empty: nothing."""
    from vault.source.postgres.connection.server_choice import server_for

    database = snapshot.manifest.database
    try:
        if database is not None:
            refuse_account()
            server_for(database.server.version_num // 10_000, wiring.client_programs(settings))
        refuse_full(Path(tempfile.gettempdir()), snapshot, server=database is not None)
    except (SourceError, UnsafeError) as error:
        return f"{error.message}: {error.why}"
    return ""


def refuse_account() -> None:
    """Raises  UnsafeError: what a throwaway server runs could do what the owner of the machine's own servers can"""
    import pwd

    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return
    if name == "postgres":
        raise UnsafeError(
            "a drill does not run as the user postgres",
            why="the snapshot's code runs in the throwaway server, and could do what this user can: your servers are its own",
            hint="run it as root, which gives it a user of its own, or as another user; or name an empty database with -d",
        )


def refuse_full(place: Path, snapshot: Snapshot, *, server: bool) -> None:
    """Raises  SourceError: the disk would be full before the end"""
    from vault.ops.drill.room import room_needed

    needed, free = room_needed(snapshot.manifest, server=server), shutil.disk_usage(place).free
    if needed > free:
        raise SourceError(
            "there is not enough room for a drill",
            why=f"it takes about {size(needed)}, and {tempfile.gettempdir()} has {size(free)} left",
            hint="set TMPDIR to a directory with more room"
            + ("; or restore into a database with -d" if server else ""),
        )


def _directories(place: Path, snapshot: Snapshot) -> dict[str, str]:
    """Where each directory of the snapshot goes; below a name of its own where its own is a plain one."""
    files = place / "files"
    if snapshot.manifest.directories:
        files.mkdir(mode=0o700)
    return {
        name: str(files / (name if _FILE_NAME.fullmatch(name) else f"-{number}"))
        for number, name in enumerate(sorted(snapshot.manifest.directories))
    }


def without_libpq(settings: Settings) -> Settings:
    """Its variables would lead elsewhere than to our own server."""
    environment = {
        name: value
        for name, value in settings.environment.items()
        if not name.startswith("PG") or name.startswith("PGVAULT_")
    }
    return replace(settings, environment=environment)


# --- the server ----------------------------------------------------------------------------------


def _start(
    settings: Settings, place: Path, snapshot: Snapshot, *, stack: ExitStack, notify: Callable[[str], None]
) -> tuple[EmbeddedServer, str, frozenset[str]]:
    database = snapshot.manifest.database
    assert database is not None
    catalog = snapshot.catalog()
    server, stubs = start_server(
        settings,
        place,
        [(database.server, catalog)],
        superuser=free_name(snapshot.roles()),
        stack=stack,
        notify=notify,
    )
    name = database.server.database if database.server.database not in _OF_POSTGRES - {"postgres"} else "restored"
    create_database_like(settings, server, name, catalog, encoding=database.server.encoding)
    return server, name, stubs


def start_server(
    settings: Settings,
    place: Path,
    of: Sequence[tuple[ServerFacts, CatalogFacts]],
    *,
    superuser: str,
    stack: ExitStack,
    notify: Callable[[str], None],
) -> tuple[EmbeddedServer, frozenset[str]]:
    """For what was on servers like those; with the extensions of which it has stand-ins. Raises  SourceError: none is new enough"""
    from vault.source.postgres.connection import extension_stubs
    from vault.source.postgres.connection.server_choice import server_for
    from vault.source.postgres.connection.throwaway_server import EmbeddedServer

    major = max(server.version_num for server, _ in of) // 10_000
    program = server_for(major, wiring.client_programs(settings))
    notify(f"starting PostgreSQL {program.major}")
    stubbed = program.major >= extension_stubs.SINCE_MAJOR
    path = {extension_stubs.SETTING: f"$system:{place / 'stubs'}"} if stubbed else {}
    server = EmbeddedServer(
        place / "server", binaries=program.path.parent, settings={**_SETTINGS, **path}, superuser=superuser
    )
    stack.enter_context(server)
    catalogs = [catalog for _, catalog in of]
    stubs = _write_stubs(settings, server, place / "stubs", catalogs) if stubbed else frozenset[str]()
    return server, stubs


def _write_stubs(
    settings: Settings, server: EmbeddedServer, place: Path, catalogs: Sequence[CatalogFacts]
) -> frozenset[str]:
    """For extensions of snapshots that the server does not have; of a version that the first of them has."""
    from vault.source.postgres.connection.extension_stubs import write_stubs

    with wiring.session(settings, server.dsn("template1")) as session:
        has = {
            row[0] for row in session.rows("SELECT name::text FROM pg_catalog.pg_available_extensions", doing=_DOING)
        }
    wanted = {name: version for one in reversed(catalogs) for name, version, _ in one.extensions if name not in has}
    return write_stubs(place, wanted.items())


def free_name(roles: Roles) -> str:
    """Of a superuser that the snapshot has no role of: so all that it has are made, as on a new server of somebody else."""
    taken = {role.name for role in roles.roles}
    return next(name for number in range(len(taken) + 1) if (name := f"{SUPERUSER}{number or ''}") not in taken)


def create_database_like(
    settings: Settings, server: EmbeddedServer, name: str, catalog: CatalogFacts, *, encoding: str
) -> None:
    """Of the source's locale, where it can be had."""
    from vault.sql import names
    from vault.sql.databases import create_database

    attempts = list(create_database(name, catalog.database, encoding=encoding, version_num=server.major * 10_000))
    with wiring.session(settings, server.dsn("template1")) as session:
        session.run(f"DROP DATABASE IF EXISTS {names.quote(name)}", doing=_DOING)
        for number, statement in enumerate(attempts, 1):
            try:
                session.run(statement, doing=_DOING)
                break
            except SourceError:
                if number == len(attempts):
                    raise


def _keep(server: EmbeddedServer, place: Path, database: str) -> KeptServer:
    from vault.source.postgres.connection.throwaway_directories import keep

    stop = keep(place, server.leave_running())
    where = server.dsn(database).split()[0].removeprefix("host=")
    url = f"postgresql://{server.superuser}@/{quote(database, safe='')}?host={quote(where, safe='/')}"
    return KeptServer(url=url, place=str(place), stop=stop)
