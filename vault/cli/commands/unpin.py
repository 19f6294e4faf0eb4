"""`pgvault unpin`."""

from __future__ import annotations

import click

from vault.app import wiring
from vault.cli import jsonout
from vault.cli.options import Invocation, command
from vault.errors import NotThere


@command(
    "unpin",
    help="Remove all pins of a snapshot; the policy decides about it again.",
    examples=["pgvault unpin 3fa2b1"],
)
@click.argument("snapshot")
def unpin(invocation: Invocation, snapshot: str) -> None:
    from vault.ops.retention import pins

    settings, out = invocation.settings(), invocation.renderer()
    opened = wiring.open_repository(settings)
    chosen = wiring.named_for_certain(settings, opened, snapshot)
    removed = pins.unpin(opened, chosen)
    if not removed:
        raise NotThere(f"{chosen.hex()[:12]} is not pinned", hint="pgvault snapshots shows which are")
    if invocation.json:
        out.json_line(jsonout.pinned(chosen, removed))
    else:
        out.line(f"{chosen.hex()[:12]} is no longer pinned ({'; '.join(pin.reason for pin in removed)})")


COMMAND = unpin
