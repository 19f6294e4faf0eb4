"""A live database as a snapshot that nobody keeps: captured as a backup would be, over a store whose writes are thrown away.

The base is the newest sound snapshot of that very database, so that what did not change is not read. Nothing is put into the repository,
no lease either, and nothing into the server's log. Another run may prune meanwhile: then this one fails, and says so.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vault.app import wiring
from vault.app.backup_request import pairs
from vault.app.database import ChosenDatabase, DatabaseFlags, around, flagged, of_configuration
from vault.app.settings.source import SourceSettings
from vault.errors import StoreError, Unreachable, UsageError

if TYPE_CHECKING:
    from vault.app.settings import Settings
    from vault.ids import SnapshotId
    from vault.model import Manifest
    from vault.ops.backup.run import BackupRequest
    from vault.ports import DirectorySource, Progress
    from vault.ports_of_buckets import BucketSource
    from vault.repo.state import Indexed, Open
    from vault.source.postgres.capture.reach import CaptureOptions

SOURCE: Final = "live database"
"""Of a database that the repository has no snapshot of."""
_JOBS: Final = 2
_RANGES_VERSION: Final = 140000
"""From it on a part of a table can be read alone."""


def chosen_database(settings: Settings, flags: DatabaseFlags, *, command: str) -> ChosenDatabase:
    """Of the flags, else of the configuration, else of the project around. Raises  UsageError: none of them names one"""
    section = settings.sources.get(settings.source_name() or "", SourceSettings())
    chosen = flagged(settings, flags, configured=section, command=command)
    chosen = chosen or of_configuration(settings, settings.chosen_source()) or around(settings)
    if chosen is None or chosen.conninfo is None:
        raise UsageError(f"{command}: which database?", hint="add -d DATABASE, --local or --linked")
    return chosen


def directories(
    settings: Settings, chosen: ChosenDatabase, *, typed: Sequence[str], held: Manifest
) -> dict[str, DirectorySource | BucketSource]:
    """Those of `held` of which it is known where they are: as typed, else of the configuration, else of the project around.

    Raises  UsageError: a wrong pair, a name that `held` has not, no directory
    """
    section = settings.sources.get(settings.source_name() or "", SourceSettings())
    known = section.directories
    if known is None:
        known = {} if chosen.project is None else chosen.project.directories
    named = pairs("--dir", typed, "edge_functions=supabase/functions")
    for name in named:
        if name not in held.directories:
            raise UsageError(
                f"--dir {name}: the snapshot holds no such directory",
                hint=f"it holds: {', '.join(sorted(held.directories)) or 'none'}",
            )
    there = {name: path for name, path in known.items() if wiring.is_bucket(path) or Path(path).is_dir()}
    places = {name: path for name, path in {**there, **named}.items() if name in held.directories}
    return wiring.directory_sources(places, section.exclude, wiring.bucket_access(settings, section.bucket_profiles))


@contextmanager
def captured(
    settings: Settings,
    opened: Open,
    chosen: ChosenDatabase,
    *,
    selection: str,
    directories: Mapping[str, DirectorySource | BucketSource] | None = None,
    allow_cleartext: bool,
    progress: Progress,
) -> Iterator[tuple[Indexed, SnapshotId]]:
    """The repository with one snapshot more, for as long as the context lasts.

    directories  that are captured too
    selection  of the snapshot that it will be compared with: of what that left out nothing is read
    Raises     as `vault.ops.backup.run.run`; Unreachable, PermissionMissing, SourceError; StoreError: no room on this machine
    """
    from vault.ops.backup import run as backup
    from vault.repo.lineage import sources_of
    from vault.source.postgres.capture.database import open_capture

    assert chosen.conninfo is not None, "`chosen_database` has looked"
    conninfo, settings = chosen.conninfo, settings.with_variables(chosen.variables)
    try:
        key = wiring.database_key(settings, conninfo, allow_cleartext=allow_cleartext)
    except Unreachable as error:
        error.advise(chosen.advice)
        raise
    source = sources_of(opened.snapshots()).get(key, SOURCE)
    options = _options(selection, allow_cleartext=allow_cleartext)
    with _over(settings, opened) as (over, cache_dir):
        report = backup.run(
            over,
            request=_request(settings, source, selection),
            open_capture=lambda: open_capture(
                conninfo,
                options=options,
                programs=wiring.client_programs(settings),
                environment=settings.child_environment(),
                notify=progress.stage,
            ),
            directories=directories or {},
            clock=wiring.SystemClock(),
            entropy=wiring.system_entropy,
            progress=progress,
            cache_dir=cache_dir,
        )
        _tell_whole(report.manifest, progress)
        yield over.indexed(cache_dir), report.id


def _tell_whole(manifest: Manifest, progress: Progress) -> None:
    server = None if manifest.database is None else manifest.database.server
    if server is not None and (server.in_recovery or server.version_num < _RANGES_VERSION):
        what = "a standby" if server.in_recovery else f"PostgreSQL {server.version_num // 10000}"
        progress.event("note", f"the server is {what}, where nothing tells what changed: every table was read")


def _options(selection: str, *, allow_cleartext: bool) -> CaptureOptions:
    from vault.ops.project.backup_selection import narrowing
    from vault.source.postgres.capture.reach import CaptureOptions

    patterns = narrowing(selection)
    return CaptureOptions(
        jobs=_JOBS,
        schemas=patterns.get("include_schemas", ()),
        exclude_schemas=patterns.get("exclude_schemas", ()),
        tables=patterns.get("include_tables", ()),
        exclude_tables=patterns.get("exclude_tables", ()),
        exclude_table_data=patterns.get("exclude_table_data", ()),
        allow_gaps=True,
        allow_cleartext=allow_cleartext,
        is_base=False,
    )


def _request(settings: Settings, source: str, selection: str) -> BackupRequest:
    from vault import __version__
    from vault.ops.backup.run import BackupRequest
    from vault.ops.project.backup_selection import narrowed, narrowing

    patterns = narrowing(selection)
    return BackupRequest(
        source=source,
        selection=selection,
        program=f"pgvault {__version__}",
        moved=True,
        patterns=narrowed(selection),
        outside=not (patterns.get("include_schemas") or patterns.get("include_tables")),
        selectors=settings.selectors(source),
        guard=None,
        jobs=_JOBS,
        host=socket.gethostname(),
        pid=os.getpid(),
    )


@contextmanager
def _over(settings: Settings, opened: Open) -> Iterator[tuple[Open, Path]]:
    """The repository over a directory that is thrown away, and a copy of what is cached of it, for it learns what nobody else may."""
    from vault.repo.spool import private_directory
    from vault.repo.state import Open

    above = (
        settings.cache_dir if settings.cache_dir is not None else Path(tempfile.gettempdir()) / f"pgvault-{os.getuid()}"
    )
    with ExitStack() as stack:
        try:
            directory = stack.enter_context(private_directory(above / "live", wiring.system_entropy))
            own, cache_dir = directory / "store", directory / "cache"
            own.mkdir(mode=0o700)
            if opened.own_cache is not None and opened.own_cache.is_dir():
                shutil.copytree(opened.own_cache, cache_dir / opened.own_cache.name, copy_function=_linked)
        except OSError as error:
            raise StoreError(
                "no room for the live database's snapshot", why=str(error), hint="set PGVAULT_CACHE_DIR"
            ) from error
        store = wiring.overlaid(opened.store, own)
        yield Open(store, opened.config, opened.keys, opened.bundle, cache_dir=cache_dir), cache_dir


def _linked(source: str, target: str) -> str:
    """Files of the cache are replaced as a whole, never changed."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
