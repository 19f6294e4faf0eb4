"""`pgvault stats`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vault.app import wiring
from vault.cli import about, jsonout, render
from vault.cli.options import Invocation, command
from vault.model.words import counted

if TYPE_CHECKING:
    from vault.ops.repository.stats import Stats


@command(
    "stats",
    help="Show sizes, and what made them grow.\n\nSIZE is what the snapshots hold as text, NEW what each added to the "
    "repository; the tables are those of the newest snapshot of each source, largest first.",
    examples=["pgvault stats", "pgvault stats --json"],
)
def stats(invocation: Invocation) -> None:
    from vault.ops.repository.stats import collect

    stats = collect(wiring.index_repository(invocation.settings()))
    if invocation.json:
        invocation.renderer().json_line(jsonout.stats(stats))
    else:
        _draw(invocation, stats)


def _draw(invocation: Invocation, stats: Stats) -> None:
    out = invocation.renderer()
    ratio = f", 1 : {stats.source_bytes / stats.stored_bytes:.1f}" if stats.stored_bytes else ""
    out.line(f"{counted(len(stats.snapshots), 'snapshot')} of {render.size(stats.source_bytes)}")
    out.line(f"stored in {render.size(stats.stored_bytes)}, {counted(stats.objects, 'object')}{ratio}")
    if stats.snapshots:
        rows = [
            (
                snapshot.id.hex()[:12],
                about.instant(snapshot.created_ms)[:19].replace("T", " "),
                snapshot.source,
                render.size(snapshot.source_bytes),
                render.size(snapshot.new_bytes),
            )
            for snapshot in stats.snapshots
        ]
        out.line()
        out.table(("snapshot", "time (UTC)", "source", "size", "new"), rows, right="size|new", spare="time (UTC)")
    if stats.tables:
        from vault.sql.names import show_name

        tables = [
            (table.source, show_name(table.name), str(table.rows), render.size(table.source_bytes))
            for table in stats.tables
        ]
        out.line()
        out.table(("source", "table", "rows", "size"), tables, right="rows|size")


COMMAND = stats
