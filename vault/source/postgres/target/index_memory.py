"""How much memory a server on this machine may take to build an index: a share of what is free now.

The server's own setting (64 MB by default) makes it sort a large index on disk although the machine is idle. Never lowers it,
and never speaks for a server on another machine, whose memory is not seen from here.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, LiteralString

from vault.limits import MIB

SHARE: Final = 16
"""A restore builds a few indexes side by side, and each builder may have helpers: together at most a quarter of what is free."""
BYTES_MAX: Final = 1024 * MIB
"""More gains nothing that was measured."""

RAISE: Final[LiteralString] = """
select pg_catalog.set_config('maintenance_work_mem', %s::pg_catalog.int8 || 'kB', false)
 where pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) < %s::pg_catalog.int8 * 1024
"""
"""Takes the same number of KiB twice."""


def index_kib(meminfo: Iterable[str] | None = None) -> int | None:
    """KiB for one index; None where the system does not say what is free. `meminfo`: lines as of Linux's /proc/meminfo"""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines() if meminfo is None else meminfo
    except (OSError, UnicodeDecodeError):
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name == "MemAvailable" and value.split()[1:] == ["kB"] and value.split()[0].isdigit():
            return min(int(value.split()[0]) // SHARE, BYTES_MAX // 1024)
    return None
