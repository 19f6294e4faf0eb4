"""`pgvault snapshots`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vault.app import wiring
from vault.cli import about, jsonout, render
from vault.cli.exit_codes import ExitCode
from vault.cli.options import Invocation, command

if TYPE_CHECKING:
    from vault.ids import SnapshotId
    from vault.model import Manifest
    from vault.repo.remembered import Remembered

TITLES = ("id", "time (UTC)", "age", "source", "host", "database", "server", "tables", "rows", "size", "new", "tags")


@command(
    "snapshots",
    help="List the snapshots, oldest first: those of a source by their numbers, whatever clocks said.\n\nWith --source only that source's. SIZE is the text of all rows and files, "
    "NEW what the snapshot added to the repository. A narrow terminal gets fewer columns; a file, a pipe and --json get all.",
    examples=["pgvault snapshots", "pgvault snapshots --source app --json"],
)
def snapshots(invocation: Invocation) -> int:
    settings = invocation.settings()
    from vault.repo.remembered import remembered
    from vault.repo.state import no_such_source

    opened = wiring.open_repository(settings, copies=True)
    readable, damaged = opened.listing(at_opening=True)
    listed = [pair for pair in readable if settings.source in (None, pair[1].source)]
    if readable and not listed:
        raise no_such_source(readable, settings.source or "")
    notes = remembered(opened, at_opening=True)
    damaged = [*damaged, *notes.damaged]
    out = invocation.renderer()
    for error in damaged:
        out.talk(f"warning: {error.file}: {error.message}; run: pgvault check")
    code = ExitCode.DAMAGE if damaged else ExitCode.OK
    now_ms = wiring.SystemClock().now_ms()
    if invocation.json:
        out.json_line(jsonout.snapshots(listed, damaged, now_ms, notes))
        return code
    if listed:
        rows = [_row(id, manifest, now_ms, notes) for id, manifest in listed]
        out.table(
            TITLES, rows, right="age|tables|rows|size|new", spare="server|host|database|tables|age", wrapped="tags"
        )
    elif not damaged:
        out.talk("no snapshots yet; make one with: pgvault backup")
    return code


def _row(id: SnapshotId, manifest: Manifest, now_ms: int, notes: Remembered) -> tuple[str, ...]:
    words = [*about.marks(manifest, now_ms), *about.note_marks(id, notes)]
    return (
        id.hex()[:12],
        about.instant(manifest.created_ms)[:16].replace("T", " "),
        render.age(manifest.created_ms, now_ms),
        manifest.source,
        manifest.host,
        *_server(manifest),
        str(manifest.counts.tables),
        str(manifest.counts.records),
        render.size(jsonout.source_bytes(manifest) + jsonout.file_bytes(manifest)),
        render.size(manifest.effort.new_bytes),
        " ".join([*(f"{key}={value}" for key, value in sorted(manifest.tags.items())), *words]),
    )


def _server(manifest: Manifest) -> tuple[str, str]:
    """Database and server; the end of its system identifier is what differs."""
    if manifest.database is None:
        return "", ""
    facts = manifest.database.server
    return facts.database, f"{facts.version}, system ..{facts.system_id[-6:]}"


COMMAND = snapshots
