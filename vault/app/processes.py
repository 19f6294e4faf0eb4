"""Processes of this machine, as leases name them."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vault.model import Lease


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
