"""Processes of this machine, as leases name them, and this one's own lease of who reads for long."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vault.app import wiring

if TYPE_CHECKING:
    from vault.model import Lease
    from vault.repo.snapshot import Snapshot
    from vault.repo.state import Open


@contextmanager
def reading(repo: Open, snapshot: Snapshot) -> Iterator[None]:
    """Keep what a snapshot needs while it is read, whatever is forgotten and pruned meanwhile."""
    from vault.model import Lease
    from vault.repo import lease
    from vault.repo.sweep import READS

    terms = Lease(
        created_ms=max(0, wiring.SystemClock().now_ms()),
        host=socket.gethostname(),
        pid=os.getpid(),
        purpose=READS,
        source=snapshot.manifest.source,
        parent=snapshot.id,
    )
    with lease.reading(repo, terms, entropy=wiring.system_entropy):
        yield


def is_dead(lease: Lease) -> bool:
    """Whether the process that wrote a lease is surely gone: it was one of this machine, and no process has its number.

    This one's own number means the same: an earlier process had it, as in a container that was started anew.
    """
    if lease.host != socket.gethostname() or lease.pid <= 0:
        return False
    if lease.pid == os.getpid():
        return True
    try:
        os.kill(lease.pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False
