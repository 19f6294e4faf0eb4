"""Processes of this machine, as leases name them, and this one's own lease of who reads for long."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from vault.app import wiring

if TYPE_CHECKING:
    from vault.ids import SnapshotId
    from vault.model import Lease
    from vault.repo.snapshot import Snapshot
    from vault.repo.state import Open


@contextmanager
def reading(repo: Open, snapshot: Snapshot) -> Iterator[None]:
    """Keep what a snapshot needs while it is read, whatever is forgotten and pruned meanwhile."""
    from vault.repo import lease

    with lease.reading(repo, _terms(snapshot), entropy=wiring.system_entropy):
        yield


@contextmanager
def reading_several(repo: Open) -> Iterator[Callable[[Snapshot], None]]:
    """The same of each snapshot that it is called with, until the end. By one thread at a time."""
    from vault.repo import lease

    held: set[SnapshotId] = set()
    with ExitStack() as stack:

        def hold(snapshot: Snapshot) -> None:
            if snapshot.id not in held:
                held.add(snapshot.id)
                stack.enter_context(lease.reading(repo, _terms(snapshot), entropy=wiring.system_entropy))

        yield hold


def _terms(snapshot: Snapshot) -> Lease:
    from vault.model import Lease
    from vault.repo.sweep import READS

    return Lease(
        created_ms=max(0, wiring.SystemClock().now_ms()),
        host=socket.gethostname(),
        pid=os.getpid(),
        purpose=READS,
        source=snapshot.manifest.source,
        parent=snapshot.id,
    )


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
