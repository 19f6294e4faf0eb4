"""`pgvault show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vault.cli import jsonout, render, wiring
from vault.cli.options import Invocation, command

if TYPE_CHECKING:
    from vault.repo.snapshot import Snapshot


@command(
    "show",
    help="Show one snapshot: what is in it, and what is not.\n\nSNAPSHOT is an id prefix of at least 6 digits, latest, "
    "latest~2, a date or a tag.",
    examples=["pgvault show latest", "pgvault show 2026-11-22 --json"],
)
@click.argument("snapshot")
def show(invocation: Invocation, snapshot: str) -> None:
    found = wiring.open_snapshot(invocation.settings(), snapshot)
    if invocation.json:
        invocation.renderer().json_line(jsonout.shown(found))
    else:
        _draw(invocation, found)


def _draw(invocation: Invocation, found: Snapshot) -> None:
    from vault.ops.table import show_name, table_sums

    out, manifest = invocation.renderer(), found.manifest
    out.line(f"snapshot  {found.id.hex()}")
    out.line(f"source    {manifest.source}, number {manifest.sequence}")
    out.line(f"time      {jsonout.instant(manifest.created_ms)}")
    out.line(f"parent    {manifest.parent.hex() if manifest.parent is not None else 'none'}")
    if manifest.tags:
        out.line("tags      " + " ".join(f"{key}={value}" for key, value in sorted(manifest.tags.items())))
    if manifest.suspect:
        out.line(f"SUSPECT   {manifest.suspect}")
    if manifest.database is not None:
        server = manifest.database.server
        out.line(f"server    PostgreSQL {server.version}, database {server.database}")
    for name, listed in sorted(manifest.directories.items()):
        out.line(f"directory {name}: {listed.sums.items} paths, {render.size(listed.sums.bytes)}")
    out.line(f"effort    {manifest.effort.duration_ms / 1000:.1f} s, {render.size(manifest.effort.new_bytes)} new")
    out.line()
    states = {component: state.value for component, (state, _) in manifest.coverage.items()}
    out.summary(manifest.counts, states, every_line=manifest.database is not None)
    out.line()
    rows = [(name, state.value, str(count)) for name, (state, count) in sorted(manifest.coverage.items())]
    out.table(("component", "state", "captured"), rows, right="captured")
    out.missing(found.ledger())
    tables = [
        (show_name(table.name), str(table_sums(table)[0]), render.size(table_sums(table)[1]))
        for table in found.tables()
    ]
    if tables:
        out.line()
        out.table(("table", "rows", "size"), tables, right="rows size")


COMMAND = show
