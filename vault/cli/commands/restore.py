"""`pgvault restore`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vault.cli import jsonout, progress, restoring, wiring
from vault.cli.exit_codes import ExitCode
from vault.cli.options import Invocation, command
from vault.errors import Interrupted, VaultError

if TYPE_CHECKING:
    from vault.cli.restoring import PlannedRestore, Restored
    from vault.ports import Progress

AGAIN = "restore again, into a database that was created anew and directories that are empty"


@command(
    "restore",
    help="Restore a snapshot into an empty database and directories.\n\nShows the plan first and asks on a terminal; "
    "--yes for scripts. The database must exist and be empty. Roles that are missing are created, others never altered. "
    "Ends with the counts of the target. Exit code 9 if something planned is missing.",
    examples=[
        "pgvault restore latest -d postgresql:///new_database",
        "pgvault restore latest -d app_copy --dir migrations=./migrations --yes",
        "pgvault restore latest -d app_copy --dry-run",
    ],
)
@click.argument("snapshot")
@click.option("-d", "--database", metavar="URL", help="The empty database to restore into, without a password.")
@click.option("--dir", "directories", multiple=True, metavar="NAME=TARGET", help="A captured directory, and where to.")
@click.option("--into-source", is_flag=True, help="Allow the very database that was backed up.")
@click.option("--allow-cleartext", is_flag=True, help="Accept a connection to another host without TLS.")
@click.option("-j", "--jobs", type=click.IntRange(1, 32), default=2, show_default=True, help="Connections.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def restore(invocation: Invocation, snapshot: str, **flags: Any) -> int:
    options = restoring.RestoreOptions(**flags)
    clock, out, settings = wiring.SystemClock(), invocation.renderer(), invocation.settings()
    started_ms = clock.now_ms()
    request = restoring.request(options)
    found = wiring.open_snapshot(settings, snapshot)
    with restoring.open_restore(settings, found, request) as planned:
        planned.show(out)
        if options.dry_run:
            return ExitCode.OK
        restoring.confirm(out, yes=options.yes)
        with progress.shown(out) as drawn:
            done = _run(planned, jobs=options.jobs, progress=drawn)
    duration_s = (clock.now_ms() - started_ms) / 1000
    if invocation.json:
        out.json_line(jsonout.restored(done, duration_s))
    else:
        restoring.draw(out, done, duration_s)
    return ExitCode.RESTORE_INCOMPLETE if done.failed else ExitCode.OK


def _run(planned: PlannedRestore, *, jobs: int, progress: Progress) -> Restored:
    """Whatever stops it says that the target is half filled. Raises  as `PlannedRestore.run`; Interrupted"""
    try:
        return planned.run(jobs=jobs, progress=progress)
    except KeyboardInterrupt as stop:
        raise Interrupted("interrupted", why="the target holds a part of the snapshot", hint=AGAIN) from stop
    except VaultError as error:
        error.hint = error.hint or AGAIN
        raise


COMMAND = restore
