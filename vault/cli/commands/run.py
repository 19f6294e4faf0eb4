"""`pgvault run`: a command with a backup before or after it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from vault.app import command as passed
from vault.app.backup_request import BackupOptions, plan_backup, refuse_wrong
from vault.app.settings import process_environment
from vault.cli.exit_codes import SAVED
from vault.cli.options import Invocation, command, database_options
from vault.errors import Interrupted, Misconfigured, UsageError, VaultError

if TYPE_CHECKING:
    from vault.app.settings import Settings
    from vault.cli.taken import Taken


@command(
    "run",
    help="Run a command with a backup before or after it.\n\n"
    "--after: run the command; if it succeeds, start a backup in the background, as `backup --background` does. "
    "--before: save a snapshot, then run the command; without a whole snapshot it does not run. "
    "The exit code is the command's. What is saved is what the configuration, or the project around, says.",
    examples=[
        "pgvault run --after -- ./start_full_stack.sh",
        "pgvault run --before -- supabase db reset",
        "pgvault run --before --tag release=1.4 -- ./migrate.sh",
    ],
)
@click.option("--after", is_flag=True, help="The command first, then a backup in the background.")
@click.option("--before", is_flag=True, help="A snapshot first, then the command.")
@click.option(
    "--even-without-backup", is_flag=True, help="With --before: run the command though the snapshot was not saved."
)
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A name for the snapshot; may be repeated.")
@database_options("Database name, URL or connection string, without a password.")
@click.argument("words", metavar="-- COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
def run(
    invocation: Invocation,
    after: bool,
    before: bool,
    even_without_backup: bool,
    tags: Sequence[str],
    database: str | None,
    local: bool,
    linked: bool,
    words: Sequence[str],
) -> int:
    if after == before:
        raise UsageError(
            "run takes one of --before and --after",
            why="a backup before the command, or after it",
            hint="pgvault run --after -- COMMAND ...",
        )
    if even_without_backup and after:
        raise UsageError("--even-without-backup goes with --before", hint="leave it out")
    asked = BackupOptions(database=database, local=local, linked=linked, tags=tuple(tags))
    environment = process_environment()
    passed.require(words, environment)
    refuse_wrong(asked)
    _refuse_unless_misconfigured(invocation, asked, before=words[0] if before else "")
    if before:
        taken = _save(invocation, asked, words[0])
        # What looks like a ruin is saved, and so is the good one before it.
        if (taken.code not in SAVED or taken.incomplete) and not even_without_backup:
            again = f"pgvault run --before --even-without-backup -- {shlex.quote(words[0])} ..."
            invocation.renderer().insist(f"{words[0]} was not run, because there is no whole snapshot")
            invocation.renderer().insist(f"  next: mend that, then the same again; or run it all the same: {again}")
            return taken.code
        passed.become(words, environment)
    code = passed.run(words, environment)
    if code == 0:
        _start(invocation, asked, words[0])
    else:
        invocation.renderer().talk(f"no backup was started, because {words[0]} failed")
    passed.end_like(code)
    return code


def _refuse_unless_misconfigured(invocation: Invocation, asked: BackupOptions, *, before: str) -> None:
    """Before the command runs. What is wrong with the configuration is told where it is needed: a command may mend it.

    before  the command that a snapshot has to be there for; one of another database than is configured would be none for it
    Raises  UsageError
    """
    try:
        settings = invocation.settings()
        plan = plan_backup(settings, asked)
    except Misconfigured:
        return
    if before and plan.warnings:
        raise UsageError(
            f"no source {settings.source} is configured, so {before} is not run",
            why=f"the configuration has: {', '.join(sorted(settings.sources))}; a snapshot of something else would not help",
            hint="name one of these with --source, or the database with -d",
        )


def _save(invocation: Invocation, asked: BackupOptions, word: str) -> Taken:
    """A snapshot in the foreground; what it says goes to stderr, because stdout is the command's."""
    from vault.cli.commands.backup import take_in_turn
    from vault.cli.failures import told
    from vault.cli.taken import Taken

    out, stdout = invocation.renderer(), sys.stdout
    sys.stdout = sys.stderr
    try:
        settings = invocation.settings()
        plan = plan_backup(settings, asked)
        # What the command's own words hold is nobody's business; some hold passwords.
        command = ("pgvault", "run", "--before", "--", word)
        return take_in_turn(invocation, settings, plan, command=command)
    except VaultError as error:
        if isinstance(error, Interrupted):
            raise
        failure = told(error)
        out.error(failure.message, why=failure.why, fix=failure.fix)
        return Taken(code=failure.exit_code, why=failure.message)
    finally:
        sys.stdout = stdout


def _start(invocation: Invocation, asked: BackupOptions, word: str) -> None:
    from vault.cli.background import Work, launch
    from vault.cli.commands.backup import take
    from vault.cli.no_backup import refuse
    from vault.model.jobs import JobKind

    settings: Settings | None = None
    # What the command's own words hold is nobody's business; some hold passwords.
    command = ("pgvault", "run", "--after", "--", word)
    stdout = sys.stdout
    sys.stdout = sys.stderr
    try:
        settings = invocation.settings()
        work = Work(
            settings=settings,
            plan=plan_backup(settings, asked),
            kind=JobKind.RUN,
            min_interval_ms=settings.background.min_interval_ms,
            take=take,
            command=command,
        )
        launch(invocation, work, wait=False)
    except Misconfigured as error:
        refuse(invocation, settings, error, kind=JobKind.RUN, command=command)
    except VaultError as error:
        invocation.renderer().error(f"NO BACKUP RUNS: {error.message}", why=error.why, fix=error.hint)
    finally:
        sys.stdout = stdout


COMMAND = run
