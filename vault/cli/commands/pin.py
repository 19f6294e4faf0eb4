"""`pgvault pin`."""

from __future__ import annotations

import click

from vault.app import wiring
from vault.cli import jsonout
from vault.cli.options import Invocation, command


@command(
    "pin",
    help="Keep a snapshot, whatever a policy says.\n\nNo forget removes it until it is unpinned; the reason is shown wherever "
    "snapshots are listed.",
    examples=['pgvault pin latest --reason "before the move to PostgreSQL 18"'],
)
@click.argument("snapshot")
@click.option("--reason", required=True, metavar="TEXT", help="Why, for whoever asks in a year.")
def pin(invocation: Invocation, snapshot: str, reason: str) -> None:
    import socket

    from vault.ops.retention import pins

    settings, out = invocation.settings(), invocation.renderer()
    opened = wiring.open_repository(settings)
    chosen = wiring.named_for_certain(settings, opened, snapshot)
    made = pins.pin(
        opened,
        chosen,
        reason=reason,
        host=socket.gethostname(),
        clock=wiring.SystemClock(),
        entropy=wiring.system_entropy,
    )
    if invocation.json:
        out.json_line(jsonout.pinned(chosen, [made]))
    else:
        out.line(f"{chosen.hex()[:12]} is pinned: {made.reason}")


COMMAND = pin
