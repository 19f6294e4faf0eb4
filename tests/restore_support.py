"""Restores as the command line makes them, for tests: plan against what the target has, then run."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.fix_views import Listener, ViewRepository
from vault.ops.compare.databases import compare
from vault.ops.compare.facts import Difference
from vault.ops.restore import run as restore
from vault.ops.restore.plan.only_words import Wanted, read_words
from vault.ops.restore.plan.plan import is_read_first, plan
from vault.ops.restore.plan.show import lines
from vault.ops.restore.plan.steps import RestoreOptions, RestorePlan
from vault.ops.restore.run import RestoreReport
from vault.ports import Capture
from vault.repo.snapshot import Snapshot
from vault.source.postgres.capture.database import open_capture
from vault.source.postgres.capture.reach import CaptureOptions
from vault.source.postgres.connection.programs import Programs
from vault.source.postgres.connection.throwaway_server import embedded_bin
from vault.source.postgres.target.database import connect_target

PROGRAMS = Programs(search_path="/usr/bin", embedded=embedded_bin())


def capture_of(dsn: str, *, allow_gaps: bool = False) -> Callable[[], Capture]:
    return partial(
        open_capture,
        dsn,
        options=CaptureOptions(allow_gaps=allow_gaps),
        programs=PROGRAMS,
        environment={},
        notify=lambda _: None,
    )


def snapshot_of(dsn: str) -> Snapshot:
    return ViewRepository().take(capture=capture_of(dsn))


def differences(first: str, second: str) -> list[Difference]:
    """Of two databases, given as connection strings."""
    with capture_of(first)() as source, capture_of(second)() as target:
        found = compare(source, target, key=os.urandom(32))
    for one in found:
        print(one)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    plan: RestorePlan
    report: RestoreReport
    notes: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        return "\n".join(lines(self.plan))

    @property
    def failed(self) -> dict[str, str]:
        return {one.entry: one.why for one in self.report.failed}


def restored(
    snapshot: Snapshot,
    dsn: str,
    *only: str,
    replace: bool = False,
    into_source: bool = False,
    definitions: bool = True,
    data: bool = True,
) -> Restored:
    """Restore what `only` names, or everything, into the database of `dsn`."""
    target = connect_target(dsn, {}, programs=PROGRAMS)
    listener = Listener()
    try:
        contents = restore.gather(snapshot)
        words = read_words(only, contents)
        wanted = Wanted(
            components=words.components, schemas=words.schemas, names=words.names, definitions=definitions, data=data
        )
        options = RestoreOptions(wanted=wanted, replace=replace, into_source=into_source)
        present = target.present() if is_read_first(target.facts, options.wanted) else None
        made = plan(contents, target.facts, options, present=present)
        report = restore.run(made, snapshot, target=target, progress=listener)
    finally:
        target.close()
    notes = tuple(text for kind, text in listener.events if kind == "note")
    done = Restored(plan=made, report=report, notes=notes)
    print(done.shown)
    for entry, why in done.failed.items():
        print("failed:", entry, "-", why)
    return done
