"""`pgvault show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vault.app import wiring
from vault.cli import about, jsonout, render
from vault.cli.options import Invocation, command
from vault.errors import IntegrityError, NotFound, NotThere
from vault.model.words import counted

if TYPE_CHECKING:
    from vault.repo.remembered import Remembered
    from vault.repo.snapshot import Snapshot
    from vault.repo.state import Indexed


@command(
    "show",
    help="Show one snapshot: what is in it, and what is not.\n\nSNAPSHOT is an id prefix of at least 6 digits, latest, "
    "latest~2, a date or a tag; without --source such a word means the source that backup takes here, an id any.",
    examples=["pgvault show latest", "pgvault show 2026-11-22 --json"],
)
@click.argument("snapshot")
def show(invocation: Invocation, snapshot: str) -> None:
    settings = invocation.settings()
    opened = wiring.open_repository(settings, copies=True)
    repo = opened.indexed(settings.cache_dir, at_opening=True)
    chosen = repo.snapshot(wiring.named(settings, opened, snapshot))
    parent = _parent(repo, chosen)
    from vault.repo.remembered import remembered

    notes = remembered(opened, at_opening=True)
    now_ms = wiring.SystemClock().now_ms()
    if invocation.json:
        invocation.renderer().json_line(jsonout.shown(chosen, parent, now_ms, notes))
    else:
        _draw_head(invocation, chosen, now_ms, notes)
        _draw(invocation, chosen, parent)


def _parent(repo: Indexed, snapshot: Snapshot) -> Snapshot | None:
    """The snapshot that `snapshot` was taken against; None if there is none, or if it is gone or damaged."""
    try:
        return None if snapshot.manifest.parent is None else repo.snapshot(snapshot.manifest.parent)
    except (NotFound, NotThere, IntegrityError):
        return None


def _draw_head(invocation: Invocation, snapshot: Snapshot, now_ms: int, notes: Remembered) -> None:
    out, manifest = invocation.renderer(), snapshot.manifest
    out.line(f"snapshot  {snapshot.id.hex()}")
    out.line(f"source    {manifest.source}, number {manifest.sequence}")
    out.line(f"host      {manifest.host or 'unknown'}")
    out.line(f"time      {about.instant(manifest.created_ms)}, {render.when(manifest.created_ms, now_ms)}")
    out.line(f"parent    {manifest.parent.hex() if manifest.parent is not None else 'none'}")
    if manifest.tags:
        out.line("tags      " + " ".join(f"{key}={value}" for key, value in sorted(manifest.tags.items())))
    for word, text in zip(about.marks(manifest, now_ms), about.warnings(manifest, now_ms), strict=True):
        out.text(text, first=f"{word:<9} ", rest=" " * 10)
    for word, text in about.notes(snapshot.id, notes):
        out.text(text, first=f"{word:<9} ", rest=" " * 10)
    if manifest.database is not None:
        server = manifest.database.server
        out.line(f"database  {server.database} (oid {server.database_oid})")
        out.line(f"server    PostgreSQL {server.version}, system {server.system_id}")
    for name, listed in sorted(manifest.directories.items()):
        out.line(f"directory {name}: {counted(listed.sums.items, 'path')}, {render.size(listed.sums.bytes)}")
    out.line(f"effort    {manifest.effort.duration_ms / 1000:.1f} s, {render.size(manifest.effort.new_bytes)} new")
    out.line()


def _draw(invocation: Invocation, snapshot: Snapshot, parent: Snapshot | None) -> None:
    from vault.ops.backup.why_read import readings
    from vault.sql.names import show_name

    out, manifest = invocation.renderer(), snapshot.manifest
    states = {component: state.value for component, (state, _) in manifest.coverage.items()}
    before = None if parent is None else parent.manifest.counts
    out.summary(manifest.counts, states, every_line=manifest.database is not None, before=before)
    out.line()
    rows = [(name, state.value, str(count)) for name, (state, count) in sorted(manifest.coverage.items())]
    out.table(("component", "state", "captured"), rows, right="captured")
    out.missing(snapshot.ledger())
    tables = [
        (
            show_name(table.name),
            str(table.sums.rows),
            render.size(table.sums.bytes),
            "?" if reading.reused is None else f"{reading.reused}/{reading.extents}",
            reading.why_read or "",
        )
        for table, reading in readings(snapshot, parent)
    ]
    if tables:
        out.line()
        out.table(("table", "rows", "size", "reused", "why read"), tables, right="rows|size|reused", wrapped="why read")


COMMAND = show
