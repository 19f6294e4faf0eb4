"""The drill at the end of the demo: what was restored, compared with the snapshot as `pgvault drill` does, in the demo's own server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vault.ops.compare.recorded import compare_recorded
from vault.ops.drill.directories import check_directory
from vault.ops.drill.out_of_reach import out_of_reach
from vault.ops.drill.record import DrillEffort
from vault.ops.drill.verdict import DrillVerdict, Judge
from vault.ops.restore.plan.steps import RestorePlan
from vault.ops.restore.run import RestoreReport
from vault.ports import Capture, DirectorySource, Entropy, Progress
from vault.repo.snapshot import Snapshot

PASSED: Final = DrillVerdict()
"""Nothing differed, and everything was checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreDone:
    """`running_ms`: until the database was complete; `directories`: where its files come, by name."""

    plan: RestorePlan
    report: RestoreReport
    running_ms: int
    directories: Mapping[str, DirectorySource]


def drill(
    good: Snapshot,
    done: RestoreDone,
    restored: Capture,
    *,
    entropy: Entropy,
    progress: Progress,
) -> DrillVerdict:
    """`restored`: the database that came of `good`."""
    contents, target = done.plan.contents, done.plan.target
    judge = Judge(contents=contents, target=target, beyond=out_of_reach(contents, target))
    differences = list(compare_recorded(good, restored, key=entropy(32), progress=progress))
    verdict = judge.of_failures(done.report.failed) + judge.of_differences(differences, done.report.failed)
    for name, there in done.directories.items():
        verdict += check_directory(good, name, there)
    return verdict


def effort(done: RestoreDone, now_ms: int) -> DrillEffort:
    return DrillEffort(
        tables=done.report.tables,
        rows=done.report.rows,
        running_ms=max(0, done.running_ms),
        server=done.plan.target.version,
        host="demo",
        ended_ms=now_ms,
    )
