"""The composition root: the only constructor of concrete stores (with `app.stores`), sources, clock and entropy.

Turns what the user typed into ports. Heavy modules are imported where they are needed, so that commands start quickly.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from vault.app import secret
from vault.app.directories import BucketAccess
from vault.app.directories import bucket_target as bucket_target
from vault.app.directories import bucket_there as bucket_there
from vault.app.directories import directory_sources as directory_sources
from vault.app.directories import directory_target as directory_target
from vault.app.directories import directory_there as directory_there
from vault.app.directories import is_bucket as is_bucket
from vault.app.directories import refuse_own_repository as refuse_own_repository
from vault.app.places import local_path as local_path
from vault.app.places import missing
from vault.app.places import repository_at as repository_at
from vault.app.places import repository_place as repository_place
from vault.app.settings import Settings
from vault.app.stores import LEFTOVER_MS as LEFTOVER_MS
from vault.app.stores import copies_directory, copying, telling
from vault.app.stores import create_store as create_store
from vault.app.stores import is_far as is_far
from vault.app.stores import may_be_there as may_be_there
from vault.app.stores import note_of as note_of
from vault.app.stores import open_store as open_store
from vault.app.stores import overlaid as overlaid
from vault.app.stores import refuse_taken as refuse_taken
from vault.app.stores import sweep_leftovers as sweep_leftovers
from vault.app.stores import system_entropy as system_entropy
from vault.errors import (
    NotFound,
    Unreachable,
    WrongPassphrase,
)

if TYPE_CHECKING:
    from vault.ids import SnapshotId
    from vault.ops.view.tree import View
    from vault.ports import ObjectStore, Target
    from vault.ports_of_put_back import PutBackTarget
    from vault.repo.freshness import Heads
    from vault.repo.snapshot import Snapshot
    from vault.repo.state import Indexed, Open
    from vault.source.postgres.connection.connect import Session
    from vault.source.postgres.connection.programs import Programs
    from vault.source.postgres.target.database import PostgresTarget
    from vault.source.postgres.target.temporary_reader import TemporaryReaders

_UPTIME: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux's CLOCK_MONOTONIC stands still while the machine sleeps; that of macOS, which has no other, goes on."""


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def uptime_s(self) -> float:
        return time.clock_gettime(_UPTIME)


# --- the repository ------------------------------------------------------------------------------


def open_repository(
    settings: Settings, *, load: Callable[[], None] | None = None, copies: bool = False, goes_on: bool = False
) -> Open:
    """With the recovery kit if PGVAULT_RECOVERY_KIT_FILE names one, else with the passphrase.

    load     imports what the caller will use next, on another thread
    copies   what earlier runs kept of a repository far away will do; not for whoever has to see what it holds now, as `check`
    goes_on  a file that this user may not read is told as a damaged one is, and the rest is read
    Raises  NoRepository, WrongPassphrase, SecretUnavailable, IntegrityError, StoreError
    """
    unlock = repository_unlocker(settings, copies=copies, goes_on=goes_on)
    from vault.repo.workers import alongside

    # Deriving the key takes 0.1 s without Python's lock: what will read the repository is loaded meanwhile.
    with alongside(load or _load_readers, cancel=lambda: None):
        return unlock()


def _load_readers() -> None:
    import vault.repo.snapshot  # noqa: F401
    import vault.repo.state  # noqa: F401


def _load_restorers() -> None:
    _load_readers()
    import vault.source.postgres.target.database  # noqa: F401


class Unlocker(Protocol):
    """Opens the repository with a secret that is known. `anew`: others wrote since, so nothing that was listed before is used."""

    def __call__(self, *, anew: bool = False) -> Open: ...


def repository_unlocker(
    settings: Settings, *, passphrase: str | None = None, copies: bool = False, goes_on: bool = False
) -> Unlocker:
    """Ask for the secret, unless it is known, and return what opens the repository with it. Raises  NoRepository, SecretUnavailable

    The modules that derive the key come first; those that read and write are loaded when it is there, or by another thread meanwhile.
    """
    from vault.repo import keyring
    from vault.repo.glance import Look

    kept = copies_directory(settings) if copies else None
    store = open_store(settings) if kept is None else copying(open_store(settings), kept)
    look = Look(store, is_far=is_far(settings), uptime_s=SystemClock().uptime_s, copies=kept)
    kit = None if passphrase is not None else secret.recovery_kit(settings)
    config_file: bytes | None = None
    is_asked = kit is None and passphrase is None
    if is_asked:
        config_file = look.config(partial(require_repository, store, settings))
        passphrase = secret.passphrase(settings)

    def opened(*, anew: bool = False) -> Open:
        glance = look.glance(anew=anew)
        if kit is not None:
            unlocked = keyring.unlock_with_kit(store, kit)
        else:
            try:
                unlocked = keyring.unlock(store, passphrase or "", config_file=config_file, glance=glance)
            except WrongPassphrase as error:
                error.hint = secret.if_wrong(settings) if is_asked else error.hint
                raise
        from vault.repo.state import Open

        return Open(
            telling(store) if goes_on else store, *unlocked, cache_dir=settings.cache_dir, glance=glance, copies=copies
        )

    return opened


def open_repository_with(settings: Settings, passphrase: str) -> Open:
    """Raises  NoRepository, WrongPassphrase, IntegrityError, StoreError"""
    return repository_unlocker(settings, passphrase=passphrase)()


def open_other(settings: Settings, place: str) -> Open:
    """A second repository, with a passphrase of its own where PGVAULT_NEW_PASSWORD and its kin give one. Raises  as `open_repository_with`"""
    other = replace(settings, repository=place)
    require_repository(open_store(other), other)
    try:
        return open_repository_with(other, secret.other_passphrase(settings, place))
    except WrongPassphrase as error:
        error.hint = "if its passphrase is another one, set PGVAULT_NEW_PASSWORD_FILE, _COMMAND or PGVAULT_NEW_PASSWORD"
        raise


def require_repository(store: ObjectStore, settings: Settings) -> bytes:
    """So that nobody is asked for the passphrase of a repository that is not there; its configuration. Raises  NoRepository"""
    try:
        return store.get("config")
    except NotFound as error:
        raise missing(settings, store.url) from error


def heads(settings: Settings, opened: Open, tell: Callable[[str], None]) -> Heads:
    """What this machine remembers of the repository. `tell` hears what is wrong with that."""
    from vault.repo.freshness import Heads

    if settings.state_dir is None:
        tell(
            "no directory for the program's state: snapshots that go away from now on will not be noticed from here; "
            "PGVAULT_STATE_DIR names one"
        )
    return Heads(opened, settings.state_dir, tell)


def index_repository(settings: Settings, *, goes_on: bool = False) -> Indexed:
    """`goes_on`: as `open_repository`"""
    return open_repository(settings, goes_on=goes_on).indexed(settings.cache_dir)


def named(settings: Settings, opened: Open, spec: str) -> SnapshotId:
    """The snapshot that the user's words name here. Raises  as `Open.resolve`; UsageError: the project cannot be read"""
    from vault.app.source_here import sources_of_words

    return opened.resolve(spec, settings.source, here=partial(sources_of_words, settings))


def named_for_certain(settings: Settings, opened: Open, spec: str) -> SnapshotId:
    """As `named`, for what changes something. Raises  UsageError: a word could mean several sources"""
    from vault.app.source_here import sources_of_words

    return opened.resolve(spec, settings.source, here=partial(sources_of_words, settings), certain=True)


def open_snapshot(settings: Settings, spec: str, *, copies: bool = True) -> Snapshot:
    """The snapshot that the user's words name. `copies`: as `open_repository`. Raises  NotThere, UsageError: ambiguous"""
    opened = open_repository(settings, copies=copies)
    return opened.indexed(settings.cache_dir, at_opening=True).snapshot(named(settings, opened, spec))


def open_among(
    settings: Settings, spec: str, *, copies: bool = True
) -> tuple[Open, Snapshot, dict[tuple[str, int], str]]:
    """As `open_snapshot`, with its repository, and the databases that this has snapshots of, each with the name of its source."""
    from vault.repo.lineage import sources_of

    opened = open_repository(settings, load=_load_restorers, copies=copies)
    snapshot = opened.indexed(settings.cache_dir, at_opening=True).snapshot(named_for_certain(settings, opened, spec))
    return opened, snapshot, sources_of(opened.snapshots())


def open_view(settings: Settings, spec: str) -> View:
    """The same snapshot as files, with what the configuration calls its components."""
    from vault.ops.view.tree import View

    snapshot = open_snapshot(settings, spec)
    return View(snapshot, settings.selectors(snapshot.manifest.source))


# --- sources -------------------------------------------------------------------------------------


def bucket_access(settings: Settings, profiles: Mapping[str, str]) -> BucketAccess:
    """What directories that are buckets are reached with; `profiles` as configured."""
    return BucketAccess(environment=settings.environment, clock=SystemClock(), profiles=profiles)


@contextmanager
def open_target(settings: Settings, conninfo: str, *, allow_cleartext: bool, advice: str = "") -> Iterator[Target]:
    """A database to restore into, closed at the end. `advice`: what to type if it cannot be reached, where that is known"""
    with _target(settings, conninfo, allow_cleartext=allow_cleartext, advice=advice) as target:
        yield target


@contextmanager
def open_put_back_target(
    settings: Settings, conninfo: str, *, allow_cleartext: bool, advice: str = ""
) -> Iterator[PutBackTarget]:
    """The same as one that gets single rows back."""
    with _target(settings, conninfo, allow_cleartext=allow_cleartext, advice=advice) as target:
        yield target


@contextmanager
def _target(settings: Settings, conninfo: str, *, allow_cleartext: bool, advice: str) -> Iterator[PostgresTarget]:
    from vault.source.postgres.target.database import connect_target

    try:
        target = connect_target(
            conninfo, settings.environment, programs=client_programs(settings), allow_cleartext=allow_cleartext
        )
    except Unreachable as error:
        error.advise(advice)
        raise
    try:
        yield target
    finally:
        target.close()


def ask_whether_it_answers(settings: Settings, conninfo: str, *, allow_cleartext: bool) -> None:
    """One attempt. Raises  Unreachable: not now; UsageError, UnsafeError, SourceError: never"""
    from vault.source.postgres.connection.connect import connect
    from vault.source.postgres.connection.resolve import resolve

    session = connect(resolve(conninfo, settings.child_environment(), allow_cleartext=allow_cleartext))
    try:
        session.row("SELECT 1", doing="asking whether it answers")
    finally:
        session.close()


def database_key(settings: Settings, conninfo: str, *, allow_cleartext: bool) -> tuple[str, int]:
    """System identifier and oid of a database. Raises  Unreachable; UsageError, UnsafeError, SourceError"""
    from vault.source.postgres.connection.connect import connect
    from vault.source.postgres.connection.resolve import resolve
    from vault.source.postgres.connection.server_facts import database_key

    session = connect(resolve(conninfo, settings.child_environment(), allow_cleartext=allow_cleartext))
    try:
        return database_key(session)
    finally:
        session.close()


def temporary_readers(settings: Settings, conninfo: str, allow_cleartext: bool) -> TemporaryReaders:
    """Who may read all of a database and write nothing, for as long as somebody asks."""
    from vault.source.postgres.connection.resolve import resolve
    from vault.source.postgres.target.temporary_reader import TemporaryReaders

    server = resolve(conninfo, settings.environment, allow_cleartext=allow_cleartext)
    return TemporaryReaders(server, system_entropy)


@contextmanager
def session(settings: Settings, conninfo: str) -> Iterator[Session]:
    """One of a server of our own, closed at the end."""
    from vault.source.postgres.connection.connect import connect
    from vault.source.postgres.connection.resolve import resolve

    opened = connect(resolve(conninfo, settings.environment, allow_cleartext=False))
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def queries(settings: Settings, conninfo: str, *, allow_cleartext: bool) -> Iterator[Session]:
    """A session of its own to ask, with an empty search path."""
    from vault.source.postgres.connection.connect import connect
    from vault.source.postgres.connection.resolve import resolve

    session = connect(resolve(conninfo, settings.environment, allow_cleartext=allow_cleartext))
    try:
        with session.apart(doing="counting what was restored"):
            yield session
    finally:
        session.close()


def client_programs(settings: Settings) -> Programs:
    """pg_dump and psql: those on PATH and in the system's places first, then the embedded ones."""
    from vault.source.postgres.connection.programs import Programs
    from vault.source.postgres.connection.throwaway_server import embedded_bin

    return Programs(search_path=settings.environment.get("PATH", ""), embedded=embedded_bin())


def other_client_programs(settings: Settings, major: int) -> list[Programs]:
    """Each other place with a pg_dump that a server of `major` can be read with: another one writes definitions in other words."""
    programs = client_programs(settings)
    used = programs.find("pg_dump", major=major, local=True)
    fitting = {one.path.parent for one in programs.every("pg_dump") if one.major >= major}
    return [
        replace(programs, directory=place) for place in sorted(fitting) if used is None or place != used.path.parent
    ]
