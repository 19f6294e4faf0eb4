"""Run `pgvault backup`: everything that can be made ready while the key is derived is.

Invariant: nothing is locked, exported or read before the repository is open and the lease is published (spec 80-leases).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

from vault.app import wiring
from vault.errors import Unreachable, VaultError
from vault.model.words import nearest

if TYPE_CHECKING:
    from vault.app.backup_request import BackupPlan
    from vault.app.settings import Settings
    from vault.ops.backup.run import BackupReport, BackupRequest
    from vault.ops.guard.facts import Terms
    from vault.ops.project.components import Selectors
    from vault.ports import Capture, DirectorySource, Progress
    from vault.ports_of_buckets import BucketSource
    from vault.repo.state import Open
    from vault.source.postgres.capture.reach import CaptureOptions, Reached

JOBS: Final = 2
"""Reading connections where nobody says how many."""


def run_backup(
    settings: Settings,
    plan: BackupPlan,
    *,
    attended: bool,
    progress: Progress,
    unlock: Callable[[], Open] | None = None,
) -> BackupReport:
    """Open what the plan names and take the snapshot; `attended`: somebody sees what it says. Raises as vault.ops.backup.run.run

    unlock  opens the repository; None asks for the secret and derives the key
    """
    settings, sources = looked_at(settings, plan)
    unlock = unlock or wiring.repository_unlocker(settings, copies=True)
    from vault.repo.uncollected import uncollected
    from vault.repo.workers import alongside

    # Deriving the key takes 0.1 s without Python's lock; the rest of the program and the server are ready when it is done.
    with _Ahead(settings, plan) as ahead:
        with uncollected(), alongside(ahead.prepare, cancel=lambda: None):
            opened = unlock()
        wiring.sweep_leftovers(settings, progress)
        from vault.ops.backup import run as backup

        ahead.tell_another_major(progress)
        selectors = settings.selectors(plan.source)
        _tell_near_names(plan.directories, selectors, progress)
        request = replace(_request(plan, selectors), attended=attended, guard=_guard(settings, selectors))
        report = backup.run(
            opened,
            request=request,
            open_capture=ahead.opener(progress),
            directories=sources,
            clock=wiring.SystemClock(),
            entropy=wiring.system_entropy,
            progress=progress,
            cache_dir=settings.cache_dir,
            heads=wiring.heads(settings, opened, lambda text: progress.event("warning", text)),
        )
        _tell_unused(plan.exclude, report, progress)
        return report


def looked_at(settings: Settings, plan: BackupPlan) -> tuple[Settings, dict[str, DirectorySource | BucketSource]]:
    """The settings that the plan runs with, and its directories: what can be refused before anybody is asked for a passphrase.

    Raises  UsageError: a directory is none; UnsafeError: the repository lies in it
    """
    settings = settings.with_variables(plan.variables)
    access = wiring.bucket_access(settings, plan.bucket_profiles)
    wiring.refuse_own_repository(plan.directories, wiring.repository_at(settings), access)
    return settings, wiring.directory_sources(plan.directories, plan.exclude, access)


def _tell_near_names(directories: Collection[str], selectors: Selectors, progress: Progress) -> None:
    """A directory under nearly a known name is captured, and counted as nothing; any name is allowed."""
    known = {selectors.edge_functions_directory, selectors.migrations_directory, selectors.files_directory}
    for name in sorted(set(directories) - known):
        near = nearest(name, sorted(known.difference(directories)), likeness=_NEAR)
        if near:
            progress.event(
                "warning",
                f"--dir {name}: is that {near}? Names that mean something here are {', '.join(sorted(known))}; "
                f"{name} is saved as a directory like any other",
            )


_NEAR: Final = 0.75
"""Likeness at which a name is taken for a mistake: `functions` and `edge_functions` have 0.78, `files` and `storage` 0.17."""


def _tell_unused(exclude: Sequence[str], report: BackupReport, progress: Progress) -> None:
    """A pattern that leaves nothing out is mistyped more often than not; `!pattern` is there to leave nothing out."""
    missing = {item.item for coverage in report.ledger.values() for item in coverage.missing}
    for pattern in dict.fromkeys(exclude):
        if not pattern.startswith("!") and not any(f"--exclude {pattern} leaves" in item for item in missing):
            progress.event("warning", f"--exclude {pattern} matched no path; a later pattern may take precedence")


def _request(plan: BackupPlan, selectors: Selectors) -> BackupRequest:
    from vault import __version__
    from vault.ops.backup import run as backup

    return backup.BackupRequest(
        source=plan.source,
        selection=plan.selection,
        program=f"pgvault {__version__}",
        tags=plan.tags,
        full=plan.options.full,
        moved=plan.options.server_moved,
        accept_rollback=plan.options.accept_rollback,
        patterns=plan.patterns,
        outside=not (plan.include_schemas or plan.include_tables),
        selectors=selectors,
        accepted=plan.accepted_gaps,
        jobs=plan.options.jobs or JOBS,
        host=socket.gethostname(),
        pid=os.getpid(),
    )


def capture_options(plan: BackupPlan) -> CaptureOptions:
    """What is read of the database, and how."""
    from vault.source.postgres.capture.reach import CaptureOptions

    return CaptureOptions(
        jobs=plan.options.jobs or JOBS,
        schemas=plan.include_schemas,
        exclude_schemas=plan.exclude_schemas,
        tables=plan.include_tables,
        exclude_tables=plan.exclude_tables,
        exclude_table_data=plan.exclude_table_data,
        allow_gaps=plan.options.allow_gaps,
        allow_cleartext=plan.options.allow_cleartext,
    )


def _guard(settings: Settings, selectors: Selectors) -> Terms | None:
    from vault.ops.guard.facts import Terms

    if not settings.guard.enabled:
        return None
    return Terms(
        rows_lost_percent=settings.guard.rows_lost_percent,
        ignore=settings.guard.ignore,
        users_table=selectors.users_table,
        platform_schemas=selectors.platform_schemas,
    )


class _Ahead:
    """The source of a backup, reached while the repository is being opened; a context that closes what nobody took.

    What goes wrong in `prepare` is raised by `opener`, so that a wrong passphrase is told first.
    """

    def __init__(self, settings: Settings, plan: BackupPlan) -> None:
        self._settings = settings
        self._plan = plan
        self._reached: list[Reached] = []
        self._failed: VaultError | None = None

    def prepare(self) -> None:
        if self._plan.conninfo is not None:
            from vault.source.postgres.capture.reach import reach

            try:
                self._reached.append(
                    reach(
                        self._plan.conninfo,
                        options=capture_options(self._plan),
                        programs=wiring.client_programs(self._settings),
                        environment=self._settings.child_environment(),
                    )
                )
            except VaultError as error:
                if isinstance(error, Unreachable):
                    error.advise(self._plan.advice)
                self._failed = error
            import vault.source.postgres.capture.database
        import vault.ops.backup.run  # noqa: F401

    def tell_another_major(self, progress: Progress) -> None:
        """At the port of a stack that is not running another one may answer: before the first snapshot nothing else tells them apart."""
        expected = self._plan.major
        for reached in self._reached:
            major = reached.known.major
            if expected is not None and major != expected:
                progress.event(
                    "warning",
                    f"the server that answers is PostgreSQL {major}, and db.major_version is {expected}: is it this "
                    "project's? supabase status tells",
                )

    def opener(self, progress: Progress) -> Callable[[], Capture] | None:
        """Opens a capture: of what was reached, then anew. Raises as `reach`"""
        if self._failed is not None:
            raise self._failed
        if self._plan.conninfo is None:
            return None
        from vault.source.postgres.capture.database import open_capture

        conninfo = self._plan.conninfo
        return lambda: open_capture(
            conninfo,
            options=capture_options(self._plan),
            programs=wiring.client_programs(self._settings),
            environment=self._settings.child_environment(),
            notify=progress.stage,
            reached=self._reached.pop() if self._reached else None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._reached:
            self._reached.pop().close()
