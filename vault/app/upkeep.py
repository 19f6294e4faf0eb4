"""A prune and a check as every front end asks for them, by hand or by the clock: who prunes is said to others, what a check found is kept."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING

from vault.app import wiring
from vault.app.processes import is_dead
from vault.model import Lease

if TYPE_CHECKING:
    from vault.app.settings import Settings
    from vault.errors import StoreError
    from vault.ids import SnapshotId
    from vault.ops.check.amount import Amount
    from vault.ops.check.run import CheckReport
    from vault.ops.retention.prune import PruneReport
    from vault.ops.retention.prune_plan import PruneOptions, PrunePlan
    from vault.ports import Progress
    from vault.repo.state import Indexed, Open


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


def check(
    indexed: Indexed,
    settings: Settings,
    *,
    read_data: Amount | None,
    now_ms: int,
    progress: Progress,
    unrecorded: Callable[[StoreError], None],
    is_over: Callable[[], bool] = lambda: False,
) -> CheckReport:
    """A check, and the record of it in the repository; of one that is broken off, of what it had read.

    unrecorded  hears that the record could not be written, and may raise
    Raises      as ops.check.run.run
    """
    from vault.errors import StoreError
    from vault.ops.check import run as checking

    now_ms = max(0, now_ms)

    def leave(keep: Callable[[], None]) -> None:
        try:
            keep()
        except StoreError as error:
            unrecorded(error)

    host, entropy = socket.gethostname(), wiring.system_entropy
    own = checking.Own(cache_dir=settings.cache_dir, state_dir=settings.state_dir, now_ms=now_ms)
    try:
        report = checking.run(
            indexed, read_data=read_data, entropy=entropy, progress=progress, own=own, is_over=is_over
        )
    except checking.ReadingBroken as broken:
        leave(partial(checking.keep, indexed, broken, host=host, now_ms=now_ms, entropy=entropy))
        raise
    leave(partial(checking.record, indexed, report, host=host, now_ms=now_ms, entropy=entropy))
    return report
