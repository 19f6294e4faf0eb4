"""Prune: plan, show, run. What no snapshot needs goes; nothing goes that one does. Spec 80-leases.

The plan is a value; a run copies what it keeps of packs that go, and only then has them announced, looked at again and deleted
(`reclaim`). Whatever interrupts it leaves a repository that is whole, and the next prune goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vault.errors import StoreFull, UnsafeError
from vault.format.pack import parse_pack_name
from vault.ids import PackId, SnapshotId
from vault.model import Lease
from vault.model.words import counted
from vault.ops.guard.tidy import tidy as tidy_findings
from vault.ops.retention import marking, reclaim
from vault.ops.retention.forgotten_records import tidy
from vault.ops.retention.index_fragments import Merged, merge
from vault.ops.retention.prune_plan import PackFile, PruneOptions, PrunePlan, plan
from vault.ops.retention.repack import repack
from vault.ports import Clock, Entropy, Progress
from vault.repo import checks
from vault.repo.census import Census
from vault.repo.lease import index_after_sweeps
from vault.repo.lineage import Known
from vault.repo.state import Indexed, Open
from vault.repo.sweep import found_leases, pinned, store_time_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """`census`: of what `snapshots` need, with the marks of what is to be copied; `repo`: its index relies on nothing that is swept."""

    repo: Indexed
    snapshots: Sequence[Known]
    census: Census
    plan: PrunePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneReport:
    """`repacked_bytes`: of the packs and fragments that the copies took."""

    plan: PrunePlan
    repacked_bytes: int
    reclaimed: reclaim.Reclaimed
    merged: Merged


def foresee(
    repo: Open,
    *,
    options: PruneOptions,
    now_ms: int,
    progress: Progress,
    without: Collection[SnapshotId] = (),
    cache_dir: Path | None = None,
) -> PrunePlan:
    """What a prune would do; nothing is written.

    without  snapshots that are taken as forgotten
    now_ms   of this machine's clock, where a run takes the store's
    Raises   UnsafeError: something that snapshots need is damaged or missing, and pruning might lose what repairs it; or there are packs
             and no snapshot, and nobody says that this is meant
    """
    return plan_for(repo, options=options, without=without, now_ms=now_ms, progress=progress, cache_dir=cache_dir).plan


def run(
    repo: Open,
    *,
    options: PruneOptions,
    lease: Lease,
    is_dead: Callable[[Lease], bool],
    tell: Callable[[PrunePlan], None],
    clock: Clock,
    entropy: Entropy,
    progress: Progress,
    cache_dir: Path | None = None,
) -> PruneReport:
    """Plan, tell the plan, and carry it out.

    lease    who prunes, for others to see
    is_dead  whether a lease's process is surely gone
    Raises   UnsafeError: as `foresee`; Locked: another one prunes; StoreFull: nothing was deleted, copies need room; StoreError
    """
    with reclaim.maintenance(repo, lease, is_dead=is_dead, entropy=entropy, progress=progress) as own:
        now_ms = store_time_ms(repo, own)
        planned = plan_for(repo, options=options, now_ms=now_ms, progress=progress, cache_dir=cache_dir)
        tell(planned.plan)
        written = _copy(planned, entropy=entropy, progress=progress)
        reclaimed = reclaim.run(
            repo,
            planned.plan.sweep,
            needed=marking.Needs(planned.snapshots, planned.census),
            lease=own,
            clock=clock,
            entropy=entropy,
            progress=progress,
            cache_dir=cache_dir,
        )
        progress.stage("merging the index")
        merged = merge(repo, dead_max=options.max_unused, entropy=entropy, cache_dir=cache_dir)
        tidy(repo, clock=clock, entropy=entropy)
        checks.tidy(repo)
        tidy_findings(repo, now_ms=now_ms)
    return PruneReport(plan=planned.plan, repacked_bytes=written, reclaimed=reclaimed, merged=merged)


def _copy(planned: Planned, *, entropy: Entropy, progress: Progress) -> int:
    """Bytes written. A full store is told with the way to make room first."""
    if not planned.plan.copied_bytes:
        return 0
    progress.stage("copying what is kept", planned.plan.copied_bytes)
    try:
        return repack(planned.repo, planned.census, entropy=entropy, progress=progress)
    except StoreFull as error:
        raise StoreFull(
            "the store is full, so what is kept cannot be copied",
            why=f"{error.message}; nothing was deleted",
            hint="pgvault prune --max-repack 0 deletes what needs no copying; then prune again",
        ) from error


def plan_for(
    repo: Open,
    *,
    options: PruneOptions,
    now_ms: int,
    progress: Progress,
    without: Collection[SnapshotId] = (),
    cache_dir: Path | None = None,
) -> Planned:
    """The plan with what carrying it out takes. Raises as `foresee`"""
    progress.stage("reading snapshots")
    listed = marking.remaining(repo)  # before the index: whatever a listed snapshot needs is in it then
    snapshots = [pair for pair in listed if pair[0] not in without]
    files = _listed(repo)  # also before it: what no fragment names then is of nobody, or of who is still at work
    if files and not listed and not options.remove_all:
        raise _nothing_needed(len(files))
    indexed = index_after_sweeps(repo, cache_dir)
    marking.require_whole(indexed.index)
    progress.stage("finding what they need")
    census = marking.mark(indexed, snapshots)
    chosen = plan(census, files, leased=_leased(repo, files, now_ms), now_ms=now_ms, options=options)
    return Planned(repo=indexed, snapshots=snapshots, census=census, plan=chosen)


def _nothing_needed(packs: int) -> UnsafeError:
    """A place that does not list what it holds looks like one without snapshots, and no snapshot would be left."""
    return UnsafeError(
        "nothing is pruned: there is no snapshot",
        why=f"{counted(packs, 'pack')} are there, and all would go in time",
        hint="a first backup that was interrupted goes on by: pgvault backup; if all is to go, add --unsafe-allow-remove-all",
    )


def _listed(repo: Open) -> Mapping[PackId, PackFile]:
    packs = {}
    for stored in repo.store.list("packs/"):
        pack = parse_pack_name(stored.name)
        if pack is not None:
            packs[pack] = PackFile(size=stored.size, modified_ms=stored.modified_ms)
    return packs


def _leased(repo: Open, files: Mapping[PackId, PackFile], now_ms: int) -> frozenset[PackId]:
    """What backups rely on that are at work, and what came since the first of them began: it may be theirs, and not named yet.

    A courtesy, which saves them from storing it again; what keeps their snapshots whole is the look after the sweep.
    """
    leases = [found for found in found_leases(repo) if not found.is_old(now_ms)]
    begun_ms = min((found.modified_ms for found in leases if found.of_writer), default=now_ms)
    return pinned(leases) | {pack for pack, file in files.items() if file.modified_ms > begun_ms}
