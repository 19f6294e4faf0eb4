"""`pgvault restore`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from vault.app import processes, wiring
from vault.app import restore as journey
from vault.app.put_back import RowFlags
from vault.cli import asking, jsonout, progress, putting_back, restoring
from vault.cli.exit_codes import ExitCode
from vault.cli.interrupted import naming, restored_in_part
from vault.cli.options import Invocation, command, database_options
from vault.cli.progress import Heard
from vault.errors import Interrupted, VaultError
from vault.model.put_back import WantedRows

if TYPE_CHECKING:
    from vault.app.restore import PlannedRestore, Restored
    from vault.ports import Progress


def row_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Of `--rows`: the arguments are the fields of RowFlags."""
    options = (
        click.option(
            "--rows", type=click.Choice([one.value for one in WantedRows]), help="Put single rows of one table back."
        ),
        click.option("--damaged-by", metavar="SNAP", help="With --rows: the first snapshot that has the damage."),
        click.option(
            "--xid", type=click.IntRange(min=3), metavar="N", help="With --rows changed: what this transaction wrote."
        ),
        click.option("--even-if-changed", is_flag=True, help="With --rows: whatever is there now, later work too."),
        click.option(
            "--where", metavar="EXPR", help="With --rows: rows of the snapshot for which this is true, in SQL."
        ),
        click.option(
            "--with-references", is_flag=True, help="With --rows: rows that refer to them, and that they refer to, too."
        ),
        click.option("--fire-triggers", is_flag=True, help="With --rows: let triggers fire, and foreign keys act."),
        click.option(
            "--sample",
            type=click.IntRange(0, 100),
            metavar="N",
            help="With --rows: show N rows of each kind, with values.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@command(
    "restore",
    help="Restore a snapshot, or a part of it, into a database and directories.\n\nShows the plan first and asks on a "
    "terminal; --yes for scripts. Into a directory that holds something, what is missing comes; what differs is shown, and replaced "
    "only with -c; nothing is removed. Without --only, -a or -c the database must be empty. With --only it may be the damaged "
    "original: what is missing comes back, what is there and equal is left, what differs is shown, and replaced only with -c. "
    "What comes brings all that it needs: a table its types, keys, triggers, policies, grants. Roles that are missing are "
    "created, others never altered. Ends with the counts of the target. Exit code 9 if something planned is missing.\n\nWith --rows "
    "single rows of one table are put back: the plan says what was deleted, what was overwritten and by which transaction. A value is "
    "put back only where the damage still stands: what was changed since is a conflict, listed and left, and rows that came since stay. "
    "All of it is one transaction; what takes it back is written to a file first.",
    examples=[
        "pgvault restore latest -d postgresql:///new_database",
        "pgvault restore latest -d app_copy --dir migrations=./migrations --yes",
        "pgvault restore latest -d app_copy --dry-run",
        "pgvault restore latest -d app --into-source --only users",
        "pgvault restore latest -d app --into-source --only public.orders --only rls_policies",
        "pgvault restore latest~1 -d app --into-source --only public.orders --rows all --damaged-by latest --dry-run",
        "pgvault restore latest~1 -d app --into-source --only auth.users --rows missing --damaged-by latest --with-references",
    ],
)
@click.argument("snapshot")
@database_options("The database to restore into, without a password.")
@click.option(
    "--dir",
    "directories",
    multiple=True,
    metavar="NAME=TARGET",
    help="A captured directory, and where to: a path, or s3://BUCKET/PREFIX.",
)
@click.option(
    "--only", multiple=True, metavar="WHAT", help="A component, a schema or SCHEMA.NAME, with all that it needs."
)
@click.option("-s", "--schema-only", is_flag=True, help="Definitions, no rows.")
@click.option("-a", "--data-only", is_flag=True, help="Rows, into tables that are there.")
@click.option(
    "-c", "--clean", is_flag=True, help="Replace what differs: definitions, rows of tables that are there, files."
)
@click.option("--into-source", is_flag=True, help="Allow a database that is backed up here.")
@row_options
@click.option("--allow-cleartext", is_flag=True, help="Accept a connection to another host without TLS.")
@click.option("-j", "--jobs", type=click.IntRange(1, 32), default=2, show_default=True, help="Connections.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@asking.YES
def restore(invocation: Invocation, snapshot: str, **flags: Any) -> int:
    rows = RowFlags(**{name: flags.pop(name) for name in RowFlags.__dataclass_fields__})
    if rows.rows is not None or rows.named:
        return putting_back.put_rows_back(invocation, snapshot, journey.RestoreFlags(**flags), rows)
    options = journey.RestoreFlags(**flags)
    clock, out, settings = wiring.SystemClock(), invocation.renderer(), invocation.settings()
    started_ms = clock.now_ms()
    request = journey.request(options, settings, typed=invocation.typed())
    from vault.ops.guard import judge

    opened, chosen, sources = wiring.open_among(settings, snapshot)
    journey.require_directories(opened, chosen, request)
    held = nullcontext() if options.dry_run else processes.reading(opened, chosen)
    with held, journey.open_restore(settings, chosen, request, sources=sources) as planned:
        if text := judge.warning(opened, (chosen.id, chosen.manifest)):
            out.insist(f"warning: {text}")
        restoring.show(out, planned, now_ms=started_ms)
        if options.dry_run:
            if invocation.json:
                out.json_line(jsonout.foreseen(planned, started_ms))
            return ExitCode.OK
        asking.required(out, "Restore as shown?", yes=options.yes, nothing="nothing was restored")
        with progress.shown(out) as drawn:
            typed = naming(invocation.arguments, snapshot, chosen.id)
            done = _run(planned, typed, jobs=options.jobs, progress=drawn)
            invocation.done = "the restore had come to its end; only its report was cut off"
    duration_s = max(0, clock.now_ms() - started_ms) / 1000
    if invocation.json:
        out.json_line(jsonout.restored(done, duration_s))
    else:
        restoring.draw(out, planned, done, duration_s)
    return ExitCode.RESTORE_INCOMPLETE if done.failed else ExitCode.OK


def _run(planned: PlannedRestore, typed: Sequence[str], *, jobs: int, progress: Progress) -> Restored:
    """Whatever stops it says what the target holds. Raises  as `PlannedRestore.run`; Interrupted"""
    heard = Heard(progress)
    try:
        return planned.run(jobs=jobs, progress=heard)
    except KeyboardInterrupt as stop:
        part = restored_in_part(planned, typed, was_at=heard.was_at())
        raise Interrupted("interrupted", why=part.stands, hint=part.again) from stop
    except VaultError as error:
        error.hint = error.hint or restored_in_part(planned, typed, was_at=heard.was_at()).again
        raise


COMMAND = restore
