"""`pgvault cat`."""

from __future__ import annotations

import sys

import click

from vault.app import wiring
from vault.cli import jsonout, names, output
from vault.cli.options import Invocation, command
from vault.errors import UsageError


@command(
    "cat",
    help="Print a file of a snapshot, streamed.\n\nWith --json the result line goes to stderr.",
    examples=["pgvault cat latest:BACKUP_MANIFEST.md", "pgvault cat latest:data_records/public.orders.csv | head"],
)
@click.argument("place", metavar="SNAPSHOT:PATH")
def cat(invocation: Invocation, place: str) -> None:
    snapshot, path = names.split_path(place)
    if not path:
        raise UsageError(f"{place!r} names no file", hint=f"list them with: pgvault ls {place}")
    written = output.write(wiring.open_view(invocation.settings(), snapshot).open(path))
    if invocation.json:
        invocation.renderer().json_line(jsonout.result(bytes=written), stream=sys.stderr)


COMMAND = cat
