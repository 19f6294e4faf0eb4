"""The journey of a prune, without a terminal: opens the repository, says who prunes, runs."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from vault.app import wiring
from vault.app.processes import is_dead
from vault.model import Lease

if TYPE_CHECKING:
    from vault.app.settings import Settings
    from vault.ops.retention.prune import PruneReport
    from vault.ops.retention.prune_plan import PruneOptions, PrunePlan
    from vault.ports import Progress


def prune(
    settings: Settings, options: PruneOptions, *, tell: Callable[[PrunePlan], None], progress: Progress
) -> PruneReport:
    """Raises  as ops.retention.prune.run; KeyUnavailable; NoRepository"""
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
        wiring.open_repository(settings),
        options=options,
        lease=lease,
        is_dead=is_dead,
        tell=tell,
        clock=clock,
        entropy=wiring.system_entropy,
        progress=progress,
        cache_dir=settings.cache_dir,
    )
