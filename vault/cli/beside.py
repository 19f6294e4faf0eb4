"""What refers to restored rows and is not as in the snapshot, in words, and the command that brings it. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vault.sql.names import show_name

if TYPE_CHECKING:
    from vault.ids import SnapshotId
    from vault.ops.restore.referring_rows import Beside


def told(beside: Sequence[Beside], snapshot: SnapshotId, *, into: str) -> Iterator[str]:
    """A line each, then a command for all that comes by itself and one for what only replacement brings. `into`: its flags."""
    for referring in beside:
        yield f"{show_name(referring.table)}: {referring.why}"
    for replace, flag in ((True, " -c"), (False, "")):
        tables = sorted({referring.table for referring in beside if referring.replace is replace})
        if tables:
            only = " ".join(f"--only {shlex.quote(show_name(table))}" for table in tables)
            replaced = " (-c makes the table as in the snapshot: newer rows are deleted)" if replace else ""
            yield f"to bring that: pgvault restore {snapshot.hex()[:12]} {into} {only}{flag}{replaced}"
