"""The store behind a repository: made, opened, looked at before it is made. Part of the composition root: `app.wiring` hands it out."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vault.app.places import refuse_lost, repository_at
from vault.app.settings import Settings
from vault.errors import AlreadyExists, NoRepository, NotFound, StoreError, UnsafeError, UsageError, VaultError

if TYPE_CHECKING:
    from vault.bucket.place import BucketPlace
    from vault.ports import ObjectStore, Progress
    from vault.repo.workers import Abandonable

LEFTOVER_MS: Final = 24 * 60 * 60 * 1000
"""A temporary file of this age belongs to a run that was killed."""


def system_entropy(length: int) -> bytes:
    return os.urandom(length)


def refuse_taken(settings: Settings, *, anew: bool = False) -> None:
    """So that nobody thinks of a passphrase for a place that is taken. Raises  UnsafeError"""
    place = repository_at(settings)
    names = set() if place.path is None else _names_in(place.path)
    if place.bucket is not None and (found := _in_bucket(settings, place.bucket)):
        names = {found}
    if names & {"config", "keys"}:
        from vault.ops.repository.keys import refuse_foreign

        try:
            refuse_foreign(open_store(settings))
        except UnsafeError as error:
            error.hint = _used(settings) if "config" in names else error.hint
            raise
    elif not anew:
        refuse_lost(settings)
    if names and not names & {"config", "keys"}:
        raise UnsafeError(
            f"{place.typed} is not empty", why=f"it holds {min(names)}", hint="choose a new or empty place for -r"
        )


def _used(settings: Settings) -> str:
    """What to type where the repository that was to be made is there: what it can be used with, as it was named here."""
    said = settings.origins.get("repository.url")
    if said is not None and said.kind != "flag":
        return "it can be used as it is: pgvault snapshots, pgvault backup; for another one, name a new place with -r"
    named = shlex.quote(settings.repository or "")
    return f"to look into it: pgvault -r {named} snapshots; for another one, name a new place"


def _names_in(path: Path) -> set[str]:
    try:
        return set(os.listdir(path)) - {"tmp"} if path.exists() else set()
    except OSError as error:
        raise UsageError(f"{path} cannot be a repository", why=error.strerror or "") from error


def _in_bucket(settings: Settings, place: BucketPlace) -> str:
    """A name below the prefix that says what this is; empty if nothing is there. Asks for a page, whatever the bucket holds."""
    try:
        open_store(settings).get("config")
    except NotFound:
        pass
    else:
        return "config"
    from vault.bucket.client import connect
    from vault.repo.workers import Abandonable

    def look() -> str:
        """The first that is no key slot, whatever its name."""
        slots = ""
        for found in connect(place, settings.environment).list():
            if not found.key.startswith("keys/"):
                return found.key
            slots = "keys"
        return slots

    return _abandonable(Abandonable()).run(look)


def open_store(settings: Settings) -> ObjectStore:
    place = repository_at(settings)
    if place.bucket is not None:
        return _bucket_store(place.bucket, settings)
    from vault.store.local import LocalStore

    assert place.path is not None
    return LocalStore(place.path, system_entropy)


def _bucket_store(place: BucketPlace, settings: Settings) -> ObjectStore:
    """Calls of the client hear no signal: they run where they can be left. It tries again itself: nothing here does."""
    from vault.bucket.client import connect
    from vault.repo.interruptible import InterruptibleStore
    from vault.repo.workers import Abandonable
    from vault.store.object_storage import ObjectStorage

    return InterruptibleStore(ObjectStorage(connect(place, settings.environment)), _abandonable(Abandonable()))


def _abandonable(calls: Abandonable) -> Abandonable:
    """Those, which from now on are left when somebody interrupts."""
    from vault.app.interrupts import tell

    tell(calls)
    return calls


def is_far(settings: Settings) -> bool:
    """Whether each request to the repository is a round trip over a network, of seconds perhaps."""
    return repository_at(settings).bucket is not None


def copies_directory(settings: Settings) -> Path | None:
    """Where copies of small files of a repository far away are."""
    return settings.cache_dir / "copies" if settings.cache_dir is not None and is_far(settings) else None


def copying(store: ObjectStore, directory: Path) -> ObjectStore:
    from vault.store.copies import CopyingStore

    return CopyingStore(store, directory)


def telling(store: ObjectStore) -> ObjectStore:
    """What this user may not read of it is told as damage is, for whoever names all that is wrong."""
    from vault.store.unreadable import UnreadableStore

    return UnreadableStore(store)


def overlaid(store: ObjectStore, directory: Path) -> ObjectStore:
    """`store`, of which all that is put goes to `directory`, an empty one, and nothing to it."""
    from vault.store.local import LocalStore
    from vault.store.overlay import OverlayStore

    return OverlayStore(store, LocalStore(directory, system_entropy))


def create_store(settings: Settings) -> ObjectStore:
    """A store in a new or empty directory or prefix, or in one that an unfinished init left behind.

    Raises  UnsafeError: something else is there
    """
    path = repository_at(settings).path
    if path is not None and not any((path / name).exists() for name in ("config", "keys")):
        from vault.store.local import create_local

        try:
            create_local(path)
        except AlreadyExists as error:
            raise UnsafeError(error.message, why=error.why, hint=error.hint) from error
    return open_store(settings)


def note_of(store: ObjectStore) -> str:
    """What somebody should know who made a repository in `store`, once something was put; mostly nothing."""
    from vault.repo.interruptible import InterruptibleStore

    if not isinstance(store, InterruptibleStore):
        return ""
    from vault.store.object_storage import ObjectStorage

    if isinstance(store.behind, ObjectStorage) and not store.behind.conditions:
        return "the storage has no If-None-Match: do not run init for one place from two machines at once (pgvault help buckets)"
    return ""


def may_be_there(settings: Settings) -> bool:
    """Whether a repository is there, or may still come, or nobody can tell: then what opens it is kept.

    A slot is put before `config` is: where there is none, that was not begun, and where there is one, its answer may have been lost.
    """
    try:
        store = open_store(settings)
        return any(stored.name == "config" or stored.name.startswith("keys/") for stored in store.list(""))
    except NoRepository:
        return False
    except VaultError:
        return True


def sweep_leftovers(settings: Settings, progress: Progress) -> None:
    """Remove what runs that were killed left in a local store's tmp/; another run may still write what is young. A bucket has none."""
    path = repository_at(settings).path
    if path is None:
        return
    from vault.store.local import LocalStore

    try:
        LocalStore(path, system_entropy).sweep_tmp(older_than_ms=LEFTOVER_MS)
    except StoreError as error:
        progress.event("warning", f"{error.message}: {error.why}")
