"""`pgvault unlock`."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import click

from vault.app import processes, wiring
from vault.cli import jsonout, render
from vault.cli.options import Invocation, command

if TYPE_CHECKING:
    from vault.ops.retention.unlock import LeaseRow, Unlocked

TITLES = ("lease", "age", "host", "process", "purpose", "source", "packs", "state")


@command(
    "unlock",
    help="List the leases of who works in the repository, and remove those of the dead.\n\nA lease never stops a backup; one that "
    "was left behind holds up a prune. Dead is who ran on this machine and is gone, and any lease older than a day. "
    "Another one goes only if you name it: if its backup still runs, that fails.",
    examples=["pgvault unlock", "pgvault unlock 3fa9c1"],
)
@click.argument("lease", required=False)
def unlock(invocation: Invocation, lease: str | None) -> None:
    from vault.ops.retention.unlock import asking
    from vault.ops.retention.unlock import unlock as run_unlock

    opened = wiring.open_repository(invocation.settings())
    done = run_unlock(
        opened,
        lease,
        probe=asking(wiring.SystemClock().now_ms(), host=socket.gethostname(), pid=os.getpid()),
        is_dead=processes.is_dead,
        entropy=wiring.system_entropy,
    )
    out = invocation.renderer()
    if invocation.json:
        out.json_line(jsonout.unlocked(done))
    else:
        _draw(out, done)
    if done.young:
        out.insist(
            "warning: if its writer still runs, its backup fails; if that dies in the same moment, its snapshot may lack something"
        )
        out.insist("  next: pgvault check")


def _draw(out: render.Renderer, done: Unlocked) -> None:
    if not done.removed and not done.left:
        out.talk("nobody holds a lease")
        return
    rows = [(*_cells(row), f"removed: {row.dead}" if row.dead else "removed") for row in done.removed]
    rows += [(*_cells(row), "may be at work") for row in done.left]
    out.table(TITLES, rows, right="age|packs", spare="process|packs", wrapped="state")
    if done.left:
        out.talk("what may be at work stays; to remove one all the same: pgvault unlock LEASE")


def _cells(row: LeaseRow) -> tuple[str, ...]:
    age = render.age(0, round(row.age_s * 1000))
    if row.lease is None:
        return row.id[:12], age, "", "", "of a newer program", "", ""
    lease = row.lease
    packs = str(len(lease.packs)) if lease.packs else "none yet"
    return row.id[:12], age, lease.host, str(lease.pid), lease.purpose, lease.source, packs


COMMAND = unlock
