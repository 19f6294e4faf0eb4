"""Take one snapshot: publish a lease, read the sources, publish what is new, commit the manifest.

Whatever fails before the commit leaves no snapshot and no harm: packs that were sent are adopted by the next run. What was selected and
could not be captured is in the ledger; nothing is left out without a line there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from vault.errors import Incoherent
from vault.format.ledger import encode_ledger
from vault.ids import ObjectId, SnapshotId
from vault.model import (
    CatalogFacts,
    Counts,
    DatabasePart,
    Effort,
    Lease,
    Ledger,
    ListRef,
    Manifest,
    Missing,
    ObjectType,
    ServerFacts,
    State,
)
from vault.ops.backup.database import DatabaseCapture, capture_database
from vault.ops.backup.files import FilesCapture, capture_files
from vault.ops.backup.line import (
    OtherDatabase,
    apart,
    choose_line,
    own_name,
    refusal,
    refusal_apart,
    require_reached,
    require_same,
)
from vault.ops.backup.lists import storable
from vault.ops.backup.rows import RowOptions
from vault.ops.project.components import SUPABASE, Selectors
from vault.ops.project.counts import Captured, count, coverage
from vault.ops.project.outside import unmatched
from vault.ports import Capture, Clock, DirectorySource, Entropy, Progress
from vault.repo.lineage import Known, calendar, is_ahead
from vault.repo.snapshot import Snapshot
from vault.repo.state import Indexed, Open
from vault.repo.workers import alongside
from vault.repo.writer import Writer
from vault.repo.writing import writing

_ATTEMPTS_MAX = 3
"""A backup under which definitions change is tried again twice, then saved with the changed objects named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRequest:
    """`selection`: what was asked for, canonical text; equal text makes snapshots comparable. `jobs`: reading connections.

    `moved`: the source's database may be another one than before; `attended`: somebody is there to be asked which it is.
    `patterns`: options that narrow the database, for the ledger; `outside`: whether objects in no schema are taken all the same;
    `selectors`: what the project calls its things; `accepted`: names of gaps that are no reason to complain; `expected`: the
    database that `source` was made for.
    """

    source: str
    selection: str
    program: str
    tags: Mapping[str, str] = field(default_factory=dict)
    full: bool = False
    moved: bool = False
    attended: bool = False
    patterns: tuple[str, ...] = ()
    outside: bool = True
    selectors: Selectors = SUPABASE
    accepted: tuple[str, ...] = ()
    expected: ServerFacts | None = None
    jobs: int = 2
    host: str = ""
    pid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReport:
    """`apart`: why the snapshot is of another source than was asked for, or empty."""

    id: SnapshotId
    manifest: Manifest
    ledger: Ledger
    apart: str = ""


def run(
    repo: Open,
    *,
    request: BackupRequest,
    open_capture: Callable[[], Capture] | None,
    directories: Mapping[str, DirectorySource],
    clock: Clock,
    entropy: Entropy,
    progress: Progress,
    cache_dir: Path | None = None,
) -> BackupReport:
    """Take a snapshot and return it as committed. The index is loaded under the lease, after the sweeps: no sooner.

    cache_dir     of the index, as `Open.indexed` takes it
    open_capture  opens a consistent view of the database; called after the parent was chosen, again if definitions change
    Raises        SourceError, StoreError, IntegrityError: no snapshot was written; Locked: a prune got in the way;
                  UnsafeError: the source is another database's, and somebody is there to say what to do
    """
    known = repo.snapshots()
    take = partial(
        _run,
        repo,
        known,
        open_capture=open_capture,
        directories=directories,
        clock=clock,
        tools=_Tools(entropy=entropy, progress=progress, cache_dir=cache_dir),
    )
    try:
        return take(request=request)
    except OtherDatabase as other:
        if request.attended:
            raise refusal(request.source, other) from None
        named = replace(request, source=own_name(request.source, other.server), expected=other.server)
        why = apart(request.source, other)
    try:
        return replace(take(request=named), apart=why)
    except OtherDatabase as other:
        raise refusal_apart(named.source, other) from other


def _run(
    repo: Open,
    known: Sequence[Known],
    *,
    request: BackupRequest,
    open_capture: Callable[[], Capture] | None,
    directories: Mapping[str, DirectorySource],
    clock: Clock,
    tools: _Tools,
) -> BackupReport:
    """As `run`. Raises OtherDatabase: nothing was read of it"""
    started = clock.now_ms()
    line = choose_line(known, source=request.source, selection=request.selection)
    if line.parent is not None and is_ahead(line.parent[1], started):
        tools.progress.event("warning", _clock_warning(line.parent[1], started))
    terms = _lease(request, line.parent, started)
    warn = partial(tools.progress.event, "warning")
    with writing(repo, terms, clock=clock, entropy=tools.entropy, warn=warn, cache_dir=tools.cache_dir) as under_lease:
        before = None if line.parent is None else under_lease.indexed.snapshot(line.parent[0])
        tools = replace(tools, distrust=line.distrust)
        take = _Take(under_lease.indexed, under_lease.writer, request, known, before=before, tools=tools)
        database = take.database(open_capture) if open_capture is not None else None
        files = take.directories(directories)
        manifest, ledger = _describe(request, line.parent, database, files, put=under_lease.writer.put)
        tables = None if database is None else database.tables
        for text in unmatched(ledger, request.accepted, request.selectors, tables):
            tools.progress.event("warning", text)
        manifest = replace(manifest, created_ms=started, sequence=line.sequence)

        def at(new_bytes: int) -> Manifest:
            duration_ms = max(0, clock.now_ms() - started)  # clocks are put back under a running backup
            return replace(manifest, effort=replace(manifest.effort, new_bytes=new_bytes, duration_ms=duration_ms))

        done = under_lease.commit(at)
        return BackupReport(id=done.id, manifest=done.manifest, ledger=ledger)


def _clock_warning(parent: Manifest, now_ms: int) -> str:
    return (
        f"the snapshot before this one says {calendar(parent.created_ms):%Y-%m-%d %H:%M}, and it is "
        f"{calendar(now_ms):%Y-%m-%d %H:%M} here: one of the two clocks is wrong; the order is kept by number"
    )


def _lease(request: BackupRequest, parent: Known | None, now_ms: int) -> Lease:
    return Lease(
        created_ms=now_ms,
        host=request.host,
        pid=request.pid,
        purpose="backup",
        source=request.source,
        parent=None if parent is None else parent[0],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tools:
    entropy: Entropy
    progress: Progress
    cache_dir: Path | None
    distrust: str = ""


class _Take:
    """Reads the sources into the writer."""

    def __init__(
        self,
        repo: Indexed,
        writer: Writer,
        request: BackupRequest,
        known: Sequence[Known],
        *,
        before: Snapshot | None,
        tools: _Tools,
    ) -> None:
        self._before = before
        self._known = known
        self._repo = repo
        self._writer = writer
        self._request = request
        self._progress = tools.progress
        self._options = RowOptions(jobs=request.jobs, full=request.full, entropy=tools.entropy, distrust=tools.distrust)

    def database(self, open_capture: Callable[[], Capture]) -> DatabaseCapture:
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            try:
                taken, changed = self._attempt(open_capture)
            except Incoherent as error:
                if attempt == _ATTEMPTS_MAX:
                    raise
                self._progress.event("warning", f"{error.message} ({error.why}); attempt {attempt}")
                continue
            if not changed:
                return taken
            self._progress.event(
                "warning", f"definitions changed during the backup ({', '.join(changed[:3])}); attempt {attempt}"
            )
        incoherent = tuple(
            Missing(
                item=name,
                state=State.FAILED,
                why="its definition changed while the backup ran",
                fix="run the backup again when no migration is running",
            )
            for name in changed
        )
        return replace(taken, missing=taken.missing + incoherent)

    def _attempt(self, open_capture: Callable[[], Capture]) -> tuple[DatabaseCapture, Sequence[str]]:
        """One view of the database, and which definitions changed under it."""
        tell = partial(self._progress.event, "warning")
        with open_capture() as capture:
            if self._request.expected is not None:
                require_reached(self._request.expected, capture.server)
            if not self._request.moved:
                require_same(self._known, self._request.source, capture.server)
            with alongside(partial(capture.watch, tell), cancel=capture.abort):
                taken = capture_database(
                    capture,
                    self._writer,
                    keys=self._repo.open.keys,
                    before=self._before,
                    options=self._options,
                    progress=self._progress,
                )
                changed = capture.finish()
                return replace(taken, part=replace(taken.part, server=capture.server)), changed

    def directories(self, sources: Mapping[str, DirectorySource]) -> dict[str, FilesCapture]:
        before = None if self._request.full else self._before
        return {
            name: capture_files(
                name, source, self._writer, keys=self._repo.open.keys, before=before, progress=self._progress
            )
            for name, source in sorted(sources.items())
        }


def _describe(
    request: BackupRequest,
    parent: Known | None,
    database: DatabaseCapture | None,
    files: Mapping[str, FilesCapture],
    *,
    put: Callable[[ObjectType, bytes], ObjectId],
) -> tuple[Manifest, Ledger]:
    counts = _counts(database, files, request.selectors)
    captured = Captured(
        counts=counts,
        database=database is not None,
        directories=frozenset(files),
        tables=() if database is None else database.tables,
        entries=0 if database is None else len(database.entries),
        roles=0 if database is None else len(database.roles.roles),
        sequences=0 if database is None else database.part.sequences.sums.items,
        large_objects=0 if database is None else database.part.large_objects.sums.items,
        missing=() if database is None else database.missing,
        missing_files={name: taken.missing for name, taken in files.items()},
        patterns=request.patterns,
        outside=request.outside,
        accepted=request.accepted,
    )
    ledger = coverage(captured, request.selectors)
    with storable("the coverage ledger"):
        encoded = encode_ledger(ledger)
    ledger_id = put(ObjectType.LEDGER, encoded)
    part: DatabasePart | None = None if database is None else database.part
    roots: dict[str, ListRef] = {name: taken.files for name, taken in files.items()}
    manifest = Manifest(
        source=request.source,
        created_ms=0,
        sequence=1,
        parent=None if parent is None else parent[0],
        selection=request.selection,
        tags=request.tags,
        program=request.program,
        database=part,
        directories=roots,
        ledger=ledger_id,
        coverage={name: (item.state, item.count) for name, item in ledger.items()},
        counts=counts,
        effort=Effort() if database is None else database.effort,
        suspect="" if database is None else database.suspect,
    )
    return manifest, ledger


def _counts(database: DatabaseCapture | None, files: Mapping[str, FilesCapture], selectors: Selectors) -> Counts:
    paths = {name: taken.paths for name, taken in files.items()}
    entries, tables, catalog = (
        ((), (), CatalogFacts()) if database is None else (database.entries, database.tables, database.catalog)
    )
    return count(entries, tables, catalog=catalog, directories=paths, selectors=selectors)
