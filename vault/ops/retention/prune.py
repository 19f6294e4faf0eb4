"""Prune: plan, show, run. What no snapshot needs goes; nothing goes that one does. Spec 80-leases.

The plan is a value. Nothing here deletes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vault.errors import IntegrityError, NotFound
from vault.format.pack import parse_pack_name
from vault.format.upkeep import decode_lease
from vault.ids import PackId
from vault.model import FileKind
from vault.ops.retention import marking
from vault.ops.retention.prune_plan import PackFile, PruneOptions, PrunePlan, plan
from vault.ports import Progress
from vault.repo.census import Census
from vault.repo.keyring import unseal_file
from vault.repo.lease import index_after_sweeps
from vault.repo.lineage import Known
from vault.repo.state import Indexed, Open


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """`census`: of what `snapshots` need, with the marks of what is to be copied; `repo`: its index relies on nothing that is swept."""

    repo: Indexed
    snapshots: Sequence[Known]
    census: Census
    plan: PrunePlan


def foresee(
    repo: Open, *, options: PruneOptions, now_ms: int, progress: Progress, cache_dir: Path | None = None
) -> PrunePlan:
    """What a prune would do; nothing is written.

    now_ms   of this machine's clock, where a run takes the store's
    Raises   UnsafeError: something that snapshots need is damaged or missing, and pruning might lose what repairs it
    """
    return plan_for(repo, options=options, now_ms=now_ms, progress=progress, cache_dir=cache_dir).plan


def plan_for(
    repo: Open, *, options: PruneOptions, now_ms: int, progress: Progress, cache_dir: Path | None = None
) -> Planned:
    """The plan with what carrying it out takes. Raises as `foresee`"""
    progress.stage("reading snapshots")
    snapshots = marking.remaining(repo)  # before the index: whatever a listed snapshot needs is in it then
    indexed = index_after_sweeps(repo, cache_dir)
    marking.require_whole(indexed.index)
    progress.stage("finding what they need")
    census = marking.mark(indexed, snapshots)
    chosen = plan(census, _listed(repo), leased=_leased(repo), now_ms=now_ms, options=options)
    return Planned(repo=indexed, snapshots=snapshots, census=census, plan=chosen)


def _listed(repo: Open) -> Mapping[PackId, PackFile]:
    packs = {}
    for stored in repo.store.list("packs/"):
        pack = parse_pack_name(stored.name)
        if pack is not None:
            packs[pack] = PackFile(size=stored.size, modified_ms=stored.modified_ms)
    return packs


def _leased(repo: Open) -> frozenset[PackId]:
    """Packs that leases name. A courtesy to their writers: what keeps them safe is the look after the sweep."""
    packs: set[PackId] = set()
    for stored in repo.store.list("leases/"):
        try:
            packs.update(decode_lease(unseal_file(repo.store.get(stored.name), FileKind.LEASE, repo.keys)).packs)
        except (NotFound, IntegrityError):
            continue
    return frozenset(packs)
