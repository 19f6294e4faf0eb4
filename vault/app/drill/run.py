"""A drill: a real restore by the ordinary journey, compared with the snapshot, with what the project says of itself, and recorded.

Its steps in order: `restore`, `examine`, `record`; `record_damage` where damage of the repository ended one of the first two. Each says what it found; nothing that was not looked at counts as equal.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vault.app import restore as journey
from vault.app import wiring
from vault.app.database import DatabaseFlags, flagged
from vault.app.drill.place import DrillPlace, KeptServer, NamedDatabase, drill_place
from vault.app.settings import Settings, SourceSettings
from vault.errors import NotThere, UnsafeError, UsageError
from vault.model import Counts
from vault.ops.drill.verdict import DrillVerdict

if TYPE_CHECKING:
    from vault.app.restore import PlannedRestore, Restored
    from vault.errors import IntegrityError
    from vault.model import DrillRecord, TargetFacts
    from vault.ops.compare.facts import Difference
    from vault.ops.drill.verdict import Judge
    from vault.ops.restore.failures import Failure
    from vault.ports import Capture, Progress
    from vault.repo.snapshot import Snapshot
    from vault.repo.state import Open
    from vault.source.postgres.connection.programs import Programs

_COUNTED: Final = frozenset(line.replace("_", " ") for line in Counts.__dataclass_fields__) | {"counts of the target"}
"""What a restore calls its failures to count."""
_SHOWN_MAX: Final = 5
_EMPTY_ONE: Final = (
    "a drill wants a database with nothing in it: createdb NAME, or leave out -d for a server of its own"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillFlags:
    """The command's flags, as typed."""

    database: str | None = None
    local: bool = False
    linked: bool = False
    keep: bool = False
    allow_cleartext: bool = False
    jobs: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """How it ended. `running_ms`: from the start to a complete database; `server`: its version, empty for files alone."""

    verdict: DrillVerdict
    tables: int
    rows: int
    files: int
    running_ms: int
    server: str
    counts: Counts
    states: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class Drill:
    """One drill, in an open place. Used by one thread."""

    settings: Settings
    snapshot: Snapshot
    place: DrillPlace
    flags: DrillFlags
    sources: Mapping[tuple[str, int], str]
    progress: Progress
    started_ms: int
    _restored: Restored | None = field(default=None, repr=False)
    _judge: Judge | None = field(default=None, repr=False)
    _verdict: DrillVerdict = field(default_factory=DrillVerdict)
    _running_ms: int = 0

    def restore(self) -> None:
        """By the journey of `restore`, into what is empty. Raises  as that; UnsafeError: it is not empty, or a source"""
        flags = journey.RestoreFlags(yes=True, allow_cleartext=self.flags.allow_cleartext, jobs=self.flags.jobs)
        asked = journey.RestoreRequest(
            conninfo=self.place.conninfo,
            variables=self.place.variables,
            advice=self.place.advice,
            directories=self.place.directories,
            flags=flags,
        )
        if self.place.conninfo is not None and not self.place.throwaway:
            self._require_room(self.place.conninfo)
        with journey.open_restore(self.place.settings, self.snapshot, asked, sources=self.sources) as planned:
            if planned.plan is not None and not self.place.throwaway:
                _refuse_filled(planned.plan.target, self.snapshot, self.sources)
            self._judge = _judge(planned, self.place.stubs)
            restored = planned.run(jobs=self.flags.jobs, progress=self.progress)
            self._running_ms = max(0, wiring.SystemClock().now_ms() - self.started_ms)
            self._restored = restored
            self._verdict = self._of_restore(restored.failed) + _of_surroundings(planned)

    def examine(self) -> DrillVerdict:
        """Everything that was restored, read back. Raises  IntegrityError, Unreachable; SourceError: it could not be read at all"""
        from vault.ops.drill.verdict import of_gaps
        from vault.ops.project.files_outside import gaps

        if self.place.conninfo is not None:
            self._verdict += self._of_references(self.place.conninfo)
            self._verdict += self._of_database(self.place.conninfo)
        self._verdict += self._of_files()
        self._verdict += of_gaps(gaps(self.snapshot.ledger()))
        self._verdict += self._of_assertions()
        return self._verdict

    def result(self) -> Drilled:
        assert self._restored is not None, "it was restored first"
        restored = self._restored
        return Drilled(
            verdict=self._verdict,
            tables=restored.tables,
            rows=restored.rows,
            files=restored.files,
            running_ms=self._running_ms,
            server="" if self._judge is None else self._judge.target.version,
            counts=restored.counts,
            states=restored.states,
        )

    def record(self, opened: Open) -> DrillRecord:
        """Raises  StoreError"""
        done = self.result()
        return self._leave(opened, done.verdict, tables=done.tables, rows=done.rows)

    def record_damage(self, opened: Open, error: IntegrityError) -> DrillRecord:
        """What stopped the drill is what it found, beside what was found before. Raises  StoreError"""
        from vault.ops.drill.verdict import Point, differs

        why = ": ".join(part for part in (error.message, error.why) if part)
        found = differs(Point(kind="damage", name=error.file or error.object_id, why=why))
        came = self._restored
        return self._leave(
            opened,
            self._verdict + found,
            tables=0 if came is None else came.tables,
            rows=0 if came is None else came.rows,
        )

    def _leave(self, opened: Open, verdict: DrillVerdict, *, tables: int, rows: int) -> DrillRecord:
        from vault.ops.drill.record import DrillEffort, leave_record

        effort = DrillEffort(
            tables=tables,
            rows=rows,
            running_ms=self._running_ms,
            server="" if self._judge is None else self._judge.target.version,
            host=socket.gethostname(),
            ended_ms=max(0, wiring.SystemClock().now_ms()),
        )
        return leave_record(opened, self.snapshot, verdict, effort, entropy=wiring.system_entropy)

    def _require_room(self, conninfo: str) -> None:
        """Before anything is written: nobody is asked, so not even a platform's own objects may be there, whose tables may hold rows;
        and whoever may not read it all back would leave a part of the snapshot there, and no verdict.

        Raises  UnsafeError, PermissionMissing, Unreachable
        """
        place, cleartext = self.place, self.flags.allow_cleartext
        with wiring.open_target(place.settings, conninfo, allow_cleartext=cleartext, advice=place.advice) as target:
            _refuse_filled(target.facts, self.snapshot, self.sources)
        with self._capture(conninfo):
            pass

    # --- what was found

    def _of_restore(self, failed: tuple[Failure, ...]) -> DrillVerdict:
        from vault.ops.drill.verdict import Point, differs

        counts = [failure for failure in failed if failure.entry in _COUNTED]
        others = [failure for failure in failed if failure.entry not in _COUNTED]
        if self._judge is not None:
            missed = self._judge.of_failures(others)
            numbers = self._judge.of_counts(counts, lost=bool(missed.not_checked))
            return self._judge.of_extensions() + missed + numbers
        return differs(*(Point(kind="restore", name=failure.entry, why=failure.why) for failure in failed))

    def _of_references(self, conninfo: str) -> DrillVerdict:
        from vault.ops.drill.references import check_references

        assert self._judge is not None
        contents, settings = self._judge.contents, self.place.settings
        self.progress.stage("foreign keys")
        with wiring.open_target(settings, conninfo, allow_cleartext=self.flags.allow_cleartext) as target:
            session = target.session(contents.server.encoding)
            return check_references(session, [table.name for table in contents.tables])

    def _of_database(self, conninfo: str) -> DrillVerdict:
        from vault.ops.compare.recorded import compare_recorded

        assert self._judge is not None
        assert self._restored is not None
        with self._capture(conninfo) as capture:
            differences = list(
                compare_recorded(
                    self.snapshot,
                    capture,
                    key=wiring.system_entropy(32),
                    progress=self.progress,
                )
            )
            unread = self._judge.of_unread(capture.missing, self.snapshot.ledger())
            major = capture.server.version_num // 10_000
        differences = self._of_other_words(conninfo, differences, major)
        return self._judge.of_differences(differences, self._restored.failed) + unread

    def _of_other_words(self, conninfo: str, differences: list[Difference], major: int) -> list[Difference]:
        """Without what differs because the backup's pg_dump was another one: as long as texts differ, each that is here is asked."""
        from vault.ops.compare.recorded import is_of_text, printed_alike

        for programs in wiring.other_client_programs(self.place.settings, major):
            if any(map(is_of_text, differences)):
                with self._capture(conninfo, programs) as capture:
                    differences = printed_alike(self.snapshot, capture, differences)
        return differences

    def _capture(self, conninfo: str, programs: Programs | None = None) -> Capture:
        from vault.source.postgres.capture.database import open_capture
        from vault.source.postgres.capture.reach import CaptureOptions

        settings = self.place.settings
        options = CaptureOptions(
            allow_gaps=True, allow_cleartext=self.flags.allow_cleartext, definitions_only=programs is not None
        )
        return open_capture(
            conninfo,
            options=options,
            programs=programs or wiring.client_programs(settings),
            environment=settings.child_environment(),
            notify=self.progress.stage,
        )

    def _of_files(self) -> DrillVerdict:
        from vault.ops.drill.directories import check_directory

        verdict = DrillVerdict()
        for name, path in self.place.directories.items():
            self.progress.stage(f"comparing {name}")
            verdict += check_directory(self.snapshot, name, wiring.directory_there(path))
        return verdict

    def _of_assertions(self) -> DrillVerdict:
        from vault.ops.drill.assertions import ask, not_asked

        assertions = self.settings.drill.assertions
        if not assertions or self.place.conninfo is None:
            return not_asked(assertions)
        self.progress.stage("assertions")
        return ask(
            assertions, wiring.temporary_readers(self.place.settings, self.place.conninfo, self.flags.allow_cleartext)
        )


def _refuse_filled(target: TargetFacts, snapshot: Snapshot, sources: Mapping[tuple[str, int], str]) -> None:
    """Raises  UnsafeError: it is a source, or something is there; what to type is what a drill takes, which is less than a restore does"""
    database = snapshot.manifest.database
    there, key = target.in_the_way, target.database_key
    if database is not None and database.server.database_key == key:
        raise UnsafeError(
            f"database {target.database} is the one that the snapshot was taken from",
            why="a drill over the source can destroy what it should prove",
            hint=_EMPTY_ONE,
        )
    if key in sources:
        raise UnsafeError(
            f"database {target.database} is one that is backed up here, as source {sources[key]}",
            why="a drill would bring another database's rows and definitions into it",
            hint=_EMPTY_ONE,
        )
    if there:
        raise UnsafeError(
            f"database {target.database} is not empty",
            why=f"it holds {', '.join(there[:_SHOWN_MAX])}{f' and {len(there) - _SHOWN_MAX} more' if len(there) > _SHOWN_MAX else ''}",
            hint=_EMPTY_ONE,
        )


def _judge(planned: PlannedRestore, stubs: frozenset[str]) -> Judge | None:
    from vault.ops.drill.out_of_reach import out_of_reach
    from vault.ops.drill.verdict import Judge
    from vault.ops.project.backup_selection import narrowed

    if planned.plan is None:
        return None
    contents, target = planned.plan.contents, planned.plan.target
    return Judge(
        contents=contents,
        target=target,
        beyond=out_of_reach(contents, target, stubs=stubs),
        partial=bool(narrowed(planned.snapshot.manifest.selection)),
    )


def _of_surroundings(planned: PlannedRestore) -> DrillVerdict:
    """What of the source's surroundings the target does not have, so that nothing about it was proven."""
    from vault.ops.drill.verdict import Point, unchecked
    from vault.ops.restore.plan.collation import collation_warnings

    if planned.plan is None:
        return DrillVerdict()
    lines = collation_warnings(planned.plan.contents.database, planned.plan.target.properties)
    return unchecked(*(Point(kind="collation", name="", why=line) for line in lines))


@contextmanager
def open_drill(
    settings: Settings,
    snapshot: Snapshot,
    flags: DrillFlags,
    *,
    sources: Mapping[tuple[str, int], str],
    progress: Progress,
) -> Iterator[Drill]:
    """A place to drill in, and at the end nothing of it. Raises  UsageError; as `drill_place`"""
    started_ms = wiring.SystemClock().now_ms()
    named = _named(settings, snapshot, flags)
    with drill_place(settings, snapshot, named=named, notify=progress.stage) as place:
        yield Drill(
            settings=settings,
            snapshot=snapshot,
            place=place,
            flags=flags,
            sources=sources,
            progress=progress,
            started_ms=started_ms,
        )


def _named(settings: Settings, snapshot: Snapshot, flags: DrillFlags) -> NamedDatabase | None:
    """Raises  UsageError: flags that exclude each other, or no database for what is named"""
    given = DatabaseFlags(database=flags.database, local=flags.local, linked=flags.linked)
    section = settings.sources.get(settings.source_name() or "", SourceSettings())
    chosen = flagged(settings, given, configured=section, command="drill SNAP")
    if chosen is not None and flags.keep:
        raise UsageError(
            "--keep and a database of yours exclude each other",
            why="--keep leaves a throwaway server running; what is restored into your database stays there anyway",
            hint="leave out one of them",
        )
    if snapshot.manifest.database is None and (chosen is not None or flags.keep):
        raise NotThere(
            "the snapshot holds no database", hint="leave out -d and --keep: its files are restored and compared"
        )
    if chosen is None or chosen.conninfo is None:
        return None
    return NamedDatabase(conninfo=chosen.conninfo, variables=chosen.variables, advice=chosen.advice)


def kept_server(drill: Drill) -> KeptServer | None:
    """Leave the server running, if that was asked for. Raises  SourceError"""
    return drill.place.keep() if drill.flags.keep and drill.place.keep is not None else None
