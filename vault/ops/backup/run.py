"""Take one snapshot: publish a lease, read the sources, publish what is new, commit the manifest.

Whatever fails before the commit leaves no snapshot and no harm: packs that were sent are adopted by the next run. What was selected and
could not be captured is in the ledger; nothing is left out without a line there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from vault.errors import Incoherent, StoreError
from vault.ids import SnapshotId
from vault.model import (
    Finding,
    Lease,
    Ledger,
    Manifest,
    Missing,
    State,
)
from vault.ops.backup.bucket import capture_bucket
from vault.ops.backup.database import DatabaseCapture, capture_database
from vault.ops.backup.file_rows import FileRows, read_file_rows, with_rows
from vault.ops.backup.files import FilesCapture, capture_files
from vault.ops.backup.manifest_and_ledger import describe
from vault.ops.backup.number_and_parent import (
    Line,
    OtherDatabase,
    apart,
    choose_line,
    own_name,
    refusal,
    refusal_apart,
    require_reached,
    require_same,
)
from vault.ops.backup.request import BackupRequest as BackupRequest
from vault.ops.backup.rows import RowOptions
from vault.ops.guard.facts import Terms
from vault.ops.guard.judge import Judgement, judged
from vault.ops.project.files_outside import unmatched
from vault.ports import Capture, Clock, DirectorySource, Entropy, Progress
from vault.ports_of_buckets import BucketSource
from vault.repo.freshness import Heads, Rollback, record_lost
from vault.repo.lineage import Known, calendar, is_ahead, recordable
from vault.repo.snapshot import Snapshot
from vault.repo.state import Indexed, Open
from vault.repo.workers import alongside
from vault.repo.writer import Writer
from vault.repo.writing import writing

_ATTEMPTS_MAX = 3
"""A backup under which definitions change is tried again twice, then saved with the changed objects named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReport:
    """`apart`: why the snapshot is of another source than was asked for, or empty. `rollback`: what went away and was not accepted.

    `findings`: why it looks like the ruin of the last good one; recorded in the repository; `good`: that one, or a later
    one that has what is gone; `lost`: what of the findings it has.
    """

    id: SnapshotId
    manifest: Manifest
    ledger: Ledger
    apart: str = ""
    rollback: Rollback | None = None
    findings: tuple[Finding, ...] = ()
    good: Known | None = None
    lost: tuple[Finding, ...] = ()


def run(
    repo: Open,
    *,
    request: BackupRequest,
    open_capture: Callable[[], Capture] | None,
    directories: Mapping[str, DirectorySource | BucketSource],
    clock: Clock,
    entropy: Entropy,
    progress: Progress,
    cache_dir: Path | None = None,
    heads: Heads | None = None,
) -> BackupReport:
    """Take a snapshot and return it as committed. The index is loaded under the lease, after the sweeps: no sooner.

    cache_dir     of the index, as `Open.indexed` takes it
    heads         what this machine remembers of the repository; None: nothing, and it learns nothing
    open_capture  opens a consistent view of the database; called after the parent was chosen, again if definitions change
    Raises        SourceError, StoreError, IntegrityError: no snapshot was written; Locked: a prune got in the way;
                  UnsafeError: the source is another database's, and somebody is there to say what to do
    """
    known = repo.snapshots(at_opening=True)
    take = partial(
        _run,
        repo,
        known,
        open_capture=open_capture,
        directories=directories,
        clock=clock,
        tools=_Tools(entropy=entropy, progress=progress, cache_dir=cache_dir, heads=heads),
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
    directories: Mapping[str, DirectorySource | BucketSource],
    clock: Clock,
    tools: _Tools,
) -> BackupReport:
    """As `run`. Raises OtherDatabase: nothing was read of it"""
    started = recordable(clock.now_ms())
    rollback = _rollback(request, known, tools)
    above = rollback.head.sequence if rollback is not None and request.accept_rollback else 0
    line = _choose_line(repo, known, request, above=above)
    if line.parent is not None and is_ahead(line.parent[1], started):
        tools.progress.event("warning", _clock_warning(line.parent[1], started))
    terms = _lease(request, line.parent, started)
    warn = partial(tools.progress.event, "warning")
    with writing(repo, terms, clock=clock, entropy=tools.entropy, warn=warn, cache_dir=tools.cache_dir) as under_lease:
        before = None if line.parent is None else under_lease.indexed.known(*line.parent)
        tools = replace(
            tools, distrust=line.distrust, started_ms=started, files_in_bucket=_in_bucket(request, directories)
        )
        take = _Take(under_lease.indexed, under_lease.writer, request, known, before=before, tools=tools)
        database = take.database(open_capture) if open_capture is not None else None
        files = with_rows(take.directories(directories), take.file_rows, request.selectors)
        manifest, ledger = describe(request, line.parent, database, files, put=under_lease.writer.put)
        tables = None if database is None else database.tables
        for text in unmatched(ledger, request.accepted, request.selectors, tables):
            tools.progress.event("warning", text)
        if database is not None and not (tables or request.patterns) and line.parent is None:
            name = database.part.server.database
            tools.progress.event(
                "warning", f"database {name} has no tables: is it the one that is meant? to look: psql -l"
            )
        manifest = replace(manifest, created_ms=started, sequence=line.sequence)

        def at(new_bytes: int) -> Manifest:
            duration_ms = max(0, clock.now_ms() - started)  # clocks are put back under a running backup
            return replace(manifest, effort=replace(manifest.effort, new_bytes=new_bytes, duration_ms=duration_ms))

        guard = _Guard(under_lease.indexed, known, request.guard, clock=clock, entropy=tools.entropy)
        done = under_lease.commit(at, judge=guard.judge)
        if rollback is not None and request.accept_rollback:
            _accept(repo, rollback, clock=clock, tools=tools)
            rollback = None
        if tools.heads is not None:
            tools.heads.remember([*known, (done.id, done.manifest)])
        return BackupReport(
            id=done.id,
            manifest=done.manifest,
            ledger=ledger,
            rollback=rollback,
            findings=guard.judgement.found,
            good=guard.judgement.good,
            lost=guard.judgement.lost,
        )


def _rollback(request: BackupRequest, known: Sequence[Known], tools: _Tools) -> Rollback | None:
    """What went away of the source since this machine saw it. It stops no backup: a source that goes on is worth more."""
    rollback = None if tools.heads is None else tools.heads.rollback(request.source, known)
    if rollback is not None and not request.accept_rollback:
        error = rollback.error()
        tools.progress.event("warning", f"{error.message}: {error.why}; the backup goes on")
    elif rollback is None and request.accept_rollback:
        tools.progress.event("warning", f"--accept-rollback: nothing of {request.source} is missing here")
    return rollback


def _choose_line(repo: Open, known: Sequence[Known], request: BackupRequest, *, above: int) -> Line:
    """As `choose_line`, with a parent whose file is whole: what the cache told may be gone or damaged since."""
    while True:
        line = choose_line(known, source=request.source, selection=request.selection, above=above)
        if line.parent is None or repo.opens(line.parent[0]):
            return line
        known = [pair for pair in known if pair is not line.parent]


def _accept(repo: Open, rollback: Rollback, *, clock: Clock, tools: _Tools) -> None:
    """A record that cannot be written is told: the snapshot is there, and its number alone ends the alarm of all who see it."""
    try:
        record_lost(repo, rollback, now_ms=max(0, clock.now_ms()), entropy=tools.entropy)
    except StoreError as error:
        tools.progress.event("warning", f"{error.message}: no record says that {rollback.head.id.hex()[:12]} is lost")


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
    heads: Heads | None = None
    distrust: str = ""
    started_ms: int = 0
    files_in_bucket: bool = False


def _in_bucket(request: BackupRequest, directories: Mapping[str, DirectorySource | BucketSource]) -> bool:
    return isinstance(directories.get(request.selectors.files_directory), BucketSource)


class _Guard:
    """Judges one snapshot; without terms it finds nothing."""

    def __init__(
        self, repo: Indexed, known: Sequence[Known], terms: Terms | None, *, clock: Clock, entropy: Entropy
    ) -> None:
        self._repo = repo
        self._known = known
        self._terms = terms
        self._clock = clock
        self._entropy = entropy
        self.judgement = Judgement()

    def judge(self, snapshot_id: SnapshotId, manifest: Manifest) -> None:
        if self._terms is not None:
            self.judgement = judged(
                self._repo,
                self._known,
                (snapshot_id, manifest),
                terms=self._terms,
                now_ms=max(0, self._clock.now_ms()),
                entropy=self._entropy,
            )


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
        self._tools = tools
        self._progress = tools.progress
        self.file_rows: tuple[FileRows, ...] = ()
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
                if self._tools.files_in_bucket:
                    self.file_rows = read_file_rows(capture, self._request.selectors)
                changed = capture.finish()
                return replace(taken, part=replace(taken.part, server=capture.server)), changed

    def directories(self, sources: Mapping[str, DirectorySource | BucketSource]) -> dict[str, FilesCapture]:
        return {name: self._directory(name, source) for name, source in sorted(sources.items())}

    def _directory(self, name: str, source: DirectorySource | BucketSource) -> FilesCapture:
        before = None if self._request.full else self._before
        keys, progress = self._repo.open.keys, self._progress
        if isinstance(source, BucketSource):
            since_ms = self._tools.started_ms
            return capture_bucket(
                name, source, self._writer, keys=keys, before=before, progress=progress, since_ms=since_ms
            )
        return capture_files(name, source, self._writer, keys=keys, before=before, progress=progress)
