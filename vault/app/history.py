"""All snapshots of the sources that are meant here, opened to be looked through one after the other; and room to do it in."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vault.app import wiring
from vault.app.settings import Settings
from vault.errors import IntegrityError, NotThere, UsageError
from vault.repo.lineage import Known
from vault.repo.reader import Tally
from vault.repo.snapshot import Snapshot

if TYPE_CHECKING:
    from vault.ops.history.log import Tools
    from vault.repo.state import Open


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """`snapshots`: oldest first, all read through one reader.

    damaged  files of snapshots that cannot be read; read: what was read so far
    reload   the snapshots that there are now
    """

    repository: Open
    snapshots: Sequence[Snapshot]
    damaged: Sequence[IntegrityError]
    read: Tally
    reload: Callable[[], Sequence[Snapshot]]

    @property
    def sources(self) -> list[str]:
        return sorted({snapshot.manifest.source for snapshot in self.snapshots})


def open_history(settings: Settings) -> History:
    """Of --source, else of the source that a word like `latest` means here. Raises  NotThere: there are no snapshots of it"""
    from vault.repo.state import no_such_source

    opened = wiring.open_repository(settings, copies=True)
    known, damaged = opened.listing(at_opening=True)
    chosen = _meant(settings, known)
    if not chosen and known:
        raise no_such_source(known, settings.source or settings.source_name() or "that is backed up here")
    if not chosen:
        raise NotThere("there are no snapshots yet", hint="make one with: pgvault backup")
    reader = opened.indexed(settings.cache_dir, at_opening=True).reader()

    def read(snapshots: Sequence[Known]) -> list[Snapshot]:
        return [Snapshot(snapshot_id, manifest, reader) for snapshot_id, manifest in snapshots]

    return History(
        repository=opened,
        snapshots=read(chosen),
        damaged=damaged,
        read=reader.tally,
        reload=lambda: read(_meant(settings, opened.snapshots())),
    )


def _meant(settings: Settings, known: Sequence[Known]) -> list[Known]:
    from vault.app.source_here import sources_of_words

    names = {manifest.source for _, manifest in known}
    meant = {settings.source} if settings.source is not None else sources_of_words(settings, names)
    return [pair for pair in known if pair[1].source in meant]


def comparing(settings: Settings) -> Tools:
    """What a comparison of rows needs: room on this machine's disk, and a key drawn for it."""
    from vault.app.diff import scratch
    from vault.ops.diff.rows import KEY_BYTES
    from vault.ops.history.log import Tools

    return Tools(scratch=scratch(settings), key=wiring.system_entropy(KEY_BYTES))


@contextmanager
def room(settings: Settings, name: str) -> Iterator[Path]:
    """A directory that is private to this program, for files without a name: in the cache directory, else where the system keeps such.

    Raises  UsageError: it cannot be made
    """
    try:
        if settings.cache_dir is not None:
            directory = settings.cache_dir / name
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        else:
            directory = Path(tempfile.mkdtemp(prefix="pgvault-"))
    except OSError as error:
        raise UsageError(
            "no room for temporary files", why=f"{error.filename}: {error.strerror}", hint="set PGVAULT_CACHE_DIR"
        ) from error
    try:
        yield directory
    finally:
        if settings.cache_dir is None:
            shutil.rmtree(directory, ignore_errors=True)
