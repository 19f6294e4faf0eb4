"""A restore without a terminal: asked for, planned against an open target, run, and counted in the target.

Nothing is written before `run`. What is run is what was planned, and so what a front end has shown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vault.app import wiring
from vault.app.backup_request import pairs
from vault.app.database import ChosenDatabase, DatabaseFlags, flagged, of_configuration
from vault.app.project import find_project
from vault.app.settings import Settings, SourceSettings
from vault.errors import NotThere, SourceError, Unreachable, UsageError
from vault.model import Counts
from vault.model.snapshot import SUMMARY_COMPONENTS

if TYPE_CHECKING:
    from vault.app.directories import BucketAccess
    from vault.model import MergedRows, TableName
    from vault.ops.project.components import Selectors
    from vault.ops.restore.dry_run import Step
    from vault.ops.restore.failures import Failure
    from vault.ops.restore.files import RestoredDirectory
    from vault.ops.restore.plan.steps import RestorePlan
    from vault.ops.restore.referring_rows import Beside
    from vault.ops.restore.standing_paths import Differing
    from vault.ports import DirectorySource, Progress, Target
    from vault.ports_of_buckets import BucketSource
    from vault.repo.snapshot import Snapshot
    from vault.repo.state import Open


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreFlags:
    """The command's flags, as typed."""

    database: str | None = None
    local: bool = False
    linked: bool = False
    directories: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    schema_only: bool = False
    data_only: bool = False
    clean: bool = False
    into_source: bool = False
    allow_cleartext: bool = False
    jobs: int = 2
    dry_run: bool = False
    yes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRequest:
    """What is restored where; `conninfo` is None when only directories come.

    variables  for libpq's environment, a password among them; advice: what to type if the database cannot be reached
    """

    conninfo: str | None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    advice: str = ""
    directories: Mapping[str, str]
    flags: RestoreFlags

    @property
    def allow_cleartext(self) -> bool:
        return self.flags.allow_cleartext


def request(flags: RestoreFlags, settings: Settings, *, typed: str = "pgvault restore SNAP") -> RestoreRequest:
    """The database is the one of -d; with --into-source alone, that of the configuration. `typed`: for what to type next.

    Raises  UsageError: nothing to restore into, a password in a flag, a wrong pair, flags that exclude each other
    """
    directories = pairs("--dir", flags.directories, "migrations=./migrations")
    given = DatabaseFlags(database=flags.database, local=flags.local, linked=flags.linked)
    section = settings.sources.get(settings.source_name() or "", SourceSettings())
    chosen = flagged(settings, given, configured=section, command="restore SNAP")
    if chosen is None and flags.into_source:
        chosen = of_configuration(settings, settings.chosen_source())
    if chosen is None and not directories:
        raise UsageError(
            "nothing to restore into",
            hint=_next(settings, section, typed=typed, else_add="-d DATABASE, or --dir NAME=TARGET"),
        )
    if flags.schema_only and flags.data_only:
        raise UsageError("-s and -a exclude each other", hint="leave both out for definitions and rows")
    if chosen is None and (flags.only or flags.schema_only or flags.data_only):
        raise UsageError(
            "--only, -s and -a are about a database", hint=_next(settings, section, typed=typed, else_add="-d DATABASE")
        )
    if set(flags.only) == {"edge_functions"} and not directories:
        raise UsageError(
            "--only edge_functions selects nothing",
            why="edge functions are files, and no directory is named to write them to",
            hint="add --dir edge_functions=TARGET",
        )
    chosen = chosen or ChosenDatabase()
    return RestoreRequest(
        conninfo=chosen.conninfo,
        variables=chosen.variables,
        advice=chosen.advice,
        directories=directories,
        flags=flags,
    )


def _next(settings: Settings, section: SourceSettings, *, typed: str, else_add: str) -> str:
    """What to type where no database is named: one that is known here, else `else_add`."""
    if section.supabase is not None or section.database is not None:
        return f"into the configured database: {typed} --into-source; into another: add {else_add}"
    try:
        project = find_project(Path.cwd(), settings.environment)
    except UsageError:
        project = None
    if project is None:
        return f"add {else_add}"
    return f"into the local database of {project.root}: {typed} --local; into another: add {else_add}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was done; `counts` are those of the target, `states` how each line compares with the snapshot."""

    tables: int
    rows: int
    entries: int
    files: int
    bytes: int
    failed: tuple[Failure, ...]
    counts: Counts
    states: Mapping[str, str]
    merged: Mapping[TableName, MergedRows] = field(default_factory=dict)
    large_objects: int = 0
    files_equal: int = 0
    files_left: tuple[Differing, ...] = ()
    beside: tuple[Beside, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRestore:
    """A plan and the open target that it was made for; both are None when only directories come.

    `there`: directories to restore into that hold something; `beside`: what refers to what comes, and is or may be not as in
    the snapshot; `foreseen`: of a dry run, its steps.
    """

    settings: Settings
    snapshot: Snapshot
    request: RestoreRequest
    there: Mapping[str, DirectorySource | BucketSource] = field(default_factory=dict)
    plan: RestorePlan | None = None
    target: Target | None = None
    beside: tuple[Beside, ...] = ()
    foreseen: tuple[Step, ...] = ()

    @property
    def selectors(self) -> Selectors:
        return self.settings.selectors(self.snapshot.manifest.source)

    def _expected(self, counted: Counts, came: Collection[str]) -> Counts:
        """The snapshot's numbers as recorded; where those that `came` differ, counted anew: the configuration may have changed."""
        from vault.ops.project.summary import count_snapshot

        recorded = self.snapshot.manifest.counts
        equal = all(getattr(counted, line) == getattr(recorded, line) for line in came)
        return recorded if equal else count_snapshot(self.snapshot, self.selectors)

    def run(self, *, jobs: int, progress: Progress) -> Restored:
        """Directories are opened first, so that one that is not empty stops everything before it starts."""
        from vault.ops.restore import run as restore
        from vault.ops.restore.failures import Failure

        report = restore.RestoreReport(tables=0, rows=0, entries=0, failed=())
        failed: list[Failure] = []
        files, written, equal = 0, 0, 0
        left: list[Differing] = []
        paths: dict[str, tuple[bytes, ...]] = {}
        with ExitStack() as stack:
            opened = self._opened(stack)
            if self.plan is not None and self.target is not None:
                report = restore.run(self.plan, self.snapshot, target=self.target, progress=progress, jobs=jobs)
            for name, bring in opened.items():
                done = bring(progress=progress)
                equal += done.equal
                left += [replace(left_there, path=f"{name}/{left_there.path}") for left_there in done.left]
                failed += [Failure(entry=f"{name}: {change.item}", why=change.why) for change in done.changed]
                files, written, paths[name] = files + done.files, written + done.size, done.paths
        came = self._came(paths)
        try:
            counts = self._count(paths)
        except (SourceError, Unreachable) as error:  # what was restored is restored: one more failure
            counts, came = Counts(), set()
            failed.append(Failure(entry="counts of the target", why=f"not taken: {error.why or error.message}"))
        expected = self._expected(counts, came)
        states = _states(counts, expected, came, whole=self.plan is None or self.plan.whole)
        failed += _differences(counts, expected, states)
        return Restored(
            tables=report.tables,
            rows=report.rows,
            entries=report.entries,
            files=files,
            bytes=written,
            failed=(*report.failed, *failed),
            counts=counts,
            states=states,
            merged=report.merged,
            large_objects=report.large_objects,
            files_equal=equal,
            files_left=tuple(left),
            beside=report.beside,
        )

    def _opened(self, stack: ExitStack) -> dict[str, Callable[..., RestoredDirectory]]:
        """What brings each directory back, its target entered."""
        from vault.ops.restore.bucket import BucketMerging, restore_bucket
        from vault.ops.restore.files import Merging, restore_directory
        from vault.ports_of_buckets import BucketSource

        opened: dict[str, Callable[..., RestoredDirectory]] = {}
        clean, snapshot = self.request.flags.clean, self.snapshot
        for name, path in self.request.directories.items():
            there = self.there.get(name)
            if wiring.is_bucket(path):
                bucket = stack.enter_context(wiring.bucket_target(name, path, self.access, merge=there is not None))
                seen = None if there is None else wiring.bucket_there(name, path, self.access)  # not what the plan saw
                into = None if seen is None else BucketMerging(there=seen, replace=clean)
                opened[name] = partial(restore_bucket, snapshot, name, bucket, merging=into)
            else:
                merge = there is not None
                directory = stack.enter_context(wiring.directory_target(path, merge=merge, replace=merge and clean))
                beside = (
                    None if there is None or isinstance(there, BucketSource) else Merging(there=there, replace=clean)
                )
                opened[name] = partial(restore_directory, snapshot, name, directory, merging=beside)
        return opened

    @property
    def access(self) -> BucketAccess:
        return wiring.bucket_access(
            self.settings, self.settings.section_of(self.snapshot.manifest.source).bucket_profiles
        )

    def look(self) -> PlannedRestore:
        """The same with what its directories hold. Raises  UnsafeError: a bucket's is that of the repository; SourceError; Unreachable"""
        there: dict[str, DirectorySource | BucketSource | None] = {}
        access = self.access
        for name, path in self.request.directories.items():
            if wiring.is_bucket(path):
                wiring.refuse_own_repository({name: path}, wiring.repository_at(self.settings), access)
                there[name] = wiring.bucket_there(name, path, access)
            else:
                there[name] = wiring.directory_there(path)
        return replace(self, there={name: source for name, source in there.items() if source is not None})

    def _count(self, paths: Mapping[str, tuple[bytes, ...]]) -> Counts:
        """The nine numbers in the target."""
        from vault.ops.project.counts import count_edge_functions, count_migrations
        from vault.ops.project.summary import count_target

        directories = self._directories
        files = {
            "migrations": count_migrations(paths.get(directories["migrations"], ())),
            "edge_functions": count_edge_functions(paths.get(directories["edge_functions"], ())),
        }
        if self.request.conninfo is None:
            return replace(Counts(), **files)
        with wiring.queries(
            self.settings, self.request.conninfo, allow_cleartext=self.request.allow_cleartext
        ) as asked:
            return count_target(asked, files=files, selectors=self.selectors)

    def _came(self, paths: Collection[str]) -> set[str]:
        """Numbers that say something: those of directories that were restored, the others if their component was."""
        directories = self._directories
        counted = frozenset() if self.plan is None else self.plan.counted
        return {
            line
            for line, component in zip(Counts.__dataclass_fields__, SUMMARY_COMPONENTS, strict=True)
            if (directories[line] in paths if line in directories else component in counted)
        }

    @property
    def _directories(self) -> dict[str, str]:
        """Number -> directory in which its files are."""
        selectors = self.selectors
        return {"migrations": selectors.migrations_directory, "edge_functions": selectors.edge_functions_directory}


def _states(counts: Counts, expected: Counts, came: Collection[str], *, whole: bool) -> dict[str, str]:
    """A line that was not restored is `not_selected`, one that lacks something `failed`.

    `whole`: the target was empty, so more than expected is as wrong as less
    """
    states: dict[str, str] = {}
    for line, component in zip(Counts.__dataclass_fields__, SUMMARY_COMPONENTS, strict=True):
        here, there = getattr(counts, line), getattr(expected, line)
        right = here == there if whole else here >= there
        states[component] = "not_selected" if line not in came else "captured" if right else "failed"
    return states


def _differences(counts: Counts, expected: Counts, states: Mapping[str, str]) -> Iterator[Failure]:
    from vault.ops.restore.failures import Failure

    for line, component in zip(Counts.__dataclass_fields__, SUMMARY_COMPONENTS, strict=True):
        if states[component] == "failed":
            there, here = getattr(expected, line), getattr(counts, line)
            yield Failure(entry=line.replace("_", " "), why=f"{there} in the snapshot, {here} in the target")


def require_directories(opened: Open, snapshot: Snapshot, asked: RestoreRequest) -> None:
    """Raises  NotThere: one is not in the snapshot, with the newest of its source that has it"""
    for name in asked.directories:
        try:
            snapshot.directory(name)
        except NotThere as error:
            source = snapshot.manifest.source
            having = [id for id, one in opened.snapshots() if one.source == source and name in one.directories]
            if having:
                error.hint = f"{having[-1].hex()[:12]} is the newest of {source} that has it"
            raise


@contextmanager
def open_restore(
    settings: Settings, snapshot: Snapshot, asked: RestoreRequest, *, sources: Mapping[tuple[str, int], str]
) -> Iterator[PlannedRestore]:
    """Connect, look at the target, and plan. `sources`: as in the plan's options.

    Raises  UnsafeError: the target is not empty, or is a source; NotThere: the snapshot lacks what is asked for
    """
    from vault.ops.restore import run as restore
    from vault.ops.restore.dry_run import foresee
    from vault.ops.restore.plan import plan as restore_plan
    from vault.ops.restore.plan.only_words import read_words
    from vault.ops.restore.plan.steps import RestoreOptions
    from vault.ops.restore.referring_rows import lost_rows, may_be_cut_off

    settings = settings.with_variables(asked.variables)
    planned = PlannedRestore(settings=settings, snapshot=snapshot, request=asked).look()
    if asked.conninfo is None:
        yield planned
        return
    contents = restore.gather(snapshot)
    words = read_words(asked.flags.only, contents)
    with wiring.open_target(
        settings, asked.conninfo, allow_cleartext=asked.allow_cleartext, advice=asked.advice
    ) as target:
        wanted = replace(words, definitions=not asked.flags.data_only, data=not asked.flags.schema_only)
        options = RestoreOptions(
            wanted=wanted,
            replace=asked.flags.clean,
            into_source=asked.flags.into_source,
            sources=sources,
            selectors=planned.selectors,
        )
        restore_plan.refuse(contents, target.facts, options)
        present = target.present() if restore_plan.is_read_first(target.facts, options.wanted) else None
        plan = restore_plan.plan(contents, target.facts, options, present=present)
        beside: tuple[Beside, ...] = ()
        if plan.row_steps.references:
            session = target.session(contents.server.encoding)
            lost = lost_rows(plan, session)
            beside = (*lost, *may_be_cut_off(plan, lost=lost))
        foreseen: tuple[Step, ...] = ()
        if asked.flags.dry_run:
            foreseen = tuple(foresee(plan, snapshot, target.session(contents.server.encoding)))
        yield replace(planned, plan=plan, target=target, beside=beside, foreseen=foreseen)
