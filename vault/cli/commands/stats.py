"""`pgvault stats`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vault.app import wiring
from vault.cli import about, jsonout, render
from vault.cli.options import Invocation, command

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

    found = collect(wiring.index_repository(invocation.settings()))
    if invocation.json:
        invocation.renderer().json_line(jsonout.stats(found))
    else:
        _draw(invocation, found)


def _draw(invocation: Invocation, found: Stats) -> None:
    out = invocation.renderer()
    ratio = f", 1 : {found.source_bytes / found.stored_bytes:.1f}" if found.stored_bytes else ""
    out.line(f"{len(found.snapshots)} snapshots hold {render.size(found.source_bytes)}")
    out.line(f"stored in {render.size(found.stored_bytes)}, {found.objects} objects{ratio}")
    if found.snapshots:
        rows = [
            (
                one.id.hex()[:12],
                about.instant(one.created_ms)[:19].replace("T", " "),
                one.source,
                render.size(one.source_bytes),
                render.size(one.new_bytes),
            )
            for one in found.snapshots
        ]
        out.line()
        out.table(("snapshot", "time (UTC)", "source", "size", "new"), rows, right="size new")
    if found.tables:
        from vault.sql.names import show_name

        tables = [
            (one.source, show_name(one.name), str(one.rows), render.size(one.source_bytes)) for one in found.tables
        ]
        out.line()
        out.table(("source", "table", "rows", "size"), tables, right="rows size")


COMMAND = stats
