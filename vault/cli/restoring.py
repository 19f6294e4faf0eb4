"""A restore as the command line leads it: plan, question, run, and the counts of the target.

Nothing is written before `run`. What is run is what was shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vault.cli import render, wiring
from vault.cli.backup_plan import pairs
from vault.cli.conninfo import as_conninfo, refuse_unusable
from vault.cli.settings import Settings
from vault.errors import Interrupted, UsageError
from vault.model import Counts

if TYPE_CHECKING:
    from vault.cli.render import Renderer
    from vault.ops.components import Selectors
    from vault.ops.restore_plan import RestorePlan
    from vault.ops.restore_sessions import Failure
    from vault.ports import Progress, Target
    from vault.repo.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    """The command's flags, as typed."""

    database: str | None = None
    directories: tuple[str, ...] = ()
    into_source: bool = False
    allow_cleartext: bool = False
    jobs: int = 2
    dry_run: bool = False
    yes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRequest:
    """What is restored where; `conninfo` is None when only directories come."""

    conninfo: str | None
    directories: Mapping[str, str]
    into_source: bool
    allow_cleartext: bool


def request(options: RestoreOptions) -> RestoreRequest:
    """Raises  UsageError: nothing to restore into, a password in a flag, a wrong pair"""
    directories = pairs("--dir", options.directories, "migrations=./migrations")
    if options.database is None and not directories:
        raise UsageError("nothing to restore into", hint="add -d DATABASE, or --dir NAME=TARGET")
    if options.database is not None:
        refuse_unusable(options.database)
    return RestoreRequest(
        conninfo=as_conninfo(options.database) if options.database is not None else None,
        directories=directories,
        into_source=options.into_source,
        allow_cleartext=options.allow_cleartext,
    )


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRestore:
    """A plan and the open target that it was made for; both are None when only directories come."""

    settings: Settings
    snapshot: Snapshot
    request: RestoreRequest
    plan: RestorePlan | None = None
    target: Target | None = None

    def show(self, out: Renderer) -> None:
        lines = [] if self.plan is None else list(self.plan.lines())
        for name, path in self.request.directories.items():
            listed = self.snapshot.directory(name)
            lines.append(f"directory {name} into {path}: {listed.sums.items} paths, {render.size(listed.sums.bytes)}")
        if out.json:
            out.json_line({"type": "plan", "snapshot": self.snapshot.id.hex(), "lines": lines})
        else:
            out.talk(f"restore of snapshot {self.snapshot.id.hex()[:12]}")
            for line in lines:
                out.line(line)

    @property
    def _selectors(self) -> Selectors:
        return self.settings.selectors(self.snapshot.manifest.source)

    def _expected(self, found: Counts, came: Collection[str]) -> Counts:
        """The snapshot's numbers as recorded; where those that `came` differ, counted anew: the configuration may have changed."""
        from vault.ops.summary import count_snapshot

        recorded = self.snapshot.manifest.counts
        equal = all(getattr(found, field) == getattr(recorded, field) for field in came)
        return recorded if equal else count_snapshot(self.snapshot, self._selectors)

    def run(self, *, jobs: int, progress: Progress) -> Restored:
        """Directories are opened first, so that one that is not empty stops everything before it starts."""
        from vault.ops import restore
        from vault.ops.restore_files import restore_directory
        from vault.ops.restore_sessions import Failure

        report = restore.RestoreReport(tables=0, rows=0, entries=0, failed=())
        failed: list[Failure] = []
        files, written = 0, 0
        paths: dict[str, tuple[bytes, ...]] = {}
        with ExitStack() as stack:
            opened = {
                name: stack.enter_context(wiring.directory_target(path))
                for name, path in self.request.directories.items()
            }
            if self.plan is not None and self.target is not None:
                report = restore.run(self.plan, self.snapshot, target=self.target, progress=progress, jobs=jobs)
            for name, directory in opened.items():
                done = restore_directory(self.snapshot, name, directory, progress=progress)
                failed += [Failure(entry=f"{name}: {one.item}", why=one.why) for one in done.changed]
                files, written, paths[name] = files + done.files, written + done.size, done.paths
        counts = self._count(paths)
        came = self._came(paths)
        expected = self._expected(counts, came)
        states = _states(counts, expected, came)
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
        )

    def _count(self, paths: Mapping[str, tuple[bytes, ...]]) -> Counts:
        """The nine numbers in the target."""
        from vault.ops.counts import count_edge_functions, count_migrations
        from vault.ops.summary import count_target

        directories = self._directories
        files = {
            "migrations": count_migrations(paths.get(directories["migrations"], ())),
            "edge_functions": count_edge_functions(paths.get(directories["edge_functions"], ())),
        }
        if self.request.conninfo is None:
            return replace(Counts(), **files)
        with wiring.queries(
            self.settings, self.request.conninfo, allow_cleartext=self.request.allow_cleartext
        ) as execute:
            return count_target(execute, files=files, selectors=self._selectors)

    def _came(self, paths: Collection[str]) -> set[str]:
        """Numbers that say something: those of directories that were restored, the others if a database was."""
        directories = self._directories
        of_database = self.request.conninfo is not None
        return {
            field
            for field in Counts.__dataclass_fields__
            if (directories[field] in paths if field in directories else of_database)
        }

    @property
    def _directories(self) -> dict[str, str]:
        """Number -> directory in which its files are."""
        selectors = self._selectors
        return {"migrations": selectors.migrations_directory, "edge_functions": selectors.edge_functions_directory}


def _states(counts: Counts, expected: Counts, came: Collection[str]) -> dict[str, str]:
    """A line that was not restored is `not_selected`, one that differs `failed`."""
    states: dict[str, str] = {}
    for field, component in zip(Counts.__dataclass_fields__, render.SUMMARY_COMPONENTS, strict=True):
        equal = getattr(counts, field) == getattr(expected, field)
        states[component] = "not_selected" if field not in came else "captured" if equal else "failed"
    return states


def _differences(counts: Counts, expected: Counts, states: Mapping[str, str]) -> Iterator[Failure]:
    from vault.ops.restore_sessions import Failure

    for field, component in zip(Counts.__dataclass_fields__, render.SUMMARY_COMPONENTS, strict=True):
        if states[component] == "failed":
            there, here = getattr(expected, field), getattr(counts, field)
            yield Failure(entry=field.replace("_", " "), why=f"{there} in the snapshot, {here} in the target")


@contextmanager
def open_restore(settings: Settings, snapshot: Snapshot, asked: RestoreRequest) -> Iterator[PlannedRestore]:
    """Connect, look at the target, and plan.

    Raises  UnsafeError: the target is not empty, or is the source; NotThere: the snapshot lacks what is asked for
    """
    from vault.ops import restore, restore_plan

    for name in asked.directories:
        snapshot.directory(name)
    planned = PlannedRestore(settings=settings, snapshot=snapshot, request=asked)
    if asked.conninfo is None:
        yield planned
        return
    contents = restore.gather(snapshot)
    with wiring.open_target(settings, asked.conninfo, allow_cleartext=asked.allow_cleartext) as target:
        plan = restore_plan.plan(contents, target.facts, into_source=asked.into_source)
        yield replace(planned, plan=plan, target=target)


def confirm(out: Renderer, *, yes: bool) -> None:
    """Raises  UsageError: there is nobody to ask; Interrupted: the answer is no"""
    if yes:
        return
    if not out.can_ask():
        raise UsageError("nothing was restored", why="there is no terminal to ask on", hint="add --yes")
    if not out.ask("Restore as shown?"):
        raise Interrupted("nothing was restored", why="the answer was not yes")


def draw(out: Renderer, done: Restored, duration_s: float) -> None:
    for one in done.failed:
        out.line(f"missing or different: {one.entry}: {one.why}")
    out.line(
        f"restored {done.rows} rows of {done.tables} tables, {done.entries} definitions, {done.files} files, "
        f"{duration_s:.1f} s"
    )
    out.line()
    out.summary(done.counts, done.states, every_line=done.states["schema"] != "not_selected")
