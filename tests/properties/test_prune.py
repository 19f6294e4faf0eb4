"""Whatever a repository went through: after a prune each snapshot that remains reads as before, and little else is left."""

from __future__ import annotations

import os
import random

import pytest

from tests.small_repository import Quiet, contents, damage, new_repository, opened
from tests.worlds import World, forget, put_sweep
from vault.format.pack import pack_name
from vault.ids import PackId
from vault.ops.retention import prune
from vault.ops.retention.prune_plan import PruneOptions, PrunePlan
from vault.ops.retention.repack import repack
from vault.repo.state import Open
from vault.store.memory import MemoryStore

AT_ONCE = PruneOptions(min_age_ms=0)


def world(seed: int) -> World:
    made = World(repo=new_repository(MemoryStore()), random=random.Random(seed))
    made.live(days=made.random.randint(2, 6))
    return made


def carry_out(repo: Open, options: PruneOptions = AT_ONCE) -> PrunePlan:
    """Plan, copy and delete, where nobody else is at work."""
    planned = prune.plan_for(repo, options=options, now_ms=2**60, progress=Quiet())
    planned.repo.index.sweep(planned.plan.sweep)
    repack(planned.repo, planned.census, entropy=os.urandom, progress=Quiet())
    for pack in (*planned.plan.sweep, *planned.plan.swept):
        repo.store.delete(pack_name(pack))
    return planned.plan


def stored_packs(repo: Open) -> dict[PackId, int]:
    return dict(opened(repo.store).indexed(None).index.pack_sizes)


@pytest.mark.spec("OBJ-12")
@pytest.mark.parametrize("seed", range(40))
def test_every_snapshot_that_remains_reads_as_before(seed: int) -> None:
    made = world(seed)
    repo = made.repo
    before = {snapshot: contents(repo, snapshot) for snapshot in made.snapshots}
    forgotten = made.random.sample(made.snapshots, made.random.randint(0, len(made.snapshots) - 1))
    forget(repo, *forgotten)
    if seed % 4 == 3:
        put_sweep(repo, made.random.sample(sorted(stored_packs(repo)), 3))  # of a pruner that died, or raced a writer
    options = PruneOptions(
        min_age_ms=0,
        max_unused=made.random.choice([0.0, 0.05, 0.5]),
        copied_bytes_max=made.random.choice([None, None, 0, 2_000]),
    )
    foreseen = carry_out(repo, options)
    for snapshot in before.keys() - set(forgotten):
        assert contents(opened(repo.store), snapshot) == before[snapshot]
    assert damage(opened(repo.store)) == ()
    left = prune.foresee(opened(repo.store), options=options, now_ms=2**60, progress=Quiet())
    if options.copied_bytes_max is None:
        assert left.unused_bytes == foreseen.unused_bytes
        assert left.unused_bytes <= options.max_unused * sum(stored_packs(repo).values())
        assert not left.sweep, "a second prune has nothing to do"
