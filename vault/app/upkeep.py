"""A prune as every front end asks for it: after a forget or alone, foreseen or run; says to others who prunes."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from vault.app import wiring
from vault.app.processes import is_dead
from vault.model import Lease

if TYPE_CHECKING:
    from vault.app.settings import Settings
    from vault.ids import SnapshotId
    from vault.ops.retention.prune import PruneReport
    from vault.ops.retention.prune_plan import PruneOptions, PrunePlan
    from vault.ports import Progress
    from vault.repo.state import Open


def foresee(
    opened: Open,
    settings: Settings,
    options: PruneOptions,
    *,
    without: Collection[SnapshotId] = (),
    progress: Progress,
) -> PrunePlan:
    """What a prune would do if the snapshots of `without` were forgotten. Raises  as ops.retention.prune.foresee"""
    from vault.ops.retention import prune as pruning

    now_ms = wiring.SystemClock().now_ms()
    return pruning.foresee(
        opened, options=options, without=without, now_ms=now_ms, progress=progress, cache_dir=settings.cache_dir
    )


def prune(
    opened: Open,
    settings: Settings,
    options: PruneOptions,
    *,
    tell: Callable[[PrunePlan], None],
    progress: Progress,
) -> PruneReport:
    """Raises  as ops.retention.prune.run"""
    from vault.ops.retention import prune as pruning

    clock = wiring.SystemClock()
    lease = Lease(
        created_ms=max(0, clock.now_ms()),
        host=socket.gethostname(),
        pid=os.getpid(),
        purpose="maintenance",
        source="",
        parent=None,
    )
    return pruning.run(
        opened,
        options=options,
        lease=lease,
        is_dead=is_dead,
        tell=tell,
        clock=clock,
        entropy=wiring.system_entropy,
        progress=progress,
        cache_dir=settings.cache_dir,
    )
